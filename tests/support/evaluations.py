"""Evaluated cohorts that are made up, so that groups and reports need no model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
)
from napari_dmoe.evaluation.scoring.mask_pair import Presence
from napari_dmoe.evaluation.scoring.metrics import Score
from napari_dmoe.patient import Patient

METRICS = ("dice", "iou", "hd95")
_SEXES, _RACES = ("female", "male", None), ("Asian", "Black", "White")


def make_evaluated(
    n: int = 60,
    *,
    seed: int = 0,
    title: str = "a model",
    regions: Sequence[str] = ("rim", "cup"),
    worse: str | None = "Black",
    by: float = 0.1,
    folder: Path | None = None,
) -> Evaluated:
    """Return cases with random scores, those of one race worse by so much.

    Every twentieth case lacks a region in both masks, every fifteenth is a miss; two
    cases in a row share a subject.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(n):
        sex, race = _SEXES[number % 3], _RACES[number % 5 % 3]
        age = float(rng.integers(20, 90)) if number % 7 else None
        scores = []
        for region in regions:
            dice = float(np.clip(rng.normal(0.8 - by * (race == worse), 0.08), 0, 1))
            presence = Presence.BOTH
            if number % 20 == 19:
                dice, presence = math.nan, Presence.NEITHER
            elif number % 15 == 14:
                dice, presence = 0.0, Presence.ONLY_TRUTH
            is_both = presence is Presence.BOTH
            values = {
                "dice": dice,
                "iou": dice / (2 - dice),
                "hd95": float(rng.gamma(2, 3)) if is_both else math.nan,
            }
            scores += [Score(region, m, values[m], presence) for m in METRICS]
        cases.append(
            ScoredCase(
                id=f"case-{number:03d}",
                number=number,
                subject=f"patient-{number // 2}",
                patient=Patient(sex=sex, race=race, age=age),
                further={"centre": "north" if number % 4 else "south"},
                scores=tuple(scores),
            )
        )
    facts = EvaluationFacts(
        title=title,
        source="predictions",
        cohort="cohort.csv",
        layout="folder",
        n_cases=n,
        classes=("background", *regions),
        regions=tuple(regions),
        metrics=METRICS,
    )
    return Evaluated(tuple(cases), facts, folder)


LEANINGS = {"Asian": 0.0, "Black": 0.5, "White": -0.5}
"""By how much each race's masks are too large."""


def signed(
    evaluated: Evaluated,
    leanings: Mapping[str, float] = LEANINGS,
    *,
    title: str = "a model",
) -> Evaluated:
    """Return a cohort with one more metric, whose best value is 0: the volume error."""
    rng = np.random.default_rng(2)
    cases = []
    for case in evaluated:
        near = rng.normal(0, 0.05)
        value = leanings[case.patient.race or "Asian"] + near
        more = tuple(
            Score(s.region, "rvd", value, s.presence)
            for s in case.scores
            if s.metric == "dice"
        )
        cases.append(replace(case, scores=(*case.scores, *more)))
    update = {"metrics": (*evaluated.facts.metrics, "rvd"), "title": title}
    facts = evaluated.facts.model_copy(update=update)
    return Evaluated(tuple(cases), facts, evaluated.folder)
