"""The gates of a volume on their way to the disk, stage by stage and slab by slab."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.running.drawing import Place
from napari_dmoe.inference.running.file_maps import TokenGrid
from napari_dmoe.inference.running.mask_files import Destination
from napari_dmoe.inference.running.overlapping import WriteBehind
from napari_dmoe.inference.running.sums import SlabMeans, Told
from napari_dmoe.inference.running.windows import Tokens, Windows
from napari_dmoe.progress import no_pulse


@dataclass(frozen=True)
class Sink:
    """Takes the gates of a stage, (1, E, d, h, w), from some plane of tokens on."""

    begin: int
    told: Told


class RoutingOnDisk:
    """Writes the gates of each stage where a volume's mask goes.

    Parameters
    ----------
    into : Destination
        Where that is.
    """

    def __init__(self, into: Destination) -> None:
        self._into, self._steps = into, into.maps.token_steps
        self.writer: WriteBehind | None = None
        """Writes while the network goes on, where there is one."""
        self.pulse = no_pulse
        """Called while too much waits to be written."""
        self._tokens: list[Tokens] = []
        self._grids: list[TokenGrid] = []
        self._begin: list[int] = []

    def begin(self, windows: Windows, grid: Grid) -> tuple[TokenGrid, ...]:
        """Begin with a volume on a grid in the source image; say where tokens lie."""
        self._tokens, self._grids = [], []
        n_voxels = math.prod(windows.patch)
        for step in self._steps:
            tokens = Tokens(windows, n_voxels // step**3)
            coarse = grid.every(tokens.step, tokens.first_centre, tokens.shape)
            self._tokens.append(tokens)
            self._grids.append(TokenGrid(*coarse.upright()))
        self._begin = [0] * len(self._steps)
        return tuple(self._grids)

    def go_on_behind(self, done: Sequence[slice]) -> int:
        """Take which upright planes of tokens are written; say what others need."""
        needed = []
        for stage, (tokens, grid, planes) in enumerate(
            zip(self._tokens, self._grids, done, strict=True)
        ):
            left = np.ones(tokens.shape[tokens.axis], bool)
            left[planes] = False
            own = np.flatnonzero(left[grid.flips[tokens.axis]])
            self._begin[stage] = int(own[0]) if len(own) else len(left)
            needed.append(tokens.first_voxel(self._begin[stage]))
        return min(needed)

    def sink(self, stage: int) -> Sink:
        """Return what takes the gates of a stage."""
        return Sink(self._begin[stage], partial(self._write, stage))

    def leave_blank(self, skipped: Sequence[int]) -> None:
        """Write gates of 0 where all windows were skipped, in their order."""
        what = self._into.maps.routing
        for stage, tokens in enumerate(self._tokens):
            sink, leading = self.sink(stage), (1, len(what.channels) if what else 0)
            means = SlabMeans(tokens, leading, sink.told, begin=sink.begin)
            for number in skipped:
                means.skip(number)
            means.end()

    def _write(self, stage: int, place: Place, means: Tensor) -> None:
        """Write a part of a stage's gates, (1, E, d, h, w)."""
        what = self._into.maps.routing
        if what is None:
            return
        flips, shape = self._grids[stage].flips, self._tokens[stage].shape
        gates = what.bytes(means[0].numpy())[(slice(None), *flips)]
        place = tuple(
            slice(n - part.stop, n - part.start) if flip.step == -1 else part
            for part, flip, n in zip(place, flips, shape, strict=True)
        )
        call = partial(self._into.write_gates, stage, place, gates)
        if self.writer is None:
            call()
        else:
            self.writer.do(call, self.pulse)
