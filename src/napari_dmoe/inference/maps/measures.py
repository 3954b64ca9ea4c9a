"""Measures of the routing: how loads spread over blocks, classes and regions.

All take gates or maps as :class:`RoutingMaps` holds them. Blocks and experts are
counted from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.results.routing import (
    RoutingMaps,
    dominant_expert,
    expert_load,
    numbers_below,
)

COLLAPSE = 0.95
"""Load of one expert above which a block makes no use of the others."""


def pair_names(n_experts: int) -> tuple[str, ...]:
    """Return what the numbers of :func:`expert_pair` mean: ``"0 + 1"`` and so on."""
    return tuple(f"{i} + {j}" for i, j in combinations(range(n_experts), 2))


def expert_pair(gates: NDArray[np.float32]) -> NDArray[np.unsignedinteger]:
    """Return which two experts share a token, whichever is the stronger.

    Parameters
    ----------
    gates : (..., E) float32 array
        Gates of a block.

    Returns
    -------
    (...) uint8 array, or wider for more than 23 experts
        Number of the pair in :func:`pair_names`: 0 for experts 0 and 1, up to
        ``E (E - 1) / 2 - 1``.
    """
    n = gates.shape[-1]
    top = np.argsort(-gates, axis=-1, kind="stable")[..., :2]
    low, high = top.min(-1), top.max(-1)
    number = low * (2 * n - low - 1) // 2 + high - low - 1
    return numbers_below(n * (n - 1) // 2, number)


def js_divergence(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how differently two values route a token.

    Parameters
    ----------
    first, second : (..., E) float32 array
        Gates of one block for two values of an attribute.

    Returns
    -------
    (...) float32 array
        Jensen-Shannon divergence in bits, in [0, 1]: 0 for equal gates, 1 where no
        expert has a part in both.

    References
    ----------
    Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
    Information Theory, 1991, doi:10.1109/18.61115.
    """
    middle = (first + second) / 2
    total = _plogp(first).sum(-1) / 2 + _plogp(second).sum(-1) / 2
    divergence = np.clip(total - _plogp(middle).sum(-1), 0, 1)
    return np.asarray(divergence, np.float32)


def _plogp(p: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = np.asarray(p, np.float64)
    return wide * np.log2(np.where(wide > 0, wide, 1))


def block_agreement(gates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of blocks whose dominant expert is the commonest one.

    Parameters
    ----------
    gates : (L, ..., E) float32 array
        Gates of L blocks that share their experts and their tokens.

    Returns
    -------
    (...) float32 array
        From 1 / L to 1, where one expert dominates a token in all blocks.
    """
    experts = dominant_expert(gates)
    counts = np.stack([(experts == e).sum(0) for e in range(gates.shape[-1])])
    return np.asarray(counts.max(0) / len(gates), np.float32)


def stacked(maps: RoutingMaps) -> NDArray[np.float32]:
    """Return the mean gates of all blocks, (L, *extra, *tokens, E).

    Raises
    ------
    ValueError
        For the stages of a U-Net, which differ in their tokens and have experts of
        their own.
    """
    if not maps.shares_experts:
        raise ValueError(
            "the stages of this network have experts of their own, so they cannot "
            "agree or disagree"
        )
    return np.stack([maps.mean(block) for block in maps.blocks])


def load_matrix(maps: RoutingMaps) -> NDArray[np.float32]:
    """Return each expert's share of the gates in each block, (L, E); rows sum to 1."""
    return np.stack([expert_load(maps.mean(block)) for block in maps.blocks])


@dataclass(frozen=True)
class Collapse:
    """A block in which one expert does nearly everything."""

    block: int
    expert: int
    load: float


def collapsed(
    load: NDArray[np.float32], threshold: float = COLLAPSE
) -> tuple[Collapse, ...]:
    """Return the blocks in which one expert's load is above a threshold.

    Parameters
    ----------
    load : (L, E) float32 array
        What :func:`load_matrix` returns.
    threshold : float
        Load in [0, 1].
    """
    return tuple(
        Collapse(block, int(row.argmax()), float(row.max()))
        for block, row in enumerate(load)
        if row.max() > threshold
    )


def load_per_class(
    maps: RoutingMaps, block: int, labels: NDArray[np.integer], grid: Grid, n: int
) -> NDArray[np.float64]:
    """Return each expert's share of the gates in the pixels of each class.

    Parameters
    ----------
    maps : RoutingMaps
        The routing.
    block : int
        Block or stage.
    labels : (*extra, *S) integer array
        The mask, its axes as those of the result that `maps` belong to.
    grid : Grid
        Where the mask lies in the source image; ``result.grid``.
    n : int
        Number of classes, K.

    Returns
    -------
    (K, E) float64 array
        Rows sum to 1; NaN for a class without a pixel that a token covers.

    Notes
    -----
    A token counts for a class as often as it has pixels of it.
    """
    gates = maps.mean(block)
    rows = []
    for label in range(n):
        counts = pixels_per_token(labels == label, grid, maps.grids[block])
        total = counts.sum()
        weighted = np.tensordot(counts, gates.astype(np.float64), counts.ndim)
        nothing = np.full(gates.shape[-1], np.nan)
        rows.append(weighted / total if total else nothing)
    return np.stack(rows)


def load_within(
    maps: RoutingMaps, block: int, region: NDArray[np.bool_], grid: Grid
) -> NDArray[np.float64]:
    """Return each expert's share of the gates in a region, (E,); NaN where it is empty.

    Parameters
    ----------
    maps, block, grid
        As in :func:`load_per_class`.
    region : (*extra, *S) bool array
        The region.
    """
    shares = load_per_class(maps, block, region.astype(np.uint8), grid, 2)
    return np.asarray(shares[1])


def pixels_per_token(
    mask: NDArray[np.bool_], grid: Grid, tokens: Grid
) -> NDArray[np.int64]:
    """Count the pixels of a mask that lie in each token.

    Parameters
    ----------
    mask : (*extra, *S) bool array
        The mask.
    grid, tokens : Grid
        Where its pixels and the tokens lie in the source image.

    Returns
    -------
    (*extra, *tokens) int64 array
        Counts; pixels outside all tokens are left out.
    """
    n_extra = mask.ndim - len(grid.shape)
    counts: NDArray[np.int64] = mask.astype(np.uint8)
    for axis, n in enumerate(tokens.shape):
        where = (grid.coordinates(axis) - tokens.start[axis]) / tokens.step[axis]
        index = np.floor(where + 0.5).astype(int)
        inside = np.flatnonzero((index >= 0) & (index < n))
        found, starts = np.unique(index[inside], return_index=True)
        place = n_extra + axis
        kept = counts.take(inside, place)
        shape = (*counts.shape[:place], n, *counts.shape[place + 1 :])
        counts = np.zeros(shape, np.int64)
        if len(found):
            sums = np.add.reduceat(kept, starts, place, dtype=np.int64)
            counts[(slice(None),) * place + (found,)] = sums
    return counts
