"""One picture of how time and memory grow: with a volume, overlap, values, samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLOURS: Mapping[str, str] = {
    "ours": "#0072B2",
    "MONAI": "#D55E00",
    "together": "#0072B2",
    "alone": "#E69F00",
}
"""Okabe and Ito's, which people with any colour vision can tell apart."""

LABELS: Mapping[str, str] = {
    "megabytes": "MB beyond one window",
    "cpu_seconds": "processor s",
    "seconds": "s",
}

Point = Mapping[str, Any]


def draw(runs: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw a panel for each curve that was measured; no file where none was."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    scaling = runs.get("scaling", {})
    panels: list[tuple[str, str, Sequence[Point], str]] = []
    for name, title in (("longer", "128 x 128 x n"), ("larger", "n x n x n")):
        if name in scaling:
            panels.append((title, "largest side", scaling[name], "megabytes"))
            panels.append((title, "largest side", scaling[name], "cpu_seconds"))
    if "overlap" in scaling:
        panels.append(("overlap", "overlap", scaling["overlap"], "cpu_seconds"))
    for name in ("values", "samples"):
        curve = runs.get("shared_passes", {}).get(name)
        if curve:
            panels.append((name, f"number of {name}", curve, "seconds"))
    if not panels:
        return
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 2.9 * rows), squeeze=False
    )
    for panel, given in zip(axes.flat, panels, strict=False):
        _panel(panel, *given)
    for panel in axes.flat[len(panels) :]:
        panel.remove()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(
    panel: Any, title: str, axis: str, points: Sequence[Point], what: str
) -> None:
    """Draw one curve of each side."""
    at = [_place(axis, point) for point in points]
    for side, colour in COLOURS.items():
        own = [_figure(point, side, what) for point in points]
        shown = [(x, y) for x, y in zip(at, own, strict=True) if y is not None]
        if shown:
            panel.plot(*zip(*shown, strict=True), "o-", color=colour, label=side)
    panel.legend(fontsize=7)
    panel.set_title(title, fontsize=9)
    panel.set_xlabel(axis, fontsize=8)
    panel.set_ylabel(LABELS[what], fontsize=8)
    panel.set_ylim(bottom=0)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.3)


def _figure(point: Point, side: str, what: str) -> float | None:
    """Return what one side took; None where it was not measured."""
    if "sides" in point:
        own: Mapping[str, float] = point["sides"].get(side, {})
        return own.get(what)
    return point.get(f"{side}_s")


def _place(axis: str, point: Point) -> float:
    if axis == "largest side":
        return float(max(point["shape"]))
    return float(point["overlap" if axis == "overlap" else "n"])
