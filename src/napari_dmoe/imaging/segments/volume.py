"""A mask as clinical programs take it: one volume of small whole numbers, in mm.

Their formats hold a rotation and a size of voxels, and no shear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.spatial import SPATIAL_AXES, ImageReadError, SpatialImage
from napari_dmoe.imaging.units import millimetres
from napari_dmoe.imaging.world import file_affine

_MOST_LABEL = 2**16 - 1
_SHEAR = 1e-4
"""Cosine of two axes from which on they are no right angle: headers in 32 bits are
exact to 1e-6."""


@dataclass(frozen=True)
class MaskVolume:
    """Labels and where they lie.

    Parameters
    ----------
    labels : (K, J, I) uint8 or uint16 array
        8 bits wherever no label is above 255.
    affine : (4, 4) float64 array
        From (i, j, k) to the patient's left, back and head (x, y, z), in mm.
    """

    labels: NDArray[Any]
    affine: NDArray[np.float64]

    @classmethod
    def of(
        cls, image: SpatialImage, kind: str, *, order: Sequence[str] | None = None
    ) -> MaskVolume:
        """Return a mask as a volume.

        Parameters
        ----------
        image : SpatialImage
            Whole numbers along z, y and x in any order, with a unit of length.
        kind : str
            What it is to become, for messages: ``"DICOM-SEG"``.
        order : sequence of str, optional
            Order of the axes as an array, such as that of the image it was made from.

        Raises
        ------
        ImageReadError
            For what such a file cannot hold; says what can.
        """
        if set(image.axes) != set(SPATIAL_AXES):
            raise ImageReadError(
                f"{kind} holds one volume along z, y and x: found "
                f"{', '.join(image.axes)}; save it as TIFF"
            )
        factor = millimetres(image.unit)
        if factor is None:
            raise ImageReadError(
                f"{kind} states sizes in mm, and nobody has said how large these "
                "voxels are: state it in the dock, or save as NIfTI"
            )
        spatial = tuple(order or image.spatial_axes)
        affine = file_affine(image, spatial)
        affine[:3] *= factor
        _refuse_shear(affine, kind)
        places = [image.axes.index(axis) for axis in spatial]
        return cls(small(in_memory(image.data).transpose(places), kind), affine)


def small(labels: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return labels as uint8, or as uint16 where one is above 255.

    Raises
    ------
    ImageReadError
        For what is no whole number from 0 to 65,535.
    """
    if labels.dtype.kind not in "uib":
        raise ImageReadError(f"{kind} holds labels: found {labels.dtype}")
    least, most = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if least < 0 or most > _MOST_LABEL:
        raise ImageReadError(
            f"{kind} holds labels from 0 to {_MOST_LABEL:,}: found {least:,} to "
            f"{most:,}; save as NIfTI"
        )
    wanted = np.uint8 if most <= np.iinfo(np.uint8).max else np.uint16
    return np.ascontiguousarray(labels, wanted)


def _refuse_shear(affine: NDArray[np.float64], kind: str) -> None:
    sides = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    most = float(np.abs(sides.T @ sides - np.eye(3)).max())
    if most > _SHEAR:
        angle = np.degrees(np.arccos(min(1.0, most)))
        raise ImageReadError(
            f"{kind} cannot hold axes that are no right angles, and two of these are "
            f"{angle:.3g} degrees apart: save as NIfTI, which keeps the whole affine"
        )


def moved_onto(
    labels: NDArray[Any],
    affine: NDArray[np.float64],
    there: NDArray[np.float64],
    shape: Sequence[int],
    *,
    tolerance_mm: float,
) -> NDArray[Any] | None:
    """Return labels on another grid of the same voxels; None where it is another.

    Nothing is resampled: axes are put in another order and turned round.

    Parameters
    ----------
    labels : (K, J, I) array
        The labels; where the other grid is larger, it is 0 around them.
    affine, there : (4, 4) float64 array
        Where (i, j, k) of either lie.
    shape : (K, J, I)
        Shape of the other grid.
    tolerance_mm : float
        How far apart the centres of voxels may be.
    """
    to_there = np.linalg.inv(there) @ affine
    turn = np.rint(to_there[:3, :3])
    if not np.array_equal(np.abs(turn).sum(0), np.ones(3)):
        return None
    if not np.array_equal(np.abs(turn).sum(1), np.ones(3)):
        return None
    rounded = np.eye(4)
    rounded[:3, :3], rounded[:3, 3] = turn, np.rint(to_there[:3, 3])
    size = np.array(labels.shape[::-1])
    if not labels.size or _apart(there @ rounded, affine, size) > tolerance_mm:
        return None
    ends = rounded[:3] @ np.array([[0, 0, 0, 1], [*(size - 1), 1]]).T
    first, last = ends.min(1).astype(int), ends.max(1).astype(int)
    if (first < 0).any() or (last >= np.array(shape[::-1])).any():
        return None
    source = np.abs(turn).argmax(1)  # of each axis there, in the order i, j, k
    flips = tuple(slice(None, None, int(turn[a, source[a]])) for a in (2, 1, 0))
    turned = labels.transpose([2 - int(source[a]) for a in (2, 1, 0)])[flips]
    if turned.shape == tuple(shape):
        return turned
    made = np.zeros(tuple(shape), labels.dtype)
    made[tuple(slice(first[a], last[a] + 1) for a in (2, 1, 0))] = turned
    return made


def _apart(
    one: NDArray[np.float64], other: NDArray[np.float64], size: NDArray[np.int64]
) -> float:
    """Return how far the corners of a grid lie apart under two affines."""
    corners = np.array(np.meshgrid(*[[0, n - 1] for n in size])).reshape(3, -1)
    there = (one - other)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.linalg.norm(there, axis=0).max())
