"""Noise samples in the What if tab: maps, a mask that is a vote, and intervals."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from qtpy.QtWidgets import QApplication, QFileDialog
from what_if_fakes import FakeUncertainty

from napari_dmoe.inference.what_if.uncertainty import MOST_SAMPLES, Uncertainty
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.outline_line import is_line
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.what_if.noise import control
from napari_dmoe.viewer.what_if.noise import view as noise_section
from napari_dmoe.viewer.what_if.noise.maps import noise_summary
from napari_dmoe.viewer.what_if.noise.view import NO_MAP, NoiseSection

pytestmark = pytest.mark.gui

VOTE = "retina / what-if vote of noise samples"
BADGE = "Not one run: each pixel's most frequent class in 16 noise samples."


@pytest.fixture
def engine() -> FakeUncertainty:
    return FakeUncertainty()


@pytest.fixture
def desk(make_desk: Callable[..., Desk], engine: FakeUncertainty) -> Desk:
    desk = make_desk(ViewerModel(), uncertainty=engine)
    desk.viewer.add_image(IMAGE, name="retina", scale=(0.5, 0.25), translate=(3, 4))
    desk.choose("severity", "suspect")
    return desk


def section_of(desk: Desk) -> NoiseSection:
    return desk.what_if.tab.noise


def draw(desk: Desk) -> None:
    desk.click(section_of(desk).run_button)
    desk.wait_until_idle()


def names(desk: Desk) -> list[str]:
    return [each.name for each in desk.viewer.layers if not is_line(each)]


def test_samples_and_seed_are_bounded_and_explained(desk: Desk) -> None:
    section = section_of(desk)
    assert (section.samples.minimum(), section.samples.maximum()) == (1, MOST_SAMPLES)
    assert noise_section.MOST_SAMPLES == MOST_SAMPLES
    for each in (section.samples, section.seed):
        assert each.toolTip()
        assert each.accessibleName()


def show_map(desk: Desk, place: int) -> None:
    combo = section_of(desk).map_combo
    combo.setCurrentIndex(place)
    combo.activated.emit(place)


def test_one_map_and_the_vote_lie_on_the_image_and_say_what_they_are(
    desk: Desk, engine: FakeUncertainty
) -> None:
    desk.run()
    section = section_of(desk)
    section.seed.setValue(7)
    draw(desk)
    plain, vote = desk.masks  # the map can be seen
    assert desk.is_outlined(plain)
    assert not vote.visible
    assert engine.calls == [{"samples": 16, "seed": 7}]
    entropy = desk.viewer.layers["retina / noise entropy"]
    assert names(desk)[1:] == ["retina / mask", VOTE, entropy.name]
    assert entropy.data.dtype == np.float32
    for name in names(desk)[2:]:
        np.testing.assert_allclose(desk.viewer.layers[name].scale, (0.5, 0.25))
        np.testing.assert_allclose(desk.viewer.layers[name].translate, (3, 4))
    assert section.found.badge.text() == BADGE
    assert f"“{VOTE}”" in section.layers.text()
    assert "disagree in 1 pixels" in section.found.summary.text()
    assert session_of(desk.viewer).images() == [desk.viewer.layers["retina"]]


def test_the_votes_for_a_class_take_the_place_of_the_entropy(desk: Desk) -> None:
    desk.run()
    section = section_of(desk)
    draw(desk)
    map_combo, n_layers = section.map_combo, len(desk.viewer.layers)
    offered = [map_combo.itemText(i) for i in range(map_combo.count())]
    assert offered[0] == NO_MAP
    assert offered[2:] == ["Votes for rim", "Votes for cup"]
    assert section.bar.ends == ("0", "1.58 bits")  # log2 of three classes
    layer = desk.viewer.layers["retina / noise entropy"]
    show_map(desk, 3)
    assert layer.name == "retina / votes for cup"
    assert len(desk.viewer.layers) == n_layers
    assert (layer.data.dtype, layer.data.max()) == (np.uint8, 16)
    assert layer.contrast_limits == [0, 16]
    assert str(layer.blending) == "translucent_no_depth"
    shows = layer.metadata["napari-dmoe"]["shows"]
    assert shows == "votes for cup of 16 noise samples"
    assert section.bar.ends == ("0", "16 votes")
    show_map(desk, 0)
    assert not layer.visible
    assert not section.bar.isVisibleTo(section)
    show_map(desk, 1)
    assert (layer.visible, layer.name) == (True, "retina / noise entropy")
    assert str(layer.blending) == "additive"


def test_the_intervals_have_low_median_high_and_unit_and_are_exported(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(desk)
    section = section_of(desk)
    assert section.table.text().splitlines()[1] == "cup\t2 px\t1–3.5"
    desk.click(section.found.copy_button)
    assert QApplication.clipboard().text().splitlines()[0] == BADGE
    path = tmp_path / "intervals.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    desk.click(section.found.save_button)
    desk.wait_until_idle()
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    wanted = {"low": "1", "median": "2", "high": "3.5", "unit": "px", "samples": "16"}
    assert wanted.items() <= rows[1].items()
    assert "noise of the gates" in rows[0]["note"]


def test_differing_pixels_are_counted_by_the_worker(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def summary(found: Uncertainty) -> str:
        threads.append(threading.current_thread())
        return noise_summary(found)

    monkeypatch.setattr(control, "noise_summary", summary)
    draw(desk)
    assert "disagree in 1 pixels" in section_of(desk).found.summary.text()
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_a_vote_is_marked_and_takes_no_plain_masks_place(desk: Desk) -> None:
    desk.run()
    plain = desk.viewer.layers["retina / mask"].data.copy()
    draw(desk)
    session = session_of(desk.viewer)
    assert session.result_of(session.image).title == "retina / mask"
    np.testing.assert_array_equal(desk.viewer.layers["retina / mask"].data, plain)
    desk.viewer.layers.selection.active = desk.viewer.layers[VOTE]
    result = desk.segmenting.tab.result
    desk.qtbot.waitUntil(lambda: result.badge.text() == BADGE)
    desk.choose("severity", "glaucoma")
    desk.wait_until_idle()
    assert len(desk.segment.calls) == 1  # a vote is not re-run by itself
    desk.run()
    assert [mask.name for mask in desk.masks] == ["retina / mask", VOTE]


def test_new_samples_take_the_place_of_the_last_ones(desk: Desk) -> None:
    draw(desk)
    n_layers = len(desk.viewer.layers)
    section_of(desk).samples.setValue(4)
    draw(desk)
    assert len(desk.viewer.layers) == n_layers
    show_map(desk, 3)
    assert desk.viewer.layers["retina / votes for cup"].data.max() == 4
    show_map(desk, 1)
    desk.viewer.layers.remove("retina / noise entropy")
    draw(desk)
    assert len(desk.viewer.layers) == n_layers
    desk.viewer.layers.remove(VOTE)
    desk.settle()
    assert section_of(desk).found.badge.isHidden()


def test_a_failure_and_a_model_without_routers_are_said(
    desk: Desk, engine: FakeUncertainty, notifications: list[Notification]
) -> None:
    engine.error = ValueError("out of range")
    draw(desk)
    assert section_of(desk).problem.text() == "Not run: out of range"
    assert names(desk) == ["retina"]
    session_of(desk.viewer).set_model(None)
    assert section_of(desk).problem.text() == "Open a model first."
    assert not section_of(desk).run_button.isEnabled()


def test_a_volumes_maps_are_volumes(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
) -> None:
    models["volume"] = volume_model
    desk = make_desk(ViewerModel(), uncertainty=FakeUncertainty())
    desk.load("volume")
    desk.viewer.add_image(np.zeros((4, 12, 9)), name="ct", axis_labels=("z", "y", "x"))
    draw(desk)
    assert section_of(desk).problem.text() == ""
    assert desk.viewer.layers["ct / noise entropy"].data.shape == (4, 12, 9)
