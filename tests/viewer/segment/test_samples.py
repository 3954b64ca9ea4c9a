"""The samples that an empty dock offers, and how each is seen first."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.layers import Image, Labels
from npe2 import PluginManager
from qtpy.QtCore import Qt

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.phantoms.samples import sample_ct, sample_mr, sample_pelvis
from napari_dmoe.viewer.engines import Surroundings
from napari_dmoe.viewer.layers.camera import camera_of
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def samples_are_known() -> None:
    PluginManager.instance().discover()  # a window does it, and here is none


def test_an_empty_dock_offers_samples_until_there_is_an_image(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    tab = desk.segmenting.tab
    assert tab.samples.isVisibleTo(tab)
    assert not tab.result.isVisibleTo(tab)
    desk.viewer.add_image(IMAGE, name="mine")
    assert not tab.samples.isVisibleTo(tab)
    assert tab.result.isVisibleTo(tab)
    desk.viewer.layers.clear()
    assert tab.samples.isVisibleTo(tab)


def test_every_sample_has_a_picture_a_name_and_the_keyboard(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    buttons = desk.segmenting.tab.samples.buttons
    assert list(buttons) == ["phantom-fundus", "phantom-skin", "phantom-pelvis"]
    for button in buttons.values():
        assert not button.icon().isNull()
        assert button.toolTip()
        assert button.accessibleName().startswith("Open ")
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_the_pictures_are_small() -> None:
    folder = resources.files("napari_dmoe.viewer.segment") / "thumbnails"
    sizes = [len(each.read_bytes()) for each in folder.iterdir()]
    assert len(sizes) == 3
    assert sum(sizes) < 60_000


def test_a_click_opens_a_sample_with_its_patient(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    button = desk.segmenting.tab.samples.buttons["phantom-skin"]
    desk.qtbot.keyClick(button, Qt.Key.Key_Space)
    image = desk.session.image
    assert image is not None
    assert image.name == "phantom skin lesion"
    assert desk.session.patient_of(image).known()


def test_the_link_beside_the_button_opens_a_sample(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(ViewerModel())
    desk.click(desk.segmenting.tab.action.link)
    assert desk.session.image.name == "phantom fundus"


def test_the_link_opens_the_sample_of_the_loaded_model(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    volume_model: LoadedModel,
) -> None:
    models["mine"] = models["skin-phantom"] = models["fundus"]
    models["volumes"] = volume_model
    dims = {"fundus-phantom": 2, "skin-phantom": 2, "pelvis-phantom": 3}
    found = Surroundings("CPU", ("auto",), tuple(models), dims=dims)
    desk = make_desk(ViewerModel(), look_around=lambda: found)
    link = desk.segmenting.tab.action.link
    for model, sample in (
        ("skin-phantom", "Skin lesion"),
        ("mine", "Fundus"),
        ("volumes", "Pelvis CT"),
    ):
        desk.load(model)
        assert f"Opens “{sample}" in link.toolTip()
    desk.click(link)
    assert desk.session.image.name.startswith("phantom pelvis")


def opened(key: str) -> tuple[ViewerModel, Image, list[Labels]]:
    viewer = ViewerModel()
    session_of(viewer)
    layers = viewer.open_sample("napari-dmoe", key)
    image = next(layer for layer in layers if isinstance(layer, Image))
    return viewer, image, [layer for layer in layers if isinstance(layer, Labels)]


@pytest.mark.parametrize(
    ("key", "make", "classes"),
    [
        ("ct-pelvis", sample_ct, ["background", "prostate", "bladder"]),
        ("mr-brain", sample_mr, ["background", "tumour"]),
    ],
)
def test_a_scan_opens_at_its_organ_with_the_reference_as_an_outline(
    key: str, make: Callable[[], object], classes: list[str]
) -> None:
    viewer, image, (reference,) = opened(key)
    assert reference.name == f"{image.name} / reference"
    assert reference.visible
    assert session_of(viewer).outlines.is_drawn(reference)
    assert reference.opacity == 0
    assert list(reference.features["class"]) == classes
    point = np.array(viewer.dims.point)[-3:]
    plane = round(image.world_to_data(point)[0])
    organ = (reference.data == 1).sum((1, 2))
    assert organ[plane] == organ.max() > 0
    session = session_of(viewer)
    assert session.image is image
    assert not session.patient_of(image).known()
    assert session.source_of(image, "severity") == "not stated"
    np.testing.assert_array_equal(
        np.bincount(reference.data.ravel()), np.bincount(make().labels.data.ravel())
    )


def test_the_phantom_pelvis_opens_at_its_target() -> None:
    viewer, image, _ = opened("phantom-pelvis")
    plane = round(image.world_to_data(viewer.dims.point)[0])
    target = (np.asarray(sample_pelvis().labels.data) == 1).sum((1, 2))
    assert target[plane] == target.max() > 0


def test_a_sample_is_moved_to_once_and_only_when_it_comes() -> None:
    viewer, image, _ = opened("phantom-pelvis")
    viewer.dims.set_current_step(0, 2)
    viewer.add_labels(np.zeros(image.data.shape, np.uint8), scale=image.scale)
    assert viewer.dims.current_step[0] == 2


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_a_picture_that_is_opened_over_a_volume_is_in_view(ndisplay: int) -> None:
    viewer, _, _ = opened("phantom-pelvis")
    viewer.dims.ndisplay = ndisplay
    (image,) = viewer.open_sample("napari-dmoe", "phantom-skin")
    low, high = image.extent.world
    np.testing.assert_allclose(camera_of(viewer).center[-2:], (low + high) / 2)
    longest = (high - low).max() * camera_of(viewer).zoom
    assert 0.9 * min(viewer.canvas.size) < longest <= max(viewer.canvas.size)


def test_a_reference_is_filled_in_3d() -> None:
    viewer, _, (reference,) = opened("ct-pelvis")
    outlines = session_of(viewer).outlines
    assert outlines.is_drawn(reference)
    viewer.dims.ndisplay = 3
    assert not outlines.line_of(reference).visible
    assert reference.opacity == 0.5
    viewer.dims.ndisplay = 2
    assert outlines.is_drawn(reference)
    assert reference.opacity == 0
