"""How often a comparison calls a difference where there is none, as JSON.

Run it with ``python benchmarks/null_audits.py``: 400 audits, some minutes on one core.
Each audit compares two models that are equally good, case by case, over all cases, in
the groups of two attributes, and in their gaps and equity-scaled scores. Counted is
the share of the audits that call anything a difference: 5 % at most by Holm's
correction. ``--better 0.02`` makes the second model better by so much, to show that
differences are found.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
)
from napari_dmoe.evaluation.groups.comparing import compare
from napari_dmoe.evaluation.scoring.mask_pair import Presence
from napari_dmoe.evaluation.scoring.metrics import Score
from napari_dmoe.patient import Patient

RACES, SEXES = ("Asian", "Black", "White"), ("female", "male")
METRICS = ("dice", "hd95")


class Audits(NamedTuple):
    """How the cases of an audit are drawn."""

    n: int
    unequal: bool = False
    """Whether groups truly differ, alike for both models."""
    per_subject: int = 1
    misses: float = 0.0
    """Share of cases that a model misses."""
    races: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)


KINDS: Mapping[str, Audits] = {
    "60 cases": Audits(60),
    "60 cases, groups apart": Audits(60, unequal=True),
    "200 cases, misses": Audits(200, misses=0.03),
    "120 cases of 40 subjects": Audits(120, per_subject=3),
    "90 cases, a small group": Audits(90, races=(0.1, 0.3, 0.6)),
}


def audit(
    kind: Audits, rng: np.random.Generator, better: float
) -> tuple[Evaluated, Evaluated]:
    """Return two models' scores of one cohort."""
    races = [RACES[i] for i in rng.choice(3, kind.n, p=kind.races)]
    sexes = [SEXES[i] for i in rng.integers(0, 2, kind.n)]
    worse = [0.08 * kind.unequal * (race == "Black") for race in races]
    subject = np.arange(kind.n) // kind.per_subject
    easy = rng.normal(0, 0.08, int(subject.max()) + 1)[subject] - np.array(worse)
    lean = rng.normal(0, 0.04, (2, int(subject.max()) + 1))[:, subject]
    models = []
    for model in range(2):
        dice = 0.8 + easy + lean[model] + rng.normal(0, 0.05, kind.n) + better * model
        dice = np.where(rng.random(kind.n) < kind.misses, 0.0, np.clip(dice, 0.01, 1))
        far = rng.gamma(2, 3, kind.n)
        cases = [
            ScoredCase(
                id=str(i),
                number=i,
                subject=f"subject {subject[i]}",
                patient=Patient(race=races[i], sex=sexes[i]),
                scores=_scores(float(dice[i]), float(far[i])),
            )
            for i in range(kind.n)
        ]
        facts = EvaluationFacts(
            title=f"model {model}", source="predictions", metrics=METRICS
        )
        models.append(Evaluated(tuple(cases), facts))
    return models[0], models[1]


def _scores(dice: float, far: float) -> tuple[Score, ...]:
    presence = Presence.BOTH if dice else Presence.ONLY_TRUTH
    return (
        Score("lesion", "dice", dice, presence),
        Score("lesion", "hd95", far if dice else math.nan, presence),
    )


def called(kind: Audits, n_audits: int, seed: int, better: float) -> dict[str, Any]:
    """Return in how many audits something is called a difference."""
    rng = np.random.default_rng(seed)
    n_any, n_rows, verdicts = 0, 0, {"better": 0, "worse": 0}
    uncorrected = 0
    for number in range(n_audits):
        first, second = audit(kind, rng, better)
        found = compare(first, second, seed=number, n_resamples=20)
        n_any += found.any_difference
        n_rows += len(found.rows)
        uncorrected += any(row.p <= 0.05 for row in found.rows)
        for row in found.rows:
            if row.verdict in verdicts:
                verdicts[row.verdict] += 1
    return {
        **kind._asdict(),
        "audits": n_audits,
        "comparisons_each": round(n_rows / n_audits, 1),
        "called_a_difference": n_any,
        "share": round(n_any / n_audits, 4),
        "share_without_holm": round(uncorrected / n_audits, 4),
        "verdicts": verdicts,
    }


def main() -> None:
    """Print how often a difference is called."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--better", type=float, default=0.0)
    asked = parser.parse_args()
    begun, rows = time.monotonic(), {}
    for number, (name, kind) in enumerate(KINDS.items()):
        rows[name] = called(kind, asked.audits, asked.seed + number, asked.better)
        print(name, rows[name]["share"], file=sys.stderr, flush=True)
    audits = sum(row["audits"] for row in rows.values())
    share = sum(row["called_a_difference"] for row in rows.values()) / audits
    report = {"kinds": rows, "share": round(share, 4), "better": asked.better}
    report["seconds"] = round(time.monotonic() - begun, 1)
    json.dump(report, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
