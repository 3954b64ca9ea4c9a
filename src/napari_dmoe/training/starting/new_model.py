"""A new model, trained from nothing or from ImageNet as a recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import torch
from torch import nn

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.evaluation.groups.membership import groups_of
from napari_dmoe.foreign import printable
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.models.imagenet import start_from_imagenet
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.training.cases.annotation import refuse_unknown_values
from napari_dmoe.training.cases.held_out import ENOUGH_CASES
from napari_dmoe.training.facts.data_facts import BEGAN, without_facts
from napari_dmoe.training.loop.fit import FitOptions, fit_cohort
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.starting.modes import Mode, card_in_mode, config_in_mode
from napari_dmoe.training.starting.recipes import Recipe

HELD_OUT_EVERY = 25
"""One case in so many, from the first, is held out where a recipe leaves that open, and
that is some of every value."""

_QUIET = -4.0
"""Start of the noise scale's bias: softplus(-4) is a standard deviation of 0.02."""


def train_new(
    recipe: Recipe,
    cases: Sequence[Case],
    *,
    mode: Mode = "dmoe",
    start: Path | None = None,
    **options: Unpack[FitOptions],
) -> Fitted:
    """Train a new model as a recipe says.

    Parameters
    ----------
    recipe : Recipe
        Shape, card and settings.
    cases : sequence of Case
        The cohort. Where the recipe's settings leave it open, every 25th case, from the
        first, is held out and only measured; of subjects that this would part, whole
        ones. Where that would be no case of a value that has five or more, some of
        every group are held out, as the settings say.
    mode : {"dmoe", "single-router", "no-moe"}
        The network of the recipe, or a baseline of it. The groups of the recipe's
        attributes are measured in each.
    start : Path, optional
        ImageNet weights to start from.
    **options
        See :func:`napari_dmoe.training.loop.fit.fit`, as for what is returned and
        raised. The model's card states what it was trained on: what the recipe's says
        of images, terms and uses is true of phantoms of its own kind alone, and is
        taken for a training on these and no other.
    """
    settings, watch = recipe.settings, recipe.card.attributes
    if settings.hold_out == "auto" and len(cases) >= ENOUGH_CASES:
        every = {"hold_out": "every", "hold_out_every": HELD_OUT_EVERY}
        settings = settings.model_copy(
            update=every if _is_some_of_each(cases, watch) else {"hold_out": "cases"}
        )
    model = untrained(recipe, mode=mode, start=start)
    return fit_cohort(model, cases, settings=settings, watch=watch, **options)


def _is_some_of_each(
    cases: Sequence[Case], attributes: Sequence[CardAttribute]
) -> bool:
    """Say whether one case in so many, from the first, misses no value of enough."""
    refuse_unknown_values(cases, attributes)
    members = groups_of(patients_of(cases), attributes).members
    are_missed = ~members[::HELD_OUT_EVERY].any(0)
    return not (are_missed & (members.sum(0) >= ENOUGH_CASES)).any()


def untrained(
    recipe: Recipe, *, mode: Mode = "dmoe", start: Path | None = None
) -> LoadedModel:
    """Return the model that a recipe begins with, as its seed draws it.

    See :func:`train_new` for the arguments; weights are those of the transformer.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.settings.seed)
        model = new_model(
            recipe.architecture,
            config_in_mode(recipe.config, mode),
            card_in_mode(without_facts(recipe.card), mode),
        )
        _quieten(model.module)
    if start is None:
        return model
    told = f"{BEGAN}the ImageNet weights of {printable(start.name)}"
    return replace(start_from_imagenet(model, start), notices=(told,))


def _quieten(network: nn.Module) -> None:
    """Let training begin with little gating noise; the noise stays learnable.

    With the usual start the noise is as wide as the router's logits, so that tokens
    meet experts almost at random at first.
    """
    for module in network.modules():
        if isinstance(module, SparseMoE):
            nn.init.constant_(module.noise_bias, _QUIET)
