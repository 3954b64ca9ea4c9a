"""The masks and maps of an image's volumes, drawn slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.frames import Frames, source_axes, transposed
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.running.drawing import DrawnSlab, Place
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.overlapping import WriteBehind
from napari_dmoe.progress import Progress, Pulse

if TYPE_CHECKING:
    from napari_dmoe.inference.running.mask_files import Destination

SLABS_WAITING = 8
"""Slabs of a mask that wait to be written at most."""


@dataclass(frozen=True)
class FinishedSlab:
    """A part of a mask that will not change any more, told while a run goes on."""

    place: Place
    """Where it lies in the mask: a slice for each of the mask's axes, which are those
    of the source without channels. A volume of several is one step of the others."""
    labels: NDArray[np.uint8]
    """Its classes, along the same axes."""


SlabHook = Callable[[FinishedSlab], None]
"""Takes the slabs of a mask as they are finished, each voxel once, one call at a time,
from a thread of the run, which may be another than the caller's. What it raises ends
the run."""

Drawn = Callable[[int, Place, NDArray[np.uint8]], None]
"""Takes the number of a volume, a place in it, and the classes (d, h, w) there."""


def teller(volumes: Frames, finished: SlabHook) -> Drawn:
    """Return what tells of parts of volumes' masks as they lie in the result."""
    axes = (*volumes.axes, *VOLUME_AXES)
    stored = source_axes(volumes.image.axes)

    def tell(number: int, place: Place, labels: NDArray[np.uint8]) -> None:
        of_volume = np.unravel_index(number, volumes.shape or (1,))
        steps = zip(volumes.axes, map(int, of_volume), strict=False)
        parts = {axis: slice(i, i + 1) for axis, i in steps}
        parts |= dict(zip(VOLUME_AXES, place, strict=True))
        own = labels.reshape(*(1,) * len(volumes.axes), *labels.shape)
        where = tuple(parts[axis] for axis in stored)
        finished(FinishedSlab(where, transposed(own, axes, stored)))

    return tell


class VolumeMasks:
    """What is drawn of all volumes of an image.

    Parameters
    ----------
    forward : Forward
        The model and its combinations of values.
    n_volumes : int
        How many volumes there are.
    shape : (D, H, W)
        Shape of what is drawn of each.
    seen : tuple of slice, optional
        The part of each that the network saw; outside it everything is background, and
        maps are 0. All of it by default.
    into : Destination, optional
        Where the mask of a single volume goes, and the maps that are written with it;
        by default everything that the settings ask for is drawn in memory.
    told : callable, optional
        Takes whole planes of a mask in memory once they are drawn.
    """

    def __init__(
        self,
        forward: Forward,
        n_volumes: int,
        shape: Sequence[int],
        *,
        seen: Place | None = None,
        into: Destination | None = None,
        told: Drawn | None = None,
    ) -> None:
        whole = tuple(slice(0, n) for n in shape)
        self._seen = None if seen in (None, whole) else seen
        self._forward, self._into, self._told = forward, into, told
        self.shape = tuple(shape)
        """Shape of what is drawn of each volume."""
        n_values, size = len(forward.choice.categories), (n_volumes, *shape)
        is_all = into is None
        self.labels = np.zeros(size if is_all else 0, np.uint8)
        """(N, D, H, W) array: classes."""
        n_alone = n_values if is_all and n_values > 1 else 0
        self.by_value = np.zeros((n_alone, *size), np.uint8)
        """(V, N, D, H, W) array: those of each combination alone, where it is mixed."""
        self.probabilities: NDArray[np.float32] | None = None
        """(K, N, D, H, W) array: a map for each class, where they are asked for."""
        if is_all and forward.settings.probabilities:
            n_classes = forward.loaded.config.n_classes
            self.probabilities = np.zeros((n_classes, *size), np.float32)
        self.writer: WriteBehind | None = None
        """Writes to `into` while the network goes on, where there is one."""
        self.is_blank = False
        """Whether the volume shows nothing, and so is background."""

    @contextmanager
    def written(self) -> Iterator[None]:
        """Write what is drawn to a disk, if it goes to one, while the network goes on.

        What waits when the block ends early is given up.
        """
        if self._into is None:
            yield
            return
        with WriteBehind(SLABS_WAITING) as self.writer:
            yield

    def draw(self, number: int, slab: DrawnSlab, pulse: Pulse) -> None:
        """Draw a part of volume `number` from its scores (V, K, d, h, w)."""

        def beat(_: Progress) -> None:
            pulse()

        scores = slab.scores
        place: Any = (number, *slab.place)
        mixed = self._forward.mixed(scores)
        drawn = np.zeros(slab.shape if self.is_blank else 0, np.uint8)
        if not self.is_blank:
            drawn = self._cut(slab, slab.labels(mixed, progress=beat))
            for labels, alone in zip(self.by_value, scores, strict=False):
                labels[place] = self._cut(slab, slab.labels(alone, progress=beat))
        chances: NDArray[np.float32] | None = None
        if self.probabilities is not None or (self._into and self._into.maps.at_source):
            maps = self._forward.as_probabilities(mixed)
            chances = self._cut(slab, slab.maps(maps, progress=beat))
        if self._into is not None:
            self._write(self._into, slab.place, drawn, chances, pulse)
        else:
            self.labels[place] = drawn
        if self.probabilities is not None:
            self.probabilities[(slice(None), *place)] = chances
        if self._told is not None and slab.finished is not None:
            whole: Any = (number, *slab.finished)
            self._told(number, slab.finished, self.labels[whole])

    def _write(
        self,
        into: Destination,
        place: Place,
        labels: NDArray[np.uint8],
        probabilities: NDArray[np.float32] | None,
        pulse: Pulse,
    ) -> None:
        """Have a part written, with the maps that are wanted of it."""
        sheets = into.maps.sheets(labels, probabilities)
        if self.writer is None:
            into.write(place, sheets)
        else:
            self.writer.do(partial(into.write, place, sheets), pulse)

    def _cut(self, slab: DrawnSlab, drawn: NDArray[Any]) -> NDArray[Any]:
        """Return a part (*leading, d, h, w) with 0 for what the network did not see."""
        if self._seen is None:
            return drawn
        part: list[Any] = [...]
        for seen, own in zip(self._seen, slab.place, strict=True):
            begin = min(max(seen.start - own.start, 0), own.stop - own.start)
            part.append(slice(begin, max(begin, seen.stop - own.start)))
        kept = np.zeros_like(drawn)
        kept[tuple(part)] = drawn[tuple(part)]
        return kept
