"""The 2D or 3D images that a stack, a time series or a plain image consists of."""

from __future__ import annotations

import math

import numpy as np

from napari_dmoe.imaging.lazy import frame_of
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, ImageError, SpatialImage


class Frames:
    """An image's frames along some axes, in the order of its other axes.

    Parameters
    ----------
    image : SpatialImage
        Any axes, those of a frame among them. Lazy data is read frame by frame.
    along : tuple of str
        Axes of a frame: ``("y", "x")`` for planes, ``("z", "y", "x")`` for volumes.

    Raises
    ------
    ImageError
        When an axis of a frame is missing, or an axis is empty.
    """

    def __init__(self, image: SpatialImage, along: tuple[str, ...]) -> None:
        self.image, self.along = image, along
        sizes = dict(zip(image.axes, map(int, image.data.shape), strict=True))
        if not set(along) <= set(image.axes):
            raise ImageError(
                f"a {len(along)}D model needs the axes {', '.join(along[:-1])} and "
                f"{along[-1]}: found {', '.join(image.axes)}"
            )
        if 0 in sizes.values():
            raise ImageError(f"the image is empty: its shape is {image.data.shape}")
        self.axes = tuple(a for a in image.axes if a not in (*along, CHANNEL_AXIS))
        """Names of the axes that are run over."""
        self.shape = tuple(sizes[axis] for axis in self.axes)
        """Sizes of the axes that are run over."""
        self.frame_shape = tuple(sizes[axis] for axis in along)
        """Size of every frame along its axes, in pixels."""

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, number: int) -> SpatialImage:
        """Return frame `number`: its axes and, where there is one, c, as they stand."""
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} of {len(self)}")
        image, indices = self.image, np.unravel_index(number, self.shape or (1,))
        where = dict(zip(self.axes, indices, strict=False))
        place = tuple(where.get(axis, slice(None)) for axis in image.axes)
        keep = [i for i, a in enumerate(image.spatial_axes) if a in self.along]
        affine = image.affine[np.ix_([*keep, -1], [*keep, -1])]
        axes = tuple(axis for axis in image.axes if axis not in self.axes)
        return SpatialImage(frame_of(image.data, place), axes, affine, image.unit)
