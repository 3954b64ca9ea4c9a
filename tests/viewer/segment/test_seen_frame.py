"""The frame around what a model that crops will see: there before a run, gone after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from desk import Desk
from napari.layers import Image, Layer

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.names import SEEN
from napari_dmoe.viewer.session.tidying import tidy

pytestmark = pytest.mark.gui

WIDE = np.zeros((40, 101), np.uint8)


def fitted(loaded: LoadedModel, fit: str) -> LoadedModel:
    how = loaded.preprocessing.fitted(fit)
    return replace(loaded, card=loaded.card.model_copy(update={"preprocessing": how}))


@pytest.fixture
def cropping(desk: Desk, fundus_model: LoadedModel) -> Desk:
    """Return a desk with a wide image and a model that sees its middle alone."""
    desk.session.set_model(fitted(fundus_model, "crop"))
    add_wide(desk)
    return desk


def add_wide(desk: Desk, **how: object) -> Layer:
    image = desk.viewer.add_image(WIDE, **{"name": "wide"} | how)
    desk.session.choose_image(image)
    desk.settle()
    return image


def frames(desk: Desk) -> list[Image]:
    """Return the frames that are seen."""
    return [layer for layer in framing(desk) if layer.visible]


def framing(desk: Desk) -> list[Image]:
    return [layer for layer in desk.viewer.layers if SEEN in layer.name]


def test_a_crop_is_framed_before_the_run(cropping: Desk) -> None:
    (frame,) = frames(cropping)
    assert frame.name == "wide / what the model sees"
    # Columns 30 to 69 of 101, by the centres of its outermost pixels.
    np.testing.assert_allclose(frame.extent.world, [[0, 30], [39, 69]])
    is_line = frame.data[..., 3] > 0
    assert is_line[[0, -1]].all()
    assert is_line[:, [0, -1]].all()
    assert not is_line[1:-1, 1:-1].any()
    assert frame not in cropping.session.images()
    assert cropping.viewer.layers.selection.active.name == "wide"
    names = [layer.name for layer in cropping.viewer.layers]
    assert names.index(frame.name) == names.index("wide") + 1


def test_it_lies_on_the_pixels_wherever_the_image_lies(cropping: Desk) -> None:
    image = cropping.session.image
    image.scale, image.translate = (0.5, 0.25), (10, 20)
    cropping.settle()
    (frame,) = frames(cropping)
    corner = frame.extent.world[0]
    assert corner == pytest.approx((10, 20 + 30 * 0.25))


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_it_goes_when_the_whole_picture_is_seen(
    cropping: Desk, fundus_model: LoadedModel, fit: str
) -> None:
    cropping.session.set_model(fitted(fundus_model, fit))
    cropping.settle()
    assert not frames(cropping)


def test_it_goes_and_comes_with_the_fit_that_a_person_chooses(cropping: Desk) -> None:
    combo = cropping.segmenting.tab.settings.inputs["fit"]
    for fit, n in (("pad", 0), ("card", 1), ("stretch", 0), ("crop", 1)):
        combo.value = fit
        cropping.settle()
        assert cropping.session.settings.fit == fit
        assert len(frames(cropping)) == n, fit
        assert len(framing(cropping)) == 1


def test_it_goes_with_its_image_and_without_a_model(cropping: Desk) -> None:
    other = add_wide(cropping, name="other")
    assert [each.name for each in frames(cropping)] == ["other / what the model sees"]
    assert len(framing(cropping)) == 2
    cropping.viewer.layers.remove(other)
    cropping.settle()
    assert [each.name for each in frames(cropping)] == ["wide / what the model sees"]
    cropping.session.set_model(None)
    cropping.settle()
    assert not frames(cropping)


def test_what_a_person_hid_or_took_away_does_not_come_back(cropping: Desk) -> None:
    frames(cropping)[0].visible = False
    cropping.session.settings_changed.emit()
    cropping.settle()
    assert [each.visible for each in framing(cropping)] == [False]
    cropping.viewer.layers.remove(framing(cropping)[0])
    cropping.session.settings_changed.emit()
    cropping.settle()
    assert not framing(cropping)


def test_tidy_takes_it_away(cropping: Desk) -> None:
    assert tidy(cropping.session, [cropping.session.image]).startswith("Tidied: 1")
    cropping.settle()
    assert not frames(cropping)


def test_a_painter_keeps_their_layer(desk: Desk, fundus_model: LoadedModel) -> None:
    add_wide(desk)
    mine = desk.viewer.add_labels(np.zeros(WIDE.shape, np.uint8), name="mine")
    desk.viewer.layers.selection = {mine}
    desk.session.set_model(fitted(fundus_model, "crop"))
    desk.settle()
    assert desk.viewer.layers.selection.active is mine
    assert [layer.name for layer in desk.viewer.layers][-1] == "mine"


def test_it_stands_on_every_plane_of_a_stack(
    desk: Desk, fundus_model: LoadedModel
) -> None:
    desk.session.set_model(fitted(fundus_model, "crop"))
    stack = np.zeros((3, *WIDE.shape), np.uint8)
    image = desk.viewer.add_image(stack, axis_labels=("z", "y", "x"), name="stack")
    desk.session.choose_image(image)
    desk.settle()
    frame = next(each for each in frames(desk) if each.name.startswith("stack"))
    # One sample that is as thick as the three planes, about the middle one.
    np.testing.assert_allclose(frame.extent.world, [[1, 0, 30], [1, 39, 69]])
    assert frame.scale == pytest.approx((3, 1, 1))


def test_no_image_is_made_for_masks_to_be_saved_of(cropping: Desk) -> None:
    n = len(cropping.session.images())
    cropping.run()
    assert len(cropping.session.images()) == n
    assert len(frames(cropping)) == 1
