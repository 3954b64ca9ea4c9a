"""Time of a sweep, an ablation and noise samples against one run, as JSON.

Run it with ``python benchmarks/what_if.py`` on a quiet machine. All are timed in turns
in one process, on the bundled skin model and its sample; the ratio of medians is what
counts, since machines differ. A sweep must agree with single runs, or nothing is
printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from unittest.mock import patch

import numpy as np
import torch

from napari_dmoe.imaging.preprocessing import prepare
from napari_dmoe.imaging.restoration import restore_labels
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.what_if import sweep as sweep_module
from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.phantoms.samples import sample_skin

FLOOR, GOAL = 3.5, 2.5
"""A five-value sweep takes at most this many times one run, without the runs on moved
pictures that its verdict is held against; what these take is told beside it."""

EQUAL = 0.9999


def in_turns(
    functions: Mapping[str, Callable[[], object]], *, repeats: int
) -> dict[str, list[float]]:
    """Return the seconds of each function, run one after another, `repeats` times."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - begin)
    return times


def whole_runs(loaded: LoadedModel, repeats: int) -> dict[str, object]:
    """Time what a person asks for, from image to result."""
    case = sample_skin()
    image, patient = case.image, case.patient
    ages = loaded.card.attributes[1].values
    patients = [patient.with_value("age", age) for age in (10, 30, 50, 70, 90)]
    plain = segment(loaded, image, patient)
    swept = sweep(loaded, image, attribute="age", patient=patient)
    for value, each in zip(swept.values, patients, strict=True):
        alone = segment(loaded, image, each).labels
        if (value.labels == alone).mean() < EQUAL:
            raise SystemExit(f"{value.name}: the sweep and the single run differ")

    def swept_alone() -> None:
        with patch.object(sweep_module, "moved_masks", lambda *_, **__: []):
            sweep(loaded, image, attribute="age", patient=patient)

    functions = {
        "one run": lambda: segment(loaded, image, patient),
        "sweep": swept_alone,
        "sweep with verdict": lambda: sweep(
            loaded, image, attribute="age", patient=patient
        ),
        "single runs": lambda: [segment(loaded, image, each) for each in patients],
        "ablation": lambda: ablate(loaded, image, patient, plain=plain),
        "noise samples": lambda: uncertainty(loaded, image, patient, samples=16),
    }
    times = in_turns(functions, repeats=repeats)
    medians = {name: statistics.median(values) for name, values in times.items()}
    least = {name: min(values) for name, values in times.items()}
    verdict_s = [
        a - b for a, b in zip(times["sweep with verdict"], times["sweep"], strict=True)
    ]
    ratios = [a / b for a, b in zip(times["sweep"], times["one run"], strict=True)]
    return {
        "values": len(ages),
        "median_s": {name: round(value, 4) for name, value in medians.items()},
        "min_s": {name: round(value, 4) for name, value in least.items()},
        "sweep / one run": round(medians["sweep"] / medians["one run"], 2),
        "sweep / one run, by minima": round(least["sweep"] / least["one run"], 2),
        "sweep / one run, median of pairs": round(statistics.median(ratios), 2),
        "verdict, median s": round(statistics.median(verdict_s), 4),
        "verdict / one run": round(
            statistics.median(verdict_s) / medians["one run"], 2
        ),
        "sweep with verdict / one run": round(
            medians["sweep with verdict"] / medians["one run"], 2
        ),
        "sweep / five single runs": round(medians["sweep"] / medians["single runs"], 2),
        "floor": FLOOR,
        "goal": GOAL,
    }


def parts(loaded: LoadedModel, repeats: int) -> dict[str, float]:
    """Time where a sweep's work goes, in milliseconds."""
    image = sample_skin().image
    prepared = prepare(image, loaded.card.preprocessing)
    rows = {n: prepared.tensor.expand(n, -1, -1, -1).contiguous() for n in (1, 5)}
    routers = {n: torch.tensor([[0, 2 + i] for i in range(n)]) for n in rows}
    with torch.inference_mode():
        scores = loaded.network(rows[1], routers[1]).logits[0]
        shape = image.spatial_shape
        functions = {
            "prepare the image": lambda: prepare(image, loaded.card.preprocessing),
            "network, 1 value": lambda: loaded.network(rows[1], routers[1]),
            "network, 5 values": lambda: loaded.network(rows[5], routers[5]),
            "restore 1 mask": lambda: restore_labels(
                scores, prepared.grid, shape, prepared.placement.seen
            ),
        }
        times = in_turns(functions, repeats=repeats)
    return {
        name: round(1000 * statistics.median(values), 2)
        for name, values in times.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    loaded = load_checkpoint("skin-phantom")
    report = {
        "runs": whole_runs(loaded, arguments.repeats),
        "parts_ms": parts(loaded, arguments.repeats),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
