"""The table of a result: what each class measures, and the cup-to-disc ratio."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.inference.masks.headline import of_frames
from napari_dmoe.inference.masks.truth import RegionScore, confusion, scores_of
from napari_dmoe.inference.pictures.colours import Rgb
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.models.class_spans import DISC_PARTS
from napari_dmoe.patient import Patient
from napari_dmoe.quantities import sized
from napari_dmoe.viewer.layers.look import in_layer_order, mask_colours
from napari_dmoe.viewer.layers.measuring import MaskFrame, Measured
from napari_dmoe.viewer.layers.placement import axis_names
from napari_dmoe.viewer.layers.records import badge
from napari_dmoe.viewer.layers.truth_layers import NO_TRUTH, ReadTruth
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.segment.truth.rows import (
    known_scores,
    score_cells,
    with_scores,
)
from napari_dmoe.viewer.session.results import Result

_NOT_YET = "–"
_RATIOS = ("C/D vertical", "C/D area")


@dataclass(frozen=True)
class ShownMasks:
    """What a table is made of: a mask, and those of a driver's values; no layer."""

    made: Segmentation
    frame: MaskFrame
    """How its masks are measured."""
    masks: tuple[NDArray[Any], ...]
    """The mask; of an unknown driver also that of each value, as long as nobody
    painted on it. All in the order of the image's axes, not copied."""
    truth: ReadTruth = NO_TRUTH
    """What they are compared with."""
    name: str = ""
    """What the image is called."""
    truth_source: str = ""
    """Where the truth is from."""
    patient: Patient | None = None
    """Whom it was run for; None where only the record tells it."""

    @classmethod
    def of(
        cls, result: Result, image: Image, truth: ReadTruth = NO_TRUTH
    ) -> ShownMasks | None:
        """Return what a result's table is made of; None where its mask is gone."""
        mask, made = result.mask(), result.segmentation
        if mask is None:
            return None
        values = {} if result.looks_edited else made.by_value
        in_order = (in_layer_order(image, made, each) for each in values.values())
        request = result.request
        whose = image.name, None if request.is_of_file else request.patient
        shown = mask.data, *in_order
        name, patient = whose
        frame = MaskFrame.of(image, made)
        return cls(made, frame, shown, truth, name, patient=patient)

    def at(self, step: Sequence[int]) -> tuple[NDArray[Any], ...]:
        """Return the plane or volume of each mask at a place, not copied."""
        return tuple(self.frame.shown(mask, step) for mask in self.masks)

    def truth_at(self, step: Sequence[int]) -> NDArray[Any] | None:
        """Return the plane or volume of the truth there; None without one."""
        values = self.truth.values
        return None if values is None else self.frame.shown(values, step)

    def measure(
        self, shown: Sequence[NDArray[Any]], truth: NDArray[Any] | None = None
    ) -> tuple[Measured, ...]:
        """Measure what :meth:`at` and :meth:`truth_at` returned, or copies of it."""
        return tuple(self.frame.measure(each, truth) for each in shown)

    def copied(self) -> ShownMasks:
        """Return the same, of a mask and a truth that nobody paints on."""
        values = self.truth.values
        truth = replace(self.truth, values=None if values is None else values.copy())
        masks = (self.masks[0].copy(), *self.masks[1:])
        return replace(self, masks=masks, truth=truth)

    def rows(self, measured: Sequence[Measured]) -> list[TableRow]:
        """Return the lines for what was measured at one place.

        Spans are over the mask itself and those of each value: a mixture of values may
        be smaller than each alone, and lies within its span all the same.
        """
        found, *spread = measured
        colours = mask_colours(self.made.classes, self.made.provenance)
        rows = []
        for i, size in enumerate(found.sizes):
            sizes, colour = [each.sizes[i].size for each in spread], colours[i + 1]
            rows.append(_row(size.name, size.size, size.unit, sizes, sized, colour))
        rows = with_scores(rows, measured, self.truth.lacks)
        return rows + _ratio_rows(found, spread)


