"""How far several masks of one image agree: votes, entropy, and the regions that flip.

Masks may be those of an attribute's values or of noise samples. Votes are counted in
bytes, so that a volume's masks need little memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from napari_dmoe.imaging.label_values import counted, not_classes
from napari_dmoe.imaging.spatial import SPATIAL_AXES, Grid

MOST_MASKS = 255
"""Masks whose votes fit into a byte."""

MOST_REGIONS = 200
"""Regions that are described, the largest first."""


class Votes:
    """Counts how many masks give each pixel each class.

    Parameters
    ----------
    n_classes : int
        Classes, background included.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes, self.n_masks = n_classes, 0
        self.counts: NDArray[np.uint8] = np.zeros((n_classes, 0), np.uint8)
        """(K, *S) uint8 array: masks that give each pixel each class."""

    def add(self, labels: NDArray[np.unsignedinteger]) -> None:
        """Count one more mask (*S).

        Raises
        ------
        ValueError
            For more masks than a byte can count, and labels that are no class.
        """
        if labels.size and int(labels.max()) >= self.n_classes:
            raise ValueError(not_classes(counted(labels), self.n_classes))
        if self.n_masks == MOST_MASKS:
            raise ValueError(f"at most {MOST_MASKS} masks can be compared at once")
        if not self.n_masks:
            self.counts = np.zeros((self.n_classes, *labels.shape), np.uint8)
        for label, count in enumerate(self.counts):
            count += labels == label
        self.n_masks += 1

    @property
    def majority(self) -> NDArray[np.uint8]:
        """Class with the most votes, (*S); of several alike the first."""
        return np.asarray(self.counts.argmax(0), np.uint8)

    @property
    def is_split(self) -> NDArray[np.bool_]:
        """Where the masks do not all agree, (*S)."""
        return np.asarray(self.counts.max(0) < self.n_masks)

    def entropy(self) -> NDArray[np.float32]:
        """Return the entropy of the votes in bits, (*S) float32 array.

        Notes
        -----
        ``-sum_k p_k log2 p_k`` with ``p_k`` the share of masks that say class ``k``: 0
        where all agree, 1 where two classes share the votes evenly.
        """
        share = np.arange(self.n_masks + 1) / max(self.n_masks, 1)
        logs = np.log2(share, out=np.zeros_like(share), where=share > 0)
        terms = (-share * logs + 0.0).astype(np.float32)
        total = np.zeros(self.counts.shape[1:], np.float32)
        for count in self.counts:
            total += terms[count]
        return total


@dataclass(frozen=True)
class FlippingRegion:
    """Pixels that touch each other and whose class depends on the mask."""

    n_pixels: int
    """Pixels or voxels in it."""
    size: float
    """Area or volume in `unit`."""
    unit: str
    """``"mm²"``, ``"mL"``, another unit squared or cubed, or ``"px"``."""
    box: tuple[slice, ...]
    """The smallest box around it, in the labels' indices."""
    centroid: tuple[float, ...]
    """Its middle along the labels' axes: in source pixels along spatial ones."""
    classes: tuple[str, ...]
    """Classes that the masks give there."""
    masks: tuple[str, ...]
    """Masks that differ there from the reference."""
    point: tuple[float, ...] = ()
    """The pixel in it that is nearest to its middle, along the same axes as `centroid`,
    which may lie outside of it."""
    commonest: tuple[str, ...] = ()
    """The class that each mask gives most of it, in the order of the masks."""
    n_apart: tuple[int, ...] = ()
    """Pixels in it whose label is not the reference's, for each mask."""


@dataclass(frozen=True)
class LabelFrame:
    """What labels mean and where they lie."""

    axes: tuple[str, ...]
    """Names of the labels' axes."""
    grid: Grid
    """Where they lie in the source image, along y and x, or z, y and x."""
    classes: tuple[str, ...]
    """Class names."""
    pixel: float
    """Area or volume of a pixel in `unit`."""
    unit: str
    """Unit of areas or volumes."""


def flipping_regions(
    votes: Votes,
    masks: Sequence[tuple[str, NDArray[np.uint8]]],
    reference: NDArray[np.uint8],
    frame: LabelFrame,
) -> tuple[tuple[FlippingRegion, ...], int]:
    """Find the regions in which masks do not agree.

    Parameters
    ----------
    votes : Votes
        The masks' votes.
    masks : sequence of (str, (*S) uint8 array)
        The masks and their names.
    reference : (*S) uint8 array
        What `FlippingRegion.masks` compares with.
    frame : LabelFrame
        What labels mean.

    Returns
    -------
    tuple of FlippingRegion
        The largest first, :data:`MOST_REGIONS` at most. Pixels touch where they share
        a corner, along spatial axes only.
    int
        How many regions there are.
    """
    structure = np.ones((3,) * len(frame.axes), bool)
    for place, axis in enumerate(frame.axes):
        if axis not in SPATIAL_AXES:
            structure[(slice(None),) * place + ([0, 2],)] = False
    numbered, n = scipy.ndimage.label(votes.is_split, structure)
    sizes = np.bincount(numbered.ravel(), minlength=n + 1)[1:]
    boxes = scipy.ndimage.find_objects(numbered)
    order = np.argsort(-sizes, kind="stable")[:MOST_REGIONS]
    regions = []
    for index in order:
        box = boxes[index]
        inside = numbered[box] == index + 1
        found = votes.counts[(slice(None), *box)][:, inside].any(1)
        given = [labels[box][inside] for _, labels in masks]
        apart = [np.count_nonzero(each != reference[box][inside]) for each in given]
        most = [np.bincount(each, minlength=1).argmax() for each in given]
        indices = np.argwhere(inside) + [part.start for part in box]
        middle = indices.mean(0)
        nearest = indices[((indices - middle) ** 2).sum(1).argmin()]
        regions.append(
            FlippingRegion(
                n_pixels=int(sizes[index]),
                size=float(sizes[index]) * frame.pixel,
                unit=frame.unit,
                box=box,
                centroid=_in_source(middle, frame),
                classes=tuple(frame.classes[k] for k in np.flatnonzero(found)),
                masks=tuple(itertools.compress((name for name, _ in masks), apart)),
                point=_in_source(nearest, frame),
                commonest=tuple(frame.classes[k] for k in most),
                n_apart=tuple(map(int, apart)),
            )
        )
    return tuple(regions), int(n)


def _in_source(place: NDArray[Any], frame: LabelFrame) -> tuple[float, ...]:
    """Return a place in the labels as one in source pixels along spatial axes."""
    start, step = frame.grid.along(frame.axes)
    return tuple((start + step * np.asarray(place, float)).tolist())
