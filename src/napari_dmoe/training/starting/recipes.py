"""The models that are bundled: their shape, card and settings.

A recipe and a cohort are all that a bundled checkpoint is made of, so that anybody can
make it again (:mod:`napari_dmoe.training.starting.new_model`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_dmoe.imaging.focusing import Focus
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.models.architectures import Config
from napari_dmoe.models.card import CardAttribute, ModelCard, TrainingFacts
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.phantoms.fundus.cohort import (
    CUP_FACTORS,
    DISC_FACTORS,
    RACE_CUP_FACTORS,
)
from napari_dmoe.phantoms.pelvis.cohort import MARGINS
from napari_dmoe.phantoms.skin.cohort import AGE_BANDS, AGE_EDGES, SEX_FACTORS
from napari_dmoe.training.augmentation.settings import (
    AugmentSettings,
    VolumeAugmentSettings,
)
from napari_dmoe.training.settings import TrainSettings


@dataclass(frozen=True)
class Recipe:
    """All that a model is made of, but for its cases.

    Parameters
    ----------
    architecture : str
        Key in :data:`napari_dmoe.models.architectures.ARCHITECTURES`.
    config : ViTConfig or UNetConfig
        Shape of the network.
    card : ModelCard
        Its card; what is known only after training is filled in then.
    settings : TrainSettings
        How it is trained.
    """

    architecture: str
    config: Config
    card: ModelCard
    settings: TrainSettings


_TERMS: Mapping[str, str] = {
    "weights_licence": "BSD-3-Clause",
    "data_licence": "BSD-3-Clause",
    "intended_use": "Trying out the software, teaching and tests. Not for research on "
    "patients, and never for a clinical decision.",
}
"""What every phantom's card says of its use."""

_FUNDUS_SIDE = 160

_FUNDUS_CONFIG = UNetConfig(
    dims=2,
    feature_size=12,
    in_channels=3,
    n_classes=3,
    n_routers=3,
    expert_widths=(12, 12, 48, 96, 192),
)

_FUNDUS_CARD = ModelCard(
    name="fundus-phantom",
    title="Fundus (phantom-trained), driven by severity",
    architecture="dmoe-unet2d",
    attributes=(CardAttribute(name="severity", values=tuple(CUP_FACTORS)),),
    classes=("background", "rim", "cup"),
    modality="fundus photograph in colour or grey",
    preprocessing=Preprocessing(
        fit="pad",
        side=_FUNDUS_SIDE,
        resize="half-pixel",
        standardise=True,
        focus=Focus(margin=1.0, least=0.3, sure=0.98),
        keep="largest",
        fill=True,
    ),
    training=TrainingFacts(
        data="synthetic fundi drawn by napari-dmoe phantoms; no photograph",
        note="The differences between severities are invented: the true cup is "
        "narrower or wider than the pallor that can be seen, by a factor that the "
        "severity alone decides.",
        phantoms="fundus",
    ),
    **_TERMS,
    notice="Trained on made-up images: what severity changes is invented, and a "
    "diagnosis that drives the cup's border would be circular in real life.",
)

# Phantoms can be drawn without end, so nothing needs to keep a network from learning
# them by heart: no dropout, which slows so small a network down.
_FUNDUS_SETTINGS = TrainSettings(
    epochs=32,
    batch=8,
    learning_rate=2e-3,
    weight_decay=0.05,
    dropout=0.0,
    keep="last",
    evaluate_every=8,
    augmentation=AugmentSettings(
        rotation=25,
        zoom=1.3,
        aspect=1.15,
        shift=0.1,
        light=0.25,
        colour=0.2,
        grey_share=0.1,
        blur_px=1.0,
        noise=0.02,
    ),
)

_RACE_CONFIG = ViTConfig(
    width=128,
    depth=4,
    n_heads=2,
    mlp_width=256,
    grid=10,
    n_classes=3,
    n_routers=6,
    n_experts=8,
    expert_width=256,
    decoder_entry=96,
    decoder_widths=(48, 24, 8, 8),
)

_RACE_CARD = _FUNDUS_CARD.model_copy(
    update={
        "name": "fundus-race-phantom",
        "title": "Fundus (phantom-trained), driven by race and severity",
        "architecture": "dmoe-vit",
        "attributes": (
            CardAttribute(name="race", values=tuple(DISC_FACTORS)),
            CardAttribute(name="severity", values=tuple(RACE_CUP_FACTORS)),
        ),
        "modality": "fundus photograph in colour or grey, with the optic disc in the "
        "frame",
        "preprocessing": Preprocessing(
            fit="pad", side=_RACE_CONFIG.side, resize="half-pixel", standardise=True
        ),
        "training": TrainingFacts(
            data="synthetic fundi drawn by napari-dmoe phantoms --kind fundus-race; no "
            "photograph",
            note="The differences are invented: race alone decides how far the true "
            "disc reaches beyond its visible border, and severity how far the cup "
            "reaches beyond its pallor.",
            phantoms="fundus-race",
        ),
        "notice": "Trained on made-up images: what race and severity change is "
        "invented, and says nothing about people.",
    }
)

_RACE_SETTINGS = TrainSettings(
    epochs=11,
    learning_rate=1e-3,
    dropout=0.0,
    keep="last",
    augmentation=AugmentSettings(
        rotation=20, zoom=1.3, shift=0.1, light=0.2, colour=0.2, blur_px=1.0, noise=0.02
    ),
)

