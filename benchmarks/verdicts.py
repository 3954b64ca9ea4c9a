"""How often a sweep says rightly whether an attribute matters, as JSON.

Run it with ``python benchmarks/verdicts.py --folder RUNS``. On phantoms, severity, T
stage, sex, age and race decide where a border lies, and language decides nothing. The
bundled models are asked about the first; models that are told languages are trained
here: two of each small kind, and a bundled one that is tuned. Everything is kept in the
folder, so that a run that was stopped goes on where it was. Right is *it matters* where
the attribute decides, and anything but that where it decides nothing; how often it
*hardly matters* is told apart.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fairness_cohorts import SCENARIOS, Arm
from fairness_phantoms import recipe_of
from napari_dmoe.cohorts.case import Case
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.training.learning.selection import is_router
from napari_dmoe.training.loop.fit import fit_cohort
from napari_dmoe.training.starting.new_model import train_new
from napari_dmoe.training.starting.new_routers import add_attribute
from napari_dmoe.training.starting.recipes import RECIPES

SEED = 31337
"""Of the phantoms that are swept; no model saw them, and no rule was chosen by them."""

TRAINING_SEED = 100
N_TUNED = 400
"""Phantoms on which a bundled model is tuned."""
N_MODELS = 2
"""Models of one kind; the phantoms are shared out among them."""

CPU = InferenceSettings(device="cpu")
LEAST_CUP = 500
"""Pixels of a cup whose radius a shift by one pixel changes by less than a tenth."""

SMALL = SCENARIOS["fundus"]
"""Fundi of 96 pixels, whose cup severity decides and whose disc race does."""

LANGUAGES = ("English", "Spanish", "other")
"""Values of an attribute that decides nothing."""

NOT_RIGHT = {True: ("none", "hardly", "alike"), False: ("matters",)}
"""What is said wrongly, by whether the attribute decides."""

UNTOLD = ("absent", "untold", "unsure")
"""Where it is said that it cannot be told: nothing, or next to nothing, is found."""


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
    is_tuned: bool = False
    """Whether the bundled model is tuned here, with a language that drives it too."""


SUBJECTS: Mapping[str, Subject] = {
    "fundus: severity": Subject("severity", True, "fundus-phantom", "fundus"),
    "pelvis: T stage": Subject("severity", True, "pelvis-phantom", "pelvis"),
    "skin: sex": Subject("sex", True, "skin-phantom", "skin"),
    "skin: age": Subject("age", True, "skin-phantom", "skin"),
    "fundus: race": Subject("race", True, "fundus-race-phantom", "fundus-race"),
    "fundus with language: language": Subject(
        "language", False, "fundus-phantom", "fundus", is_tuned=True
    ),
    "fundus with language: severity": Subject(
        "severity", True, "fundus-phantom", "fundus", is_tuned=True
    ),
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


def tuned(model: str, kind: str, seed: int, folder: Path) -> LoadedModel:
    """Return a bundled model that a language drives too; tuned if the folder has none.

    The routers of the languages begin as far apart as those of its own values are: what
    they still differ by afterwards, they were not taught.
    """
    path = folder / f"{model}-language-{seed}.safetensors"
    if not path.is_file():
        drawn = KINDS[kind].cohort(N_TUNED, seed=TRAINING_SEED + seed)
        cases = [with_language(case, TRAINING_SEED, i) for i, case in enumerate(drawn)]
        language = CardAttribute(name="language", values=tuple(LANGUAGES))
        wide = add_attribute(load_checkpoint(model), language)
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, rows in wide.module.named_parameters():
                if is_router(name):
                    n_own = len(rows) - len(LANGUAGES)
                    apart = (rows[:n_own] - rows[:n_own].mean(0)).std()
                    rows[n_own:] += apart * torch.randn_like(rows[n_own:])
        recipe = RECIPES[model].settings
        asked = {"epochs": 4, "hold_out": "none", "keep": "last", "seed": seed}
        settings = recipe.model_copy(update=asked)
        save_checkpoint(path, fit_cohort(wide, cases, settings=settings).loaded)
    return load_checkpoint(path)


def model_of(subject: Subject, which: int, folder: Path) -> LoadedModel:
    """Return one of the models of a subject."""
    if subject.is_tuned:
        return tuned(subject.model, subject.kind, which, folder)
    if subject.drivers:
        return trained(subject.drivers, which, folder)
    return load_checkpoint(subject.model)


def drawn(subject: Subject, number: int, seed: int) -> list[Case]:
    """Return the phantoms of a subject."""
    if subject.kind:
        cases = _shown(subject.kind, number, seed)
        speak = enumerate(cases) if subject.is_tuned else ()
        return [with_language(case, seed, i) for i, case in speak] or list(cases)
    side = SMALL.budget.side
    return [with_language(SMALL.draw(seed, i, side), seed, i) for i in range(number)]


def _shown(kind: str, number: int, seed: int) -> list[Case]:
    """Return the first phantoms of a kind; of fundi, those with a cup large enough."""
    cases = KINDS[kind].cohort(6 * number, seed=seed)
    fits = (case for case in cases if kind != "fundus" or _has_large_cup(case))
    return list(islice(fits, number))


def _has_large_cup(case: Case) -> bool:
    return case.labels is not None and int((case.labels.data == 2).sum()) > LEAST_CUP


def judged(loaded: LoadedModel, case: Case, attribute: str) -> dict[str, Any]:
    """Sweep one phantom, and return what is said of it."""
    found = sweep(
        loaded, case.image, attribute=attribute, patient=case.patient, settings=CPU
    )
    lead, stick = found.verdict.lead, found.verdict.yardstick
    row: dict[str, Any] = {"id": case.id, "says": found.verdict.says}
    row["structures"] = [
        {
            "name": each.name,
            "share": each.share,
            "n_pixels": each.n_pixels,
            "shift": stick.shift[place],
            "rerun": stick.rerun[place],
            "absent": each.absent,
            "sizes": [value.sizes[place].n_pixels for value in found.values],
        }
        for place, each in enumerate(found.verdict.structures)
    ]
    if lead is not None:
        row |= {
            "structure": lead.name,
            "share": round(lead.share, 4),
            "yardstick": round(lead.yardstick, 4),
            "times": round(min(lead.times, 1e6), 3),
            "n_pixels": lead.n_pixels,
        }
    return row


def rows_of(
    name: str, folder: Path, number: int, seed: int = SEED
) -> list[dict[str, Any]]:
    """Return what is said of every phantom of a subject; what is known is not rerun."""
    subject = SUBJECTS[name]
    stem = name.replace(":", "").replace(",", "").replace(" ", "-")
    path = folder / f"{stem}-{seed}.jsonl"
    rows = (
        [json.loads(line) for line in path.read_text().splitlines()]
        if path.exists()
        else []
    )
    if len(rows) >= number:
        return rows[:number]
    models: dict[int, LoadedModel] = {}
    for place, case in enumerate(drawn(subject, number, seed)):
        if place < len(rows):
            continue
        which = place % N_MODELS if subject.drivers else 0
        if which not in models:
            models[which] = model_of(subject, which, folder)
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
    n_said = len(rows) - sum(counts[each] for each in UNTOLD)
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
    seed: int = SEED,
) -> dict[str, Any]:
    """Return the report of some subjects."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: report(name, rows_of(name, folder, number, seed)) for name in names}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--number", type=int, default=100, help="phantoms a subject")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", choices=list(SUBJECTS), action="append")
    arguments = parser.parse_args()
    names = arguments.only or list(SUBJECTS)
    found = measure(names, arguments.folder, arguments.number, arguments.seed)
    print(json.dumps({"seed": arguments.seed, "subjects": found}, indent=2))


if __name__ == "__main__":
    main()
