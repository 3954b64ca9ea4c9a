"""How long a fresh process takes until its first mask, beside torch alone, as JSON.

Run it with ``python benchmarks/start_up.py`` on a quiet machine. Fresh processes take
turns: one that does nothing, one that imports torch, ``napari-dmoe --help`` and
``inspect``, and one that loads a bundled model and segments an image, and once more,
which is what it costs to compute it. Told are medians by the clock and in seconds of
the processor, from the start of a process to its end, and what the heaviest packages
are that each loads. The two masks must be equal. Bytecode is kept between the processes
as an installer keeps it, whatever the shell says; the first turn, which makes it, does
not count.
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
from typing import Any

from measuring import report

MODELS = {
    "skin-isic2017": (256, 256, 3),
    "fundus-phantom": (256, 256, 3),
    "pelvis-phantom": (40, 64, 64),
}
"""Bundled ones, and the shape of the image that each is given."""
GOAL = 1.3
"""Times ``import torch`` and the work itself."""

HEAVY = ("torch", "monai", "scipy", "skimage", "matplotlib", "napari", "nibabel")

BYTECODE = tempfile.TemporaryDirectory()

SEGMENT = """
import json, time
import numpy as np
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import load_checkpoint
image = np.full({shape}, 200, np.uint8)
image[tuple(slice(n // 4, n // 2) for n in {shape}[:2])] = 90
loaded = load_checkpoint({model!r})
first = segment(loaded, image).labels
began = time.perf_counter(), time.process_time()
again = segment(loaded, image).labels
assert (first == again).all()
print(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1]]))
"""

LOADED = f"""
import atexit, sys
atexit.register(lambda: print([n for n in {HEAVY} if n in sys.modules]))
"""


def commands(model: str) -> dict[str, list[str]]:
    """Return what each fresh process is asked for."""
    cli = ["-m", "napari_dmoe.cli"]
    return {
        "nothing": ["-c", "pass"],
        "import torch": ["-c", "import torch"],
        "--help": [*cli, "--help"],
        "inspect": [*cli, "inspect", model],
        "first mask": ["-c", SEGMENT.format(shape=MODELS[model], model=model)],
    }


def once(arguments: list[str]) -> tuple[tuple[float, float], str]:
    """Return the seconds of a fresh process, and what it said."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": BYTECODE.name}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    took, after = time.perf_counter() - began, os.times()
    cpu = after.children_user - before.children_user
    cpu += after.children_system - before.children_system
    return (took, cpu), done.stdout


def loads(arguments: list[str]) -> list[str]:
    """Return which heavy packages a command loads."""
    flag, what, *rest = arguments
    work = what if flag == "-c" else f"import runpy; runpy.run_module({what!r})"
    if flag == "-m":
        work = f"sys.argv = ['napari-dmoe', *{rest}]\nimport runpy\n"
        work += f"runpy.run_module({what!r}, run_name='__main__')"
    _, said = once(["-c", f"{LOADED}\n{work}"])
    return list(json.loads(said.splitlines()[-1].replace("'", '"')))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--model", choices=MODELS, default="skin-isic2017")
    asked = parser.parse_args()
    given = commands(asked.model)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in given}
    again: list[tuple[float, float]] = []
    for repeat in range(asked.repeats + 1):  # the first fills the disk's cache, too
        for name, arguments in given.items():
            took, said = once(arguments)
            if repeat:
                times[name].append(took)
            if repeat and name == "first mask":
                again.append(tuple(json.loads(said)))
    figures: dict[str, Any] = {"model": asked.model}
    for place, kind in enumerate(("clock", "processor")):
        middle = {
            name: statistics.median(each[place] for each in pairs)
            for name, pairs in {**times, "the same again": again}.items()
        }
        least = middle["import torch"] + middle["the same again"]
        figures[f"{kind}_s"] = {name: round(s, 3) for name, s in middle.items()}
        figures[f"{kind}_ratio"] = round(middle["first mask"] / least, 3)
    figures["goal"] = GOAL
    figures["loads"] = {name: loads(each) for name, each in given.items()}
    report(figures)


if __name__ == "__main__":
    main()
