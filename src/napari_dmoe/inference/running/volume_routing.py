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
from napari_dmoe.inference.running.sums import SlabMeans, gates_at
from napari_dmoe.inference.running.windows import Tokens, Windows


class VolumeRouting:
    """Gates of every stage on its own grid, for one volume after another.

    Parameters
    ----------
    weights : sequence of float
        Share of each combination of values in the mixture.
    keep : KeptRouting
        What is put together; of the rest only the mean over a volume is known.
    """

    def __init__(
        self, weights: Sequence[float] = (1.0,), keep: KeptRouting = ALL_ROUTING
    ) -> None:
        self.grids: tuple[Grid, ...] = ()
        """One a stage: where its tokens lie in the source image."""
        self._weights, self._keep = tuple(weights), keep
        self._volumes: list[dict[int, NDArray[np.floating]]] = []
        self._loads: list[list[NDArray[np.float32]]] = []
        self._stages: list[_Stage] = []

    def add(self, windows: Windows, number: int, stages: Sequence[Tensor]) -> None:
        """Take the gates (V, T, E) of every stage in window `number` of a volume."""
        told = [self._mixed(stage, gates) for stage, gates in enumerate(stages)]
        if not self._stages:
            self._stages = [
                _Stage.of(windows, gates, self._keep.dtype_of(stage))
                for stage, gates in enumerate(told)
            ]
        for stage, gates in zip(self._stages, told, strict=True):
            stage.means.add(number, gates)

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
        for number, stage in enumerate(self._stages):
            stage.means.end()
            tokens = stage.tokens
            coarse = grid.every(tokens.step, tokens.first_centre, tokens.shape)
            upright, flips = coarse.upright()
            grids.append(upright)
            loads.append(stage.load)
            if stage.gates is not None:
                maps[number] = stage.gates[(slice(None), *flips)]
        self.grids, self._stages = tuple(grids), []
        self._volumes.append(maps)
        self._loads.append(loads)

    def stages(self) -> dict[int, NDArray[np.floating]]:
        """Return the gates (V, N, d, h, w, E) in N volumes, of the stages kept."""
        # Those of a single volume are not copied: they may be most of what there is.
        return {
            stage: np.stack([each[stage] for each in self._volumes], 1)
            if len(self._volumes) > 1
            else gates[:, np.newaxis]
            for stage, gates in (self._volumes[0] if self._volumes else {}).items()
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
    def of(cls, windows: Windows, gates: Tensor, dtype: str | None) -> _Stage:
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

        means = SlabMeans(tokens, (n_values, n_experts), told)
        return cls(tokens, means, load, whole)
