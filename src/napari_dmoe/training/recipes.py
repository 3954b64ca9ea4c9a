"""Models that can be trained from nothing: their shape, card and settings.

A recipe and a cohort are all that a bundled checkpoint is made of, so that anybody can
make it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.cohorts.phantoms import CUP_FACTORS
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.card import CardAttribute, ModelCard, TrainingFacts
from napari_dmoe.models.checkpoint import new_model
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.progress import ProgressHook, silent
from napari_dmoe.training.augment import AugmentSettings
from napari_dmoe.training.fit import Fitted, TrainSettings, fit

HELD_OUT_EVERY = 25
"""One case in so many is kept out of training and measured after each epoch."""


_QUIET = -4.0
"""Start of the noise scale's bias: softplus(-4) is a standard deviation of 0.02."""


@dataclass(frozen=True)
class Recipe:
    """All that a model is made of, but for its cases.

    Parameters
    ----------
    architecture : str
        Key in :data:`napari_dmoe.models.architectures.ARCHITECTURES`.
    config : ViTConfig
        Shape of the network.
    card : ModelCard
        Its card; what is known only after training is filled in then.
    settings : TrainSettings
        How it is trained.
    """

    architecture: str
    config: ViTConfig
    card: ModelCard
    settings: TrainSettings


_FUNDUS_CONFIG = ViTConfig(
    width=128,
    depth=4,
    n_heads=2,
    mlp_width=256,
    grid=10,
    n_classes=3,
    n_routers=3,
    n_experts=8,
    expert_width=256,
    decoder_entry=96,
    decoder_widths=(48, 24, 8, 8),
)

_FUNDUS_CARD = ModelCard(
    name="fundus-phantom",
    title="Fundus phantom (disc and cup)",
    architecture="dmoe-vit",
    attributes=(CardAttribute(name="severity", values=tuple(CUP_FACTORS)),),
    classes=("background", "rim", "cup"),
    modality="fundus photograph in colour or grey, with the optic disc in the frame",
    preprocessing=Preprocessing(
        crop="square", side=_FUNDUS_CONFIG.side, resize="half-pixel", standardise=True
    ),
    training=TrainingFacts(
        data="synthetic fundi drawn by napari-dmoe phantoms; no photograph",
        note="The differences between severities are invented: the true cup is "
        "narrower or wider than the pallor that can be seen, by a factor that the "
        "severity alone decides.",
    ),
    weights_licence="BSD-3-Clause",
    data_licence="BSD-3-Clause",
    intended_use="Trying out the software, teaching and tests. Not for research on "
    "patients, and never for a clinical decision.",
    notice="Trained on made-up images: what severity changes is invented, and a "
    "diagnosis that drives the cup's border would be circular in real life.",
)

# Phantoms can be drawn without end, so nothing needs to keep the network from learning
# them by heart: no dropout, which slows so small a network down.
_FUNDUS_SETTINGS = TrainSettings(
    epochs=16,
    learning_rate=1e-3,
    dropout=0.0,
    augmentation=AugmentSettings(
        rotation=20, zoom=1.3, shift=0.1, light=0.2, colour=0.2, blur_px=1.0, noise=0.02
    ),
)

RECIPES: Mapping[str, Recipe] = {
    "fundus-phantom": Recipe("dmoe-vit", _FUNDUS_CONFIG, _FUNDUS_CARD, _FUNDUS_SETTINGS)
}
"""What can be trained from nothing, by name."""


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
    with torch.random.fork_rng():
        torch.manual_seed(recipe.settings.seed)
        untrained = new_model(recipe.architecture, recipe.config, recipe.card)
        _quieten(untrained.module)
    fitted = fit(
        untrained,
        Selection(cases, training),
        settings=recipe.settings,
        held_out=Selection(cases, held_out),
        progress=progress,
    )
    card = _with_facts(fitted, recipe.settings)
    return replace(fitted, loaded=replace(fitted.loaded, card=card))


def _quieten(network: nn.Module) -> None:
    """Let training begin with little gating noise; the noise stays learnable.

    With the usual start the noise is as wide as the router's logits, so that tokens
    meet experts almost at random at first.
    """
    for module in network.modules():
        if isinstance(module, SparseMoE):
            nn.init.constant_(module.noise_bias, _QUIET)


def _with_facts(fitted: Fitted, settings: TrainSettings) -> ModelCard:
    """State in the card what the model was trained on, and what it reached."""
    card, changes = fitted.loaded.card, dict[str, object]()
    facts: dict[str, object] = {
        "n_cases": sum(fitted.cases_per_router),
        "dice": {k: round(v, 3) for k, v in fitted.history[-1].dice.items()},
        "settings": settings.model_dump(exclude={"device", "augmentation"}),
    }
    if card.driver is not None:
        n = fitted.cases_per_router[: len(card.driver.values)]
        facts["n_per_value"] = {
            card.driver.name: dict(zip(card.driver.values, n, strict=True))
        }
        shares = tuple(count / sum(n) for count in n)
        driver = card.driver.model_copy(update={"frequencies": shares})
        changes["attributes"] = (driver, *card.attributes[1:])
    training = card.training.model_copy(update=facts)
    return card.model_copy(update={"training": training, **changes})
