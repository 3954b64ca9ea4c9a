"""What dMoE makes of rare groups of phantoms: trainings of equal budget, as JSON.

Run it with ``python benchmarks/fairness_phantoms.py --folder RUNS``. Every training
writes its scores to that folder as soon as it is done, so that a run that was stopped
goes on where it was; ``--docs docs`` also writes the tables there. Nothing is tested:
see :mod:`fairness_report`. What was measured on photographs of patients, and judged,
is ``published_claim.py``'s.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fairness_cohorts import (
    SCENARIOS,
    Arm,
    Budget,
    Scenario,
    balanced,
    cells,
    draw_cohort,
)
from fairness_report import summarise, write_docs
from napari_dmoe.cohorts.case import Case
from napari_dmoe.evaluation.scoring.mask_pair import regions_of
from napari_dmoe.evaluation.scoring.metrics import measure_case
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.training.starting.new_model import train_new
from napari_dmoe.training.starting.recipes import Recipe

TEST_SEED = 2025
"""Of the test cohorts, which every model of a scenario is measured on."""

FIRST_TRAINING_SEED = 100
"""Training seed s draws a cohort of its own from this seed + s."""

TINY = {
    "fundus": Budget(12, 1, 6, 1, 1e-3, 48),
    "pelvis": Budget(4, 1, 2, 1, 1e-3, 40),
}
"""Budgets that only show that everything runs."""

CPU = InferenceSettings(device="cpu")


def recipe_of(scenario: Scenario, arm: Arm, *, budget: Budget, seed: int) -> Recipe:
    """Return what an arm is made of; all arms of a scenario differ in nothing else."""
    watched = arm.drivers or tuple(scenario.shares)
    attributes = scenario.attributes(watched)
    base = scenario.recipe
    settings = base.settings.model_copy(
        update={
            "epochs": budget.epochs,
            "batch": budget.batch,
            "learning_rate": budget.learning_rate,
            "sampling": arm.sampling,
            "hold_out": "none",
            "keep": "last",
            "seed": seed,
        }
    )
    n_routers = sum(len(attribute.values) for attribute in attributes)
    return replace(
        base,
        config=base.config.model_copy(update={"n_routers": n_routers}),
        card=base.card.model_copy(update={"attributes": attributes}),
        settings=settings,
    )


def dice_of(
    loaded: LoadedModel, cases: Sequence[Case], patients: Sequence[Patient]
) -> dict[str, list[float]]:
    """Return the Dice of every region, case by case, on the images' own pixels."""
    regions = regions_of(loaded.card.classes)
    found: dict[str, list[float]] = {region.name: [] for region in regions}
    for case, patient in zip(cases, patients, strict=True):
        labels = segment(loaded, case.image, patient, settings=CPU).labels
        if case.labels is None:
            raise ValueError(f"case {case.id} has no labels")
        truth = np.asarray(case.labels.data)
        for score in measure_case(labels, truth, regions, metrics=["dice"]):
            found[score.region].append(score.value)
    return found


def shuffled(cases: Sequence[Case], drivers: Sequence[str]) -> list[Patient]:
    """Return the patients with the drivers of another case, in a fixed random order."""
    order: NDArray[np.integer] = np.random.default_rng(0).permutation(len(cases))
    patients = []
    for case, other in zip(cases, order, strict=True):
        patient = case.patient
        for name in drivers:
            patient = patient.with_value(name, cases[other].patient.value(name))
        patients.append(patient)
    return patients


def run_of(
    arm: Arm, recipe: Recipe, training: Sequence[Case], test: Sequence[Case]
) -> dict[str, Any]:
    """Train one model and return its figures; NaN scores become null."""
    began, work = time.perf_counter(), time.process_time()
    fitted = train_new(recipe, training, mode=arm.mode)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - work
    told = dice_of(fitted.loaded, test, [case.patient for case in test])
    wrong = None
    if arm.drivers:
        wrong = dice_of(fitted.loaded, test, shuffled(test, arm.drivers))
    return {
        "n_parameters": sum(p.numel() for p in fitted.loaded.module.parameters()),
        "cases_per_router": list(fitted.cases_per_router),
        "loss": [round(epoch.loss, 4) for epoch in fitted.history],
        "dice": _rounded(told),
        "dice_drivers_shuffled": None if wrong is None else _rounded(wrong),
        "notices": list(fitted.notices),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
    }


def _rounded(scores: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    return {
        name: [None if np.isnan(value) else round(value, 5) for value in own]
        for name, own in scores.items()
    }


def run_scenario(
    name: str,
    *,
    arms: Sequence[str] | None,
    seeds: Sequence[int],
    folder: Path,
    budget: Budget,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Train and measure arms with every seed, but for what the folder holds."""
    scenario, runs = SCENARIOS[name], []
    n_test = budget.n_test_per_cell * len(cells(scenario.shares))
    test = draw_cohort(
        scenario, balanced(scenario.shares), n_test, seed=TEST_SEED, side=budget.side
    )
    cohorts: dict[int, list[Case]] = {}
    chosen = {k: a for k, a in scenario.arms.items() if arms is None or k in arms}
    for arm_name, arm in chosen.items():
        for seed in seeds:
            path = folder / f"{name}-{arm_name}-{seed}.json"
            asked = {"arm": asdict(arm) | {"drivers": list(arm.drivers)}}
            asked |= {"budget": asdict(budget), "seed": seed}
            run = _done(path, asked)
            if run is None:
                if seed not in cohorts:
                    cohorts[seed] = _training_cohort(scenario, budget, seed)
                recipe = recipe_of(scenario, arm, budget=budget, seed=seed)
                run = asked | run_of(arm, recipe, cohorts[seed], test)
                write_text(path, json.dumps(run) + "\n")
                say(f"{path.stem}: {run['seconds']:.0f} s")
            runs.append(run | {"name": arm_name})
    return summarise(replace(scenario, arms=chosen), runs, test)


def _training_cohort(scenario: Scenario, budget: Budget, seed: int) -> list[Case]:
    return draw_cohort(
        scenario,
        scenario.shares,
        budget.n_train,
        seed=FIRST_TRAINING_SEED + seed,
        side=budget.side,
    )


def _done(path: Path, asked: Mapping[str, object]) -> dict[str, Any] | None:
    """Return what a folder holds of a training, if the same was asked for then."""
    if not path.exists():
        return None
    run: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return run if all(run.get(key) == value for key, value in asked.items()) else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print the figures, and write the tables where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for finished runs")
    parser.add_argument("--scenario", nargs="*", choices=sorted(SCENARIOS))
    parser.add_argument("--arms", nargs="*", help="some of them; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--docs", type=Path, help="folder of the page with the tables")
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    found = {
        name: run_scenario(
            name,
            arms=options.arms,
            seeds=range(options.seeds),
            folder=options.folder,
            budget=TINY[name] if options.tiny else SCENARIOS[name].budget,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
        for name in options.scenario or SCENARIOS
    }
    print(json.dumps(found, indent=1))
    if options.docs is not None:
        write_docs(found, options.docs)


if __name__ == "__main__":
    main()
