"""Tiny U-Nets of planes: what meets stages whose tokens are of five sizes."""

from __future__ import annotations

import torch
from training_cases import CARD

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.models.unet import UNetConfig

ARCHITECTURE = "dmoe-unet2d"
SIDE = 64
STAGES = range(5)
PREPROCESSING = Preprocessing(
    side=SIDE, fit="pad", resize="half-pixel", standardise=True
)
"""A picture is shown whole."""
PLANE_CARD = CARD.model_copy(
    update={
        "name": "tiny-unet",
        "title": "Tiny U-Net",
        "architecture": ARCHITECTURE,
        "n_heads": None,
        "preprocessing": PREPROCESSING,
    }
)
PLANE_CONFIG = UNetConfig(
    dims=2,
    feature_size=4,
    in_channels=3,
    n_classes=3,
    n_routers=3,
    n_experts=4,
    expert_widths=(8, 8, 8, 16, 16),
)


def plane_unet(
    seed: int = 0, *, card: ModelCard = PLANE_CARD, **changes: object
) -> LoadedModel:
    """Return an untrained U-Net of planes, whose routers tell tokens and values apart.

    `changes` are of its configuration.
    """
    config = UNetConfig.model_validate(PLANE_CONFIG.model_dump() | changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = new_model(ARCHITECTURE, config, card)
        for moe in made.module.moes:
            # Logits of untrained routers lie too close together to tell experts.
            torch.nn.init.normal_(moe.router_weight)
    return made


def marking_unet(side: int = 128) -> LoadedModel:
    """Return a U-Net whose every stage sends bright tokens to expert 1, others to 0.

    A token is as bright as the sample in its corner, for only the shortcuts of strided
    blocks do anything; so what is marked has to fill whole tokens.
    """
    how = PREPROCESSING.model_copy(update={"side": side})
    made = plane_unet(card=PLANE_CARD.model_copy(update={"preprocessing": how}))
    with torch.no_grad():
        for parameter in made.module.parameters():
            parameter.zero_()
        for stage in made.module.stages:
            stage.layer.conv3.conv.weight[:, 0] = 1
        for moe in made.module.moes:
            # Each feature is above 0 where it is bright, for it is normalised.
            moe.router_weight[:, 1, 0], moe.router_weight[:, 0, 0] = 9, -9
            moe.router_bias[:, 2:] = -99
    return made
