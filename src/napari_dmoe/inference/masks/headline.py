"""What came out of a run, in one line: nothing, something implausible, or the areas.

The dock, the tables and the commands say it in the same words. What is implausible is
measured by what the model's card states of its training cases; where it states
nothing, nothing is called so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.ellipses import filled_share
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.masks.measures import ClassSize, class_sizes, frame_of
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.models.class_spans import ClassSpan, structures
from napari_dmoe.quantities import percent, sized

NOTHING = "Nothing found"
IMPLAUSIBLE = "Implausible"

_MOST_NAMED = 4
"""Classes that a line names."""


@dataclass(frozen=True)
class Plausible:
    """What a model's training cases showed, and says what a mask of it shows.

    It holds no image, so that a job may use it.
    """

    spans: tuple[ClassSpan, ...]
    """Of the classes that the card states any of."""
    labels: dict[str, tuple[int, ...]]
    """Which labels they are."""
    pixel_share: float
    """Share of a pixel of the mask in what the network saw; of two passes, the first.
    """

    @classmethod
    def of(cls, record: Provenance, step: Sequence[float]) -> Plausible:
        """Return that of a mask with a record.

        `step` is the distance of its pixels in those of the image, along the axes of
        the record's grid.
        """
        labels = structures(record.classes)
        spans = tuple(s for s in record.model.class_spans or () if s.name in labels)
        whole = record.focus.searched if record.focus is not None else record.seen
        seen = math.prod(stop - start for start, stop in whole)
        return cls(spans, labels, abs(math.prod(step)) / max(1, seen))

    def headline(self, labels: NDArray[np.integer], sizes: Sequence[ClassSize]) -> str:
        """Say what one plane or volume of a mask shows.

        Parameters
        ----------
        labels : (H, W) or (D, H, W) integer array
            Its labels, axes as those of `step`.
        sizes : sequence of ClassSize
            What each class but the background measures.
        """
        if not any(size.n_pixels for size in sizes):
            return NOTHING
        doubt = self._doubt(labels, sizes)
        return f"{IMPLAUSIBLE}: {doubt}" if doubt else _areas(sizes)

    def _doubt(self, labels: NDArray[np.integer], sizes: Sequence[ClassSize]) -> str:
        """Say what is implausible, sizes first; nothing where nothing is."""
        is_volume = labels.ndim == len(SPATIAL_AXES)
        for span in self.spans:
            own = [sizes[label - 1] for label in self.labels[span.name]]
            if any(each.n_pixels for each in own):
                doubt = _doubtful_size(span, own, self.pixel_share, is_volume)
                if doubt:
                    return doubt
        for span in self.spans:
            wanted = self.labels[span.name]
            if span.least_filled and any(sizes[i - 1].n_pixels for i in wanted):
                mask = np.logical_or.reduce([labels == label for label in wanted])
                if span.is_shape_far(filled_share(mask)):
                    return f"{span.name} is ragged, bent or in pieces, unlike training"
        return ""


def mask_headline(
    labels: NDArray[np.uint8], record: Provenance, image: SpatialImage
) -> str:
    """Say what a whole mask shows, over all of its planes or volumes.

    Parameters
    ----------
    labels : (*S) uint8 array
        The mask, along the record's axes.
    record : Provenance
        How it was made.
    image : SpatialImage
        The image that it was made from, for its place in the world.
    """
    grid = record.labels_grid
    n_axes = len(grid.shape)
    along, affine = SPATIAL_AXES[-n_axes:], frame_of(image, n_axes) @ grid.to_source()
    expected = Plausible.of(record, grid.step)
    in_order = record.by_frame(labels)
    found = []
    for frame in in_order.reshape(-1, *in_order.shape[-n_axes:]):
        placed = SpatialImage(frame, along, affine, image.unit)
        sizes = class_sizes(placed, record.classes)
        found.append((expected.headline(frame, sizes), sizes))
    return of_frames(found, "planes" if n_axes == 2 else "volumes")


def of_frames(found: Sequence[tuple[str, Sequence[ClassSize]]], what: str) -> str:
    """Say what several planes or volumes show together; of a single one its line.

    Parameters
    ----------
    found : sequence of (str, sequence of ClassSize)
        The headline of each, and what its classes measure.
    what : str
        What they are: ``planes`` or ``volumes``.
    """
    lines, n = [line for line, _ in found], len(found)
    if n == 1:
        return lines[0]
    if all(line == NOTHING for line in lines):
        return f"{NOTHING} in {n} {what}"
    doubts = [line for line in lines if line.startswith(IMPLAUSIBLE)]
    if doubts:
        why = doubts[0].removeprefix(f"{IMPLAUSIBLE}: ")
        return f"{IMPLAUSIBLE} in {len(doubts)} of {n} {what}: {why}"
    return f"{', '.join(_counted(found))} of {n} {what}"


def _doubtful_size(
    span: ClassSpan, own: Sequence[ClassSize], pixel_share: float, is_volume: bool
) -> str:
    """Say what is implausible of a size; nothing where it is plausible."""
    if span.ml_words and own[0].unit == "mL":
        ml = sum(each.size for each in own)
        ends, is_far, size = span.ml_words, span.is_volume_far(ml), f"{sized(ml)} mL"
    else:
        share = min(1.0, pixel_share * sum(each.n_pixels for each in own))
        ends, is_far = span.share_words, span.is_size_far(share)
        size = f"{percent(share)} of the {'volume' if is_volume else 'picture'}"
    return f"{span.name} is {size}, in training {ends}" if is_far else ""


def _areas(sizes: Sequence[ClassSize]) -> str:
    """Name the classes that are there with their sizes, and those that are not."""
    there = [f"{s.name} {sized(s.size)} {s.unit}" for s in sizes if s.n_pixels]
    absent = [f"no {s.name}" for s in sizes if not s.n_pixels]
    if len(sizes) <= _MOST_NAMED:
        return ", ".join((*there, *absent))
    named, further = there[:_MOST_NAMED], len(there) - _MOST_NAMED
    said = [*named, *([f"{further} more classes"] if further > 0 else [])]
    return ", ".join(said) + (f"; {len(absent)} not found" if absent else "")


def _counted(found: Sequence[tuple[str, Sequence[ClassSize]]]) -> Iterator[str]:
    """Yield each class with the number of planes that show it."""
    of_class = list(zip(*(sizes for _, sizes in found), strict=True))
    for sizes in of_class[:_MOST_NAMED]:
        n = sum(size.n_pixels > 0 for size in sizes)
        yield f"{sizes[0].name} in {n}" if n else f"no {sizes[0].name}"
    if len(of_class) > _MOST_NAMED:
        yield f"and {len(of_class) - _MOST_NAMED} more classes"
