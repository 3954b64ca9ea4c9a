"""What a mask measures, in the plane or the volume that the viewer shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.masks.measures import (
    ClassSize,
    CupToDisc,
    class_sizes,
    cup_to_disc,
    label_frame,
)
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.placement import (
    LENGTH_UNIT,
    axis_names,
    data_to_world,
    length_factors,
)

if TYPE_CHECKING:
    from napari_dmoe.inference.results.segmentation import Segmentation


@dataclass(frozen=True)
class Measured:
    """Sizes in one plane of a mask, or in one volume of a 3D model's.

    Parameters
    ----------
    sizes : tuple of ClassSize
        Area or volume of each class but the background.
    ratio : CupToDisc or None
        The cup-to-disc ratio, for models with rim and cup.
    """

    sizes: tuple[ClassSize, ...]
    ratio: CupToDisc | None


def measure(
    labels: NDArray[Any], source: Image, result: Segmentation, *, step: Sequence[int]
) -> Measured:
    """Measure the plane or volume of a mask that the viewer shows.

    Parameters
    ----------
    labels : array
        Mask in the order of the source layer's axes.
    source : napari.layers.Image
        The layer it was computed from.
    result : Segmentation
        The result it belongs to; gives the grid, whose axes are measured together,
        and the classes.
    step : sequence of int
        Index along each axis of the layer; those of measured axes are ignored.
    """
    along = SPATIAL_AXES[-len(result.grid.shape) :]
    shown = shown_frame(labels, source, step, along)
    affine = frame_affine(source, along) @ result.grid.to_source()
    is_length = length_factors(source, _places(source, along)) is not None
    image = SpatialImage(shown, along, affine, LENGTH_UNIT if is_length else None)
    return Measured(
        tuple(class_sizes(image, result.classes)), cup_to_disc(shown, result.classes)
    )


def frame_affine(
    layer: Image, along: tuple[str, ...] = ("y", "x")
) -> NDArray[np.float64]:
    """Return an affine with the true lengths and angles of pixels along some axes.

    A plane of a rotated stack is no plane of the world's y and x. Lengths, areas and
    volumes only need the frame's own geometry.
    """
    axes = _places(layer, along)
    sides = data_to_world(layer)[:-1, axes]
    if length_factors(layer, axes) is not None:
        of_world = [(length_factors(layer, [i]) or [1.0])[0] for i in range(layer.ndim)]
        sides = sides * np.array(of_world)[:, np.newaxis]
    affine = np.eye(len(along) + 1)
    affine[:-1, :-1] = np.linalg.cholesky(sides.T @ sides).T
    return affine


def shown_frame(
    labels: NDArray[Any],
    source: Image,
    step: Sequence[int],
    along: tuple[str, ...] = ("y", "x"),
) -> NDArray[Any]:
    """Return the plane or volume of a mask that the viewer shows.

    Parameters
    ----------
    labels : array
        Mask in the order of the source layer's axes.
    source : napari.layers.Image
        Its source.
    step : sequence of int
        Index along each axis of the layer; those of `along` are ignored.
    along : tuple of str
        Axes of what is returned, in their order there.
    """
    names = axis_names(source, len(along))
    place = tuple(
        slice(None) if name in along else min(max(int(i), 0), n - 1)
        for name, i, n in zip(names, step, labels.shape, strict=True)
    )
    shown = np.asarray(labels[place])
    kept = [name for name in names if name in along]
    return shown.transpose([kept.index(name) for name in along])


def _places(layer: Image, along: tuple[str, ...]) -> list[int]:
    names = axis_names(layer, len(along))
    return [names.index(name) for name in along]


@dataclass(frozen=True)
class PixelSize:
    """How large a pixel or voxel is.

    Parameters
    ----------
    size : float
        Its area or volume.
    unit : str
        ``"mm²"`` or ``"mL"``; ``"px"`` or ``"voxels"`` where its size is not known.
    """

    size: float = 1.0
    unit: str = "px"

    def text(self, n: int) -> str:
        """Say how large a number of them is, without the unit."""
        return f"{n * self.size:.0f}" if self.is_count else f"{n * self.size:.3g}"

    @property
    def is_count(self) -> bool:
        """Whether they can only be counted."""
        return self.unit in ("px", "voxels")


PIXELS = PixelSize()


def pixel_size(result: Segmentation, image: SpatialImage) -> PixelSize:
    """Return how large a pixel of a result is."""
    frame = label_frame(result, image)
    is_voxel = frame.unit == "px" and len(result.grid.shape) == 3
    return PixelSize(frame.pixel, "voxels" if is_voxel else frame.unit)


def pixels_or_voxels(result: Segmentation) -> str:
    """Say what a mask is made of."""
    return "voxels" if len(result.grid.shape) == 3 else "pixels"
