"""The plots of the Routing tab: what each shows, how it is drawn, and its numbers.

Knows no Qt. Drawing takes matplotlib, which is imported when a plot is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.viewer.routing.plots.files import ShownPlot
from napari_dmoe.viewer.routing.plots.loads import PartLoads
from napari_dmoe.viewer.routing.state import BEHAVIOUR

BORDER = "border"
"""The row of the pixels on both sides of the mask's borders."""

_ROW, _FRAME, _LOWEST = 16, 54, 100  # pixels


def load_plot(loads: PartLoads, block: int, unit: str) -> ShownPlot:
    """Return the heat map of the loads; `unit` is what a block is called."""
    from napari_dmoe.viewer.routing.plots.figures import draw_loads

    load = loads.load
    rows = (
        {unit: str(number), "expert": str(expert), "value": _number(share)}
        for (number, expert), share in np.ndenumerate(load)
    )
    return ShownPlot(
        f"Load of the experts in each {unit}, of {loads.words}",
        partial(draw_loads, load=load, block=block, unit=unit),
        max(_ROW * len(load) + _FRAME, _LOWEST),
        tuple(_rows(rows, f"load by {unit}", {"of": loads.words})),
    )


def class_plot(loads: PartLoads, block: int, unit: str) -> ShownPlot:
    """Return the bars of the loads in each class."""
    from napari_dmoe.viewer.routing.plots.figures import draw_classes

    shares, classes = loads.per_class(block), loads.classes
    border = loads.at_border(block)
    if border is not None:
        shares, classes = np.vstack([shares, border]), (*classes, BORDER)
    mask = "painted mask" if loads.is_painted else "mask as it was made"
    rows = (
        {"class": classes[label], "expert": str(expert), "value": _number(share)}
        for (label, expert), share in np.ndenumerate(shares)
    )
    of = {"of": f"{loads.words}, {mask}", unit: str(block)}
    return ShownPlot(
        f"In each class of the {mask}, {unit} {block}:",
        partial(draw_classes, shares=shares, classes=classes),
        22 * len(classes) + 28,
        tuple(_rows(rows, "load by class", of)),
    )


def alike_plot(
    cosines: NDArray[np.floating], names: Sequence[str], of: Mapping[str, str]
) -> ShownPlot:
    """Return how alike the routers of values are; `of` goes into every row."""
    return _pairs(
        f"Cosine of the routers' weights: 1 for alike. {BEHAVIOUR}",
        cosines,
        names,
        limits=(min(0.0, float(cosines.min())), 1.0),
        rows=tuple(_rows(_pair_rows(cosines, names), "cosine of the routers", of)),
    )


def apart_plot(
    bits: NDArray[np.floating], names: Sequence[str], of: Mapping[str, str]
) -> ShownPlot:
    """Return by how much values diverge on an image; `of` goes into every row."""
    return _pairs(
        "Mean divergence of the gates on this image, in bits: 0 for alike.",
        bits,
        names,
        limits=(0.0, max(float(bits.max()), 0.01)),
        rows=tuple(_rows(_pair_rows(bits, names), "divergence in bits", of)),
    )


def _pairs(
    title: str,
    matrix: NDArray[np.floating],
    names: Sequence[str],
    *,
    limits: tuple[float, float],
    rows: tuple[Mapping[str, str], ...],
) -> ShownPlot:
    from napari_dmoe.viewer.routing.plots.figures import draw_alike

    paint = partial(draw_alike, matrix=matrix, names=names, limits=limits)
    return ShownPlot(title, paint, 24 * len(names) + 44, rows)


def _pair_rows(
    matrix: NDArray[np.floating], names: Sequence[str]
) -> Iterator[dict[str, str]]:
    for (first, second), value in np.ndenumerate(matrix):
        yield {"first": names[first], "second": names[second], "value": _number(value)}


def _rows(
    rows: Iterator[dict[str, str]], plot: str, of: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    return ({"plot": plot, **of, **row} for row in rows)


def _number(value: float) -> str:
    """Write a number; nothing where there is none."""
    return f"{value:.6g}" if np.isfinite(value) else ""
