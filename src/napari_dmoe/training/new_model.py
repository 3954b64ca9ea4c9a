"""A new model, trained from nothing as a recipe says."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.progress import ProgressHook, silent
from napari_dmoe.training.fit import fit
from napari_dmoe.training.history import Fitted
from napari_dmoe.training.recipes import Recipe

HELD_OUT_EVERY = 25
"""One case in so many is kept out of training and measured after each epoch."""


_QUIET = -4.0
"""Start of the noise scale's bias: softplus(-4) is a standard deviation of 0.02."""


def train_new(
    recipe: Recipe, cases: Sequence[Case], *, progress: ProgressHook = silent
) -> Fitted:
    """Train a new model as a recipe says.

    Parameters
    ----------
    recipe : Recipe
        Shape, card and settings.
    cases : sequence of Case
        The cohort. Every 25th case, from the first, is held out and only measured.
    progress : callable
        See :func:`napari_dmoe.training.fit.fit`.

    Returns
    -------
    Fitted
        The model, whose card states what it was trained on, and its history.

    Raises
    ------
    TrainingError
        See :func:`napari_dmoe.training.fit.fit`.
    """
    training = [i for i in range(len(cases)) if i % HELD_OUT_EVERY]
    held_out = [i for i in range(len(cases)) if i % HELD_OUT_EVERY == 0]
    return fit(
        untrained(recipe),
        Selection(cases, training),
        settings=recipe.settings,
        held_out=Selection(cases, held_out),
        progress=progress,
    )


def untrained(recipe: Recipe) -> LoadedModel:
    """Return the model that a recipe begins with, as its seed draws it."""
    with torch.random.fork_rng():
        torch.manual_seed(recipe.settings.seed)
        model = new_model(recipe.architecture, recipe.config, recipe.card)
        _quieten(model.module)
    return model


def _quieten(network: nn.Module) -> None:
    """Let training begin with little gating noise; the noise stays learnable.

    With the usual start the noise is as wide as the router's logits, so that tokens
    meet experts almost at random at first.
    """
    for module in network.modules():
        if isinstance(module, SparseMoE):
            nn.init.constant_(module.noise_bias, _QUIET)
