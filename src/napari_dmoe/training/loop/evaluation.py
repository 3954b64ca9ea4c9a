"""How well a network does on held-out cases: Dice per class and group."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from napari_dmoe.evaluation.groups.membership import EVERYBODY, Groups
from napari_dmoe.inference.masks.pairs import class_dice
from napari_dmoe.inference.running.drivers import (
    RouterChoice,
    combined,
    driver_record,
)
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.gating import LEFT_OUT
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.pool import Pool

OVERLAP = 0.25
"""Overlap of the windows of a volume, in shares of a side."""


@dataclass(frozen=True)
class Evaluation:
    """Dice on held-out cases, at the network's resolution.

    Parameters
    ----------
    cases : (N, K - 1) float64 tensor
        Dice of each case and class but the background; NaN where the class is neither
        there nor found.
    dice : mapping of str to float
        Mean over the cases for each class; NaN where none counts.
    groups : mapping of str to mapping of str to float
        The same for each group that has cases which count.
    n_groups : mapping of str to int
        How many cases count in each of these groups.
    """

    cases: Tensor
    dice: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]]
    n_groups: Mapping[str, int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many cases count."""
        return counted(self.cases)

    @property
    def worst(self) -> float:
        """Mean Dice over the classes, of the worst group; of all where none is."""
        return self.worst_of(self.groups)[1]

    def worst_of(self, names: Collection[str]) -> tuple[str, float]:
        """Return the worst of some groups, and its mean Dice over the classes.

        It is everybody where none of them has cases which count.
        """
        means = {name: _mean(row.values()) for name, row in self.groups.items()}
        known = {k: v for k, v in means.items() if k in names and not math.isnan(v)}
        name = min(known, key=known.__getitem__, default=EVERYBODY)
        return name, known.get(name, _mean(self.dice.values()))

    def by_group(self, group: Tensor, n_groups: int) -> Tensor:
        """Return the mean Dice (G,) of groups (N,) that exclude each other."""
        each = self.cases.nanmean(1)
        return torch.stack([each[group == n].nanmean() for n in range(n_groups)])


def counted(cases: Tensor) -> int:
    """Return how many cases (N, K - 1) have a Dice of any class."""
    return int((~cases.isnan()).any(1).sum())


def _mean(values: Iterable[float]) -> float:
    counted = [value for value in values if not math.isnan(value)]
    return sum(counted) / len(counted) if counted else math.nan


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    pool: Pool,
    *,
    classes: tuple[str, ...],
    groups: Groups,
    has_moe: bool,
    batch: int,
    device: str,
    card: ModelCard | None = None,
    unmeasured: Sequence[int] = (),
) -> Evaluation:
    """Segment held-out cases without noise, and compare.

    Parameters
    ----------
    network : nn.Module
        The network; it is left in evaluation mode.
    pool : Pool
        The cases. What is not annotated does not count.
    classes : tuple of str
        Names of the classes, background first.
    groups : Groups
        Groups of the cases.
    has_moe : bool
        Whether the network takes a category.
    batch : int
        Planes or windows at once.
    device : str
        Where the network is.
    card : ModelCard, optional
        By its shares the values of an unknown attribute are mixed, as
        :func:`napari_dmoe.inference.running.segment.segment` mixes them; without it
        such an attribute is left out.
    unmeasured : sequence of int
        Classes that the cases are not labelled with: their Dice is NaN.
    """
    network.eval()
    rows = []
    for chosen in torch.arange(len(pool)).split(1 if pool.patch else batch):
        images, truth = pool.whole(chosen)
        category = pool.category[chosen] if has_moe else None
        how: Any = {"card": card, "patch": pool.seen_patch, "batch": batch}
        found = found_labels(network, images.to(device), category, **how)
        rows.append(_dice(found, truth, len(classes)))
    cases = torch.cat(rows)
    cases[:, [number - 1 for number in unmeasured]] = math.nan
    members = zip(groups.names, torch.from_numpy(groups.members.T), strict=True)
    own = {name: cases[is_in] for name, is_in in members}
    means = {n: _means(c, classes) for n, c in own.items() if not c.isnan().all()}
    n_groups = {name: counted(own[name]) for name in means}
    return Evaluation(cases, _means(cases, classes), means, n_groups)


