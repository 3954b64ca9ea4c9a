"""Layers made again from their records, records compared, cases saved and opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from carried import parts_of
from desk import Desk
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.notifications import Notification
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_dmoe.inference.replaying.case_files import read_case
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.checkpoints import find_model
from napari_dmoe.viewer.layers.outline_line import is_line
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui.jobs import JobRunner
from napari_dmoe.viewer.what_if.replay.rebuilt import Rebuilt
from napari_dmoe.viewer.what_if.replay.view import ReplaySection

pytestmark = pytest.mark.gui

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
REAL = {
    "segment": segment,
    "ablate": ablate,
    "uncertainty": uncertainty,
    "replay": replay,
}


@pytest.fixture
def desk(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
) -> Iterator[Desk]:
    """Return a desk with the real engines, whose retina was segmented."""
    models["fundus"] = replace(models["fundus"], sha256="f" * 64, source="fundus.pth")
    known = dict(models)

    def find(record: object, names: tuple[str, ...], hook: object) -> object:
        return next((known[n] for n in names if n in known), None)

    desk = make_desk(ViewerModel(), find_model=find, **REAL)
    desk.viewer.add_image(PIXELS, name="retina")
    desk.choose("severity", "suspect")
    desk.run()
    return desk


def section_of(desk: Desk) -> ReplaySection:
    return desk.what_if.tab.replay


def select(desk: Desk, *names: str) -> None:
    desk.viewer.layers.selection = {desk.viewer.layers[name] for name in names}


def replay_of(desk: Desk, name: str) -> str:
    select(desk, name)
    desk.click(section_of(desk).replay_button)
    desk.wait_until_idle()
    return section_of(desk).found.badge.text()


def names(desk: Desk) -> list[str]:
    return [each.name for each in desk.viewer.layers if not is_line(each)]


def test_only_what_was_made_here_can_be_replayed(desk: Desk) -> None:
    section = section_of(desk)
    select(desk, "retina")
    assert not section.replay_button.isEnabled()
    assert "Select one layer" in section.replay_button.toolTip()
    select(desk, "retina / mask")
    assert section.replay_button.isEnabled()
    assert not section.compare_button.isEnabled()
    assert "retina / mask" in section.selected.text()


def test_a_plain_mask_is_the_same_bit_for_bit_and_no_layer_is_added(
    desk: Desk,
) -> None:
    before = names(desk)
    text = replay_of(desk, "retina / mask")
    assert text.startswith("The same, bit for bit: “retina / mask”")
    assert section_of(desk).found.summary.isHidden()
    assert names(desk) == before
    desk.click(section_of(desk).found.copy_button)
    assert "bit for bit" in QApplication.clipboard().text()


def test_interventions_and_votes_are_replayed_as_what_they_are(desk: Desk) -> None:
    tab = desk.what_if.tab
    tab.experts.mute_boxes[1].click()
    desk.click(tab.experts.run_button)
    desk.wait_until_idle()
    said = replay_of(desk, "retina / what-if expert 1 muted")
    assert said.startswith("The same, bit for bit")
    tab.noise.samples.setValue(3)
    desk.click(tab.noise.run_button)
    desk.wait_until_idle()
    said = replay_of(desk, "retina / what-if vote of noise samples")
    assert said.startswith("The same, bit for bit")


def test_a_map_of_noise_is_made_again_where_it_was_changed(desk: Desk) -> None:
    tab, vote = desk.what_if.tab, "retina / what-if vote of noise samples"
    tab.noise.samples.setValue(3)
    desk.click(tab.noise.run_button)
    desk.wait_until_idle()
    entropy, layers = "retina / noise entropy", desk.viewer.layers
    before = {name: layers[name].data.copy() for name in names(desk)}
    for name in (entropy, vote):
        said = replay_of(desk, name)
        assert said == f"The same, bit for bit: “{name}” was rebuilt from its record."
    assert names(desk) == list(before)  # nothing was missing
    changed = layers[entropy]
    changed.data = np.where(np.arange(50) < 2, 0.5, changed.data)
    said = replay_of(desk, entropy)
    assert "changed after it: 80 pixels. The map of the run is “" in said
    assert f"Hidden meanwhile: “{changed.name}”." in said
    assert names(desk) == [*before, f"{entropy} replayed"]
    assert (changed.visible, layers[-1].visible) == (False, True)
    np.testing.assert_array_equal(layers[-1].data, before[entropy])


def test_a_map_is_described_for_what_it_is(desk: Desk) -> None:
    noise = desk.what_if.tab.noise
    noise.samples.setValue(3)
    desk.click(noise.run_button)
    desk.wait_until_idle()
    select(desk, "retina / noise entropy")
    said = section_of(desk).selected.text()
    assert "a map, entropy of 3 noise samples, in bits." in said
    assert "most frequent class" not in said
    select(desk, "retina / what-if vote of noise samples")
    assert "most frequent class" in section_of(desk).selected.text()


def test_workers_compare_and_get_copies_of_what_is_in_layers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, threads = [], []
    start, compare = JobRunner.start, Rebuilt.compare
    monkeypatch.setattr(
        JobRunner, "start", lambda r, task: (orders.append(task), start(r, task))[1]
    )

    def compared(made: Rebuilt, hook: ProgressHook) -> Rebuilt:
        threads.append(threading.current_thread())
        assert not {"missing", "n_changed"} & set(vars(made))
        return compare(made, hook)

    monkeypatch.setattr(Rebuilt, "compare", compared)
    mask = desk.viewer.layers["retina / mask"]
    assert replay_of(desk, mask.name).startswith("The same, bit for bit")
    assert len(orders) == 2
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    for each in [part for order in orders for part in parts_of(order.work)]:
        assert not isinstance(each, Layer)
        if isinstance(each, np.ndarray):
            assert not np.shares_memory(each, mask.data)


def test_a_difference_adds_no_mask(desk: Desk) -> None:
    tab = desk.what_if.tab
    tab.experts.mute_boxes[1].click()
    desk.click(tab.experts.run_button)
    desk.wait_until_idle()
    before = names(desk)
    text = replay_of(desk, "retina / difference, expert 1 muted")
    assert text.startswith("The run was rebuilt bit for bit. A replay does not draw")
    assert names(desk) == before


def test_what_was_found_goes_when_other_layers_are_selected(desk: Desk) -> None:
    section = section_of(desk)
    replay_of(desk, "retina / mask")
    assert not section.found.badge.isHidden()
    select(desk, "retina")
    assert section.found.badge.isHidden()
    assert section.found.exports.isHidden()


def test_a_painted_mask_is_told_from_its_run(desk: Desk) -> None:
    mask = desk.viewer.layers["retina / mask"]
    run = mask.data.copy()
    mask.data[:5, :5] = 1 - mask.data[:5, :5].clip(0, 1)
    mask.refresh()
    mask.events.data()
    n = int((mask.data != run).sum())
    assert f"changed after it: {n} pixels" in replay_of(desk, "retina / mask")
    np.testing.assert_array_equal(
        desk.viewer.layers["retina / mask replayed"].data, run
    )
    assert "is “retina / mask replayed”" in section_of(desk).found.badge.text()
    assert "Hidden meanwhile: “retina / mask”." in section_of(desk).found.badge.text()
    assert not mask.visible
    assert desk.viewer.layers["retina / mask replayed"].visible
    assert desk.viewer.layers.selection.active is mask


def test_another_image_is_said_exactly(desk: Desk) -> None:
    image = desk.viewer.layers["retina"]
    image.data = PIXELS[:20]
    text = replay_of(desk, "retina / mask")
    assert text == "“retina / mask” cannot be replayed on “retina”:"
    assert "size (20, 50), the record's y, x and (40, 50)" in (
        section_of(desk).found.summary.text()
    )
    image.data = 255 - PIXELS
    replay_of(desk, "retina / mask")
    assert "what the network saw" in section_of(desk).found.summary.text()


def test_a_missing_checkpoint_is_found_or_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.load("age")
    section = section_of(desk)
    assert replay_of(desk, "retina / mask").startswith("The same, bit for bit")
    known = desk.session.surroundings
    desk.session.set_surroundings(replace(known, models=()))  # no longer at hand
    text = replay_of(desk, "retina / mask")
    assert text.startswith("Missing: the checkpoint fundus.pth (SHA-256 ffffffffffff…)")
    assert not section.checkpoint_button.isHidden()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("fundus", ""))
    desk.click(section.checkpoint_button)
    desk.wait_until_idle()
    assert section.found.badge.text().startswith("The same, bit for bit")
    assert section.checkpoint_button.isHidden()


def test_two_records_are_compared_in_words(desk: Desk) -> None:
    tab = desk.what_if.tab
    tab.experts.mute_boxes[1].click()
    desk.click(tab.experts.run_button)
    desk.wait_until_idle()
    select(desk, "retina / mask", "retina / what-if expert 1 muted")
    section = section_of(desk)
    assert "Model changed" in section.selected.text()
    desk.click(section.compare_button)
    assert "differ" in section.found.badge.text()
    assert "• expert 1 muted in all blocks, in the second only" in (
        section.found.summary.text()
    )


def test_a_case_travels_without_the_image_and_is_replayed_when_it_is_opened(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "eye"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    select(desk, "retina / mask")
    section = section_of(desk)
    desk.click(section.save_button)
    desk.wait_until_idle()
    file = tmp_path / "eye.dmoe-case"
    mask = desk.viewer.layers["retina / mask"].data
    np.testing.assert_array_equal(read_case(file).labels, mask)
    assert "Saved eye.dmoe-case: record and mask, no image." in desk.status
    desk.viewer.layers.remove("retina / mask")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    desk.click(section.open_button)
    desk.qtbot.waitUntil(lambda: "The same" in section.found.badge.text())
    desk.wait_until_idle()
    assert names(desk) == ["retina", "retina / mask from eye"]
    opened = desk.viewer.layers["retina / mask from eye"]
    np.testing.assert_array_equal(opened.data, mask)
    session = session_of(desk.viewer)
    result = session.result_of(session.image)
    assert result is not None
    assert result.is_kept  # no run replaces it


@pytest.mark.parametrize("typed", ["eye", "eye.case", "eye.dmoe-case"])
def test_a_case_is_saved_with_one_ending(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    path = str(tmp_path / typed)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    select(desk, "retina / mask")
    desk.click(section_of(desk).save_button)
    desk.wait_until_idle()
    assert [each.name for each in tmp_path.iterdir()] == ["eye.dmoe-case"]


def test_opening_a_case_says_what_it_hides(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, path = desk.what_if.tab, str(tmp_path / "eye.dmoe-case")
    tab.experts.mute_boxes[1].click()
    desk.click(tab.experts.run_button)
    desk.wait_until_idle()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (path, ""))
    select(desk, "retina / what-if expert 1 muted")
    section = section_of(desk)
    desk.click(section.save_button)
    desk.wait_until_idle()
    desk.click(section.open_button)
    desk.qtbot.waitUntil(lambda: "The same" in section.found.badge.text())
    opened = desk.viewer.layers["retina / what-if expert 1 muted from eye"]
    assert "Hidden meanwhile: " in section.found.badge.text()
    assert "“retina / what-if expert 1 muted”" in section.found.badge.text()
    assert [mask for mask in desk.masks if mask.visible] == [opened]
    assert desk.is_outlined(opened)


def test_a_case_of_another_image_and_a_damaged_one_are_refused(
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notifications: list[Notification],
) -> None:
    file = tmp_path / "eye.dmoe-case"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    select(desk, "retina / mask")
    section = section_of(desk)
    desk.click(section.save_button)
    desk.wait_until_idle()
    desk.viewer.layers["retina"].data = PIXELS[:20]
    desk.click(section.open_button)
    desk.wait_until_idle()
    assert "belongs to an image of y 40 × x 50" in section.found.badge.text()
    assert "“retina” has y 20 × x 50" in section.found.badge.text()
    file.write_bytes(b"nonsense")
    desk.click(section.open_button)
    desk.wait_until_idle()
    assert "damaged, or no case file" in section.found.badge.text()
    assert names(desk) == ["retina", "retina / mask"]


def test_a_checkpoint_is_found_by_its_content_not_its_name(
    desk: Desk, tiny_checkpoint: Callable[..., Path]
) -> None:
    from napari_dmoe.models.checkpoint import load_checkpoint

    path, other = tiny_checkpoint(name="a.pth"), tiny_checkpoint(name="b.pth", seed=1)
    loaded = load_checkpoint(path)
    mask = desk.viewer.layers["retina / mask"]
    from napari_dmoe.viewer.layers.records import layer_record

    record = layer_record(mask)
    assert record is not None
    model = record.model.model_copy(update={"sha256": loaded.sha256, "file": "x.pth"})
    record = record.model_copy(update={"model": model})
    said: list[object] = []
    names = (str(other), str(path.with_name("gone.pth")), str(path))
    found = find_model(record, names, said.append)
    assert found is not None
    assert found.sha256 == loaded.sha256
    assert len(said) == 3
    assert find_model(record, (str(other), "fundus-phantom"), said.append) is None
