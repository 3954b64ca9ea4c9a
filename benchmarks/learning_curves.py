"""How much a model learns from so many real images, by ``fine-tune``'s own defaults.

Run it with ``python benchmarks/learning_curves.py FOLDER``, the folder that holds
``drishti_gs`` and ``ham10000``. Each point is a process of its own, so that its memory
is its own, and one line of ``curves.jsonl``; what is there already is not run again, so
that it goes on where it was stopped. In the end it prints JSON, and ``--page FILE``
writes the table between the two marks of a page.

A point trains on so many images, of as many lesions where several are of one, and is
tested on others of which no subject is trained on. Where all images would be trained
on, nothing would be left: there 40 of 50 are trained on and 10 tested, another 10 in
each draw.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CaseRow
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.labels import placed_labels
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.naming import as_known
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.starting.new_model import untrained
from napari_dmoe.training.starting.recipe_files import read_recipe
from napari_dmoe.training.tasks.task import TrainingTask, run_task
from napari_dmoe.training.tuning.presets import fine_tuning

NUMBERS = (0, 5, 10, 20, 50)
DRAWS = 3
SCRATCH_TIMES, SCRATCH_RATE = 3, 1e-3
"""An untrained network gets so many times the steps, at this learning rate."""

CROSSED = (40, 10)
"""Trained on and tested where all of 50 would be trained on."""

MARKS = "<!-- curves -->", "<!-- end of curves -->"


@dataclass(frozen=True)
class Set:
    """A cohort, the model that is tuned on it, and what is measured."""

    folder: str
    model: str
    recipe: str
    regions: Mapping[str, tuple[int, ...]]
    """Which labels make up what is measured."""
    is_whole: bool
    """Whether an untuned model is tested on all of it, so that no draw differs."""


SETS: Mapping[str, Set] = {
    "drishti": Set(
        "drishti_gs",
        "fundus-phantom",
        "fundus-phantom",
        {"disc": (1, 2), "cup": (2,)},
        is_whole=True,
    ),
    "ham10000": Set(
        "ham10000",
        "skin-isic2017",
        "skin-isic2017",
        {"lesion": (1,)},
        is_whole=False,
    ),
}


@dataclass(frozen=True)
class Point:
    """One training and what it reaches."""

    cohort: str
    start: str
    """``bundled`` for the model, ``scratch`` for its network as it is drawn."""
    n: int
    draw: int
    model: str
    """The model's file or name."""


def points(chosen: argparse.Namespace) -> Iterator[Point]:
    """Yield what is to be measured, the first draw of everything first."""
    for draw in range(chosen.draws):
        for name in chosen.sets:
            model = chosen.skin_model if name == "ham10000" else None
            for n in chosen.numbers:
                if n == 0 and draw and SETS[name].is_whole:
                    continue
                for start in chosen.starts if n else ("bundled",):
                    yield Point(name, start, n, draw, model or SETS[name].model)


def split(
    rows: Sequence[CaseRow], n: int, draw: int, most: int
) -> tuple[list[int], list[int]]:
    """Return the places of what is trained on and of what is tested.

    One image of a subject is trained on; none of it is tested.
    """
    subjects: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        subjects.setdefault(row.subject or f"case {place}", []).append(place)
    lots = list(subjects.values())
    if n >= len(lots):
        n, n_test = CROSSED
        order = np.random.default_rng(0).permutation(len(lots))
        tested = order[draw * n_test : (draw + 1) * n_test].tolist()
        trained = [i for i in order.tolist() if i not in tested][:n]
    else:
        order = np.random.default_rng(draw).permutation(len(lots))
        trained, tested = order[:n].tolist(), order[n:].tolist()
    test = [place for lot in tested for place in lots[lot]]
    return [lots[lot][0] for lot in trained], test[:most]


def written(rows: Sequence[CaseRow], folder: Path) -> Path:
    """Write a table of cases that names their files where they lie."""
    names = [*dict.fromkeys(name for row in rows for name in row.patient.stated())]
    table = folder / "cohort.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "image", "labels", *names])
        for row in rows:
            stated = row.patient.stated()
            files = row.image.resolve(), (row.labels or Path()).resolve()
            out.writerow([row.id, *files, *(stated.get(name, "") for name in names)])
    return table


def start_of(point: Point, folder: Path) -> str:
    """Return the checkpoint that a point starts from."""
    if point.start == "bundled":
        return point.model
    path = folder / "untrained.safetensors"
    loaded = load_checkpoint(point.model)
    recipe = read_recipe(SETS[point.cohort].recipe)
    if recipe.architecture != loaded.architecture:
        named = recipe.card.name
        raise SystemExit(f"{point.model} is no network of the recipe {named}")
    save_checkpoint(path, untrained(recipe))
    return str(path)


def tuned(point: Point, table: Path, n: int, folder: Path) -> tuple[LoadedModel, int]:
    """Return the model after ``fine-tune``, and the steps that it took."""
    start, settings = start_of(point, folder), {}
    own = fine_tuning(load_checkpoint(start).card, n)
    steps = own.epochs * (own.steps_per_epoch or 0)
    if point.start == "scratch":
        longer = SCRATCH_TIMES * (own.steps_per_epoch or 1)
        settings = {"steps_per_epoch": longer, "epochs": own.epochs}
        settings |= {"learning_rate": SCRATCH_RATE}
        settings |= {k: getattr(own, k) for k in ("hold_out", "keep", "patience")}
        steps *= SCRATCH_TIMES
    seed = {"seed": point.draw}
    task = TrainingTask(
        kind="fine-tune",
        start=start,
        cohort=table,
        output=folder / "out",
        settings={**settings, **seed},
    )
    return load_checkpoint(run_task(task).path), steps


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the Dice of two masks; 1 where both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else 1.0


