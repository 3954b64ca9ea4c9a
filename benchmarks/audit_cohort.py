"""How much faster an audit is when images share batches, as JSON.

Run it with ``python benchmarks/audit_cohort.py``. Phantoms are audited once with all
values of eight images in shared batches, and once one image and one value at a time,
as a loop over `segment` does it; both sides alternate. Told are the seconds of each,
and the memory that the process takes after a quarter and after all of the cases.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_dmoe.cohorts.case import Case
from napari_dmoe.evaluation.counterfactual.audit import audit
from napari_dmoe.evaluation.counterfactual.choosing import swept_drivers
from napari_dmoe.evaluation.counterfactual.settings import AuditSettings
from napari_dmoe.evaluation.counterfactual.sweeping import (
    CasePlan,
    case_routing,
    case_sweeps,
)
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.progress import Progress, silent

MODELS = {"fundus": "fundus-phantom", "skin": "skin-phantom"}


def one_by_one(loaded: LoadedModel, cases: Sequence[Case]) -> None:
    """Do the same for each image and each value alone."""
    how = AuditSettings(batch=1).of_runs()
    drivers = swept_drivers(loaded)
    for case in cases:
        plan = CasePlan(loaded, drivers, case.patient, how, with_mixture=True)
        results = [
            next(segment_variants(loaded, case.image, [choice], how, silent))
            for choice in plan.choices
        ]
        truth = None if case.labels is None else case.labels.data
        case_sweeps(plan, results, truth=truth, moved={})
        case_routing(plan, results)


def measured(kind: str, n: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of both sides, which alternate."""
    loaded = load_checkpoint(MODELS[kind])
    cases = list(KINDS[kind].cohort(n, seed=1))
    seconds: dict[str, list[float]] = {"batched": [], "one by one": []}
    megabytes: list[float] = []

    def note(step: Progress) -> None:
        if step.fraction >= 0.25 and not megabytes:
            megabytes.append(_megabytes())

    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            audit(loaded, cases, Path(folder), progress=note)
            seconds["batched"].append(time.perf_counter() - began)
        began = time.perf_counter()
        one_by_one(loaded, cases)
        seconds["one by one"].append(time.perf_counter() - began)
    found = {side: statistics.median(each) for side, each in seconds.items()}
    return {
        "cases": n,
        "seconds": found,
        "times_faster": found["one by one"] / found["batched"],
        "most_megabytes_after_a_quarter": megabytes[0],
        "most_megabytes_at_the_end": _megabytes(),
    }


def _megabytes() -> float:
    """Return the most memory that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=list(MODELS), default="skin")
    parser.add_argument("--number", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found = measured(asked.kind, asked.number, asked.rounds)
    print(json.dumps({asked.kind: found}, indent=2))


if __name__ == "__main__":
    main()
