"""Segmenting beside other busy processes: all threads, one, and as many as are chosen.

Run it with ``python benchmarks/busy_machine.py``; it prints JSON. Each bundled network
and a published one segment the same image in turns, several times: on a machine that
does nothing else, then beside as many busy processes as it has processors. "chosen" is
what a run does by itself; the others are told how many threads to take.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.threads import (
    fixed_threads,
    on_threads,
    threads_for,
)
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.footprint import pass_seconds
from napari_dmoe.models.vit import DMoEViT, ViTConfig
from napari_dmoe.phantoms.samples import sample_fundus, sample_pelvis, sample_skin

SAMPLES = {
    "skin-phantom": sample_skin,
    "fundus-phantom": sample_fundus,
    "pelvis-phantom": sample_pelvis,
}
PUBLISHED = "published ViT, one pass"
BURN = "while True: pass"


def main() -> None:
    """Print how long each side took on a quiet and on a busy machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9, help="runs of each side")
    parser.add_argument("--published", action="store_true", help="also its ViT-B")
    asked = parser.parse_args()
    works = dict(_works(with_published=asked.published))
    most = torch.get_num_threads()
    found: dict[str, Any] = {"threads": most, "load before": _load()}
    for state, n_busy in (("quiet", 0), ("busy", most)):
        with busy(n_busy):
            found[state] = {
                name: _measured(work, most, asked.times) for name, work in works.items()
            }
    print(json.dumps(found, indent=2))


def _works(*, with_published: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    for name, sample in SAMPLES.items():
        loaded, case = load_checkpoint(name), sample()
        image, patient = case.image, case.patient
        yield name, lambda m=loaded, i=image, p=patient: segment(m, i, p)
    if with_published:
        config = ViTConfig()
        network = DMoEViT(config).eval()
        n = sum(each.numel() for each in network.parameters())
        x, router = torch.rand(1, 3, config.side, config.side), torch.tensor([0])
        seconds = pass_seconds(config, n)
        yield PUBLISHED, lambda: _passed(network, x, router, seconds)


def _passed(network: Any, x: Any, router: Any, seconds: float) -> None:
    with torch.inference_mode(), on_threads(threads_for(seconds)):
        network(x, router)


def _measured(work: Callable[[], object], most: int, times: int) -> dict[str, Any]:
    """Return the median and the worst of each side, which take turns."""
    sides: dict[str, Any] = {
        "all threads": lambda: fixed_threads(most),
        "one thread": lambda: fixed_threads(1),
        "chosen": nullcontext,
    }
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(times + 1):
        for name, side in sides.items():
            with side():
                began = time.perf_counter()
                work()
                took[name].append(time.perf_counter() - began)
    kept = {name: each[1:] for name, each in took.items()}  # the first warms up
    return {
        name: {
            "median_s": _rounded(statistics.median(each)),
            "worst_s": _rounded(max(each)),
        }
        | {"of_all_threads": _rounded(_ratio(each, kept["all threads"]))}
        for name, each in kept.items()
    }


def _ratio(each: list[float], all_threads: list[float]) -> float:
    return statistics.median(each) / statistics.median(all_threads)


def _rounded(seconds: float) -> float:
    return round(seconds, 4)


def _load() -> list[float]:
    return [round(each, 2) for each in os.getloadavg()]


@contextmanager
def busy(n: int) -> Iterator[None]:
    """Keep some processors busy with other processes in a block."""
    others = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(n)]
    try:
        time.sleep(0.3 if n else 0.0)
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()


if __name__ == "__main__":
    main()
