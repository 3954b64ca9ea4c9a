"""The plots of the Routing tab: what each shows, how it is drawn, and its numbers.

Knows no Qt. Drawing takes matplotlib, which is imported when a plot is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    load, of = loads.load, {"of": loads.words}
    places = [[str(n) for n in range(length)] for length in load.shape]
    return ShownPlot(
        f"Load of the experts in each {unit}, of {loads.words}",
        partial(draw_loads, load=load, block=block, unit=unit),
        max(_ROW * len(load) + _FRAME, _LOWEST),
        _rows(f"load by {unit}", load, {unit: places[0], "expert": places[1]}, of),
        marked=block,
    )


def class_plot(loads: PartLoads, block: int, unit: str) -> ShownPlot:
    """Return the bars of the loads in each class."""
    from napari_dmoe.viewer.routing.plots.figures import draw_classes

    shares, classes = loads.per_class(block), loads.classes
    border = loads.at_border(block)
    if border is not None:
        shares, classes = np.vstack([shares, border]), (*classes, BORDER)
    mask = "painted mask" if loads.is_painted else "mask as it was made"
    columns = {"class": classes, "expert": [str(e) for e in range(shares.shape[1])]}
    of = {"of": f"{loads.words}, {mask}", unit: str(block)}
    return ShownPlot(
        f"In each class of the {mask}, {unit} {block}:",
        partial(draw_classes, shares=shares, classes=classes),
        22 * len(classes) + 28,
        _rows("load by class", shares, columns, of),
    )


def alike_plot(
    cosines: NDArray[np.floating], names: Sequence[str], of: Mapping[str, str]
) -> ShownPlot:
    """Return how alike the routers of values are; `of` goes into every row."""
    title = f"Cosine of the routers' weights: 1 for alike. {BEHAVIOUR}"
    limits = (min(0.0, float(cosines.min())), 1.0)
    return _pairs(title, "cosine of the routers", cosines, names, of, limits)


def apart_plot(
    bits: NDArray[np.floating], names: Sequence[str], of: Mapping[str, str]
) -> ShownPlot:
    """Return by how much values diverge on an image; `of` goes into every row."""
    title = "Mean divergence of the gates on this image, in bits: 0 for alike."
    limits = (0.0, max(float(bits.max()), 0.01))
    return _pairs(title, "divergence in bits", bits, names, of, limits)


def _pairs(
    title: str,
    plot: str,
    matrix: NDArray[np.floating],
    names: Sequence[str],
    of: Mapping[str, str],
    limits: tuple[float, float],
) -> ShownPlot:
    from napari_dmoe.viewer.routing.plots.figures import draw_alike

    paint = partial(draw_alike, matrix=matrix, names=names, limits=limits)
    rows = _rows(plot, matrix, {"first": names, "second": names}, of)
    return ShownPlot(title, paint, 24 * len(names) + 44, rows)


def _rows(
    plot: str,
    matrix: NDArray[np.floating],
    columns: Mapping[str, Sequence[str]],
    of: Mapping[str, str],
) -> tuple[dict[str, str], ...]:
    """Return a row for each cell; `columns` name a matrix' rows and columns in it."""
    (first, rows), (second, along) = columns.items()
    return tuple(
        {"plot": plot, **of, first: rows[i], second: along[j], "value": _number(value)}
        for (i, j), value in np.ndenumerate(matrix)
    )


def _number(value: float) -> str:
    """Write a number; nothing where there is none."""
    return f"{value:.6g}" if np.isfinite(value) else ""
