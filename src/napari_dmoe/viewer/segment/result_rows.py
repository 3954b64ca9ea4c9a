"""The table of a result: what each class measures, and the cup-to-disc ratio."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from napari.layers import Image, Labels

from napari_dmoe.viewer.layers.look import in_layer_order, mask_colours
from napari_dmoe.viewer.layers.measuring import Measured, measure
from napari_dmoe.viewer.layers.placement import axis_names
from napari_dmoe.viewer.layers.records import badge
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.session.results import Result

_THREE_DIGITS = 100  # from here on, digits behind the point say nothing


def result_rows(result: Result, image: Image, step: Sequence[int]) -> list[TableRow]:
    """Return the lines for the plane or volume that the viewer shows.

    Parameters
    ----------
    result : Result
        The result; of an unknown driver each line has the span over its values, as
        long as nobody painted on the mask.
    image : napari.layers.Image
        Its image.
    step : sequence of int
        Index along each axis of the image; those of measured axes are ignored.
    """
    mask = result.mask()
    if mask is None:
        return []
    segmentation = result.segmentation
    values = {} if result.looks_edited else segmentation.by_value
    masks = [in_layer_order(image, segmentation, each) for each in values.values()]
    found, *spread = (
        measure(labels, image, segmentation, step=step)
        for labels in (mask.data, *masks)
    )
    colours = mask_colours(segmentation.classes, segmentation.provenance)
    rows = []
    for i, size in enumerate(found.sizes):
        sizes = [each.sizes[i].size for each in spread]
        span = _span(sizes, _number)
        cells = {"measure": size.name, "value": f"{size.size:.6g}", "unit": size.unit}
        rows.append(
            TableRow(
                size.name,
                f"{_number(size.size)} {size.unit}",
                span,
                colours[i + 1],
                cells | _ends(sizes),
            )
        )
    return rows + _ratio_rows(found, spread)


def file_rows(
    result: Result, image: Image, step: Sequence[int]
) -> list[dict[str, str]]:
    """Return the lines for every plane or volume, for a file.

    Parameters
    ----------
    result, image, step
        As for :func:`result_rows`.

    Returns
    -------
    list of dict
        The columns ``measure``, ``value``, ``unit``, ``least`` and ``most``, and one
        for each axis that the model was run over, counted from 0. A ``note`` says of
        a what-if that it is one.
    """
    mask = result.mask()
    rows: list[dict[str, str]] = []
    for place, at in frames_of(mask, image, result, step) if mask is not None else ():
        rows += [{**at, **row.cells} for row in result_rows(result, image, place)]
    note = badge(result.segmentation.provenance)
    return [row | {"note": note} for row in rows] if note else rows


def frames_of(
    mask: Labels, image: Image, result: Result, step: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], dict[str, str]]]:
    """Yield the index of every plane or volume, and its place by axis name."""
    further = further_axes(image, result)
    names = axis_names(image, len(result.segmentation.grid.shape))
    shape = [
        n if name in further else 1
        for name, n in zip(names, mask.data.shape, strict=True)
    ]
    for index in np.ndindex(*shape):
        place = tuple(
            i if name in further else int(at)
            for name, i, at in zip(names, index, step, strict=True)
        )
        named = zip(names, index, strict=True)
        yield place, {name: str(i) for name, i in named if name in further}


def further_axes(image: Image, result: Result) -> tuple[str, ...]:
    """Return the axes of an image that a result's model was run over one by one."""
    segmentation = result.segmentation
    return segmentation.axes[: len(segmentation.axes) - len(segmentation.grid.shape)]


def frame_note(image: Image, result: Result, step: Sequence[int]) -> str:
    """Say which plane or volume of several is measured; nothing where there is one."""
    further = further_axes(image, result)
    if not further:
        return ""
    dims = len(result.segmentation.grid.shape)
    at = zip(axis_names(image, dims), step, strict=True)
    where = ", ".join(f"{name} {int(i)}" for name, i in at if name in further)
    frame = "plane" if dims == 2 else "volume"
    return f"Of the {frame} that is shown ({where}); CSV… has every {frame}."


def _ratio_rows(found: Measured, spread: Sequence[Measured]) -> list[TableRow]:
    if found.ratio is None:
        return []
    ratios = [each.ratio for each in spread if each.ratio is not None]
    kinds = (
        ("C/D vertical", found.ratio.vertical, [each.vertical for each in ratios]),
        ("C/D area", found.ratio.area, [each.area for each in ratios]),
    )
    return [
        TableRow(
            name,
            _ratio(value),
            _span(values, _ratio),
            cells={
                "measure": name,
                "value": f"{value:.6g}" if math.isfinite(value) else "",
                "unit": "",
            }
            | _ends(values),
        )
        for name, value, values in kinds
    ]


def _ends(values: Sequence[float]) -> dict[str, str]:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return {"least": "", "most": ""}
    return {"least": f"{min(finite):.6g}", "most": f"{max(finite):.6g}"}


def _span(values: Sequence[float], written: Callable[[float], str]) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    return f"{written(min(finite))}–{written(max(finite))}"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "none"


def _number(value: float) -> str:
    is_whole = value == round(value) or abs(value) >= _THREE_DIGITS
    return f"{value:.0f}" if is_whole else f"{value:#.3g}"
