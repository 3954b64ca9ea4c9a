"""Audited cohorts that are made up, and tiny models and cohorts that are audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import Cohort, read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.evaluation.counterfactual.audited import (
    MIXED,
    AuditedCase,
    AuditedValue,
    AuditFacts,
    CaseSweep,
    Dependence,
    Kind,
    RegionFound,
    SweptDriver,
)
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.what_if.verdict import Says
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient

SEVERITY = SweptDriver(
    name="severity", label="Severity", values=("healthy", "suspect", "glaucoma")
)
STAGE = CardAttribute(name="severity", values=SEVERITY.values)
FACTS = AuditFacts(
    title="a model",
    classes=("background", "lesion"),
    regions=("lesion",),
    drivers=(SEVERITY,),
    attributes=(STAGE,),
)


def case_of(
    number: int,
    own: str | None,
    dice: Mapping[str, float],
    *,
    mixture: float = 0.7,
    says: Says = "matters",
    share: float = 0.4,
    yardstick: float = 0.1,
    driver: SweptDriver = SEVERITY,
    subject: str | None = None,
    sex: str | None = None,
    has_truth: bool = True,
) -> AuditedCase:
    """Return a case with a Dice for every value, and what is said of it."""

    def value(name: str, score: float) -> AuditedValue:
        kind: Kind = "own" if name == own else "other"
        kind = "mixture" if name == MIXED else kind
        is_trained = name not in driver.untrained
        found = RegionFound("lesion", 100, 0.0 if name == own else 0.3, score)
        return AuditedValue(name, kind, is_trained, (found,))

    scores = {**{name: dice[name] for name in driver.values}, MIXED: mixture}
    between = (driver.values[0], driver.values[-1])
    depends = Dependence("lesion", share, between, yardstick, says)
    sweep = CaseSweep(
        driver.name,
        own,
        says,
        (depends,),
        tuple(value(name, score) for name, score in scores.items()),
    )
    patient = Patient.from_values({driver.name: own, "sex": sex})
    return AuditedCase(
        id=f"case-{number}",
        number=number,
        subject=subject,
        patient=patient,
        has_truth=has_truth,
        sweeps=(sweep,),
    )


def helped_cases(
    n: int,
    worth: Mapping[str, float],
    *,
    seed: int = 0,
    noise: float = 0.02,
    subjects: Sequence[str] | None = None,
) -> list[AuditedCase]:
    """Return cases whose own value is above the others by what it is worth to them."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(n):
        own = SEVERITY.values[number % 3]
        base = 0.7 + rng.normal(0, 0.05)
        dice = {v: base + rng.normal(0, noise) for v in SEVERITY.values}
        dice[own] += worth.get(own, 0.0)
        mixture = base + rng.normal(0, noise)
        sex = "female" if number % 2 else "male"
        subject = None if subjects is None else subjects[number]
        cases.append(
            case_of(number, own, dice, mixture=mixture, sex=sex, subject=subject)
        )
    return cases


def lively(loaded: LoadedModel, *, alike: bool = False) -> LoadedModel:
    """Return a random model whose values matter to its masks, or all do the same."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in loaded.module.named_parameters():
            if name.startswith(("moe.expert_out", "decoder", "head")):
                parameter.normal_(generator=generator)
            if alike and "router" in name:
                parameter[:] = parameter[:1]
    return loaded


def trained_on(loaded: LoadedModel, attribute: str, **counts: int) -> LoadedModel:
    """Return a model whose card says how many training cases had each value."""
    stated = {"n_per_value": {attribute: counts}}
    training = loaded.card.training.model_copy(update=stated)
    return replace(loaded, card=loaded.card.model_copy(update={"training": training}))


def tiny_cohort(
    folder: Path,
    n: int = 10,
    *,
    patient_of: Callable[[int], Patient] | None = None,
    shape: tuple[int, ...] = (40, 48),
) -> Cohort:
    """Write and open a cohort of noise, two images a subject, with labels."""
    rng = np.random.default_rng(0)
    races = ("Asian", "Black", "White", None)

    def whom(number: int) -> Patient:
        sex = "female" if number % 2 else "male"
        return Patient(race=races[number % 4], sex=sex, age=20.0 + 5 * number)

    def case(number: int) -> Case:
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        labels = np.zeros(shape, np.uint8)
        labels[5:30, 5:30], labels[12:20, 12:20] = 1, 2
        return Case(
            f"eye-{number}",
            SpatialImage.from_array(pixels, spacing=(0.5, 0.5), unit="mm"),
            SpatialImage.from_array(labels, spacing=(0.5, 0.5), unit="mm"),
            (patient_of or whom)(number),
            subject=f"person-{number // 2}",
        )

    write_cohort(folder, map(case, range(n)))
    return read_cohort(folder)
