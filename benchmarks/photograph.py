"""How long the first mask of a 12-megapixel photograph takes, as JSON.

Run it with ``python benchmarks/photograph.py --model NAME --against SRC``. A phantom is
enlarged to 4000 x 3000 pixels and written as JPEG; each side is a process of its own,
which imports, reads, loads and segments it as a script of a user's does. With another
checkout's folder ``src`` both sides take turns, several times, and the ratio of the
medians tells whether the first mask comes later now than it did there. Seconds of the
processor tell the sides apart where others share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZE = (3000, 4000)
HERE = Path(__file__).parents[1] / "src"
PATIENCE_S = 600


def one_side(model: str, photograph: Path) -> dict[str, Any]:
    """Return when each part of a first mask was over, in seconds."""
    began, cpu = time.perf_counter(), time.process_time()
    marks: dict[str, float] = {}

    def note(part: str) -> None:
        marks[part] = round(time.perf_counter() - began, 3)

    from napari_dmoe.imaging.files import read_image
    from napari_dmoe.inference.running.segment import segment
    from napari_dmoe.models.checkpoint import load_checkpoint

    note("imported")
    image = read_image(photograph)
    note("read")
    loaded = load_checkpoint(model)
    note("loaded")
    segment(loaded, image)
    note("mask")
    return {"marks_s": marks, "cpu_s": round(time.process_time() - cpu, 2)}


def write_photograph(path: Path, kind: str) -> None:
    """Write a phantom as large as a telephone's photograph, with its grain."""
    import imageio.v3 as iio
    import numpy as np
    from skimage.transform import resize

    from napari_dmoe.phantoms.kinds import KINDS

    (case,) = KINDS[kind].cohort(1, seed=1)
    drawn = np.asarray(case.image.data, np.float32)
    large = resize(drawn, (*SIZE, 3), order=1, preserve_range=True)
    large += np.random.default_rng(0).normal(0, 4, large.shape)
    iio.imwrite(path, large.clip(0, 255).astype(np.uint8), quality=92)


def in_a_process(source: Path, model: str, photograph: Path) -> dict[str, Any]:
    """Return what a side found with the package in a folder ``src``."""
    command = [sys.executable, __file__, "--side", str(photograph), "--model", model]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    if done.returncode:
        raise RuntimeError(f"{model} ended with {done.returncode}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(
    model: str,
    kind: str,
    *,
    against: Path | None = None,
    before: str | None = None,
    repeats: int = 5,
) -> dict[str, Any]:
    """Return the seconds of a first mask, and how they compare with another checkout.

    Parameters
    ----------
    model : str
        A bundled name, or a checkpoint's file.
    kind : str
        Kind of phantom that is enlarged.
    against : Path, optional
        Another checkout's folder ``src``; without it one side is measured alone.
    before : str, optional
        The model there; the same name by default.
    repeats : int
        Turns of both sides.
    """
    sides = {"now": (HERE, model)}
    if against is not None:
        sides["before"] = (against, before or model)
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        photograph = Path(folder) / "photograph.jpg"
        write_photograph(photograph, kind)
        for _ in range(repeats):
            for side, (source, name) in sides.items():
                found[side].append(in_a_process(source, name, photograph))
    seconds = {s: [each["marks_s"]["mask"] for each in found[s]] for s in sides}
    medians = {side: statistics.median(own) for side, own in seconds.items()}
    cpu = {s: statistics.median(each["cpu_s"] for each in found[s]) for s in sides}
    result: dict[str, Any] = {
        "model": Path(model).stem,
        "megapixels": SIZE[0] * SIZE[1] / 1e6,
        "cpus": os.cpu_count(),
        "seconds": seconds,
        "median_s": medians,
        "median_cpu_s": cpu,
        "marks_s": {side: own[-1]["marks_s"] for side, own in found.items()},
    }
    if against is not None:
        result["before"] = Path(before or model).stem
        result["ratio"] = round(medians["now"] / medians["before"], 2)
        result["cpu_ratio"] = round(cpu["now"] / cpu["before"], 2)
    return result


def main() -> None:
    """Measure, or be one of the sides; print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="skin-phantom")
    parser.add_argument("--kind", choices=("skin", "fundus"), default="skin")
    parser.add_argument("--against", type=Path, help="src of another checkout")
    parser.add_argument("--before", help="the model there; else the same")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", type=Path, help="be one side, on this photograph")
    asked = parser.parse_args()
    if asked.side is not None:
        print(json.dumps(one_side(asked.model, asked.side)))
        return
    found = measure(
        asked.model,
        asked.kind,
        against=asked.against,
        before=asked.before,
        repeats=asked.repeats,
    )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
