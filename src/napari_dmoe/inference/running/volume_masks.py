"""The masks and maps of an image's volumes, drawn slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    into : Destination, optional
        Where the mask of a single volume goes, and nothing else is then; by default
        everything that the settings ask for is drawn in memory.
    told : callable, optional
        Takes whole planes of a mask in memory once they are drawn.
    """

    def __init__(
        self,
        forward: Forward,
        n_volumes: int,
        shape: Sequence[int],
        *,
        into: Destination | None = None,
        told: Drawn | None = None,
    ) -> None:
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

    def draw(self, number: int, slab: DrawnSlab, pulse: Pulse) -> None:
        """Draw a part of volume `number` from its scores (V, K, d, h, w)."""

        def beat(_: Progress) -> None:
            pulse()

        scores = slab.scores
        place: Any = (number, *slab.place)
        mixed = self._forward.mixed(scores)
        drawn = np.zeros(slab.shape if self.is_blank else 0, np.uint8)
        if not self.is_blank:
            drawn = slab.labels(mixed, progress=beat)
            for labels, alone in zip(self.by_value, scores, strict=False):
                labels[place] = slab.labels(alone, progress=beat)
        if self._into is None:
            self.labels[place] = drawn
        elif self.writer is None:
            self._into.write(slab.place, drawn)
        else:
            self.writer.do(partial(self._into.write, slab.place, drawn), pulse)
        if self.probabilities is not None:
            maps = self._forward.as_probabilities(mixed)
            self.probabilities[(slice(None), *place)] = slab.maps(maps, progress=beat)
        if self._told is not None and slab.finished is not None:
            whole: Any = (number, *slab.finished)
            self._told(number, slab.finished, self.labels[whole])
