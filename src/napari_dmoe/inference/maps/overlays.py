"""What can be shown of the routing as a map on the image: one function a map.

A further map is one function here and its line in :data:`OVERLAYS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.inference.maps.measures import (
    block_agreement,
    expert_pair,
    js_divergence,
)
from napari_dmoe.inference.results.routing import dominant_expert

OverlayName = Literal[
    "dominant",
    "gate",
    "entropy",
    "pair",
    "divergence",
    "uncertainty",
    "chance",
    "agreement",
]
OverlayInput = Literal["gates", "two values", "samples", "chance", "blocks"]


@dataclass(frozen=True)
class OverlayKind:
    """One map of the routing."""

    title: str
    help: str
    """Name and explanation for a person."""
    compute: Callable[[NDArray[np.float32], int], NDArray[Any]]
    """From a block's gates (..., E) and an expert's number to a map (...)."""
    limits: tuple[float, float] | None = None
    """Least and largest value that the map can have; None for expert numbers, which are
    colours of their own."""
    unit: str = ""
    """Unit of the values."""
    is_of_one_expert: bool = False
    """Whether the map depends on the expert."""
    needs: OverlayInput = "gates"
    """What `compute` takes in place of a block's gates (..., E): those of two values
    (2, ..., E); votes of noise samples for each expert (..., E), as :func:`uncertainty`
    counts them; chances (..., E), as :func:`read_routing` returns them; or the gates of
    all blocks (L, ..., E)."""


def gate(gates: NDArray[np.float32], expert: int) -> NDArray[np.float32]:
    """Return one expert's gate, in [0, 1], from a block's gates (..., E).

    Raises
    ------
    ValueError
        When there is no such expert.
    """
    if not 0 <= expert < gates.shape[-1]:
        raise ValueError(f"there are {gates.shape[-1]} experts, from 0: found {expert}")
    return np.ascontiguousarray(gates[..., expert], np.float32)


def gate_entropy(gates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the entropy of the gates in bits, from a block's gates (..., E).

    Notes
    -----
    ``-sum_e g_e log2 g_e``: 0 where one expert does it all, 1 where two share it
    equally. More than two have a part only where several patients' routers are mixed,
    or where windows of a volume overlap.
    """
    parts = np.where(gates > 0, gates, 1)
    entropy: NDArray[np.float32] = -(gates * np.log2(parts)).sum(-1)
    return np.maximum(entropy, 0).astype(np.float32, copy=False)


def vote_entropy(votes: NDArray[Any]) -> NDArray[np.float32]:
    """Return the entropy in bits of votes (..., E), such as those of noise samples."""
    total = np.maximum(votes.sum(-1, keepdims=True, dtype=np.int64), 1)
    return gate_entropy((votes / total).astype(np.float32))


OVERLAYS: Mapping[OverlayName, OverlayKind] = {
    "dominant": OverlayKind(
        title="Dominant expert",
        help="The expert with the largest gate at each place.",
        compute=lambda gates, _: dominant_expert(gates),
    ),
    "gate": OverlayKind(
        title="Gate of expert",
        help="How large a part one expert has at each place, from 0 to 1.",
        compute=gate,
        limits=(0.0, 1.0),
        is_of_one_expert=True,
    ),
    "entropy": OverlayKind(
        title="Entropy of the gates",
        help="How evenly experts work: 0 bits for one alone, 1 for two alike.",
        compute=lambda gates, _: gate_entropy(gates),
        limits=(0.0, 1.0),
        unit="bits",
    ),
    "pair": OverlayKind(
        title="Pair of experts",
        help="Which two experts share the work, whichever of them is the stronger.",
        compute=lambda gates, _: expert_pair(gates),
    ),
    "divergence": OverlayKind(
        title="Divergence of two values",
        help="How differently two values are routed: 0 bits for alike, 1 for no expert "
        "in common. This is the model's behaviour, not biology.",
        compute=lambda gates, _: js_divergence(*gates),
        limits=(0.0, 1.0),
        unit="bits",
        needs="two values",
    ),
    "uncertainty": OverlayKind(
        title="Routing uncertainty",
        help="How often the dominant expert changes over runs with noise: 0 bits where "
        "it is always the same.",
        compute=lambda votes, _: vote_entropy(votes),
        limits=(0.0, 3.0),
        unit="bits",
        needs="samples",
    ),
    "chance": OverlayKind(
        title="Chance of expert",
        help="Chance that the published noise puts an expert among the two that are "
        "chosen, from 0 to 1.",
        compute=gate,
        limits=(0.0, 1.0),
        is_of_one_expert=True,
        needs="chance",
    ),
    "agreement": OverlayKind(
        title="Agreement of blocks",
        help="Share of the blocks in which the commonest dominant expert dominates.",
        compute=lambda gates, _: block_agreement(gates),
        limits=(0.0, 1.0),
        needs="blocks",
    ),
}
"""Every map by its key, in the order in which they are offered."""