def found_labels(
    network: nn.Module,
    images: Tensor,
    category: Tensor | None,
    *,
    card: ModelCard | None,
    patch: tuple[int, int, int] | None,
    batch: int,
) -> Tensor:
    """Return the label maps (B, *S) that a network finds, on the CPU.

    What is unknown, -1 in the routers `category` (B, A), is mixed by the card's shares.
    """
    run = partial(logits_of, network, patch=patch, batch=batch)
    if category is None or card is None or not (category == LEFT_OUT).any():
        routers = None if category is None else category.to(images.device)
        return run(images, routers).argmax(1).cpu()
    mixtures = [_mixture(tuple(row), card) for row in category.tolist()]
    # All rows are run together first, so that those of known routers are what they are
    # among others of their kind.
    firsts = torch.tensor([mixture.categories[0] for mixture in mixtures])
    logits = run(images, firsts.to(images.device))
    found = logits.argmax(1).cpu()
    soft = partial(run, are_mixed=True)
    for row, mixture in enumerate(mixtures):
        if len(mixture.categories) == 1:
            continue
        # Of a volume every window's probabilities are blended, and no logits.
        own = slice(row, row + 1)
        done = [logits[own].softmax(1)[0]] if patch is None else []
        parts = done + [
            soft(images[own], torch.tensor([other], device=images.device))[0]
            for other in mixture.categories[len(done) :]
        ]
        weights = torch.tensor(mixture.weights, device=images.device)
        mixed = torch.tensordot(weights, torch.stack(parts), ([0], [0]))
        found[row] = mixed.argmax(0).cpu()
    return found


def _mixture(row: tuple[int, ...], card: ModelCard) -> RouterChoice:
    """Return what is run for a row of routers, of which -1 is unknown."""
    drivers = tuple(
        driver_record(card, attribute, first, None if r == LEFT_OUT else r - first)
        for attribute, first, r in zip(
            card.attributes, card.first_routers, row, strict=True
        )
    )
    return combined(drivers, card.n_routers)


def logits_of(
    network: nn.Module,
    images: Tensor,
    category: Tensor | None,
    patch: tuple[int, int, int] | None,
    batch: int,
    *,
    are_mixed: bool = False,
) -> Tensor:
    """Return the logits (B, K, *S) of whole images, window by window for volumes.

    Probabilities where they are to be mixed with others.
    """

    def forward(windows: Tensor) -> Tensor:
        routers = None if category is None else category.expand(len(windows), -1)
        logits = cast("Tensor", network(windows, routers).logits)
        return logits.softmax(1) if are_mixed else logits

    if patch is None:
        return forward(images)
    logits = sliding_window_inference(
        images, patch, batch, forward, overlap=OVERLAP, mode="gaussian"
    )
    return cast("Tensor", logits)


def _dice(found: Tensor, truth: Tensor, n_classes: int) -> Tensor:
    """Return the Dice (B, K - 1) of label maps, over what is annotated."""
    # What is not annotated counts as background in both.
    mine, theirs = (m.where(truth != IGNORED, 0).numpy() for m in (found, truth))
    rows = [class_dice(m, t, n_classes) for m, t in zip(mine, theirs, strict=True)]
    return torch.tensor(rows, dtype=torch.float64)


def _means(cases: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    means = cases.nanmean(0).tolist() if len(cases) else [math.nan] * len(classes[1:])
    # One and the same NaN, so that equal histories compare equal.
    means = [math.nan if math.isnan(mean) else mean for mean in means]
    return dict(zip(classes[1:], means, strict=True))
