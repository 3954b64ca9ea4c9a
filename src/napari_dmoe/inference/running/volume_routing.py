"""The routing of an image's volumes, put together slab by slab."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.running.sums import SlabMeans, whole_gates
from napari_dmoe.inference.running.windows import Tokens, Windows


class VolumeRouting:
    """Gates of every stage on its own grid, for one volume after another.

    Parameters
    ----------
    is_kept : bool
        Whether they are put together, and not only averaged over a volume.
    """

    def __init__(self, *, is_kept: bool = True) -> None:
        self.grids: tuple[Grid, ...] = ()
        """One a stage: where its tokens lie in the source image."""
        self._is_kept = is_kept
        self._volumes: list[tuple[NDArray[np.float32], ...]] = []
        self._sums: list[_Stage] = []

    def add(self, windows: Windows, number: int, stages: Sequence[Tensor]) -> None:
        """Take the gates (V, T, E) of every stage in window `number` of a volume."""
        if not self._sums:
            empty = _empty if self._is_kept else _empty_mean
            self._sums = [empty(windows, gates) for gates in stages]
        for (_, means, _), gates in zip(self._sums, stages, strict=True):
            means.add(number, gates)

    def end(self, grid: Grid) -> None:
        """Put a volume's gates together, after its last window.

        `grid` is where the voxels that the network saw lie in the source image.
        """
        grids, maps = [], []
        for tokens, means, gates in self._sums:
            means.end()
            coarse = grid.every(tokens.step, tokens.first_centre, tokens.shape)
            upright, flips = coarse.upright()
            grids.append(upright)
            maps.append(gates[(slice(None), *flips)] if self._is_kept else gates)
        self.grids, self._sums = tuple(grids), []
        self._volumes.append(tuple(maps))

    def stages(self) -> list[NDArray[np.float32]]:
        """Return the gates (V, N, d, h, w, E) of every stage in N volumes.

        Where they are not kept, their means (V, N, 1, E).
        """
        together = zip(*self._volumes, strict=True)
        # Those of a single volume are not copied: they may be most of what there is.
        return [
            np.stack(gates, 1) if len(gates) > 1 else gates[0][:, np.newaxis]
            for gates in together
        ]


_Stage = tuple[Tokens, SlabMeans, NDArray[np.float32]]


def _empty_mean(windows: Windows, gates: Tensor) -> _Stage:
    n_values, n_tokens, n_experts = gates.shape
    tokens = Tokens(windows, n_tokens)
    mean = np.zeros((n_values, 1, n_experts), np.float32)

    def average(_: int, means: Tensor) -> None:
        mean[:, 0] += means.sum((2, 3, 4)).numpy() / math.prod(tokens.shape)

    return tokens, SlabMeans(tokens, (n_values, n_experts), average), mean


def _empty(windows: Windows, gates: Tensor) -> _Stage:
    n_values, n_tokens, n_experts = gates.shape
    tokens = Tokens(windows, n_tokens)
    means, whole = whole_gates(tokens, n_values=n_values, n_experts=n_experts)
    return tokens, means, whole


def as_blocks(stages: Sequence[NDArray[np.float32]]) -> list[Tensor]:
    """Return gates (V, N, d, h, w, E) of stages as tensors, which know no flips."""
    return [
        torch.from_numpy(gates if min(gates.strides) >= 0 else gates.copy())
        for gates in stages
    ]
