"""The 2D images that a stack, a time series or a plain image consists of."""

from __future__ import annotations

import math

import numpy as np

from napari_dmoe.imaging.spatial import CHANNEL_AXIS, ImageError, SpatialImage

PLANE_AXES = ("y", "x")


class Planes:
    """An image's planes along y and x, in the order of its other axes.

    Parameters
    ----------
    image : SpatialImage
        Any axes, y and x among them. Lazy data is read plane by plane.

    Raises
    ------
    ImageError
        When y or x is missing, or an axis is empty.
    """

    def __init__(self, image: SpatialImage) -> None:
        self.image = image
        sizes = dict(zip(image.axes, map(int, image.data.shape), strict=True))
        if not set(PLANE_AXES) <= set(image.axes):
            raise ImageError(
                f"a 2D model needs the axes y and x: found {', '.join(image.axes)}"
            )
        if 0 in sizes.values():
            raise ImageError(f"the image is empty: its shape is {image.data.shape}")
        self.axes = tuple(a for a in image.axes if a not in (*PLANE_AXES, CHANNEL_AXIS))
        """Names of the axes that are run over."""
        self.shape = tuple(sizes[axis] for axis in self.axes)
        """Sizes of the axes that are run over."""
        self.plane_shape = (sizes["y"], sizes["x"])
        """Height and width of every plane, in pixels."""

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, number: int) -> SpatialImage:
        """Return plane `number`, with axes y, x and, where there is one, c."""
        if not 0 <= number < len(self):
            raise IndexError(f"plane {number} of {len(self)}")
        where = dict(
            zip(self.axes, np.unravel_index(number, self.shape or (1,)), strict=False)
        )
        image = self.image
        place = tuple(where.get(axis, slice(None)) for axis in image.axes)
        keep = [
            image.spatial_axes.index(a) for a in image.spatial_axes if a in PLANE_AXES
        ]
        affine = image.affine[np.ix_([*keep, -1], [*keep, -1])]
        axes = tuple(axis for axis in image.axes if axis not in self.axes)
        return SpatialImage(image.data[place], axes, affine, image.unit)
