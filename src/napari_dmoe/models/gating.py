"""What every network takes and returns, whichever it is.

:class:`Routing` says what the routers decided, :class:`ExpertControl` intervenes in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Noise = torch.Generator | Sequence[torch.Generator]


@dataclass(frozen=True, slots=True)
class Routing:
    """What the router of one block decided.

    Parameters
    ----------
    gates : (B, T, E) float32 tensor
        Weight of each expert for each token, in [0, 1]; they sum to 1 over experts,
        and at most ``top_k`` of them are above 0.
    logits : (B, T, E) float32 tensor
        The router's logits, before noise and before any expert is muted.
    noise_std : (B, T, E) float32 tensor
        Standard deviation of the gating noise that training adds to the logits.
    """

    gates: Tensor
    logits: Tensor
    noise_std: Tensor


@dataclass(frozen=True, slots=True)
class SegmentationOutput:
    """What a network returns.

    Parameters
    ----------
    logits : (B, K, *S) tensor
        Class scores at the input's size.
    routing : tuple of Routing
        One per block, in order; empty for a network without its MoE.
    """

    logits: Tensor
    routing: tuple[Routing, ...]

    @property
    def gates(self) -> tuple[Tensor, ...]:
        """Gates per block, each (B, T, E)."""
        return tuple(routing.gates for routing in self.routing)

    def cpu(self) -> SegmentationOutput:
        """Return the same on the CPU."""
        routing = tuple(
            Routing(r.gates.cpu(), r.logits.cpu(), r.noise_std.cpu())
            for r in self.routing
        )
        return SegmentationOutput(self.logits.cpu(), routing)


@dataclass(frozen=True)
class ExpertControl:
    """Interventions on the routing.

    Parameters
    ----------
    mute : set of (block, expert)
        Experts that no token may use; the next best steps in. Block None means all.
    pin : mapping of block to expert
        Experts that every token uses alone, with gate 1. Block None means all blocks
        that have no entry of their own.
    """

    mute: frozenset[tuple[int | None, int]] = frozenset()
    pin: Mapping[int | None, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze plain sets, so that callers may pass them."""
        object.__setattr__(self, "mute", frozenset(self.mute))

    def muted(self, block: int) -> set[int]:
        """Return the experts muted in a block."""
        return {expert for where, expert in self.mute if where in (None, block)}

    def pinned(self, block: int) -> int | None:
        """Return the expert pinned in a block; None where routing decides."""
        return self.pin.get(block, self.pin.get(None))
