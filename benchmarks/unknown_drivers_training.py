"""How cases whose driver is not known are best trained on: mixed, drawn, or left out.

Run it with ``python benchmarks/unknown_drivers_training.py``: 16 small trainings, about
10 minutes of one core. Of plain phantoms whose severity decides how far the true cup
reaches beyond what can be seen, every second one's severity is hidden, and a small
U-Net is trained from nothing. Told all of them stands beside it as what could be
reached at best.

The Dice of the cup is measured on phantoms that nothing was trained on, told their own
severity, another one, and none. Trainings with the same seed see the same cases, so
that ways are compared seed by seed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean, stdev
from typing import Literal

import numpy as np
import torch

from measuring import report
from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.inference.masks.pairs import class_dice
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.phantoms.fundus.cohort import (
    DISC_FACTORS,
    RACE_CUP_FACTORS,
    fundus_race_case,
)
from napari_dmoe.training.augmentation.settings import AugmentSettings
from napari_dmoe.training.cases.pool import Pool, read_pool
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.new_model import untrained
from napari_dmoe.training.starting.recipes import Recipe
from published_claim import by_value

Way = Literal["told", "mix", "draw", "leave-out"]
WAYS: tuple[Way, ...] = ("told", "mix", "draw", "leave-out")
"""Everything told; half of it hidden, and those mixed, drawn, or left out."""

SIDE, SIZE = 64, (96, 96)
"""Of the network, and of the phantoms, in pixels."""

N_TEST, TEST_SEED = 120, 7_000
AT_ONCE = 60

ONE_DISC = dict.fromkeys(DISC_FACTORS, 1.0)
"""The true disc is what is seen, so that severity alone decides anything."""


@dataclass(frozen=True)
class Trial:
    """One training and what it reaches."""

    way: Way
    seed: int
    seconds_a_step: float
    dice: Mapping[str, float]
    """Of the cup, told its own severity, another one, and none."""


def cases_of(seed: int, n: int) -> Iterator[Case]:
    """Yield plain phantoms."""
    for number in range(n):
        yield fundus_race_case(seed, number, size=SIZE, disc_factors=ONE_DISC)


def half_hidden(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with every second severity not known."""
    hide = ("severity",)
    return [
        replace(case, patient=case.patient.without(hide)) if place % 2 else case
        for place, case in enumerate(cases)
    ]


def recipe_of(seed: int, steps: int) -> Recipe:
    """Return the small network and how it is trained."""
    values = tuple(RACE_CUP_FACTORS)
    card = ModelCard(
        name="unknown-drivers",
        title="Plain fundi, small",
        architecture="dmoe-unet2d",
        attributes=(CardAttribute(name="severity", values=values),),
        classes=("background", "rim", "cup"),
        modality="fundus photograph in colour or grey",
        preprocessing=Preprocessing(
            fit="pad", side=SIDE, resize="half-pixel", standardise=True
        ),
    )
    config = UNetConfig(
        dims=2, feature_size=8, in_channels=3, n_classes=3, n_routers=len(values)
    )
    settings = TrainSettings(
        epochs=1,
        steps_per_epoch=steps,
        batch=8,
        learning_rate=2e-3,
        dropout=0.0,
        hold_out="none",
        keep="last",
        seed=seed,
        augmentation=AugmentSettings(zoom=1.2, shift=0.1, light=0.2, colour=0.2),
    )
    return Recipe("dmoe-unet2d", config, card, settings)


def trained(
    start: LoadedModel, cases: Sequence[Case], settings: TrainSettings, way: Way
) -> tuple[LoadedModel, float]:
    """Return the network after training one way, and the seconds of a step."""
    shown = cases if way == "told" else half_hidden(cases)
    how = "mix" if way == "told" else way
    settings = settings.model_copy(update={"unknown_drivers": how})
    began = time.process_time()
    found = fit(start, shown, settings=settings).loaded
    steps = settings.epochs * (settings.steps_per_epoch or 1)
    found.module.eval()
    return found, (time.process_time() - began) / steps


@torch.inference_mode()
def dice_of(loaded: LoadedModel, pool: Pool) -> dict[str, float]:
    """Return the mean Dice of the cup, told its own severity, another, and none."""
    n_values = loaded.card.n_routers
    shares = torch.tensor(loaded.card.shares(loaded.card.attributes[0].name))
    scores: dict[str, list[float]] = {"own": [], "another": [], "none": []}
    for chosen in torch.arange(len(pool)).split(AT_ONCE):
        images, truth = pool.whole(chosen)
        soft = by_value(loaded, images, n_values)
        rows, own = torch.arange(len(chosen)), pool.category[chosen, 0]
        masks = {
            "own": soft[own, rows],
            "another": soft[(own + 1) % n_values, rows],
            "none": torch.tensordot(shares, soft, ([0], [0])),
        }
        for name, mask in masks.items():
            pairs = zip(mask.argmax(1).numpy(), truth.numpy(), strict=True)
            scores[name] += [class_dice(mine, true, 3)[1] for mine, true in pairs]
    return {name: round(float(np.nanmean(each)), 4) for name, each in scores.items()}


def trials(
    seeds: Sequence[int], ways: Sequence[Way], *, n_cases: int, steps: int
) -> Iterator[Trial]:
    """Yield every training, seed by seed."""
    test = read_pool(list(cases_of(TEST_SEED, N_TEST)), recipe_of(0, steps).card)
    for seed in seeds:
        recipe, cases = recipe_of(seed, steps), list(cases_of(seed, n_cases))
        for way in ways:
            loaded, cost = trained(untrained(recipe), cases, recipe.settings, way)
            yield Trial(way, seed, cost, dice_of(loaded, test))


def summary(found: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Return every way's mean, its spread over seeds, and its change against mixing."""
    mixed = {trial.seed: trial.dice["own"] for trial in found if trial.way == "mix"}
    told: dict[str, dict[str, float]] = {}
    for way in dict.fromkeys(trial.way for trial in found):
        own = [trial for trial in found if trial.way == way]
        facts: dict[str, float] = {"n": len(own)}
        for name in ("own", "another", "none"):
            facts |= _spread(name, [trial.dice[name] for trial in own])
        pairs = [(t.dice["own"], mixed[t.seed]) for t in own if t.seed in mixed]
        if pairs:
            facts |= _spread("own_less_mix", [mine - other for mine, other in pairs])
        facts["ms_a_step"] = round(1e3 * mean(t.seconds_a_step for t in own), 1)
        told[way] = facts
    return told


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return a mean, and its standard deviation over seeds."""
    apart = stdev(values) if len(values) > 1 else 0.0
    return {name: round(mean(values), 4), f"{name}_sd": round(apart, 4)}


def main() -> None:
    """Train all of it, and print what each way reaches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="trainings of each way")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--cases", type=int, default=200, help="of each training")
    parser.add_argument("--steps", type=int, default=250, help="of each training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: list[Trial] = []
    seeds = range(options.first, options.first + options.seeds)
    for trial in trials(
        seeds, options.ways, n_cases=options.cases, steps=options.steps
    ):
        found.append(trial)
        print(trial, file=sys.stderr, flush=True)
    trainings = [asdict(trial) for trial in found]
    report({"ways": summary(found), "trainings": trainings})


if __name__ == "__main__":
    main()
