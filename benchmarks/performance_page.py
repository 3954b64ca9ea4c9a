"""The table and the curves of ``docs/performance.md``, made of what was measured.

Run it with ``python benchmarks/performance_page.py``. The benchmarks print JSON; what
is kept of it lies in ``benchmarks/runs/performance``, a file a run. A row without a
file is listed as not measured, with the command that measures it. Only what stands
between two marks of the page is written.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from performance_curves import draw

BEGIN = "<!-- figures of benchmarks/performance_page.py begin here -->"
END = "<!-- and end here -->"
ROOT = Path(__file__).parent.parent
RUNS, DOCS = ROOT / "benchmarks" / "runs" / "performance", ROOT / "docs"
PAGE, PICTURE = "performance.md", "images/performance.png"

CURVES = frozenset(("scaling", "shared_passes"))
"""Runs that hold curves."""

Found = Mapping[str, Any]


class Row(NamedTuple):
    """A figure to reach."""

    what: str
    beside: str
    floor: str
    goal: str
    run: str
    """Name of the file that holds it, without its ending."""
    command: str
    """That measures it."""
    told: Callable[[Found], str]
    """From the figures of a run to the words of the table."""


def _times(*keys: str) -> Callable[[Found], str]:
    def told(found: Found) -> str:
        for key in keys:
            found = found[key]
        return f"{found['ratio']:.2f}x ({found['processor_ratio']:.2f}x)"

    return told


def _step(model: str, side: str) -> Callable[[Found], str]:
    def told(found: Found) -> str:
        one = found[model]
        memory = one["memory"]
        shares = [
            memory[f"engine_{kind}"] / memory[f"{side}_{kind}"]
            for kind in ("tensors_mb", "mb")
        ]
        return f"{_times(side)(one)}, memory {shares[0]:.2f}x ({shares[1]:.2f}x)"

    return told


def _both(first: str, second: str) -> Callable[[Found], str]:
    return lambda found: f"{_times(first)(found)} / {_times(second)(found)}"


def _memory(found: Found) -> str:
    ours, theirs = (found["sides"][side] for side in ("ours", "MONAI"))
    return (
        f"{found['memory_ratio']:.2f}x ({ours['megabytes']:.0f} MB beside "
        f"{theirs['megabytes']:.0f}; in all {ours['total_mb']:.0f} and "
        f"{theirs['total_mb']:.0f})"
    )


def _values(found: Found) -> str:
    last = (found[kind][-1] for kind in ("values", "samples"))
    return " / ".join(
        f"{each['n']}: {each['ratio']:.2f}x ({each['processor_ratio']:.2f}x)"
        for each in last
    )


def _start(found: Found) -> str:
    return f"{found['clock_ratio']:.2f}x ({found['processor_ratio']:.2f}x)"


def _launches(found: Found) -> str:
    return "; ".join(
        f"{name}: {one['ours']['launches']} launches (plain "
        f"{one['plain']['launches']}), {one['ours']['syncs']} waits (plain "
        f"{one['plain']['syncs']}), {_times()(one)}"
        for name, one in found["networks"].items()
    )


_NETWORK = "python benchmarks/network2d.py --rows"
_VOLUME = "python benchmarks/volume_slabs.py"
_STEP = "python benchmarks/train_step.py --models"

ROWS = (
    Row(
        "dMoE layer, (110592, 24) / (110592, 48) tokens",
        "the plain layer, same routing",
        "2.3x / 2x",
        "3x / 2.5x",
        "layer",
        f"{_NETWORK} layer",
        _both("layer, 110592 x 24", "layer, 110592 x 48"),
    ),
    Row(
        "dMoE layer, (588, 768) tokens in one batch",
        "three single calls of the plain layer",
        "1.3x",
        "1.5x",
        "layer",
        f"{_NETWORK} layer",
        _times("layer, 588 x 768 in one batch"),
    ),
    Row(
        "published 2D network (ViT-B/16), one image of 224 x 224",
        "the plain network",
        "1.1x",
        "1.3x",
        "image",
        f"{_NETWORK} image",
        _times("ViT-B/16, one image"),
    ),
    Row(
        "images x 3 values, 2D",
        "the plain network, one by one",
        "1.4x",
        "1.7x",
        "images_values",
        f"{_NETWORK} values",
        _times("ViT-B/16, images x 3 values"),
    ),
    Row(
        "volume 160 x 192 x 192, zarr to label zarr, 24 features, one value",
        "MONAI's inferer and the plain network, same batch",
        "1.2x",
        "1.5x",
        "volume",
        f"{_VOLUME} --shape 160 192 192 --features 24 --zarr",
        _times(),
    ),
    Row(
        "the same, memory beyond a warmed-up process",
        "the same",
        "0.6x",
        "0.4x",
        "volume",
        f"{_VOLUME} --shape 160 192 192 --features 24 --zarr",
        _memory,
    ),
    Row(
        "5 values / 16 noise samples in one pass, 3D",
        "as many of our own runs, one by one",
        "1.4x / 1.5x",
        "1.8x / 2x",
        "shared_passes",
        "python benchmarks/shared_passes.py",
        _values,
    ),
    Row(
        "first finished slab of 512 x 512 x 128, share of the whole",
        "MONAI: at the end",
        "15 %",
        "12 %",
        "first_slab",
        f"{_VOLUME} --shape 512 512 128",
        lambda found: f"{found['sides']['ours']['first_slab_share']:.1%}",
    ),
    Row(
        "training step of skin-isic2017",
        "the plain network, same loop",
        "1.2x, memory 1.0x",
        "1.5x",
        "train_skin",
        f"{_STEP} skin-isic2017",
        _step("skin-isic2017", "as_published"),
    ),
    Row(
        "the same",
        "the same network with the plain layer",
        "",
        "",
        "train_skin",
        f"{_STEP} skin-isic2017",
        _step("skin-isic2017", "layer"),
    ),
    Row(
        "training step of the published 2D network, batches of 2",
        "the plain network, same loop",
        "1.2x, memory 1.0x",
        "1.5x",
        "train_published",
        f"{_STEP} published-2D",
        _step("published-2D", "as_published"),
    ),
    Row(
        "first mask in a fresh process",
        "`import torch` and computing it",
        "",
        "at most 1.3x",
        "start_up",
        "python benchmarks/start_up.py",
        _start,
    ),
    Row(
        "GPU: kernel launches and waits for the device",
        "plain: 480 waits an image in 2D, 200 a window in 3D",
        "",
        "",
        "gpu",
        "python benchmarks/gpu.py",
        _launches,
    ),
)


def read(folder: Path) -> dict[str, Found]:
    """Return what was measured, by the name of its file."""
    files = sorted(folder.glob("*.json"))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in files}


def lines_of(runs: Mapping[str, Found]) -> Iterator[str]:
    """Yield the tables: what was measured, on which machines, and what is left."""
    measured = [row for row in ROWS if row.run in runs]
    yield ""
    yield "| what | beside | floor | goal | measured | run |"
    yield "|---|---|---|---|---|---|"
    for row in measured:
        told = row.told(runs[row.run]["figures"])
        cells = row.what, row.beside, row.floor, row.goal, told, row.run
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "| run | command | machine |"
    yield "|---|---|---|"
    shown = {row.run for row in measured} | (CURVES & runs.keys())
    for name in sorted(shown):
        run = runs[name]
        yield f"| {name} | `{run['command']}` | {_machine(run)} |"
    left = [row for row in ROWS if row.run not in runs]
    if left:
        yield ""
        yield "Not measured yet:"
        yield ""
        for row in left:
            yield f"- {row.what}: `{row.command}`"
    if CURVES & runs.keys():
        yield ""
        yield f"![How time and memory grow]({PICTURE})"


def _machine(run: Found) -> str:
    own = run["machine"]
    load = own["load_before"]
    return (
        f"{own['processor']} ({own['vectors']}), {own['threads']} of {own['cpus']} "
        f"cores, torch {own['torch']}, {run['date']}"
        + ("" if load is None else f", load {load:.1f} before")
    )


def write(docs: Path, runs: Mapping[str, Found]) -> None:
    """Write the tables between the marks of the page, and the picture beside it.

    Raises
    ------
    ValueError
        When the page has no marks.
    """
    page = docs / PAGE
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has no marks between which figures stand: {BEGIN}")
    tables = "\n".join(lines_of(runs))
    page.write_text(f"{before}{BEGIN}\n{tables}\n\n{END}{after}", "utf-8")
    draw({name: run["figures"] for name, run in runs.items()}, docs / PICTURE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="?", default=RUNS)
    parser.add_argument("--docs", type=Path, default=DOCS)
    asked = parser.parse_args(arguments)
    write(asked.docs, read(asked.runs))


if __name__ == "__main__":
    main()
