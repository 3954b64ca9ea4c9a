"""The routing of a segmentation as maps on the image, and measures of it.

Maps keep the resolution of the tokens, which may differ from block to block;
:attr:`RoutingMaps.grids` says where they lie. Blocks (stages of a U-Net) and experts
are counted from 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid


@dataclass(frozen=True)
class RoutingMaps:
    """Gates of every block, for each combination of values that was run."""

    gates: tuple[NDArray[np.float32], ...]
    """tuple of (V, *extra, *tokens, E) float32 arrays: one array a block: gates of V
    combinations, in [0, 1], sum 1 over the E experts. `extra` are the image's axes that
    the network was run over, `tokens` the block's own resolution along `token_axes`."""
    grids: tuple[Grid, ...]
    """One a block: where its tokens lie in the source image."""
    values: tuple[str, ...]
    """Names of the combinations; one empty name where nothing drives the model."""
    weights: tuple[float, ...]
    """Share of each combination in the mixture; they sum to 1."""
    axes: tuple[str, ...]
    """Names of the extra axes."""
    token_axes: tuple[str, ...]
    """Names of the spatial axes: y, x or z, y, x."""
    unit: str = "block"
    """What a block is called; see :func:`napari_dmoe.models.titles.unit_of`."""

    @property
    def n_blocks(self) -> int:
        """Number of dMoE calls in the network."""
        return len(self.gates)

    @property
    def shares_experts(self) -> bool:
        """Whether all blocks ask the same experts; stages have experts of their own."""
        return self.unit == "block"

    @property
    def n_experts(self) -> int:
        """Number of experts."""
        return int(self.gates[0].shape[-1])

    def mean(self, block: int) -> NDArray[np.float32]:
        """Return a block's gates (*extra, *tokens, E), averaged by weight."""
        shares = np.array(self.weights, np.float32)
        return np.asarray(np.tensordot(shares, self.gates[block], axes=1), np.float32)


def dominant_expert(gates: NDArray[np.float32]) -> NDArray[np.unsignedinteger]:
    """Return the expert with the largest gate, from gates (..., E); ties: the first.

    As uint8, and wider for more than 256 experts.
    """
    return numbers_below(gates.shape[-1], gates.argmax(-1))


def numbers_below(n: int, numbers: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    """Return whole numbers from 0 to n - 1 in as few bytes as they need."""
    return np.asarray(numbers, np.min_scalar_type(max(n - 1, 0)))


def expert_load(gates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each expert's share of the gates, (E,), from a block's gates (..., E)."""
    return np.asarray(gates.reshape(-1, gates.shape[-1]).mean(0))
