"""Sweeps in the What if tab, with the real engine on tiny networks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog
from sweeping import PICTURE, choose_map, look_at_region, section_of, stack_of, sweep
from tables import column_of, go_to

from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint, new_model
from napari_dmoe.phantoms.samples import sample_fundus
from napari_dmoe.progress import Progress
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui.picture import PictureDialog
from napari_dmoe.viewer.what_if.sweep.view import NOTHING

pytestmark = pytest.mark.gui


@pytest.fixture
def models(
    models: dict[str, LoadedModel], tiny_network: Callable[..., object]
) -> dict[str, LoadedModel]:
    card = RECIPES["fundus-race-phantom"].card
    config = tiny_network(n_routers=card.n_routers).config
    return models | {"race": new_model("dmoe-vit", config, card)}


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    desk = make_desk(ViewerModel())
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.choose("severity", "suspect")
    return desk


def test_nothing_is_offered_without_an_image(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(ViewerModel())
    section = section_of(desk)
    assert not section.button.isEnabled()
    assert section.button.toolTip() == "Open an image first."
    assert section.summary.text() == NOTHING


def test_a_sweep_puts_every_value_on_one_slider(desk: Desk) -> None:
    section = sweep(desk)
    stack = stack_of(desk)
    assert stack.data.shape == (3, 40, 30)
    assert stack.axis_labels[0] == "severity"
    assert not stack.editable
    # It begins with the patient's own value, and the slider goes through all.
    assert section.found.step_label.text() == "suspect"
    assert desk.viewer.dims.current_step[0] == 1
    section.found.slider.setValue(2)
    assert desk.viewer.dims.current_step[0] == 2
    assert section.found.step_label.text() == "glaucoma"
    desk.viewer.dims.set_current_step(0, 0)
    assert section.found.slider.value() == 0
    assert section.found.step_label.text() == "healthy"
    assert section.headline.text() == desk.what_if.sweep.swept[1].sweep.headline
    assert "severity" in section.headline.text().lower()
    assert section.headline.font().bold()
    assert "behaviour, not biology" in section.summary.text()


def test_a_sweep_equals_single_runs(desk: Desk, models: dict[str, LoadedModel]) -> None:
    sweep(desk)
    single = [
        engines.segment(
            models["fundus"],
            engines_image(desk),
            session_of(desk.viewer)
            .patient_of(desk.viewer.layers["retina"])
            .with_value("severity", value),
        ).labels
        for value in ("healthy", "suspect", "glaucoma")
    ]
    np.testing.assert_array_equal(stack_of(desk).data, np.stack(single))


def engines_image(desk: Desk) -> object:
    from napari_dmoe.viewer.layers.placement import to_image

    return to_image(desk.viewer.layers["retina"])


def test_the_table_marks_the_patient_and_chooses_a_step(desk: Desk) -> None:
    section = sweep(desk)
    assert column_of(section.found.table, 0) == ["healthy", "suspect ●", "glaucoma"]
    go_to(section.found.table, 2)
    assert section.found.step_label.text() == "glaucoma"
    desk.click(section.copy_button)
    assert "suspect ●" in QApplication.clipboard().text()


def test_a_second_sweep_takes_the_first_ones_layer(desk: Desk) -> None:
    sweep(desk)
    first = stack_of(desk)
    sweep(desk)
    assert stack_of(desk) is first
    assert sum("/ sweep of" in layer.name for layer in desk.viewer.layers) == 1


def test_the_plain_mask_is_hidden_and_kept(desk: Desk) -> None:
    desk.run()
    (mask,) = desk.masks
    plain = mask.data.copy()
    sweep(desk)
    assert not mask.visible
    np.testing.assert_array_equal(mask.data, plain)
    assert session_of(desk.viewer).result_of(desk.viewer.layers["retina"]) is not None


def test_the_maps_of_disagreement_lie_on_the_image(desk: Desk) -> None:
    image = desk.viewer.layers["retina"]
    image.scale = (2, 3)
    section = sweep(desk)
    section.found.map_combo.setCurrentIndex(2)
    section.found.map_combo.activated.emit(2)
    *_, stack, entropy = desk.viewer.layers
    assert stack is stack_of(desk)
    assert "vote entropy" in entropy.name
    assert (entropy.visible, stack.visible) == (True, True)
    assert entropy.data.shape == (40, 30)
    np.testing.assert_array_equal(entropy.scale, (2, 3))
    assert entropy not in session_of(desk.viewer).images()
    section.found.map_combo.activated.emit(0)
    assert not entropy.visible
    np.testing.assert_allclose(
        stack_of(desk).data_to_world((1, 5, 7)), (1, 10, 21), atol=1e-12
    )


def test_a_region_that_flips_is_gone_to(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    models["bundled"] = load_checkpoint("fundus-phantom")
    desk.load("bundled")
    picture = np.asarray(sample_fundus().image.data)
    desk.viewer.add_image(picture, name="fundus", rgb=True)
    section = sweep(desk)
    found = desk.what_if.sweep.swept[1].sweep.regions
    small = desk.what_if.sweep.swept[1].sweep.small_regions
    assert section.found.regions.count() == len(found) - len(small) > 0
    look_at_region(section)
    # The middle of its box is centred, and the slider shows another class there.
    box = found[0].box
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    viewer = desk.viewer
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    np.testing.assert_allclose(camera.center[-2:], middle)
    own, now = (stack_of(desk).data[step] for step in (1, section.found.slider.value()))
    assert section.found.slider.value() != 1
    assert (own[box] != now[box]).sum() >= found[0].n_pixels / 2
    assert stack_of(desk).visible
    # It fills the canvas, with a margin.
    size = np.array([part.stop - part.start for part in box])
    shares = np.maximum(size, 24) * camera.zoom / np.array(viewer.canvas.size)
    assert 0.5 < shares.max() < 0.9


def test_regions_below_a_shift_by_one_pixel_are_folded_away(
    desk: Desk, models: dict[str, LoadedModel]
) -> None:
    models["bundled"] = load_checkpoint("fundus-phantom")
    desk.load("bundled")
    picture = np.asarray(sample_fundus().image.data)
    desk.viewer.add_image(picture, name="fundus", rgb=True)
    section = sweep(desk)
    found, whole = section.found, desk.what_if.sweep.swept[1].sweep
    small, n = whole.small_regions, len(whole.regions)
    assert 0 < len(small) < n == whole.n_regions
    assert found.folded.text() == (
        f"{len(small)} regions are smaller than what a shift by one pixel changes, "
        "and folded away."
    )
    assert found.regions.count() == n - len(small)
    desk.click(found.fold_button)
    assert (found.regions.count(), found.folded.isHidden()) == (n, True)
    # A small one leads to its own place, too.
    look_at_region(section, small[-1])
    box = whole.regions[small[-1]].box
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    viewer = desk.viewer
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    np.testing.assert_allclose(camera.center[-2:], middle)
    desk.click(found.fold_button)
    assert found.regions.count() == n - len(small)
    assert not found.folded.isHidden()


def test_the_verdict_stands_by_the_map_and_in_what_is_copied(desk: Desk) -> None:
    section = sweep(desk)
    said = section.headline.text()
    choose_map(section, 1)
    assert section.found.map_help.text() == (
        f"In how many values the class is not that of ●. {said}"
    )
    desk.click(section.copy_button)
    assert QApplication.clipboard().text().startswith(said)
    desk.viewer.add_image(PICTURE, name="other", rgb=True)
    assert section.headline.text() == ""
    assert section.headline.isHidden()


def test_between_trained_values_is_marked(desk: Desk) -> None:
    section = section_of(desk)
    sweep(desk, "Severity, with steps between")
    assert stack_of(desk).data.shape[0] == 9
    section.found.slider.setValue(5)
    assert "between trained values" in section.found.step_label.text()
    assert section.found.table.model().rowCount() == 3  # of trained values only
    assert "between trained values" in stack_of(desk).metadata["napari-dmoe"]["shows"]


def test_pairs_of_drivers_and_the_caution_of_race(desk: Desk) -> None:
    desk.load("race")
    desk.choose("race", "Black")
    section = sweep(desk, "Race × Severity")
    assert stack_of(desk).data.shape[0] == 9
    assert "behaviour, not biology" in section.summary.text()
    assert section.found.step_label.text() == "Black, suspect"
    offered = [section.combo.itemText(n) for n in range(section.combo.count())]
    assert [each for each in offered if "between" in each] == [
        "Severity, with steps between"
    ]


def test_another_patient_makes_it_outdated_and_another_image_ends_it(
    desk: Desk,
) -> None:
    section = sweep(desk)
    assert section.found.outdated.text() == ""
    desk.choose("severity", "glaucoma")
    assert section.found.outdated.text() == "Outdated: severity changed. Sweep again."
    desk.choose("severity", "suspect")
    assert section.found.outdated.text() == ""
    desk.viewer.add_image(PICTURE, name="other", rgb=True)
    assert section.summary.text() == NOTHING


def test_stop_leaves_no_layer(make_desk: Callable[..., Desk]) -> None:
    began = threading.Event()

    def endless(*_: object, progress: Callable[[Progress], None], **__: object) -> None:
        began.set()
        while True:
            progress(Progress(0, 1))

    desk = make_desk(ViewerModel(), sweep=endless)
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.wait_until_idle()
    desk.click(section_of(desk).button)
    desk.qtbot.waitUntil(began.is_set)
    desk.click_segment()
    desk.wait_until_idle()
    assert [layer.name for layer in desk.viewer.layers] == ["retina"]
    assert desk.status.startswith("Stopped")


def test_everything_is_saved_into_a_folder(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = sweep(desk)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    desk.click(section.save_button)
    desk.wait_until_idle()
    names = {path.name for path in tmp_path.iterdir()}
    assert {"retina.sweep.csv", "retina.sweep.png"} <= names
    assert sum(name.endswith(".labels.tif") for name in names) == 3
    assert desk.status == f"Saved into {tmp_path.name}."


def test_all_masks_stand_side_by_side(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = sweep(desk)
    desk.click(section.grid_button)
    desk.wait_until_idle()
    (dialog,) = section.findChildren(QDialog)
    assert isinstance(dialog, PictureDialog)
    assert dialog.windowTitle() == "Sweep of severity on “retina”"
    # Everything is inside: the picture keeps its proportions in the window's.
    room = dialog.screen().availableSize()
    assert dialog.width() <= room.width()
    assert dialog.height() <= room.height()
    drawn = dialog.pixmap.width(), dialog.pixmap.height()
    shape = drawn[0] / drawn[1]
    assert dialog.view.width() / dialog.view.height() == pytest.approx(shape, rel=0.1)
    target = tmp_path / "grid.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    desk.click(dialog.save_button)
    with desk.qtbot.waitSignal(dialog.destroyed):
        dialog.close()  # it is written all the same
    desk.wait_until_idle()
    assert iio.imread(target).shape[1::-1] == drawn
    assert desk.status == "Saved grid.png."


def test_play_goes_round(desk: Desk) -> None:
    section = sweep(desk)
    section.found.slider.setValue(2)
    section.found.play_button.click()
    desk.qtbot.waitUntil(lambda: section.found.slider.value() == 0)
    section.found.play_button.click()
    assert not section.found._timer.isActive()
