"""The 2D or 3D images that a stack, a time series or a plain image consists of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.lazy import frame_of, turned
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    Grid,
    ImageError,
    SpatialImage,
)


class Frames:
    """An image's frames along some axes, in the order of its other axes.

    Parameters
    ----------
    image : SpatialImage
        Any axes, those of a frame among them. Lazy data is read frame by frame.
    along : tuple of str
        Axes of a frame: ``("y", "x")`` for planes, ``("z", "y", "x")`` for volumes.
    upright : bool
        Turn a volume's planes as radiologists see them, whatever the order in which it
        is stored: from the feet to the head, their rows towards the back, their columns
        towards the patient's left. A picture without z stays as it is.

    Raises
    ------
    ImageError
        When an axis of a frame is missing, or an axis is empty.
    """

    def __init__(
        self, image: SpatialImage, along: tuple[str, ...], *, upright: bool = False
    ) -> None:
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
        self.backwards = _backwards(image) if upright else frozenset()
        """Axes that frames, and their numbers, run along from end to start."""

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, number: int) -> SpatialImage:
        """Return frame `number`, its spatial axes in the order of `along`.

        Channels stay where they are, before or behind them.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} of {len(self)}")
        image, indices = self.image, np.unravel_index(number, self.shape or (1,))
        where = {
            axis: n - 1 - int(i) if axis in self.backwards else int(i)
            for axis, i, n in zip(self.axes, indices, self.shape, strict=False)
        }
        place = tuple(where.get(axis, slice(None)) for axis in image.axes)
        data = frame_of(image.data, place)
        stored = tuple(axis for axis in image.axes if axis not in self.axes)
        order = iter(self.along)
        axes = tuple(a if a == CHANNEL_AXIS else next(order) for a in stored)
        back = self.backwards & set(self.along)
        if axes != stored or back:
            places = tuple(stored.index(axis) for axis in axes)
            data = turned(data, places, tuple(stored.index(axis) for axis in back))
        return SpatialImage(data, axes, self._affine(back), image.unit)

    def _affine(self, back: frozenset[str]) -> NDArray[np.float64]:
        """Return the affine of every frame, some of whose axes are turned round."""
        to_stored = np.eye(len(self.along) + 1)
        for place, (axis, n) in enumerate(
            zip(self.along, self.frame_shape, strict=True)
        ):
            if axis in back:
                to_stored[place, place], to_stored[place, -1] = -1.0, n - 1.0
        return self.image.affine_along(self.along) @ to_stored

    def flips(self, axes: Sequence[str]) -> tuple[slice, ...]:
        """Return what turns arrays along `axes` as the frames are, and back."""
        return tuple(
            slice(None, None, -1 if axis in self.backwards else 1) for axis in axes
        )

    def place(
        self, grid: Grid, crop: tuple[slice, ...]
    ) -> tuple[Grid, tuple[slice, ...]]:
        """Return a grid and a crop of a frame as they lie in the image as it is stored.

        A step is negative where the frame runs the other way.
        """
        start, step, seen = [], [], []
        for axis, n, s, d, part in zip(
            self.along, self.frame_shape, grid.start, grid.step, crop, strict=True
        ):
            is_back = axis in self.backwards
            start.append(n - 1 - s if is_back else s)
            step.append(-d if is_back else d)
            seen.append(slice(n - part.stop, n - part.start) if is_back else part)
        return Grid(grid.shape, tuple(start), tuple(step)), tuple(seen)


def _backwards(image: SpatialImage) -> frozenset[str]:
    """Return the axes of a volume that run against the world's, by their names."""
    if set(image.spatial_axes) != set(SPATIAL_AXES):
        return frozenset()
    along = np.diag(image.affine)[:-1]
    return frozenset(
        axis for axis, side in zip(image.spatial_axes, along, strict=True) if side < 0
    )


def source_axes(image_axes: Sequence[str]) -> tuple[str, ...]:
    """Return the axes of what is made of an image: its own, but for channels."""
    return tuple(axis for axis in image_axes if axis != CHANNEL_AXIS)


def axes_by_frame(axes: Sequence[str], dims: int) -> tuple[str, ...]:
    """Return axes in the order in which a model meets them.

    First those that it is run over, then those that it sees at once: y and x, or z, y
    and x. The grid of a result is along these last ones.
    """
    seen = SPATIAL_AXES[-dims:]
    over = (axis for axis in axes if axis not in (*seen, CHANNEL_AXIS))
    return (*over, *(axis for axis in seen if axis in axes))


def transposed(
    samples: NDArray[Any], axes: Sequence[str], order: Sequence[str]
) -> NDArray[Any]:
    """Return a view of samples along `axes` with these in another order.

    The named axes are the last ones; others, such as classes, stay in front.
    """
    n_first = samples.ndim - len(axes)
    places = (n_first + axes.index(axis) for axis in order)
    return samples.transpose((*range(n_first), *places))


def one_channel(image: SpatialImage, number: int) -> SpatialImage:
    """Return one channel of an image, from 0, which says which it is; nothing is read.

    Raises
    ------
    ImageError
        When there is no such channel.
    """
    n = image.n_channels if CHANNEL_AXIS in image.axes else 0
    if number not in range(n):
        raise ImageError(f"the image has no channel {number + 1}: it has {n}")
    place = tuple(number if a == CHANNEL_AXIS else slice(None) for a in image.axes)
    return replace(
        image,
        data=frame_of(image.data, place),
        axes=source_axes(image.axes),
        notices=(*image.notices, f"only channel {number + 1} of {n} was used"),
        channel=number,
    )


def on_grid(
    image: SpatialImage, samples: NDArray[Any], axes: Sequence[str], grid: Grid
) -> SpatialImage:
    """Return what was made of an image with its place in the world.

    Parameters
    ----------
    image : SpatialImage
        The image.
    samples : array
        One axis for each of `axes`.
    axes : sequence of str
        Their names: spatial axes of the image, and any others.
    grid : Grid
        Where the samples lie along y and x, or z, y and x; along other axes of the
        image they lie on its pixels.
    """
    spatial = [axis for axis in axes if axis in SPATIAL_AXES]
    start, step = grid.along(spatial)
    to_pixels = np.diag([*step, 1.0])
    to_pixels[:-1, -1] = start
    affine = image.affine_along(spatial) @ to_pixels
    return SpatialImage(samples, tuple(axes), affine, image.unit)