_SKIN_CONFIG = ViTConfig(
    width=96,
    depth=4,
    n_heads=2,
    mlp_width=192,
    grid=8,
    n_classes=2,
    n_routers=7,
    n_experts=8,
    expert_width=192,
    decoder_entry=64,
    decoder_widths=(40, 24, 12, 8),
)

_SKIN_CARD = ModelCard(
    name="skin-phantom",
    title="Skin lesion (phantom-trained), driven by sex and age",
    architecture="dmoe-vit",
    attributes=(
        CardAttribute(name="sex", values=tuple(SEX_FACTORS)),
        CardAttribute(name="age", values=AGE_BANDS, edges=AGE_EDGES, unit="years"),
    ),
    classes=("background", "lesion"),
    modality="dermoscopic photograph of one lesion, in colour",
    preprocessing=Preprocessing(
        fit="pad", side=_SKIN_CONFIG.side, resize="half-pixel", standardise=True
    ),
    training=TrainingFacts(
        data="synthetic lesions drawn by napari-dmoe phantoms --kind skin; no "
        "photograph",
        note="The differences are invented: sex and age alone decide how far the true "
        "border lies inside or outside of the pigment that can be seen.",
        phantoms="skin",
    ),
    **_TERMS,
    notice="Trained on made-up images: what sex and age change is invented, and says "
    "nothing about people.",
)

_SKIN_AUGMENTATION = AugmentSettings(
    rotation=90,
    zoom=1.2,
    shift=0.06,
    light=0.15,
    colour=0.1,
    grey_share=0.0,
    blur_px=0.7,
    noise=0.02,
)
_SKIN_SETTINGS = _RACE_SETTINGS.model_copy(
    update={"epochs": 10, "augmentation": _SKIN_AUGMENTATION}
)

_LESION_SIDE = 128

_LESION_CONFIG = UNetConfig(
    dims=2,
    feature_size=24,
    in_channels=3,
    n_classes=2,
    n_routers=7,
    expert_widths=(24, 24, 96, 192, 256),
)

# Nothing of what the images are stands here: that is known of a training alone.
_LESION_CARD = ModelCard(
    name="skin-lesion",
    title="Skin lesion, driven by sex and age",
    architecture="dmoe-unet2d",
    attributes=_SKIN_CARD.attributes,
    classes=_SKIN_CARD.classes,
    modality=_SKIN_CARD.modality,
    preprocessing=Preprocessing(
        fit="stretch",
        side=_LESION_SIDE,
        resize="half-pixel",
        standardise=True,
        focus=Focus(margin=0.4, least=0.35),
        keep="largest",
        fill=True,
    ),
)

# Cameras, light and squashed sides differ; a lesion has no upright.
_LESION_SETTINGS = TrainSettings(
    epochs=100,
    learning_rate=2e-3,
    weight_decay=0.05,
    dropout=0.0,
    keep="last",
    hold_out="every",
    hold_out_every=10,
    augmentation=AugmentSettings(
        rotation=180,
        zoom=1.35,
        aspect=1.2,
        shift=0.1,
        light=0.22,
        colour=0.15,
        grey_share=0.03,
        blur_px=1.0,
        noise=0.02,
    ),
)

_PELVIS_CONFIG = UNetConfig(feature_size=8, n_classes=2, n_routers=4)

_PELVIS_CARD = ModelCard(
    name="pelvis-phantom",
    title="Pelvis CT (phantom-trained), driven by T stage",
    architecture="dmoe-unet3d",
    dims=3,
    attributes=(CardAttribute(name="severity", values=tuple(MARGINS)),),
    classes=("background", "target"),
    modality="CT of a male pelvis, in Hounsfield units",
    preprocessing=VolumePreprocessing(
        spacing=(4.0, 3.0, 3.0), window=(-200.0, 300.0), patch=(32, 64, 64)
    ),
    training=TrainingFacts(
        data="synthetic CT-like volumes drawn by napari-dmoe phantoms --kind pelvis; "
        "no scan",
        note="The differences are invented: the T stage alone decides the target's "
        "margin around the prostate, and whether the seminal vesicles belong to it.",
        phantoms="pelvis",
    ),
    **_TERMS,
    notice="Trained on made-up volumes: what the T stage changes is invented, and a "
    "stage that drives the target's border would be circular in parts.",
)

_PELVIS_SETTINGS = TrainSettings(
    epochs=17,
    batch=4,
    learning_rate=2e-3,
    dropout=0.0,
    keep="last",
    augmentation=VolumeAugmentSettings(foreground=0.6, flip=True),
)

RECIPES: Mapping[str, Recipe] = {
    recipe.card.name: recipe
    for recipe in (
        Recipe("dmoe-unet2d", _FUNDUS_CONFIG, _FUNDUS_CARD, _FUNDUS_SETTINGS),
        Recipe("dmoe-vit", _RACE_CONFIG, _RACE_CARD, _RACE_SETTINGS),
        Recipe("dmoe-unet3d", _PELVIS_CONFIG, _PELVIS_CARD, _PELVIS_SETTINGS),
        Recipe("dmoe-vit", _SKIN_CONFIG, _SKIN_CARD, _SKIN_SETTINGS),
    )
} | {
    "skin-isic2017": Recipe(
        "dmoe-unet2d", _LESION_CONFIG, _LESION_CARD, _LESION_SETTINGS
    )
}
"""What can be trained from nothing, by name."""
