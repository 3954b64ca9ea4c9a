"""An image with its place in the world, and the grid that a network sees of it.

:class:`Grid` is the only place where a crop or a resize is turned into coordinates.
This file knows no file format, no network and no viewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SPATIAL_AXES = ("z", "y", "x")
CHANNEL_AXIS = "c"

MOST_CLASSES = 256
"""Classes of a model at most, background included: masks are bytes."""

ResizeRule = Literal["corner-aligned", "half-pixel"]


class ImageError(ValueError):
    """An image cannot be used: its shape, its values or its geometry."""


class ImageReadError(ImageError):
    """An image file cannot be read or written; names the file."""


@dataclass(frozen=True)
class SpatialImage:
    """An array, the names of its axes, and where it lies.

    Parameters
    ----------
    data : array
        Pixels, with one axis per name in `axes`. May be lazy (dask, zarr), or a tensor,
        which becomes an array.
    axes : tuple of str
        Names of the axes: ``"z"``, ``"y"``, ``"x"`` for space, ``"c"`` for channels,
        ``"t"`` for time; any other name is one more axis to run over.
    affine : (n + 1, n + 1) float64 array, optional
        From indices along the n spatial axes, in their order in `axes`, to world
        coordinates in the same order. The identity by default. Where the world is a
        patient, +z, +y and +x point to the head, the back and the left.
    unit : str or None
        World unit, for example ``"mm"``; None where the pixel size is not known.
    notices : tuple of str
        What a person should know of the image, such as what a file left open.
    is_placed : bool
        Whether `affine` says where it lies in a world; else only how large pixels are.
    channel : int or None
        Which channel of its source, from 0, an image without channels is.

    Raises
    ------
    ImageError
        When names and array, or affine and axes, do not fit each other.
    """

    data: Any
    axes: tuple[str, ...]
    affine: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    unit: str | None = None
    notices: tuple[str, ...] = ()
    is_placed: bool = True
    channel: int | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit each other, and fill in the identity affine."""
        object.__setattr__(self, "data", _numpys(self.data))
        if len(self.axes) != self.data.ndim:
            raise ImageError(
                f"the image has {self.data.ndim} axes of shape "
                f"{tuple(self.data.shape)}, but {len(self.axes)} names: {self.axes}"
            )
        if len(set(self.axes)) != len(self.axes):
            raise ImageError(f"axis names must differ: found {self.axes}")
        size = len(self.spatial_axes) + 1
        affine = np.array(self.affine, float) if self.affine.size else np.eye(size)
        if affine.shape != (size, size) or not np.isfinite(affine).all():
            raise ImageError(
                f"the affine must be a finite {size} x {size} matrix for axes "
                f"{self.axes}: found shape {affine.shape}"
            )
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)

    @classmethod
    def of(cls, image: SpatialImage | NDArray[Any]) -> SpatialImage:
        """Return an image as it is, or a plain array with its axes told by its shape.

        Raises
        ------
        ImageError
            As :meth:`from_array` raises it.
        """
        return image if isinstance(image, SpatialImage) else cls.from_array(image)

    @classmethod
    def from_array(
        cls,
        data: Any,
        *,
        axes: str | Sequence[str] | None = None,
        spacing: Sequence[float] | None = None,
        unit: str | None = None,
    ) -> SpatialImage:
        """Name the axes of a plain array.

        Parameters
        ----------
        data : array-like
            2D, or 2D with channels last (size 3 or 4), or with leading axes.
        axes : str or sequence of str, optional
            Axis names such as ``"yxc"``. Without them, a last axis of 3 or 4 behind
            two larger ones is colour, the two before it are y and x, and one more
            is z. Anything else is ambiguous and refused.
        spacing : sequence of float, optional
            Pixel size along the spatial axes, in `unit`.
        unit : str, optional
            Unit of `spacing`.

        Raises
        ------
        ImageError
            When the axes cannot be told from the shape.
        """
        found = type(data).__name__
        data = data if hasattr(data, "ndim") else np.asarray(data)
        if not data.ndim:
            raise ImageError(
                f"an image is an array with at least two axes: found a {found}. Files "
                "are opened by read_image"
            )
        names = tuple(axes) if axes is not None else guess_axes(tuple(data.shape))
        n_spatial = sum(name in SPATIAL_AXES for name in names)
        affine = np.eye(n_spatial + 1)
        if spacing is not None:
            if len(spacing) != n_spatial or min(spacing) <= 0:
                raise ImageError(
                    f"spacing needs {n_spatial} positive numbers: found {spacing}"
                )
            affine = np.diag([*map(float, spacing), 1.0])
        return cls(data, names, affine, unit)

    def __repr__(self) -> str:
        """Show what kind of image it is, and no pixel."""
        shape = " x ".join(
            f"{n} ({axis})" for n, axis in zip(self.data.shape, self.axes, strict=True)
        )
        return f"SpatialImage({shape}, {self.data.dtype}, unit={self.unit!r})"

    @property
    def spatial_axes(self) -> tuple[str, ...]:
        """Names of the spatial axes, in the array's order."""
        return tuple(name for name in self.axes if name in SPATIAL_AXES)

    def affine_along(self, axes: Sequence[str]) -> NDArray[np.float64]:
        """Return the affine with rows and columns in the order of all spatial axes."""
        order = [*(self.spatial_axes.index(axis) for axis in axes), -1]
        return np.asarray(self.affine[np.ix_(order, order)])

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Size along each spatial axis, in pixels."""
        return tuple(
            int(n)
            for n, name in zip(self.data.shape, self.axes, strict=True)
            if name in SPATIAL_AXES
        )

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 where the image has no channel axis."""
        if CHANNEL_AXIS not in self.axes:
            return 1
        return int(self.data.shape[self.axes.index(CHANNEL_AXIS)])

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring pixels along each spatial axis, in `unit`."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:-1, :-1], axis=0))


