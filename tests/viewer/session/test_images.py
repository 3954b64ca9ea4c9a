"""Layers become images with named axes; what is ambiguous is refused."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_dmoe.imaging.spatial import ImageError
from napari_dmoe.viewer.layers.placement import axis_names, to_image


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
