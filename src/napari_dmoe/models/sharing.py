"""What rows of the same input have in common in a network, computed once.

Rows that differ in their value, in the noise of their gates or in what intervenes in
them are one until the first router is asked, and the experts behind that router answer
a token alike, whoever asks. So the layers before it run once an input, and of each
token every expert is asked at most once, however many rows it answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.models.gating import (
    ExpertControl,
    Experts,
    Noise,
    SegmentationOutput,
    checked_category,
)
from napari_dmoe.models.mixing import Weights, expert_spans, spared
from napari_dmoe.models.moe import SparseMoE, gates_of
from napari_dmoe.models.products import linear

_BYTE = 256
"""Experts of which the number is a byte."""


@runtime_checkable
class Shares(Protocol):
    """A network whose layers before its first router can be run on their own."""

    def first_moe(self) -> SparseMoE | None:
        """Return the dMoE layer that is asked first; None without a MoE."""

    def begin(self, x: Tensor) -> Tensor:
        """Return the features of inputs (B, C, *S) that the first router is shown."""

    def tokens(self, features: Tensor) -> Tensor:
        """Return these features as tokens (B, T, C)."""

    def go_on(
        self,
        features: Tensor,
        mixture: Tensor | None,
        category: Tensor | None,
        noise: Noise | None = None,
        experts: Experts | None = None,
    ) -> SegmentationOutput:
        """Return logits, and the routing from the second dMoE call on.

        `mixture` (B, T, C) is what the first one adds to the tokens.
        """


@dataclass(frozen=True)
class ExpertAnswers:
    """What experts say of the tokens of one input, each answer once."""

    rows: Tensor
    """(U, C) tensor: the answers."""
    places: Tensor
    """(E * T,) integer tensor: where the answer of an expert to a token stands, expert
    after expert; anything where it was not asked."""

    def mixture(self, gates: Tensor, chosen: Tensor) -> Tensor:
        """Return the weighted sums (T, C) of K chosen experts' answers, both (T, K)."""
        n = len(chosen)
        tokens = torch.arange(n, device=chosen.device).unsqueeze(1)
        where = self.places[chosen.long() * n + tokens]
        return F.embedding_bag(
            where, self.rows, mode="sum", per_sample_weights=gates.to(self.rows.dtype)
        )


def ask_experts(tokens: Tensor, chosen: Tensor, weights: Weights) -> ExpertAnswers:
    """Ask each expert about those tokens that any row sends to it.

    Parameters
    ----------
    tokens : (T, C) tensor
        Features of one input.
    chosen : (R, T, K) integer tensor
        Experts of each token, for each of R rows.
    weights : Weights
        Of the experts.

    Notes
    -----
    A GPU asks every expert about every token, as it then need not wait for counts.
    """
    n, n_experts = len(tokens), len(weights.w_in)
    if tokens.device.type != "cpu":
        return _everything_asked(tokens, weights)
    used = torch.zeros(n, n_experts, dtype=torch.uint8)
    for row in chosen:
        used.scatter_(1, row.long(), 1)
    used = used.t().contiguous()
    counts = used.sum(1, dtype=torch.int64).tolist()
    places = used.flatten().cumsum(0, dtype=torch.int32).sub_(1)
    source = spared(used.flatten().nonzero()[:, 0].remainder_(n).int())
    exact = tokens.to(weights.w_in.dtype)
    answers = exact.new_empty(len(source), exact.shape[1])
    with torch.autocast("cpu", enabled=False):
        for e, begin, _, stop in expert_spans(counts, weights.w_in):
            rows = F.embedding(source[begin:stop], exact)
            hidden = linear(rows, weights.w_in[e], weights.b_in[e], relu=True)
            out = answers[begin:stop]
            linear(hidden, weights.w_out[e], weights.b_out[e], out=out)
    return ExpertAnswers(answers, places)


def _everything_asked(tokens: Tensor, weights: Weights) -> ExpertAnswers:
    w_in, b_in, w_out, b_out = weights
    everyone = tokens.expand(len(w_in), -1, -1)
    hidden = torch.baddbmm(b_in.unsqueeze(1), everyone, w_in.mT).relu_()
    rows = torch.baddbmm(b_out.unsqueeze(1), hidden, w_out.mT).flatten(0, 1)
    return ExpertAnswers(rows, torch.arange(len(rows), device=rows.device))


class Row(NamedTuple):
    """One thing that a network is asked about one of several inputs."""

    place: int
    """Of the input among them."""
    category: tuple[int, ...] | tuple[float, ...] | None
    """A router of each attribute, or the share of every router; None skips the MoE."""
    noise: torch.Generator | None = None
    """Source of the gating noise; it is not drawn from, but copied."""
    experts: ExpertControl | None = None
    """What intervenes."""