def scored(
    loaded: LoadedModel, cohort: Cohort, places: Sequence[int], of: Set
) -> dict[str, list[float]]:
    """Return the Dice of every region, case by case, on the images' own pixels."""
    reading = LabelReading(loaded.card.classes, unlabelled=255, is_stated=False)
    scores: dict[str, list[float]] = {name: [] for name in of.regions}
    for place in places:
        case = cohort[place]
        patient = as_known(case.patient, loaded.card.attributes)
        result = segment(loaded, case.image, patient)
        truth = reading.read(placed_labels(case, ("y", "x")), case.id)
        for name, classes in of.regions.items():
            found = np.isin(np.asarray(result.labels), classes)
            scores[name].append(dice(found, np.isin(truth, classes)))
    return scores


def measured(point: Point, folder: Path, most: int) -> dict[str, Any]:
    """Train and test one point, in this process."""
    of = SETS[point.cohort]
    cohort = open_cohort(folder / of.folder, needs_labels=True)
    trained, tested = split(cohort.rows, point.n, point.draw, most)
    began, steps = perf_counter(), 0
    loaded = load_checkpoint(point.model)
    with tempfile.TemporaryDirectory() as scratch:
        if trained:
            here = Path(scratch)
            table = written([cohort.rows[i] for i in trained], here)
            loaded, steps = tuned(point, table, len(trained), here)
    seconds = perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scores = scored(loaded, cohort, tested, of)
    return {
        **asdict(point),
        "sha256": load_checkpoint(point.model).sha256[:12],
        "n_trained": len(trained),
        "n_tested": len(tested),
        "steps": steps,
        "dice": {name: round(mean(own), 4) for name, own in scores.items()},
        "below_half": {
            name: round(mean(each < 0.5 for each in own), 4)
            for name, own in scores.items()
        },
        "seconds": round(seconds, 1) if trained else 0.0,
        "peak_mb": round(peak) if trained else 0,
        "threads": torch.get_num_threads(),
    }


def key(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a point from others."""
    return tuple(facts[name] for name in Point.__dataclass_fields__)


def run_all(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Run what was not run yet, each in a process of its own; return all of it."""
    path: Path = chosen.lines
    done: list[dict[str, Any]] = []
    if path.is_file():
        done = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    wanted = [asdict(point) for point in points(chosen)]
    there = {key(line) for line in done}
    for point in wanted:
        if key(point) in there or chosen.only_show:
            continue
        told = [sys.executable, __file__, str(chosen.folder), "--point"]
        told += [json.dumps(point), "--most", str(chosen.most)]
        found = subprocess.run(told, check=True, capture_output=True, text=True)
        line = found.stdout.strip().splitlines()[-1]
        done.append(json.loads(line))
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, file=sys.stderr, flush=True)
    keys = {key(point) for point in wanted}
    return [line for line in done if key(line) in keys]


def table_of(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the curves as a table in Markdown: means, and the least and most draw."""
    rows = ["| cohort | started from | images | what | Dice, mean (least to most) | "]
    rows[0] += "below 0.5 | draws | tested | steps | seconds | peak MB |"
    rows.append("|---|---|---|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        own = line["cohort"], line["n_trained"], line["start"]
        groups.setdefault(own, []).append(line)
    for (cohort, n, start), own in sorted(groups.items()):
        began = own[0]["model"] if start == "bundled" else "nothing"
        for region in own[0]["dice"]:
            values = [line["dice"][region] for line in own]
            low = mean(line["below_half"][region] for line in own)
            spread = f" ({min(values):.3f} to {max(values):.3f})" * (len(own) > 1)
            n_tested = mean(line["n_tested"] for line in own)
            costs = (mean(line[k] for line in own) for k in ("steps", "seconds"))
            peak = max(line["peak_mb"] for line in own)
            cells = (cohort, began, n, region, f"{mean(values):.3f}{spread}")
            cells += (f"{low:.1%}", len(own), f"{n_tested:.0f}")
            cells += (*(f"{cost:.0f}" for cost in costs), peak)
            rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def write_page(page: Path, table: str) -> None:
    """Put a table between the marks of a page."""
    text = page.read_text("utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise SystemExit(f"{page} lacks the marks {MARKS[0]} and {MARKS[1]}")
    whole = f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}"
    page.write_text(whole, encoding="utf-8")


def main() -> None:
    """Run the points that are left, and show all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds drishti_gs and ham10000")
    parser.add_argument("--lines", type=Path, default=Path("curves.jsonl"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--numbers", nargs="+", type=int, default=list(NUMBERS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--starts", nargs="+", default=["bundled", "scratch"])
    parser.add_argument("--skin-model", default=None, help="tuned on HAM10000")
    parser.add_argument("--most", type=int, default=200, help="images tested a point")
    parser.add_argument("--page", type=Path, default=None)
    parser.add_argument("--only-show", action="store_true", help="run nothing")
    parser.add_argument("--point", default=None, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.point is not None:
        point = Point(**json.loads(chosen.point))
        print(json.dumps(measured(point, chosen.folder, chosen.most)))
        return
    lines = run_all(chosen)
    table = table_of(lines)
    if chosen.page is not None:
        write_page(chosen.page, table)
    print(json.dumps({"machine": platform.machine(), "points": lines}, indent=1))
    print(table)


if __name__ == "__main__":
    main()
