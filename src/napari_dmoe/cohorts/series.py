"""Many images segmented one after another, into a folder with a table of what was done.

Masks need no ground truth. A bad image is said and does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.listing import Entry
from napari_dmoe.imaging.files import read_image, safe_stem
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.inference.masks.measures import class_sizes, cup_to_disc
from napari_dmoe.inference.results.export import FileFormat, save_segmentation
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.running.drivers import Priors
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress, ProgressHook, silent

SUMMARY = "segment.csv"
"""Table of what was done, in the output folder."""


@dataclass(frozen=True)
class Done:
    """What became of one image."""

    name: str
    outcome: str
    """For which values it was segmented and with which notices, or what went wrong."""
    labels: Path | None = None
    """The mask's file; None where it failed."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Sizes of the classes, with the unit in the key, and the cup-to-disc ratio."""
    seconds: float = 0.0
    error: Exception | None = None

    def row(self) -> dict[str, str]:
        """Return the line of the table."""
        labels = {} if self.labels is None else {"labels": self.labels.name}
        return {"image": self.name, "outcome": self.outcome, **labels, **self.sizes}


@dataclass(frozen=True)
class SeriesOptions:
    """How each image is run, and what is written for it."""

    settings: InferenceSettings = field(default_factory=InferenceSettings)
    routing: bool = False
    """Whether the gates are written, too."""
    file_format: FileFormat = "auto"
    """See :func:`napari_dmoe.inference.results.export.save_segmentation`."""
    priors: Priors | None = None
    """Shares of the values of unknown attributes, instead of the card's."""


def segment_series(
    loaded: LoadedModel,
    entries: Sequence[Entry],
    output: Path,
    *,
    options: SeriesOptions | None = None,
    progress: ProgressHook = silent,
    tell: Callable[[Done], None] | None = None,
) -> list[Done]:
    """Segment images, and write masks, records and the table ``segment.csv``.

    The folder `output` is made where it does not exist. `progress` may raise
    ``Cancelled``, and then the table holds what was done until then; `tell` is called
    with what became of each entry, and all of it is returned in order.
    """
    options = options or SeriesOptions()
    done: list[Done] = []
    stems: set[str] = set()
    try:
        for number, entry in enumerate(entries):
            progress(Progress(number, len(entries), entry.name))
            inner = _part(progress, number, len(entries), entry.name)
            stem = _free_stem(entry.name, stems)
            done.append(_segment(loaded, entry, output / stem, options, inner))
            if tell is not None:
                tell(done[-1])
        progress(Progress(len(entries), len(entries), "done"))
    finally:
        if any(each.error is None for each in done) or len(done) > 1:
            write_table(output / SUMMARY, [each.row() for each in done])
    return done


def _part(progress: ProgressHook, number: int, n: int, name: str) -> ProgressHook:
    """Return the hook of one image among several."""
    steps = 1000

    def hook(inner: Progress) -> None:
        done = min(steps * number + round(steps * inner.fraction), steps * n - 1)
        progress(Progress(done, steps * n, f"{name}: {inner.message}"))

    return hook


def _free_stem(name: str, taken: set[str]) -> str:
    stem, number = safe_stem(name), 2
    while stem in taken:
        stem, number = f"{safe_stem(name)}-{number}", number + 1
    taken.add(stem)
    return stem


def _segment(
    loaded: LoadedModel,
    entry: Entry,
    target: Path,
    options: SeriesOptions,
    progress: ProgressHook,
) -> Done:
    began = perf_counter()
    if entry.problem is not None:
        return Done(entry.name, str(entry.problem), error=entry.problem)
    try:
        image = read_image(entry.path)
        result = segment(
            loaded,
            image,
            entry.patient,
            settings=options.settings,
            progress=progress,
            priors=options.priors,
        )
        saved = save_segmentation(
            target.parent,
            target.name,
            result,
            image,
            routing=options.routing,
            file_format=options.file_format,
        )
    except (ValueError, OSError, MemoryError) as error:
        return Done(entry.name, " ".join(str(error).split()), error=error)
    on_source = options.settings.scored_at == "source"
    has_sizes = on_source and len(result.axes) == len(result.grid.shape)
    sizes = sizes_of(result.labels, image, result.classes) if has_sizes else {}
    drivers = ", ".join(describe_drivers(result.provenance))
    made_for = f"segmented for {drivers}" if drivers else "segmented"
    outcome = "; ".join((made_for, *result.provenance.notices))
    return Done(entry.name, outcome, saved.labels, sizes, perf_counter() - began)


def describe_drivers(provenance: Provenance) -> list[str]:
    """Say the value of each driver, or that it was unknown."""
    return [
        f"{driver.attribute.replace('_', ' ')} "
        + (driver.value or f"unknown ({len(driver.values)} values mixed)")
        for driver in provenance.drivers
    ]


def sizes_of(
    labels: NDArray[np.uint8], image: SpatialImage, classes: tuple[str, ...]
) -> dict[str, str]:
    """Return the table's columns on sizes: of each class, and cup-to-disc ratio."""
    along = SPATIAL_AXES[-labels.ndim :]
    frame = Frames(image, along)[0]
    # The pixel's size is the same in whichever order its axes stand.
    on_frame = SpatialImage(labels, along, frame.affine, frame.unit)
    columns = {
        f"{size.name} ({size.unit})": f"{size.size:.6g}"
        for size in class_sizes(on_frame, classes)
    }
    ratio = cup_to_disc(labels, classes)
    if ratio is not None:
        columns["cup/disc (area)"] = f"{ratio.area:.4f}"
        columns["cup/disc (vertical)"] = f"{ratio.vertical:.4f}"
    return columns
