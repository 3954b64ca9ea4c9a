"""Does dMoE segment HAM10000 more fairly? Small networks of one size, eight times each.

Run it with ``python benchmarks/published_claim.py HAM_FOLDER --folder RUNS``: 64
trainings, 35 minutes of one core. Every training writes its scores to RUNS as soon
as it is done, so that a run that was stopped goes on where it was; ``--part 0
--num-parts 2`` does every second one, and ``--seconds 600`` begins no other training
that would end later. ``--report --docs docs`` trains nothing and writes the page, its
figures and its tables from what there is. What is compared, and that it was named
before looking, stands in ``claim_plan.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from claim_cohort import Photographs, Split, deranged, photographs, split_of
from claim_plan import (
    ARMS,
    DERANGEMENT_SEED,
    MOST_APART,
    N_SEEDS,
    STEPS,
    Arm,
    recipe_of,
)
from claim_report import report, write_docs
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.inference.masks.pairs import class_dice
from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.training.cases.pool import Pool, read_pool
from napari_dmoe.training.loop.evaluation import logits_of
from napari_dmoe.training.starting.modes import config_in_mode
from napari_dmoe.training.starting.new_model import train_new

AT_ONCE = 64
"""Test cases that a network sees at once."""

SCALE = 10_000
"""Dice is kept in whole ten-thousandths."""


def parameters() -> dict[str, int]:
    """Return how many parameters the network of each arm has.

    Raises
    ------
    ValueError
        When they differ by more than `MOST_APART` from that without MoE.
    """
    counts = {}
    for name, arm in ARMS.items():
        recipe = recipe_of(arm, seed=0)
        with torch.device("meta"):
            network = ARCHITECTURES[recipe.architecture].build(
                config_in_mode(recipe.config, arm.mode)
            )
        counts[name] = sum(each.numel() for each in network.parameters())
    middle = counts["no-moe"]
    odd = {k: n for k, n in counts.items() if abs(n / middle - 1) > MOST_APART}
    if odd:
        raise ValueError(
            f"the networks' numbers of parameters differ by more than {MOST_APART:.0%} "
            f"from {middle:,} without MoE: {odd}"
        )
    return counts


@torch.inference_mode()
def dice_of(
    loaded: LoadedModel, pool: Pool, whose: NDArray[np.int64]
) -> dict[str, list[int]]:
    """Return every test case's Dice, in ten-thousandths, at the network's resolution.

    Parameters
    ----------
    loaded : LoadedModel
        The trained network.
    pool : Pool
        The N test cases.
    whose : (N,) array
        Whose value each case is told besides its own.

    Returns
    -------
    dict
        ``"told"`` its own value, and for a network that an attribute drives
        ``"wrong"``, another patient's, and ``"nothing"``: the probabilities of all
        values, mixed by their shares as for any unknown patient.
    """
    n_values = loaded.card.n_routers
    found: dict[str, list[int]] = {}
    for chosen in torch.arange(len(pool)).split(AT_ONCE):
        images, truth = pool.whole(chosen)
        masks = {}
        if n_values:
            soft = by_value(loaded, images, n_values)
            rows = torch.arange(len(chosen))
            own, other = (pool.category[p, 0] for p in (chosen, whose[chosen.numpy()]))
            masks["told"] = soft[own, rows].argmax(1)
            masks["wrong"] = soft[other, rows].argmax(1)
            shares = torch.tensor(loaded.card.shares(loaded.card.attributes[0].name))
            masks["nothing"] = torch.tensordot(shares, soft, ([0], [0])).argmax(1)
        else:
            category = pool.category[chosen] if loaded.config.n_routers else None
            logits = logits_of(loaded.network, images, category, None, AT_ONCE)
            masks["told"] = logits.argmax(1)
        for name, mask in masks.items():
            found.setdefault(name, []).extend(_scored(mask, truth))
    return found


def by_value(loaded: LoadedModel, images: Tensor, n_values: int) -> Tensor:
    """Return the probabilities (V, B, K, S, S) of images for each value."""
    return torch.stack(
        [
            logits_of(
                loaded.network,
                images,
                torch.full((len(images), 1), value),
                None,
                AT_ONCE,
                are_mixed=True,
            )
            for value in range(n_values)
        ]
    )


def _scored(found: Tensor, truth: Tensor) -> list[int]:
    pairs = zip(found.numpy(), truth.numpy(), strict=True)
    return [round(SCALE * class_dice(mine, own, 2)[0]) for mine, own in pairs]


def run_of(
    arm: Arm, seed: int, cohort: Photographs, split: Split, *, steps: int
) -> dict[str, Any]:
    """Train one network and return what it reaches, and what it was made by."""
    began, work = time.perf_counter(), time.process_time()
    recipe = recipe_of(arm, seed=seed, steps=steps)
    fitted = train_new(recipe, cohort.cases(split.training), mode=arm.mode)
    trained, worked = time.perf_counter(), time.process_time()
    pool = read_pool(cohort.cases(split.test), fitted.loaded.card, may_be_unknown=True)
    whose = deranged(cohort.lesions[split.test], seed=DERANGEMENT_SEED)
    fitted.loaded.module.eval()
    return {
        "n_parameters": sum(p.numel() for p in fitted.loaded.module.parameters()),
        "cases_per_router": list(fitted.cases_per_router),
        "loss": [round(epoch.loss, 4) for epoch in fitted.history],
        "dice": dice_of(fitted.loaded, pool, whose),
        "notices": list(fitted.notices),
        "seconds": {
            "training": round(trained - began, 1),
            "training_cpu": round(worked - work, 1),
            "scoring_cpu": round(time.process_time() - worked, 1),
        },
        "versions": {
            name: version(name) for name in ("napari-dmoe", "torch", "monai", "numpy")
        },
    }


def asked_of(arm: Arm, seed: int, split: Split, *, steps: int) -> dict[str, Any]:
    """Return all that a run is told apart by."""
    recipe = recipe_of(arm, seed=seed, steps=steps)
    return {
        "arm": asdict(arm),
        "seed": seed,
        "architecture": recipe.architecture,
        "config": recipe.config.model_dump(mode="json"),
        "settings": recipe.settings.model_dump(mode="json"),
        "split": split.sha256,
        "n_cases": [len(split.training), len(split.test)],
        "derangement_seed": DERANGEMENT_SEED,
    }


def done(path: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a folder holds of a training, if the same was asked for then."""
    if not path.exists():
        return None
    run: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return run if all(run.get(key) == value for key, value in asked.items()) else None