class Said(NamedTuple):
    """What a network says of some rows."""

    logits: Tensor
    """(B, K, *S)."""
    gates: tuple[Tensor, ...]
    """One a block, each (B, T, E)."""

    def cpu(self) -> Said:
        """Return the same on the CPU."""
        return Said(self.logits.cpu(), tuple(gates.cpu() for gates in self.gates))


class SharedStart:
    """Rows of the same inputs, as far as they have it in common.

    Parameters
    ----------
    network : Shares
        The network, in evaluation mode; it has a MoE.
    inputs : (P, C, *S) tensor
        What it sees, on its device.
    rows : sequence of Row
        What it is asked about them: all categories are routers, or all are shares.
    asks_once : bool
        Whether an expert is asked once for all rows. Otherwise they share the layers
        before it alone, and every row has the bits that it has in a run of its own.

    Raises
    ------
    ValueError
        As the network itself raises it.
    """

    def __init__(
        self,
        network: Shares,
        inputs: Tensor,
        rows: Sequence[Row],
        *,
        asks_once: bool = True,
    ) -> None:
        self._network, self._rows = network, rows
        self._features = network.begin(inputs)
        self._states = [
            None if row.noise is None else row.noise.get_state() for row in rows
        ]
        self._answers: list[ExpertAnswers] = []
        self._chosen: list[tuple[Tensor, Tensor]] = []
        if asks_once:
            self._ask()

    @property
    def _moe(self) -> SparseMoE:
        moe = self._network.first_moe()
        if moe is None:
            raise ValueError("a network without a MoE has no rows that share a start")
        return moe

    def _ask(self) -> None:
        """Ask the first router for every row, and then its experts, once each."""
        tokens, moe = self._network.tokens(self._features), self._moe
        kind = torch.uint8 if moe.n_experts <= _BYTE else torch.int64
        for number, row in enumerate(self._rows):
            category, noise, experts = self._told(range(number, number + 1))
            own = tokens[row.place : row.place + 1]
            found = moe.route(own, category, noise=noise, experts=experts)
            self._chosen.append((found.weights[0], found.chosen[0].to(kind)))
            if noise is not None:
                self._states[number] = noise[0].get_state()
        for place, own in enumerate(tokens):
            each = zip(self._rows, self._chosen, strict=True)
            asked = [chosen for row, (_, chosen) in each if row.place == place]
            self._answers.append(ask_experts(own, torch.stack(asked), moe.weights))

    def _told(
        self, part: range
    ) -> tuple[Tensor, list[torch.Generator] | None, list[ExpertControl | None] | None]:
        """Return what the network is told of some rows."""
        rows = [self._rows[number] for number in part]
        category = checked_category(
            torch.tensor([row.category for row in rows]),
            batch=len(rows),
            n_routers=self._moe.n_routers,
            device=self._features.device,
        )
        if category is None:
            raise ValueError("rows that share a start have routers")
        states = self._states[part.start : part.stop]
        noise = [
            torch.Generator(row.noise.device).set_state(state)
            for row, state in zip(rows, states, strict=True)
            if row.noise is not None and state is not None
        ]
        experts = [row.experts for row in rows]
        return category, noise or None, experts if any(experts) else None

    def run(self, part: range, device: torch.device) -> Said:
        """Run some of the rows to the end, where the network is."""
        self._move(device)
        places = [self._rows[number].place for number in part]
        # A copy would be as large as the features.
        first = slice(places[0], places[0] + 1)
        features = self._features[first if len(places) == 1 else places]
        category, noise, experts = self._told(part)
        if self._answers:
            mixture, gates = self._mixtures(part)
        else:
            tokens = self._network.tokens(features)
            mixture, decided = self._moe(tokens, category, noise=noise, experts=experts)
            gates = decided.gates
        out = self._network.go_on(features, mixture, category, noise, experts)
        return Said(out.logits, (gates, *out.gates))

    def _mixtures(self, part: range) -> tuple[Tensor, Tensor]:
        """Return mixtures (B, T, C) and gates (B, T, E) of some rows."""
        mixtures, gates = [], []
        for number in part:
            weights, chosen = self._chosen[number]
            answers = self._answers[self._rows[number].place]
            mixtures.append(answers.mixture(weights, chosen))
            gates.append(gates_of(weights, chosen.long(), self._moe.n_experts))
        return torch.stack(mixtures), torch.stack(gates)

    def _move(self, device: torch.device) -> None:
        if self._features.device == device:
            return
        self._features = self._features.to(device)
        self._answers = [
            ExpertAnswers(each.rows.to(device), each.places.to(device))
            for each in self._answers
        ]
        self._chosen = [(w.to(device), e.to(device)) for w, e in self._chosen]
