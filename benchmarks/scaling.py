"""How time and memory grow with a volume, and with the overlap, as JSON.

Run it with ``python benchmarks/scaling.py``. Each point is a run of
:mod:`volume_slabs` with its stand-in for a network, so that what grows is what lies
around it; both sides of a point run in fresh processes that take turns. ``--features``
takes the real network. :mod:`performance_page` draws the curves.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import report

SHAPES = {
    "longer": [(128, 128, 128), (256, 128, 128), (512, 128, 128), (1024, 128, 128)],
    "larger": [(96, 96, 96), (128, 128, 128), (192, 192, 192), (256, 256, 256)],
}
OVERLAPS, OVERLAP_SHAPE = (0.0, 0.25, 0.5), (192, 192, 192)
SCRIPT = Path(__file__).with_name("volume_slabs.py")


def point(
    shape: tuple[int, ...], overlap: float, asked: argparse.Namespace
) -> dict[str, Any]:
    """Return the figures of one point."""
    command = [sys.executable, str(SCRIPT), "--overlap", str(overlap)]
    command += ["--features", str(asked.features), "--repeats", str(asked.repeats)]
    command += ["--shape", *map(str, shape)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = dict(json.loads(done.stdout)["figures"])
    print(f"{shape} overlap {overlap}: {figures['sides']}", file=sys.stderr)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--overlap", type=float, default=0.25, help="of the volumes")
    asked = parser.parse_args()
    found = {
        name: [point(shape, asked.overlap, asked) for shape in shapes]
        for name, shapes in SHAPES.items()
    }
    found["overlap"] = [point(OVERLAP_SHAPE, each, asked) for each in OVERLAPS]
    report({"features": asked.features, **found})


if __name__ == "__main__":
    main()
