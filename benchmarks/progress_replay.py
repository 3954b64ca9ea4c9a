"""How far the time left was off over real runs, as JSON.

Run it with ``python benchmarks/progress_replay.py``: some minutes on one core. Each run
is recorded, report by report, and replayed through the estimator by the recorded clock.
``told over true`` is the time left that was told, over that which was left, at shares
of the run; ``counted up`` are the factors by which it rose by more than a tenth, and
``bar still`` the longest time for which the bar stood, as a share of the run. A volume
may be named: ``python benchmarks/progress_replay.py --volume ct.nii.gz``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.series.listing import entries_of
from napari_dmoe.cohorts.series.segmenting import segment_series
from napari_dmoe.estimate import Estimate, SoFar
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.training.guarding.guard import phantom_guard
from napari_dmoe.training.tuning.presets import tuning_settings
from napari_dmoe.training.tuning.tune import tune

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
Run = Callable[[ProgressHook], object]


def recorded(run: Run) -> tuple[list[tuple[float, Progress]], float]:
    """Return when a run told what, and how long it took."""
    told: list[tuple[float, Progress]] = []
    began = time.perf_counter()
    run(lambda at: told.append((time.perf_counter() - began, at)))
    return told, time.perf_counter() - began


def judged(told: list[tuple[float, Progress]], seconds: float) -> Mapping[str, Any]:
    """Replay a run, and return how well it was told."""
    clock = {"at": 0.0}
    estimate = Estimate(now=lambda: clock["at"])
    track: list[tuple[float, SoFar]] = []
    for at, step in told:
        clock["at"] = at
        track.append((at, estimate.note(step)))
    known = [(at, s.seconds_left) for at, s in track if s.seconds_left is not None]
    pairs = itertools.pairwise(left for _, left in known)
    ups = [round(b / a, 2) for a, b in pairs if a > 2 and b > 1.1 * a]
    moves = [0.0]
    for (_, before), (at, after) in itertools.pairwise(track):
        if after.fraction > before.fraction + 1e-6:
            moves.append(at)
    off = max((abs(s.fraction - at / seconds) for at, s in track), default=0.0)
    return {
        "seconds": round(seconds, 1),
        "reports": len(told),
        "told from (share of the run)": round(known[0][0] / seconds, 3) if known else 1,
        "told over true": {
            f"{share:.0%}": _ratio(known, share * seconds, seconds) for share in SHARES
        },
        "counted up": ups,
        "bar still": round(max(np.diff([*moves, seconds])) / seconds, 3),
        "bar off at most": round(off, 3),
        "bar monotone": all(
            a.fraction <= b.fraction for (_, a), (_, b) in itertools.pairwise(track)
        ),
    }


def _ratio(known: list[tuple[float, float]], at: float, end: float) -> float | None:
    before = [(when, left) for when, left in known if when <= at]
    if not before:
        return None
    when, left = before[-1]
    return round(max(0.0, left - (at - when)) / (end - at), 2)


def finer(case: Case, times: int) -> SpatialImage:
    """Return a volume of a case with so many times the voxels along each axis."""
    data = np.asarray(case.image.data)
    for axis in range(data.ndim):
        data = data.repeat(times, axis)
    affine = case.image.affine.copy()
    affine[:3, :3] /= times
    return SpatialImage(data, case.image.axes, affine, case.image.unit)


def tuning(kind: str, model: str, n_guard: int) -> Run:
    """Return a tuning on one case with a drawn guard."""
    loaded = load_checkpoint(model)
    settings = tuning_settings("balanced", loaded.card)
    guard = phantom_guard(loaded.card)
    case = next(iter(KINDS[kind].cohort(1, seed=77)))

    def run(progress: ProgressHook) -> object:
        return tune(
            loaded,
            [case],
            settings=settings,
            guard=guard and guard.model_copy(update={"n": n_guard}),
            progress=lambda _, at: progress(at),
        )

    return run


def series(folder: Path, n: int) -> Run:
    """Return the segmenting of a folder of pictures."""
    for number, case in enumerate(KINDS["skin"].cohort(n, seed=5)):
        Image.fromarray(np.asarray(case.image.data)).save(folder / f"{number}.png")
    loaded, entries = load_checkpoint("skin-phantom"), entries_of(folder)
    return lambda progress: segment_series(
        loaded, entries, folder / "masks", progress=progress
    )


def runs(folder: Path, volume: str) -> Mapping[str, Run]:
    """Return what is timed."""
    pelvis, fundus = (
        load_checkpoint("pelvis-phantom"),
        load_checkpoint("fundus-phantom"),
    )
    body = next(iter(KINDS["pelvis"].cohort(1, seed=3)))
    image = read_image(Path(volume)) if volume else finer(body, 3)
    eye = next(iter(KINDS["fundus"].cohort(1, seed=3)))
    stage = pelvis.card.attributes[0]
    patient = Patient.from_values({stage.name: stage.values[0]})
    planes = np.stack([np.asarray(eye.image.data)[:200, :200]] * 40)
    stack = SpatialImage(planes, ("z", "y", "x", "c")[: planes.ndim])
    return {
        "segment a volume": lambda p: segment(pelvis, image, patient, progress=p),
        "sweep a volume": lambda p: sweep(
            pelvis, image, patient=patient, attribute=(stage.name,), progress=p
        ),
        "segment a stack": lambda p: segment(fundus, stack, eye.patient, progress=p),
        "many images": series(folder, 20),
        "tune, quick guard of planes": tuning("fundus", "fundus-phantom", 12),
        "tune, guard of 60 planes": tuning("fundus", "fundus-phantom", 60),
        "tune, quick guard of volumes": tuning("pelvis", "pelvis-phantom", 12),
    }


def main() -> None:
    """Record, replay and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volume", default="", help="a CT to segment and to sweep")
    parser.add_argument("--only", default="", help="a word of what is run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, run in runs(Path(folder), arguments.volume).items():
            if arguments.only in name:
                line = {"run": name, **judged(*recorded(run))}
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
