"""What the bundled models reach on phantoms that they never saw, as JSON.

Run it with ``python benchmarks/phantom_models.py MODEL``. Each structure is scored with
the patient told, with each driving attribute in turn taken from another patient, and
with nothing known.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fundus_model import best_constant_dice, dice, paired_interval
from napari_dmoe.cohorts.case import Case
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS


@dataclass(frozen=True)
class Subject:
    """What a bundled model is measured on: a kind of phantom, and its structures."""

    kind: str
    structures: Mapping[str, tuple[int, ...]]


SUBJECTS: Mapping[str, Subject] = {
    "fundus-phantom": Subject("fundus", {"disc": (1, 2), "cup": (2,)}),
    "fundus-race-phantom": Subject("fundus-race", {"disc": (1, 2), "cup": (2,)}),
    "skin-phantom": Subject("skin", {"lesion": (1,)}),
    "pelvis-phantom": Subject("pelvis", {"target": (1,)}),
}


def patients(
    loaded: LoadedModel, cases: Sequence[Case], seed: int = 0
) -> dict[str, list[Patient]]:
    """Return every case's patient: as told, and with one attribute swapped."""
    order = np.random.default_rng(seed).permutation(len(cases))
    asked = {"told": [case.patient for case in cases]}
    for attribute in loaded.card.attributes:
        name = attribute.name
        asked[f"{name} shuffled"] = [
            case.patient.with_value(name, cases[other].patient.value(name))
            for case, other in zip(cases, order, strict=True)
        ]
    return asked


def figures(
    loaded: LoadedModel, subject: Subject, cases: list[Case], *, unknown: bool
) -> dict:
    """Score every structure under every way to ask; unknown ones take longest."""
    asked = patients(loaded, cases)
    if unknown:
        asked["unknown"] = [Patient()] * len(cases)
    truths = [np.asarray(case.labels.data) for case in cases if case.labels]
    scores: dict[str, dict[str, list[float]]] = {
        way: {name: [] for name in subject.structures} for way in asked
    }
    for way, whom in asked.items():
        for case, truth, patient in zip(cases, truths, whom, strict=True):
            labels = segment(loaded, case.image, patient).labels
            for name, values in subject.structures.items():
                found = dice(np.isin(labels, values), np.isin(truth, values))
                scores[way][name].append(found)
    return {
        name: _figures_of(
            {way: np.array(scores[way][name]) for way in asked},
            [np.isin(truth, values) for truth in truths],
        )
        for name, values in subject.structures.items()
    }


def _figures_of(
    scores: dict[str, NDArray[np.float64]], masks: list[NDArray[np.bool_]]
) -> dict:
    """Return one structure's figures; cases without it do not count."""
    is_there = np.array([mask.any() for mask in masks])
    told = scores["told"][is_there]
    drops = {
        way: told - other[is_there]
        for way, other in scores.items()
        if way.endswith("shuffled")
    }
    unknown = scores.get("unknown")
    constant = best_constant_dice([mask for mask in masks if mask.any()])
    return {
        "n": int(is_there.sum()),
        "dice": float(told.mean()),
        "dice_least": float(told.min()),
        "dice_unknown": None if unknown is None else float(unknown[is_there].mean()),
        "best_constant_dice": constant,
        "drops": {
            way: {"mean": float(drop.mean()), "interval": paired_interval(drop)}
            for way, drop in drops.items()
        },
    }


def measure(model: str, *, number: int, seed: int, unknown: bool = True) -> dict:
    """Return a model's figures on its phantoms."""
    loaded, subject = load_checkpoint(model), SUBJECTS[model]
    cases = list(KINDS[subject.kind].cohort(number, seed=seed))
    return {
        "model": model,
        "sha256": loaded.sha256,
        "seed": seed,
        "cases": number,
        "structures": figures(loaded, subject, cases, unknown=unknown),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(SUBJECTS))
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2024)
    options = parser.parse_args()
    found = measure(options.model, number=options.number, seed=options.seed)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