def file_rows(masks: ShownMasks, step: Sequence[int]) -> list[dict[str, str]]:
    """Return the lines for every plane or volume, for a file.

    The step is the index along each axis of the image; only that of channels counts.
    The columns are ``id``, the attributes that the image was run for, and ``model``, as
    in the table of a series; then ``measure``, ``value``, ``unit``, ``least`` and
    ``most``, one for each axis that the model was run over, counted from 0, and the
    ``headline`` of the plane or volume. With a truth there are lines of Dice and IoU,
    and ``truth`` says which one it is. A ``note`` says of a what-if that it is one.
    """
    from napari_dmoe.cohorts.series.rows import model_cell, run_for

    record, rows = masks.made.provenance, list[dict[str, str]]()
    first = {"id": masks.name, **run_for(masks.patient, record)}
    first["model"] = model_cell(record)
    for place, at in _places(masks, step):
        measured = masks.measure(masks.at(place), masks.truth_at(place))
        head = {"headline": measured[0].headline}
        if masks.truth.values is not None:
            head["truth"] = masks.truth_source
        cells = [row.cells for row in masks.rows(measured) if row.cells]
        cells += score_cells(measured, masks.truth.lacks)
        rows += [{**first, **at, **each, **head} for each in cells]
    note = badge(record)
    return [row | {"note": note} for row in rows] if note else rows


def measured_places(
    masks: ShownMasks, step: Sequence[int]
) -> tuple[str, Measured | None]:
    """Return what the planes or volumes of an image show together, in a sentence.

    Beside it, what was measured where there is one: of several no size can be told.
    """
    first = [masks.at(place)[:1] for place, _ in _places(masks, step)]
    measured = [masks.measure(shown)[0] for shown in first]
    what = "planes" if len(masks.made.grid.shape) == 2 else "volumes"
    found = [(each.headline, each.sizes) for each in measured]
    return of_frames(found, what), measured[0] if len(measured) == 1 else None


def image_scores(masks: ShownMasks, step: Sequence[int]) -> tuple[RegionScore, ...]:
    """Return how far a mask and its truth overlap, over all planes or volumes.

    Nothing without a truth. Regions that the truth knows nothing of are left out.
    """
    n, counts = len(masks.made.classes), None
    for place, _ in _places(masks, step):
        truth = masks.truth_at(place)
        if truth is not None:
            found = confusion(masks.at(place)[0], truth, n)
            counts = found if counts is None else counts + found
    if counts is None:
        return ()
    return known_scores(scores_of(counts, masks.made.classes), masks.truth.lacks)


def _places(
    masks: ShownMasks, step: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], dict[str, str]]]:
    """Yield the index of every plane or volume, and its place by axis name."""
    further, names = further_axes(masks.made), masks.frame.names
    shape = [
        n if name in further else 1
        for name, n in zip(names, masks.masks[0].shape, strict=True)
    ]
    for index in np.ndindex(*shape):
        place = tuple(
            i if name in further else int(at)
            for name, i, at in zip(names, index, step, strict=True)
        )
        named = zip(names, index, strict=True)
        yield place, {name: str(i) for name, i in named if name in further}


def further_axes(made: Segmentation) -> tuple[str, ...]:
    """Return the axes of an image that a result's model was run over one by one."""
    along = SPATIAL_AXES[-len(made.grid.shape) :]
    return tuple(axis for axis in made.axes if axis not in along)


def frame_note(image: Image, result: Result, step: Sequence[int]) -> str:
    """Say which plane or volume of several is measured; nothing where there is one."""
    further = further_axes(result.segmentation)
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
        (found.ratio.vertical, [each.vertical for each in ratios]),
        (found.ratio.area, [each.area for each in ratios]),
    )
    named = zip(_RATIOS, kinds, strict=True)
    return [_row(name, value, "", values, _ratio) for name, (value, values) in named]


def _row(
    name: str,
    value: float,
    unit: str,
    spread: Sequence[float],
    written: Callable[[float], str],
    colour: Rgb | None = None,
) -> TableRow:
    """Return a line; of several masks with the least and the most, its own among them.

    Nothing else tells how far a value may be off that is not known.
    """
    finite = [each for each in (value, *spread) if math.isfinite(each) and spread]
    ends = [min(finite), max(finite)] if finite else []
    number = f"{value:.6g}" if math.isfinite(value) else ""
    least, most = [f"{end:.6g}" for end in ends] or ["", ""]
    cells = {"measure": name, "value": number, "unit": unit}
    cells |= {"least": least, "most": most}
    text, span = f"{written(value)} {unit}".rstrip(), "–".join(map(written, ends))
    return TableRow(name, text, span, colour, cells)


def _ratio(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "none"


def empty_rows(classes: Sequence[str]) -> list[TableRow]:
    """Return the lines of a mask that is not there yet, as many as it will have."""
    colours = mask_colours(classes)
    named = [(name, colours[i]) for i, name in enumerate(classes) if i]
    rows = [TableRow(name, _NOT_YET, colour=colour) for name, colour in named]
    ratios = _RATIOS if set(DISC_PARTS) <= set(classes) else ()
    return rows + [TableRow(name, _NOT_YET) for name in ratios]
