"""The routing of a segmentation as maps on the image, and measures of it.

Maps keep the resolution of the tokens; :attr:`RoutingMaps.grid` says where they lie.
Blocks and experts are counted from 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid


@dataclass(frozen=True)
class RoutingMaps:
    """Gates of every block, for each value of the driver that was run.

    Parameters
    ----------
    gates : (V, L, *extra, h, w, E) float32 array
        Gates of V values and L blocks, in [0, 1], sum 1 over the E experts. `extra`
        are the image's axes that the network was run over.
    values : tuple of str
        Names of the values; one empty name where nothing drives the model.
    weights : tuple of float
        Share of each value in the mixture; they sum to 1.
    axes : tuple of str
        Names of the extra axes.
    grid : Grid
        Where the tokens lie in the source image.
    """

    gates: NDArray[np.float32]
    values: tuple[str, ...]
    weights: tuple[float, ...]
    axes: tuple[str, ...]
    grid: Grid

    @property
    def n_blocks(self) -> int:
        """Number of dMoE calls in the network."""
        return int(self.gates.shape[1])

    @property
    def n_experts(self) -> int:
        """Number of experts."""
        return int(self.gates.shape[-1])

    def mean(self) -> NDArray[np.float32]:
        """Return the gates (L, *extra, h, w, E), averaged over values by weight."""
        mixed = np.tensordot(np.array(self.weights, np.float32), self.gates, axes=1)
        return mixed.astype(np.float32)


def dominant_expert(gates: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the expert with the largest gate, from gates (..., E); ties: the first."""
    best: NDArray[np.uint8] = gates.argmax(-1).astype(np.uint8)
    return best


def expert_load(gates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each expert's share of the gates, (L, E), from gates (L, ..., E)."""
    load: NDArray[np.float32] = gates.reshape(len(gates), -1, gates.shape[-1]).mean(1)
    return load
