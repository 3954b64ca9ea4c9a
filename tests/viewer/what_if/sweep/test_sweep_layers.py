"""The layers of a sweep: their names, what they hide, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel
from sweeping import PICTURE, choose_map, look_at_region, stack_of, sweep
from tables import cell, go_to, text_of
from what_if_fakes import FakeAblate

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.patient import Patient
from napari_dmoe.progress import silent
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.what_if.sweep.view import HIDDEN, REMOVED

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
    desk = make_desk(ViewerModel(), ablate=FakeAblate())
    desk.viewer.add_image(PICTURE, name="retina", rgb=True)
    desk.choose("severity", "suspect")
    return desk


def select(desk: Desk, name: str) -> None:
    desk.viewer.layers.selection.active = desk.viewer.layers[name]


def test_another_sweep_renames_its_layer_and_record(desk: Desk) -> None:
    desk.load("race")
    sweep(desk, "Severity")
    stack = stack_of(desk)
    assert stack.name == "retina / sweep of severity"
    replay = desk.what_if.tab.replay
    select(desk, stack.name)
    before = replay.selected.text()
    assert "sweep of severity" in before
    sweep(desk, "Race × Severity")
    assert stack_of(desk) is stack
    assert stack.name == "retina / sweep of race and severity"
    assert stack.axis_labels[0] == "race and severity"
    assert desk.viewer.dims.axis_labels[0] == "race and severity"
    record = stack.metadata["napari-dmoe"]
    assert record["swept"] == ["race", "severity"]
    assert "Black, suspect" in record["shows"]
    assert "race and severity" in replay.selected.text()


def test_the_masks_were_stacked_by_the_engine(desk: Desk) -> None:
    sweep(desk)
    _, swept = desk.what_if.sweep.swept
    assert np.shares_memory(stack_of(desk).data, swept.stack)
    image = SpatialImage.of(PICTURE)
    settings = InferenceSettings()
    found = engines.sweep(
        desk.session.model,
        image,
        Patient(),
        ("severity",),
        settings=settings,
        progress=silent,
    )
    assert "stack" in vars(found)  # before it comes to the GUI thread
    for mask, result in zip(found.stack, found.results, strict=True):
        np.testing.assert_array_equal(mask, result.labels)


def test_a_name_that_a_person_gave_stays(desk: Desk) -> None:
    desk.load("race")
    sweep(desk, "Severity")
    stack = stack_of(desk)
    stack.name = "mine"
    sweep(desk, "Race")
    assert stack.name == "mine"
    assert stack.axis_labels[0] == "race"
    assert stack.data.shape[0] == 3
    assert sum("sweep of" in layer.name for layer in desk.viewer.layers) == 0


def test_a_removed_layer_is_said_and_shown_again(desk: Desk) -> None:
    section = sweep(desk)
    section.found.slider.setValue(2)
    choose_map(section, 1)
    section.found.play_button.click()
    desk.viewer.layers.remove(stack_of(desk))
    assert section.removed.text() == REMOVED
    assert section.removed.isVisibleTo(section)
    for part in (section.found, section.grid_button, section.save_button):
        assert not part.isVisibleTo(section)
    assert not section.found._timer.isActive()
    desk.settle()
    assert [layer.name for layer in desk.viewer.layers] == ["retina"]
    desk.click(section.again_button)
    assert section.found.isVisibleTo(section)
    assert not section.removed.isVisibleTo(section)
    assert stack_of(desk).data.shape[0] == 3
    assert desk.viewer.dims.current_step[0] == section.found.slider.value()


def test_a_new_result_hides_the_sweep_until_it_is_wanted(desk: Desk) -> None:
    section = sweep(desk)
    stack = stack_of(desk)
    choose_map(section, 1)
    changes = desk.viewer.layers[-1]
    assert "changes with" in changes.name
    assert changes.visible
    desk.run()
    (mask,) = desk.masks
    assert (mask.visible, stack.visible, changes.visible) == (True, False, False)
    assert section.found.hidden.text() == HIDDEN
    assert section.found.map_combo.currentIndex() == 0
    assert not section.found.bar.isVisibleTo(section)
    section.found.slider.setValue(0)
    assert (mask.visible, stack.visible) == (False, True)
    assert section.found.hidden.text() == ""
    desk.run()  # in the same mask, which the sweep has hidden
    assert desk.masks == [mask]
    assert (mask.visible, stack.visible) == (True, False)
    section.found.play_button.click()
    assert (mask.visible, stack.visible) == (False, True)
    section.found.play_button.click()
    desk.run()
    table = section.found.table
    table.clicked.emit(cell(table, 1, 0))
    assert (mask.visible, stack.visible) == (False, True)


def test_a_sweep_hides_altered_masks_and_differences(desk: Desk) -> None:
    desk.run()
    experts = desk.what_if.tab.experts
    experts.mute_boxes[3].click()
    desk.click(experts.run_button)
    desk.wait_until_idle()
    difference = desk.viewer.layers["retina / difference, expert 3 muted"]
    assert difference.visible
    sweep(desk)
    assert [layer.name for layer in desk.viewer.layers if layer.visible] == [
        "retina",
        "retina / sweep of severity",
    ]
    desk.click(experts.run_button)
    desk.wait_until_idle()
    assert desk.viewer.layers["retina / difference, expert 3 muted"].visible
    assert not any("/ sweep of" in layer.name for layer in desk.viewer.layers)


def test_a_sweep_hides_differences_of_its_image_whatever_they_are_called(
    desk: Desk,
) -> None:
    desk.run()
    experts = desk.what_if.tab.experts
    experts.mute_boxes[3].click()
    desk.click(experts.run_button)
    desk.wait_until_idle()
    difference = desk.viewer.layers["retina / difference, expert 3 muted"]
    difference.name = "mine"
    other = desk.viewer.add_labels(
        np.zeros(difference.data.shape, np.uint8),
        name="retina / difference",
        features=difference.features,
    )
    sweep(desk)
    assert not difference.visible
    assert other.visible


def test_each_image_keeps_its_own_layer(desk: Desk) -> None:
    sweep(desk)
    first = stack_of(desk)
    desk.viewer.add_image(PICTURE[:20], name="other", rgb=True)
    sweep(desk)
    assert "other / sweep of severity" in desk.viewer.layers
    assert first.data.shape[1:] == (40, 30)
    select(desk, "retina")
    sweep(desk)
    assert sum("/ sweep of" in layer.name for layer in desk.viewer.layers) == 2


def test_the_camera_stays_where_it_was(desk: Desk) -> None:
    viewer = desk.viewer
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.center, camera.zoom = (0, 11, 7), 9.5
    sweep(desk)
    assert (camera.center, camera.zoom) == ((0, 11, 7), 9.5)


def test_a_map_has_a_bar_with_its_ends_and_says_what_it_shows(desk: Desk) -> None:
    section = sweep(desk)
    found = section.found
    assert not found.bar.isVisibleTo(section)
    choose_map(section, 1)
    ends = [label.text() for label in found.bar._ends]
    assert ends == ["0", "2 values"]
    assert "class is not that of ●" in found.map_help.text()
    choose_map(section, 2)
    assert [label.text() for label in found.bar._ends] == ["0", "1.58 bits"]
    (entropy,) = (e for e in desk.viewer.layers if "vote entropy" in e.name)
    assert entropy.contrast_limits[1] == pytest.approx(np.log2(3))
    desk.viewer.layers.remove(entropy)
    choose_map(section, 2)
    assert desk.viewer.layers["retina / vote entropy over severity"].visible
    assert not any("changes with" in layer.name for layer in desk.viewer.layers)
    choose_map(section, 0)
    assert not found.bar.isVisibleTo(section)
    assert found.map_help.text() == ""


def test_an_unknown_value_is_compared_with_a_row_of_its_own(desk: Desk) -> None:
    desk.choose("severity", "unknown")
    section = sweep(desk)
    found = section.found
    n = found.table.model().columnCount()
    assert text_of(found.table, 0, 0) == "mixture ●"
    assert text_of(found.table, 0, n - 1) == "0 %"
    assert "the mixture of all values, as severity is unknown" in found.note.text()
    step = found.slider.value()
    go_to(found.table, 0)  # it is no step
    assert found.slider.value() == step


def test_what_is_outdated_looks_so_beside_the_table(desk: Desk) -> None:
    section = sweep(desk)
    found = section.found
    assert not found.table.font().italic()
    desk.choose("severity", "glaucoma")
    assert "severity changed" in found.outdated.text()
    assert found.table.font().italic()
    desk.click(section.copy_button)
    assert "Outdated" in found.text()
    sweep(desk)
    assert not found.table.font().italic()
    desk.change_settings(batch=3)
    assert "the settings changed" in found.outdated.text()


def test_the_cards_notice_is_shown(desk: Desk, models: dict[str, LoadedModel]) -> None:
    found = sweep(desk).found
    assert "made-up images" in found.notice.text()
    card = models["fundus"].card.model_copy(update={"notice": None})
    models["plain"] = replace(models["fundus"], card=card)
    desk.load("plain")
    sweep(desk)
    assert found.notice.isHidden()


def test_the_play_button_shows_what_a_click_does(desk: Desk) -> None:
    section = sweep(desk)
    button = section.found.play_button
    assert button.text() == "▶"
    button.click()
    assert button.text() == "❚❚"
    button.click()
    assert button.text() == "▶"


def test_a_region_in_a_volume_moves_the_slice_in_2d_and_the_camera_in_3d(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
) -> None:
    models["fundus"] = volume_model
    desk = make_desk(ViewerModel())
    volume = np.random.default_rng(0).random((24, 30, 30), np.float32)
    desk.viewer.add_image(volume, name="ct", scale=(2, 1, 1))
    section = sweep(desk, "T stage")
    swept = desk.what_if.sweep.swept[1].sweep
    assert swept.regions, "the values of an untrained model agree everywhere"
    region = swept.regions[0]
    if swept.small_regions:
        desk.click(section.found.fold_button)
    desk.viewer.dims.set_point(1, 46.0)
    look_at_region(section)
    assert desk.viewer.dims.point[1] == pytest.approx(2 * region.point[0])
    viewer = desk.viewer
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    viewer.dims.ndisplay = 3
    camera.center = (0, 0, 0)
    look_at_region(section)
    middle = [(part.start + part.stop - 1) / 2 for part in region.box]
    np.testing.assert_allclose(camera.center, middle * np.array([2, 1, 1]), atol=1e-6)
    assert "“≠ ●” is the share of the target that differs" in section.found.note.text()