def plan(seeds: int) -> list[tuple[str, int]]:
    """Return every training, seed by seed, so that no arm is ahead of the others."""
    return [(name, seed) for seed in range(seeds) for name in ARMS]


def train(
    cohort: Photographs,
    split: Split,
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> None:
    """Do the trainings of this part that the folder does not hold yet."""
    parameters()
    began, longest = time.monotonic(), 0.0
    mine = plan(options.seeds)[options.part :: options.num_parts]
    for number, (name, seed) in enumerate(mine, start=1):
        path = options.folder / f"claim-{name}-{seed}.json"
        asked = asked_of(ARMS[name], seed, split, steps=options.steps)
        if done(path, asked) is not None:
            continue
        start = time.monotonic()
        if options.seconds and start - began + longest > options.seconds:
            say(f"stopped before {path.stem}: the {options.seconds} s are over")
            return
        run = asked | run_of(ARMS[name], seed, cohort, split, steps=options.steps)
        write_text(path, json.dumps(run, separators=(",", ":")) + "\n")
        took = time.monotonic() - start
        longest = max(longest, took)
        dice = np.mean(run["dice"]["told"]) / SCALE
        say(f"{number} of {len(mine)}, {path.stem}: Dice {dice:.4f}, {took:.0f} s")


def runs_in(
    folder: Path, split: Split, *, seeds: int, steps: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the finished trainings of each arm, seed by seed."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ARMS}
    for name, seed in plan(seeds):
        asked = asked_of(ARMS[name], seed, split, steps=steps)
        run = done(folder / f"claim-{name}-{seed}.json", asked)
        if run is not None:
            found[name].append(run)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, report what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ham", type=Path, help="HAM10000: images, masks, metadata.csv")
    parser.add_argument("--folder", type=Path, required=True, help="for finished runs")
    parser.add_argument("--seeds", type=int, default=N_SEEDS, help="how many")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each training")
    parser.add_argument("--part", type=int, default=0, help="which part, from 0")
    parser.add_argument("--num-parts", type=int, default=1, help="of how many")
    parser.add_argument("--seconds", type=float, help="begin nothing that ends later")
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--docs", type=Path, help="folder of the page to write")
    options = parser.parse_args(arguments)
    if not 0 <= options.part < options.num_parts:
        parser.error(f"--part is 0 to {options.num_parts - 1} of so many parts")
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    cohort = photographs(options.ham, options.folder)
    split = split_of(cohort.lesions)
    if not options.report:
        train(cohort, split, options, _say)
    runs = runs_in(options.folder, split, seeds=options.seeds, steps=options.steps)
    found = report(runs, cohort, split, seeds=options.seeds)
    print(json.dumps(found, indent=1))
    if options.docs is not None:
        write_docs(found, options.docs)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
