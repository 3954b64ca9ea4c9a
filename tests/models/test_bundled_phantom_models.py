"""The bundled models of several attributes and of volumes keep what they promise."""

from __future__ import annotations

import pytest

import phantom_models
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.phantoms.kinds import KINDS

UNSEEN_SEED = 2024
DRIVERS = {
    "skin-phantom": ("sex", "age"),
    "fundus-race-phantom": ("race", "severity"),
    "pelvis-phantom": ("severity",),
}
DRIVEN = {
    ("skin-phantom", "sex"): "lesion",
    ("skin-phantom", "age"): "lesion",
    ("fundus-race-phantom", "race"): "disc",
    ("fundus-race-phantom", "severity"): "cup",
    ("pelvis-phantom", "severity"): "target",
}
PROMISED = {"lesion": 0.90, "target": 0.80, "disc": 0.85, "cup": 0.80}
FEW = {"skin-phantom": 12, "fundus-race-phantom": 30, "pelvis-phantom": 8}
MANY = {"skin-phantom": 100, "fundus-race-phantom": 100, "pelvis-phantom": 60}
LUCK = 0.05
"""By which the mean of few phantoms may miss what is promised for many."""


@pytest.mark.parametrize("model", DRIVERS)
def test_files_are_small_and_cards_say_what_is_invented(model: str) -> None:
    loaded = load_checkpoint(model)
    card = loaded.card
    assert loaded.n_bytes <= 6_000_000
    assert tuple(a.name for a in card.attributes) == DRIVERS[model]
    assert card.n_routers == loaded.config.n_routers
    assert "invented" in card.training.note
    assert "made-up" in card.notice
    assert card.training.n_cases > 0
    for attribute in card.attributes:
        counts = card.training.n_per_value[attribute.name]
        assert sum(counts.values()) == card.training.n_cases
        assert sum(attribute.frequencies) == pytest.approx(1)


def test_only_the_attribute_that_is_named_is_shuffled() -> None:
    cases = list(KINDS["skin"].cohort(12, seed=1))
    asked = phantom_models.patients(load_checkpoint("skin-phantom"), cases)
    assert list(asked) == ["told", "sex shuffled", "age shuffled"]
    for told, other in zip(asked["told"], asked["age shuffled"], strict=True):
        assert other.with_value("age", told.age) == told
    ages = [patient.age for patient in asked["told"]]
    assert sorted(ages) == sorted(patient.age for patient in asked["age shuffled"])
    assert ages != [patient.age for patient in asked["age shuffled"]]


@pytest.mark.parametrize(
    ("model", "number", "luck"),
    [
        *((model, number, LUCK) for model, number in FEW.items()),
        *(pytest.param(*each, 0, marks=pytest.mark.full) for each in MANY.items()),
    ],
)
def test_unseen_phantoms_are_segmented_and_need_their_patient(
    model: str, number: int, luck: float
) -> None:
    measured = phantom_models.measure(
        model, number=number, seed=UNSEEN_SEED, unknown=False
    )
    found = measured["structures"]
    for name, figures in found.items():
        assert figures["dice"] >= PROMISED[name] - luck
        assert figures["dice"] >= figures["best_constant_dice"] + 0.2
    for attribute in DRIVERS[model]:
        structure = found[DRIVEN[model, attribute]]
        drop = structure["drops"][f"{attribute} shuffled"]
        assert drop["mean"] > 0.02
        assert drop["interval"][0] > 0
