"""How often a sweep says rightly whether an attribute matters, as JSON.

Run it with ``python benchmarks/verdicts.py --folder RUNS``. On phantoms, severity, T
stage, sex, age and race decide where a border lies, and language decides nothing. The
bundled models are asked about the first; models that are told languages are trained
here, two of each kind. Everything is kept in the folder, so that a run that was
stopped goes on where it was. Right is *it matters* where the attribute decides, and
anything but that where it decides nothing; how often it *hardly matters* is told apart.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fairness_cohorts import LANGUAGES, SCENARIOS, Arm
from fairness_phantoms import recipe_of
from napari_dmoe.cohorts.case import Case
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.training.starting.new_model import train_new

SEED = 2026
"""Of the phantoms that are swept; no model saw them."""

TRAINING_SEED = 100
N_MODELS = 2
"""Models of one kind; the phantoms are shared out among them."""

CPU = InferenceSettings(device="cpu")
SMALL = SCENARIOS["fundus-why"]
"""Fundi of 96 pixels, whose cup severity decides and whose disc race does."""

NOT_RIGHT = {True: ("none", "hardly", "alike"), False: ("matters",)}
"""What is said wrongly, by whether the attribute decides. Where nothing is found, or
fewer than two values were trained, nothing is said."""


@dataclass(frozen=True)
class Subject:
    """An attribute of a model, and whether it decides anything on its phantoms."""

    attribute: str
    decides: bool
    model: str = ""
    """A bundled one."""
    kind: str = ""
    """Kind of its phantoms."""
    drivers: tuple[str, ...] = ()
    """Of a model that is trained here, instead."""


SUBJECTS: Mapping[str, Subject] = {
    "fundus: severity": Subject("severity", True, "fundus-phantom", "fundus"),
    "pelvis: T stage": Subject("severity", True, "pelvis-phantom", "pelvis"),
    "skin: sex": Subject("sex", True, "skin-phantom", "skin"),
    "skin: age": Subject("age", True, "skin-phantom", "skin"),
    "fundus: race": Subject("race", True, "fundus-race-phantom", "fundus-race"),
    "small fundus: language": Subject("language", False, drivers=("language",)),
    "small fundus, severity and language: language": Subject(
        "language", False, drivers=("severity", "language")
    ),
    "small fundus, severity and language: severity": Subject(
        "severity", True, drivers=("severity", "language")
    ),
}


def with_language(case: Case, seed: int, number: int) -> Case:
    """Return a case whose patient speaks one of the languages, each as often."""
    drawn = np.random.default_rng((seed, number)).choice(list(LANGUAGES))
    return replace(case, patient=case.patient.with_value("language", str(drawn)))


def trained(drivers: Sequence[str], seed: int, folder: Path) -> LoadedModel:
    """Return a small model of fundi; trained where the folder has none."""
    path = folder / f"{'-'.join(drivers)}-{seed}.safetensors"
    if not path.is_file():
        budget, begin = SMALL.budget, TRAINING_SEED + seed
        cases = [
            with_language(SMALL.draw(begin, i, budget.side), begin, i)
            for i in range(budget.n_train)
        ]
        recipe = recipe_of(
            SMALL, Arm("", "dmoe", tuple(drivers)), budget=budget, seed=seed
        )
        save_checkpoint(path, train_new(recipe, cases).loaded)
    return load_checkpoint(path)


def drawn(subject: Subject, number: int) -> list[Case]:
    """Return the phantoms of a subject."""
    if subject.kind:
        return list(KINDS[subject.kind].cohort(number, seed=SEED))
    side = SMALL.budget.side
    return [with_language(SMALL.draw(SEED, i, side), SEED, i) for i in range(number)]


def judged(loaded: LoadedModel, case: Case, attribute: str) -> dict[str, Any]:
    """Sweep one phantom, and return what is said of it."""
    found = sweep(
        loaded, case.image, attribute=attribute, patient=case.patient, settings=CPU
    )
    lead = found.verdict.lead
    row: dict[str, Any] = {"id": case.id, "says": found.verdict.says}
    if lead is not None:
        row |= {
            "structure": lead.name,
            "share": round(lead.share, 4),
            "yardstick": round(lead.yardstick, 4),
            "times": round(min(lead.times, 1e6), 3),
            "n_pixels": lead.n_pixels,
        }
    return row


def rows_of(name: str, folder: Path, number: int) -> list[dict[str, Any]]:
    """Return what is said of every phantom of a subject; what is known is not rerun."""
    subject = SUBJECTS[name]
    path = folder / f"{name.replace(':', '').replace(',', '').replace(' ', '-')}.jsonl"
    rows = (
        [json.loads(line) for line in path.read_text().splitlines()]
        if path.exists()
        else []
    )
    if len(rows) >= number:
        return rows[:number]
    models: dict[int, LoadedModel] = {}
    for place, case in enumerate(drawn(subject, number)):
        if place < len(rows):
            continue
        which = place % N_MODELS if subject.drivers else 0
        if which not in models:
            models[which] = (
                trained(subject.drivers, which, folder)
                if subject.drivers
                else load_checkpoint(subject.model)
            )
        rows.append(judged(models[which], case, subject.attribute))
        with path.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    return rows


def report(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how often what was said is right, and every case where it is not."""
    subject = SUBJECTS[name]
    counts = Counter(row["says"] for row in rows)
    wrong = [row for row in rows if row["says"] in NOT_RIGHT[subject.decides]]
    times = [row["times"] for row in rows if "times" in row]
    sticks = [row["yardstick"] for row in rows if "yardstick" in row]
    n_said = len(rows) - counts["absent"] - counts["untold"]
    return {
        "decides": subject.decides,
        "n": len(rows),
        "said": dict(counts),
        "told": n_said,
        "right": n_said - len(wrong),
        "times": _quantiles(times),
        "share": _quantiles([row["share"] for row in rows if "share" in row]),
        "yardstick": _quantiles(sticks),
        "wrong": wrong,
    }


def _quantiles(values: Sequence[float]) -> list[float]:
    """Return the least, the median and the largest value."""
    if not values:
        return [math.nan] * 3
    return [round(float(np.quantile(values, q)), 3) for q in (0, 0.5, 1)]


def measure(
    names: Sequence[str],
    folder: Path,
    number: int,
    rows: Callable[[str, Path, int], list[dict[str, Any]]] = rows_of,
) -> dict[str, Any]:
    """Return the report of some subjects."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: report(name, rows(name, folder, number)) for name in names}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--number", type=int, default=100, help="phantoms a subject")
    parser.add_argument("--only", choices=list(SUBJECTS), action="append")
    arguments = parser.parse_args()
    names = arguments.only or list(SUBJECTS)
    found = measure(names, arguments.folder, arguments.number)
    print(json.dumps({"seed": SEED, "subjects": found}, indent=2))


if __name__ == "__main__":
    main()
