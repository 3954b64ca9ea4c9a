"""Layers become images with named axes; what is ambiguous is refused."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_dmoe.imaging.spatial import ImageError
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.placement import axis_names, to_image
from napari_dmoe.viewer.layers.samples import PHANTOM_KEY
from napari_dmoe.viewer.session.session import session_of


def test_colours_come_last_and_are_no_axis_of_the_layer() -> None:
    layer = Image(np.zeros((40, 50, 3), np.uint8), rgb=True)
    assert axis_names(layer) == ("y", "x")
    image = to_image(layer)
    assert image.axes == ("y", "x", "c")
    assert image.data is layer.data


def test_the_finest_level_of_a_pyramid_is_taken() -> None:
    fine = np.zeros((40, 50))
    image = to_image(Image([fine, fine[::2, ::2]], multiscale=True))
    assert image.data.shape == (40, 50)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("z", "y", "x"), ("z", "y", "x")),
        (("Time", "Y", "X"), ("t", "y", "x")),
        (("channel", "y", "x"), ("c", "y", "x")),
        (None, ("axis 0", "y", "x")),
        (("a", "b", "c"), ("axis 0", "y", "x")),
        (("x", "x", "y"), ("axis 0", "y", "x")),
    ],
)
def test_axes_are_named_by_the_layer_or_not_guessed(
    labels: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    assert axis_names(Image(np.zeros((5, 6, 7)), axis_labels=labels)) == expected


def test_colours_that_are_not_shown_as_such_are_refused() -> None:
    layer = Image(np.zeros((40, 50, 3)), rgb=False)
    with pytest.raises(ImageError, match=r"looks like colours.*rgb=True"):
        to_image(layer)
    named = Image(np.zeros((40, 50, 3)), rgb=False, axis_labels=("z", "y", "x"))
    assert to_image(named).axes == ("z", "y", "x")


def test_lengths_of_different_units_become_millimetres() -> None:
    layer = Image(np.zeros((6, 7)), scale=(20, 0.03), units=("um", "mm"))
    np.testing.assert_allclose(to_image(layer).spacing, (0.02, 0.03))


def test_what_was_drawn_is_known_by_its_layer_and_not_by_its_name() -> None:
    viewer = ViewerModel()
    drawn = {METADATA_KEY: {PHANTOM_KEY: "skin"}}
    lesion = viewer.add_image(np.zeros((8, 8)), name="a photograph", metadata=drawn)
    photograph = viewer.add_image(np.zeros((8, 8)), name="phantom skin lesion")
    session = session_of(viewer)
    late = viewer.add_image(np.zeros((8, 8)), metadata=drawn)
    viewer.layers.append(Layer.create(*lesion.as_layer_data_tuple()))
    of = session.phantom_of
    assert [of(lesion), of(photograph), of(late)] == ["skin", None, "skin"]
    assert of(viewer.layers[-1]) == "skin"  # a copy shows the same
    lesion.data = np.ones((8, 8))
    assert session.phantom_of(lesion) is None  # these pixels may be anybody's


@pytest.mark.parametrize("stated", ["skin", 3, None, ["skin"]])
def test_metadata_may_hold_anything(stated: object) -> None:
    viewer = ViewerModel()
    metadata = {METADATA_KEY: {PHANTOM_KEY: stated} if stated != "skin" else "skin"}
    image = viewer.add_image(np.zeros((8, 8)), metadata=metadata)
    assert session_of(viewer).phantom_of(image) is None