def _numpys(data: Any) -> Any:
    """Return an array whose numbers numpy knows; of tensors, one in memory.

    Lazy arrays have numpy's types already, and are not read.
    """
    try:
        np.dtype(data.dtype)
    except TypeError:
        return _of_tensor(data)
    return data


def _of_tensor(data: Any) -> NDArray[Any]:
    try:
        if hasattr(data, "detach"):  # torch's: perhaps on a GPU, or part of a graph
            data = data.detach()
            data = data.to_dense() if getattr(data, "is_sparse", False) else data
            data = data.float() if str(data.dtype) == "torch.bfloat16" else data
            data = data.cpu().resolve_conj().resolve_neg().numpy()
        return np.asarray(data)
    except (RuntimeError, TypeError, NotImplementedError, AttributeError):
        raise ImageError(
            f"the image is a {type(data).__name__} of {data.dtype} that numpy cannot "
            "take: give it as an array, such as tensor.cpu().numpy()"
        ) from None


def guess_axes(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Name the axes of an array by its shape alone.

    Raises
    ------
    ImageError
        For fewer than 2 or more than 4 axes, and for shapes that can be read in two
        ways, such as (3, 5, 5); the message says which names to choose from.
    """
    is_colour_last = len(shape) in (3, 4) and shape[-1] in (3, 4)
    if len(shape) == 2:
        return ("y", "x")
    if is_colour_last and min(shape[-3:-1]) > shape[-1]:
        return ("z", "y", "x", "c")[-len(shape) :]
    if len(shape) == 3 and min(shape[0], shape[-1]) > 4:
        return ("z", "y", "x")
    raise ImageError(
        f"the axes of an array of shape {shape} are ambiguous: name them, for example "
        'axes="yxc" (colour), "cyx" (channels first), "zyx" (slices) or "tyx" (time)'
    )


@dataclass(frozen=True)
class Grid:
    """Where the samples of an array lie in the source image's pixels.

    Sample ``i`` along an axis lies at source coordinate ``start + i * step``.

    Parameters
    ----------
    shape : tuple of int
        Number of samples along each spatial axis.
    start : tuple of float
        Source coordinate of the first sample, in pixels (0 = centre of pixel 0).
    step : tuple of float
        Distance between samples, in source pixels.
    """

    shape: tuple[int, ...]
    start: tuple[float, ...]
    step: tuple[float, ...]

    @classmethod
    def identity(cls, shape: Sequence[int]) -> Grid:
        """Return the grid of the source image itself."""
        return cls(tuple(map(int, shape)), (0.0,) * len(shape), (1.0,) * len(shape))

    def crop(self, offset: Sequence[int], shape: Sequence[int]) -> Grid:
        """Return the grid of the block of `shape` that begins `offset` samples in."""
        start = tuple(
            s + step * o
            for s, step, o in zip(self.start, self.step, offset, strict=True)
        )
        return Grid(tuple(map(int, shape)), start, self.step)

    def pad(self, before: Sequence[int], shape: Sequence[int]) -> Grid:
        """Return the grid of an array of `shape`, `before` samples around this one's.

        `before` is how many samples of the array come before the first of these.
        """
        return self.crop([-n for n in before], shape)

    def centre_crop(self, size: Sequence[int]) -> tuple[Grid, tuple[slice, ...]]:
        """Crop the middle; axes that are smaller than asked for are kept whole.

        Returns
        -------
        Grid
            The grid of the crop.
        tuple of slice
            The crop's place in the array. It begins at ``max(0, n//2 - size//2)``.
        """
        offset = [
            max(0, n // 2 - s // 2) for n, s in zip(self.shape, size, strict=True)
        ]
        shape = [
            min(s, n - o) for n, s, o in zip(self.shape, size, offset, strict=True)
        ]
        place = tuple(slice(o, o + s) for o, s in zip(offset, shape, strict=True))
        return self.crop(offset, shape), place

    def resize(self, shape: Sequence[int], rule: ResizeRule) -> Grid:
        """Return the grid after resampling to `shape`.

        Parameters
        ----------
        shape : sequence of int
            New number of samples along each axis.
        rule : {"corner-aligned", "half-pixel"}
            Whether the first and last samples keep their centres
            (``scipy.ndimage.zoom``) or their outer edges (images as areas).
        """
        start, step = [], []
        for n, m, s, d in zip(self.shape, shape, self.start, self.step, strict=True):
            if rule == "corner-aligned":
                factor, shift = ((n - 1) / (m - 1) if m > 1 else 1.0), 0.0
            else:
                factor = n / m
                shift = (factor - 1) / 2
            start.append(s + d * shift)
            step.append(d * factor)
        return Grid(tuple(map(int, shape)), tuple(start), tuple(step))

    def along(
        self, axes: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where samples along some axes begin in the source, and their steps.

        The grid is that of y and x, or of z, y and x; along other axes the samples are
        those of the source.
        """
        own = zip(self.start, self.step, strict=True)
        known = dict(zip(SPATIAL_AXES[-len(self.shape) :], own, strict=True))
        start, step = zip(*(known.get(axis, (0.0, 1.0)) for axis in axes), strict=True)
        return np.array(start, float), np.array(step, float)

    def every(self, step: float, first: Sequence[float], shape: Sequence[int]) -> Grid:
        """Return the grid of blocks of samples, such as a network's tokens.

        Parameters
        ----------
        step : float
            Samples from one block to the next, along every axis.
        first : sequence of float
            Where the first block's centre lies, in samples.
        shape : sequence of int
            Number of blocks along each axis.
        """
        start = (
            s + d * f for s, d, f in zip(self.start, self.step, first, strict=True)
        )
        return Grid(
            tuple(map(int, shape)), tuple(start), tuple(step * d for d in self.step)
        )

    def upright(self) -> tuple[Grid, tuple[slice, ...]]:
        """Return the grid with steps above 0, and how its array is flipped to it."""
        start, flips = [], []
        for n, s, d in zip(self.shape, self.start, self.step, strict=True):
            start.append(s + d * (n - 1) if d < 0 else s)
            flips.append(slice(None, None, -1 if d < 0 else 1))
        return Grid(self.shape, tuple(start), tuple(map(abs, self.step))), tuple(flips)

    def coordinates(self, axis: int) -> NDArray[np.float64]:
        """Return the source coordinates of the samples along one axis, in pixels."""
        samples = np.arange(self.shape[axis], dtype=np.float64)
        return self.start[axis] + self.step[axis] * samples

    def to_source(self) -> NDArray[np.float64]:
        """Return the (n + 1, n + 1) affine from sample indices to source pixels."""
        matrix = np.diag([*self.step, 1.0])
        matrix[:-1, -1] = self.start
        return matrix

    def samples_at_source(self, shape: Sequence[int]) -> list[NDArray[np.float64]]:
        """Return, per axis, where the source pixels lie between this grid's samples.

        Parameters
        ----------
        shape : sequence of int
            Spatial shape of the source image.

        Returns
        -------
        list of (n,) float64 array
            Fractional sample index of each source pixel.
        """
        return [
            (np.arange(n, dtype=np.float64) - s) / (d or 1.0)
            for n, s, d in zip(shape, self.start, self.step, strict=True)
        ]
