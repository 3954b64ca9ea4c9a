"""Pictures of images with other channels than one and three."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.pictures.drawing import mask_picture, picture_of
from napari_dmoe.inference.pictures.result_pictures import slice_picture

PLANE = np.random.default_rng(0).integers(0, 256, (12, 9, 5), np.uint8)


@pytest.mark.parametrize(
    ("n_channels", "shown"),
    [(1, (0, 0, 0)), (2, (0, 0, 0)), (3, (0, 1, 2)), (4, (0, 1, 2)), (5, (0, 1, 2))],
)
@pytest.mark.parametrize("axes", ["yxc", "cyx"])
def test_planes_of_any_channels_are_drawn_in_colours(
    n_channels: int, shown: tuple[int, ...], axes: str
) -> None:
    pixels = PLANE[..., :n_channels]
    data = pixels if axes == "yxc" else np.moveaxis(pixels, -1, 0)
    picture = picture_of(SpatialImage(data, tuple(axes)))
    np.testing.assert_array_equal(picture, PLANE[..., shown])
    labels = np.zeros((12, 9), np.uint8)
    labels[3:6, 3:6] = 1
    drawn = mask_picture(picture, labels, ("background", "lesion"))
    assert drawn.shape == (12, 9, 3)


@pytest.mark.parametrize("n_channels", [1, 2, 3])
@pytest.mark.parametrize("axes", ["czyx", "zyxc"])
def test_of_volumes_of_several_channels_the_first_is_drawn(
    n_channels: int, axes: str
) -> None:
    first = np.random.default_rng(1).integers(0, 90, (4, 12, 9)).astype(np.float32)
    each = [first + 500 * i for i in range(n_channels)]
    data = np.stack(each, axes.index("c") if axes == "czyx" else -1)
    picture = slice_picture(SpatialImage(data, tuple(axes)), 2)
    alone = slice_picture(SpatialImage(first, ("z", "y", "x")), 2)
    np.testing.assert_array_equal(picture, alone)
