"""What every network takes and returns, whichever it is.

:class:`Routing` says what the routers decided, :class:`ExpertControl` intervenes in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8)

LEFT_OUT = -1
"""Category of an attribute that takes no part in the routing of a sample."""

WIDEST = 2**16
"""Bound of all that a network has many of; some ten times what anybody has trained."""

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

    def silent(self, block: int, n_experts: int) -> frozenset[int]:
        """Return the experts that no token of a block may use.

        Raises
        ------
        ValueError
            When an expert does not exist, or none would be left.
        """
        silent, pinned = self.muted(block), self.pinned(block)
        if pinned is not None:
            silent = silent | (set(range(n_experts)) - {pinned})
        unknown = {e for e in (*silent, pinned or 0) if not 0 <= e < n_experts}
        if unknown:
            raise ValueError(
                f"expert {min(unknown)} does not exist: there are {n_experts}, "
                "counted from 0"
            )
        if len(silent) == n_experts:
            raise ValueError(
                f"all {n_experts} experts of block {block} are muted: leave one"
            )
        return frozenset(silent)


Experts = ExpertControl | Sequence[ExpertControl | None]
"""Interventions on all samples of a batch alike, or one for each sample."""


def checked_category(
    category: Tensor | None, *, batch: int, n_routers: int, device: torch.device
) -> Tensor | None:
    """Return a network's category on its device, if every entry has a router.

    Parameters
    ----------
    category : (B,) or (B, A) integer tensor, (B, R) float tensor, or None
        The router of each sample, or one of each of A attributes. Routers of all
        attributes are counted together; -1 leaves an attribute out. Floats are the
        share of each of the R routers in the sample's own, between trained ones.
    batch, n_routers : int
        What to check against.
    device : torch.device
        Where the network computes.

    Returns
    -------
    (B,) or (B, A) int64 tensor, (B, R) float32 tensor, or None
        The same; one attribute is always (B,).

    Raises
    ------
    ValueError
        For another shape or type, an entry without a router, a sample whose
        attributes are all left out, shares that do not sum to 1, and any category if
        there are no routers.
    """
    if category is None:
        return None
    if not n_routers:
        raise ValueError("this network has no MoE: category must be None")
    if category.is_floating_point() and category.ndim == 2:
        return _checked_shares(category, batch, n_routers).to(device, torch.float32)
    # A tensor of bool or uint8 would select routers as a mask does.
    is_shaped = category.ndim in (1, 2) and len(category) == batch
    if not is_shaped or 0 in category.shape[1:] or category.dtype not in _INTEGERS:
        raise ValueError(
            f"category must hold {batch} integers, one an image, or {batch} rows of "
            f"one an attribute: found {category.dtype} of shape {tuple(category.shape)}"
        )
    rows = category.unsqueeze(1) if category.ndim == 1 else category
    if rows.device.type != "meta":
        _check_routers(rows, n_routers)
    if rows.shape[1] == 1:
        rows = rows[:, 0]
    return rows.to(device, torch.int64, non_blocking=True)


def _checked_shares(shares: Tensor, batch: int, n_routers: int) -> Tensor:
    if shares.shape != (batch, n_routers):
        raise ValueError(
            f"router shares must be of shape ({batch}, {n_routers}), one row an image: "
            f"found {tuple(shares.shape)}"
        )
    sums = shares.sum(1)
    if not ((shares >= 0).all() and torch.allclose(sums, torch.ones_like(sums))):
        raise ValueError("router shares must not be below 0, and sum to 1 in each row")
    return shares


def _check_routers(rows: Tensor, n_routers: int) -> None:
    # A negative index would silently take the last router.
    lowest = 0 if rows.shape[1] == 1 else LEFT_OUT
    if not ((rows >= lowest) & (rows < n_routers)).all():
        also = "" if lowest == 0 else f", or {LEFT_OUT} to leave an attribute out"
        raise ValueError(
            f"each category must lie in 0..{n_routers - 1}{also}: "
            f"found {rows.squeeze(1).tolist()}"
        )
    if (rows == LEFT_OUT).all(1).any():
        raise ValueError(
            "every image needs at least one attribute that is not left out: found "
            f"{rows.tolist()}"
        )
