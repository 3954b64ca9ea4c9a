"""What is trained and compared for the published claim: written before looking.

The claim of the publication is that experts whose router is chosen by an attribute of
the patient segment more fairly than the same experts with one router, and than the
network without them. Here every network has the same number of parameters, and the
usual remedy for rare groups, drawing groups as often, stands beside it.

References
----------
Oh et al., ICML 2025, arXiv:2502.00619.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.training.augmentation.settings import PublishedAugmentSettings
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.modes import Mode
from napari_dmoe.training.starting.recipes import Recipe

ARCHITECTURE = "dmoe-unet2d"

ATTRIBUTES: Mapping[str, CardAttribute] = {
    attribute.name: attribute
    for card in ("age", "sex", "site")
    for attribute in read_card(f"ham10000-{card}").attributes
}
"""The published bands and values, by name: age, sex, body_site."""

CARD = ModelCard(
    name="published-claim",
    title="HAM10000, small",
    architecture=ARCHITECTURE,
    classes=("background", "lesion"),
    modality="dermoscopic photograph of one lesion, in colour",
    preprocessing=Preprocessing(
        fit="stretch", side=64, resize="half-pixel", standardise=True
    ),
)
"""The whole picture is seen, squashed to a square as published, at 64 pixels."""

SPLIT_SEED, TEST_SHARE = 2026, 0.2
DERANGEMENT_SEED = 1
N_SEEDS = 8
"""Trainings of each arm; the claim is not judged before all of them are there."""

STEPS, BATCH = 560, 16
"""Of every training: 8,960 pictures, one of the training set and a third again."""

LEARNING_RATE = 2e-3

Baseline = Literal["no-moe", "single-router", "as-often", "another's"]


@dataclass(frozen=True)
class Arm:
    """One kind of network: its mode, which attribute it is watched or driven by."""

    title: str
    mode: Mode
    attribute: str = "age"
    sampling: Literal["uniform", "group"] = "uniform"

    @property
    def is_driven(self) -> bool:
        """Whether it is told the attribute when it is used."""
        return self.mode == "dmoe"


def _words(attribute: str) -> str:
    return ATTRIBUTES[attribute].label.lower()


ARMS: Mapping[str, Arm] = {
    "no-moe": Arm("no MoE, wider", "no-moe"),
    "single-router": Arm("single-router MoE", "single-router"),
    **{
        f"dmoe-{name}": Arm(f"dMoE by {_words(name)}", "dmoe", name)
        for name in ATTRIBUTES
    },
    **{
        f"as-often-{name}": Arm(
            f"single-router MoE, {_words(name)} groups drawn as often",
            "single-router",
            name,
            "group",
        )
        for name in ATTRIBUTES
    },
}
"""What is trained, by name."""


@dataclass(frozen=True)
class Named:
    """One comparison that was named before looking: dMoE by an attribute, and what."""

    attribute: str
    baseline: Baseline
    statistic: Literal["mean", "es_sum"]

    @property
    def arms(self) -> tuple[str, str]:
        """The two arms; the same one twice where it is told another patient's value."""
        first = f"dmoe-{self.attribute}"
        if self.baseline == "another's":
            return first, first
        if self.baseline == "as-often":
            return first, f"as-often-{self.attribute}"
        return first, self.baseline


NAMED: tuple[Named, ...] = tuple(
    Named(attribute, baseline, statistic)
    for attribute in ATTRIBUTES
    for baseline in ("no-moe", "single-router", "as-often")
    for statistic in ("mean", "es_sum")
) + tuple(Named(attribute, "another's", "mean") for attribute in ATTRIBUTES)
"""The comparisons that are judged, by Holm over exactly these; all else is exploratory.

Mean Dice and the equity-scaled Dice (sum) are what the publication claims for each of
its attributes, against a network without MoE and against one router. Drawing groups as
often is what one would do instead. What a model loses that is told another patient's
value says whether it is the attribute that helps. Worst groups, gaps and single groups
rest on as few as a dozen lesions, and are looked at without a verdict.
"""

WIDTH_OF_NO_MOE = 16
"""Features of the first stage without MoE, against 8 with it."""

EXPERT_WIDTHS = (32, 32, 64, 128, 273)
"""As published, 4 x the features of a stage, but for the last one: it was 256, and
makes the number of parameters that of the network without MoE."""

MOST_APART = 0.02
"""By how much the networks' numbers of parameters may differ."""


def recipe_of(arm: Arm, *, seed: int, steps: int = STEPS) -> Recipe:
    """Return what an arm is made of; arms differ in nothing but what they state."""
    attribute = ATTRIBUTES[arm.attribute]
    has_moe = arm.mode != "no-moe"
    config = UNetConfig(
        dims=2,
        feature_size=8 if has_moe else WIDTH_OF_NO_MOE,
        in_channels=3,
        n_classes=len(CARD.classes),
        n_routers=len(attribute.values),
        expert_widths=EXPERT_WIDTHS,
    )
    settings = TrainSettings(
        epochs=1,
        steps_per_epoch=steps,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
        dropout=0.0,
        sampling=arm.sampling,
        hold_out="none",
        keep="last",
        seed=seed,
        augmentation=PublishedAugmentSettings(),
    )
    card = CARD.model_copy(update={"attributes": (attribute,)})
    return Recipe(ARCHITECTURE, config, card, settings)
