"""A cohort through ``evaluate`` beside one image at a time with the plain layer.

Run it with ``python benchmarks/evaluate_cohort.py [COHORT] [--number N]``. It prints
JSON. Both sides read the same photographs, segment and score them; they take turns, a
block of images each, so that both meet the same machine. Without a cohort photographs
like those of HAM10000 are drawn, 200 x 150 pixels. The memory is that of a fresh
process, after a first part of the cohort and at its end.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import imageio.v3 as iio
import numpy as np
import torch
from torch import Tensor

from napari_dmoe.cohorts.case import CaseRow
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.labels import placed_labels
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating.evaluate import evaluate
from napari_dmoe.evaluation.evaluating.measuring import measured
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.naming import as_known
from napari_dmoe.phantoms.kinds import KINDS
from plain import plain_mixture

MODEL = "skin-phantom"
SIZE = (200, 150)
"""Width and height of the photographs that are drawn."""

HOW = EvaluationSettings(device="cpu", keep_masks=False)


def drawn(folder: Path, number: int) -> Path:
    """Write photographs of the size of HAM10000's thumbnails, and their table."""
    lines = ["image,labels,sex,age"]
    for i, case in enumerate(KINDS["skin"].cohort(number, seed=77)):
        side = min(np.asarray(case.image.data).shape[:2])
        rows = np.arange(SIZE[1]) * side // SIZE[1]
        columns = np.arange(SIZE[0]) * side // SIZE[0]
        iio.imwrite(folder / f"{i}.jpg", np.asarray(case.image.data)[rows][:, columns])
        truth = np.asarray(case.labels.data)[rows][:, columns]
        iio.imwrite(folder / f"{i}_mask.png", (truth > 0).astype(np.uint8) * 255)
        sex, age = case.patient.value("sex"), case.patient.value("age")
        lines.append(f"{i}.jpg,{i}_mask.png,{sex or ''},{age or ''}")
    table = folder / "cohort.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


@contextmanager
def plain_layers() -> Iterator[None]:
    """Let every dMoE layer mix its experts one by one, as its formula reads."""
    fast = SparseMoE._mix

    def slow(layer: SparseMoE, x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        gates = x.new_zeros(len(x), layer.n_experts).scatter(-1, chosen, weights)
        return plain_mixture(layer, x, gates)

    SparseMoE._mix = slow  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        SparseMoE._mix = fast  # type: ignore[method-assign]


def one_at_a_time(loaded: LoadedModel, rows: Sequence[CaseRow]) -> list[float]:
    """Segment and score images one by one; return their Dice."""
    found = []
    reading = LabelReading(loaded.card.classes, unlabelled=255, is_stated=False)
    with plain_layers():
        for row in rows:
            case = row.read()
            patient = as_known(case.patient, loaded.card.attributes)
            result = segment(loaded, case.image, patient, settings=HOW.inference)
            truth = reading.read(placed_labels(case, result.axes), case.id)
            scores = measured(
                result.labels,
                truth,
                case.image,
                axes=result.axes,
                classes=result.classes,
                metrics=HOW.metrics,
            ).scores
            found.append(next(s.value for s in scores if s.metric == "dice"))
    return found


def together(loaded: LoadedModel, cohort: Cohort) -> list[float]:
    """Evaluate the same images; return their Dice."""
    with tempfile.TemporaryDirectory() as folder:
        found = evaluate(loaded, cohort, folder, settings=HOW)
    region = found.facts.regions[0]
    return found.values(region, "dice").tolist()


def speeds(path: Path, number: int, block: int) -> dict[str, object]:
    """Time both sides, block by block in turns."""
    loaded = load_checkpoint(MODEL)
    cohort = open_cohort(path, drivers=[a.name for a in loaded.card.attributes])
    rows = cohort.rows[:number]
    one_at_a_time(loaded, rows[:2])
    together(loaded, replace(cohort, rows=rows[:2]))
    alone, ours, apart = [], [], 0.0
    for begin in range(0, len(rows), block):
        part = rows[begin : begin + block]
        times = []
        scores: list[list[float]] = []
        for is_ours in (False, True) if begin // block % 2 else (True, False):
            began = perf_counter()
            found = (
                together(loaded, replace(cohort, rows=part))
                if is_ours
                else one_at_a_time(loaded, part)
            )
            times.append((is_ours, (perf_counter() - began) / len(part)))
            scores.append(found)
        alone += [t for is_ours, t in times if not is_ours]
        ours += [t for is_ours, t in times if is_ours]
        apart = max(apart, float(np.nanmax(np.abs(np.subtract(*scores)))))
    ratios = [a / b for a, b in zip(alone, ours, strict=True)]
    return {
        "images": len(rows),
        "plain_one_at_a_time_ms": round(1000 * median(alone), 1),
        "evaluate_ms": round(1000 * median(ours), 1),
        "times_faster": round(median(ratios), 2),
        "largest_difference_of_dice": apart,
    }


def memory(path: Path, number: int) -> None:
    """Print the memory of this process after a quarter of a cohort, and at its end."""
    loaded = load_checkpoint(MODEL)
    cohort = open_cohort(path, drivers=[a.name for a in loaded.card.attributes])
    cohort, peaks = replace(cohort, rows=cohort.rows[:number]), {}
    done = 0

    def note(_: object) -> None:
        nonlocal done
        done += 1
        if done in (len(cohort) // 4, len(cohort)):
            peaks[done] = round(
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1
            )

    with tempfile.TemporaryDirectory() as folder:
        evaluate(loaded, cohort, folder, settings=HOW, tell=note)
    print(json.dumps(peaks))


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohort", nargs="?", type=Path)
    parser.add_argument("--number", type=int, default=96)
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        memory(options.cohort, options.number)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.cohort or drawn(Path(folder), options.number)
        found = speeds(path, options.number, options.block)
        again = (__file__, str(path), "--number", str(options.number), "--memory")
        process = subprocess.run(
            [sys.executable, *again], check=True, capture_output=True, text=True
        )
    found["peak_MB_by_images"] = json.loads(process.stdout)
    found["threads"] = torch.get_num_threads()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
