"""The routing of an image's volumes, put together slab by slab."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.results.routing import ALL_ROUTING, KeptRouting
from napari_dmoe.inference.running.file_maps import TokenGrid
from napari_dmoe.inference.running.mask_files import Destination
from napari_dmoe.inference.running.overlapping import WriteBehind
from napari_dmoe.inference.running.routing_on_disk import RoutingOnDisk, Sink
from napari_dmoe.inference.running.sums import SlabMeans, gates_at
from napari_dmoe.inference.running.windows import Tokens, Windows
from napari_dmoe.progress import Pulse

_FAR = 2**62
"""Behind every plane."""


class VolumeRouting:
    """Gates of every stage on its own grid, for one volume after another.

    Parameters
    ----------
    weights : sequence of float
        Share of each combination of values in the mixture.
    keep : KeptRouting
        What is put together; of the rest only the mean over a volume is known.
    into : Destination, optional
        Where the gates go that are written to a disk.
    """

    def __init__(
        self,
        weights: Sequence[float] = (1.0,),
        keep: KeptRouting = ALL_ROUTING,
        into: Destination | None = None,
    ) -> None:
        self.grids: tuple[Grid, ...] = ()
        """One a stage: where its tokens lie in the source image."""
        self._weights, self._keep = tuple(weights), keep
        self._volumes: list[dict[int, NDArray[np.floating]]] = []
        self._loads: list[list[NDArray[np.float32]]] = []
        self._stages: list[_Stage] = []
        self._skipped: list[int] = []
        self._written = RoutingOnDisk(into) if into and into.maps.routing else None

    def begin(self, windows: Windows, grid: Grid) -> tuple[TokenGrid, ...]:
        """Begin with a volume, whose voxels lie on a grid in the source image.

        Returns where the tokens lie of the stages whose gates are written.
        """
        return self._written.begin(windows, grid) if self._written else ()

    def go_on_behind(self, done: Sequence[slice]) -> int:
        """Take the tokens of each stage that are written already.

        Returns the first plane of the volume that is needed for the others.
        """
        return self._written.go_on_behind(done) if self._written else _FAR

    def write_with(self, writer: WriteBehind | None, pulse: Pulse) -> None:
        """Take what writes gates to a disk while the network goes on."""
        if self._written is not None:
            self._written.writer, self._written.pulse = writer, pulse

    def add(self, windows: Windows, number: int, stages: Sequence[Tensor]) -> None:
        """Take the gates (V, T, E) of every stage in window `number` of a volume."""
        told = [self._mixed(stage, gates) for stage, gates in enumerate(stages)]
        is_new = not self._stages
        if is_new:
            self._stages = [
                _Stage.of(
                    windows,
                    gates,
                    self._keep.dtype_of(stage),
                    self._written.sink(stage) if self._written else None,
                )
                for stage, gates in enumerate(told)
            ]
        for stage, gates in zip(self._stages, told, strict=True):
            for skipped in self._skipped if is_new else ():
                stage.means.skip(skipped)
            stage.means.add(number, gates)

    def skip(self, number: int) -> None:
        """Pass over a window in which no expert was asked."""
        self._skipped.append(number)
        for stage in self._stages:
            stage.means.skip(number)

    def _mixed(self, stage: int, gates: Tensor) -> Tensor:
        """Return the gates of each value where these are kept, else their mean."""
        is_apart = self._keep.each_value and self._keep.dtype_of(stage) is not None
        if is_apart or len(gates) == 1:
            return gates
        mean: Tensor = torch.tensordot(gates.new_tensor(self._weights), gates, 1)
        return mean.unsqueeze(0)

    def end(self, grid: Grid) -> None:
        """Put a volume's gates together, after its last window.

        `grid` is where the voxels that the network saw lie in the source image.
        """
        grids, maps, loads = [], {}, []
        if self._written is not None and not self._stages:
            self._written.leave_blank(self._skipped)
        for number, stage in enumerate(self._stages):
            stage.means.end()
            tokens = stage.tokens
            coarse = grid.every(tokens.step, tokens.first_centre, tokens.shape)
            upright, flips = coarse.upright()
            grids.append(upright)
            loads.append(stage.load)
            if stage.gates is not None:
                maps[number] = stage.gates[(slice(None), *flips)]
        self.grids, self._stages, self._skipped = tuple(grids) or self.grids, [], []
        self._volumes.append(maps)
        self._loads.append(loads)

    def stages(self) -> dict[int, NDArray[np.floating]]:
        """Return the gates (V, N, d, h, w, E) in N volumes, of the stages kept."""
        # Those of a single volume are not copied: they may be most of what there is.
        # In a volume all of whose windows were skipped no expert was asked.
        return {
            stage: np.stack(
                [each.get(stage, np.zeros_like(gates)) for each in self._volumes], 1
            )
            if len(self._volumes) > 1
            else gates[:, np.newaxis]
            for stage, gates in next(filter(None, self._volumes), {}).items()
        }

    def loads(self) -> tuple[list[Tensor], tuple[float, ...]]:
        """Return the mean gates (V, N, 1, E) of every stage, and the values' shares.

        Means over the values have been taken where those are not kept apart.
        """
        n = len(self._weights)
        shares = torch.tensor(self._weights)
        stages = []
        for parts in zip(*self._loads, strict=True):
            means = torch.from_numpy(np.stack(parts, 1))
            if len(means) == n > 1:
                means = torch.tensordot(shares, means, 1).unsqueeze(0)
            stages.append(means.unsqueeze(2))
        return stages, (1.0,)


@dataclass
class _Stage:
    """One stage of one volume."""

    tokens: Tokens
    means: SlabMeans
    load: NDArray[np.float32]
    """(V, E): the mean gates so far, of the whole volume in the end."""
    gates: NDArray[np.floating] | None
    """(V, d, h, w, E): 0 where nothing was told yet; None where they are not kept."""

    @classmethod
    def of(
        cls, windows: Windows, gates: Tensor, dtype: str | None, sink: Sink | None
    ) -> _Stage:
        """Return a stage before its first window, whose gates are (V, T, E)."""
        n_values, n_tokens, n_experts = gates.shape
        tokens = Tokens(windows, n_tokens)
        load = np.zeros((n_values, n_experts), np.float32)
        whole: NDArray[np.floating] | None = None
        if dtype is not None:
            whole = np.zeros((n_values, *tokens.shape, n_experts), dtype)

        def told(place: tuple[slice, ...], means: Tensor) -> None:
            nonlocal load
            load += means.sum((2, 3, 4)).numpy() / math.prod(tokens.shape)
            if whole is not None:
                gates_at(whole, place, means)
            if sink is not None:
                sink.told(place, means)

        begin = 0 if sink is None else sink.begin
        means = SlabMeans(tokens, (n_values, n_experts), told, begin=begin)
        return cls(tokens, means, load, whole)
