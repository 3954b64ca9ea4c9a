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

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import TABLE, BadRow, CohortRow, read_rows
from napari_dmoe.imaging.files import (
    IMAGE_SUFFIXES,
    image_stem,
    image_suffix,
    read_image,
    safe_stem,
)
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.inference.masks.measures import class_sizes, cup_to_disc
from napari_dmoe.inference.results.export import FileFormat, save_segmentation
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import Priors
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook, silent

SUMMARY = "segment.csv"
"""Table of what was done, in the output folder."""


@dataclass(frozen=True)
class Entry:
    """One image to segment, not yet read."""

    name: str
    path: Path
    patient: Patient
    problem: CohortError | None = None
    """Why its row in the table cannot be understood."""


@dataclass(frozen=True)
class Done:
    """What became of one image.

    Parameters
    ----------
    name : str
        Name of the image.
    outcome : str
        For which values it was segmented and with which notices, or what went wrong.
    labels : Path or None
        The mask's file; None where it failed.
    sizes : mapping of str to str
        Sizes of the classes, with the unit in the key, and the cup-to-disc ratio.
    seconds : float
        How long it took.
    error : Exception or None
        What went wrong.
    """

    name: str
    outcome: str
    labels: Path | None = None
    sizes: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: Exception | None = None

    def row(self) -> dict[str, str]:
        """Return the line of the table."""
        row = {"image": self.name, "outcome": self.outcome}
        if self.labels is not None:
            row["labels"] = self.labels.name
        return row | dict(self.sizes)


def entries_of(source: Path, patient: Patient | None = None) -> list[Entry]:
    """List the images of a file, a folder or a cohort.

    Parameters
    ----------
    source : Path
        An image, a folder of images, a folder with ``cohort.csv``, or such a table.
    patient : Patient, optional
        Whom images without a table show; everything unknown by default.

    Raises
    ------
    CohortError
        For a table that cannot be read at all, or a patient beside one. A row that
        cannot be understood has its problem with it, and stops no other.
    ValueError
        For a folder without images.
    """
    patient = patient or Patient()
    if source.suffix.lower() == ".csv" or (source / TABLE).is_file():
        if patient.known():
            raise CohortError(
                "a cohort's table gives each patient: leave out --sex, --race, --age, "
                "--severity and --attribute"
            )
        return [_entry(row) for row in read_rows(source)]
    if not source.is_dir():
        return [Entry(image_stem(source), source, patient)]
    paths = sorted(p for p in source.iterdir() if image_suffix(p) in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"{source.name} holds no image and no {TABLE}")
    return [Entry(image_stem(path), path, patient) for path in paths]


def _entry(row: CohortRow | BadRow) -> Entry:
    if isinstance(row, BadRow):
        return Entry(f"row {row.number}", Path(), Patient(), row.problem)
    return Entry(row.id, row.image, row.patient)


@dataclass(frozen=True)
class SeriesOptions:
    """How each image is run, and what is written for it.

    Parameters
    ----------
    settings : InferenceSettings
        How to run the model.
    routing : bool
        Whether the gates are written, too.
    file_format : {"auto", "tiff", "nifti"}
        See :func:`napari_dmoe.inference.results.export.save_segmentation`.
    priors : mapping of str to sequence of float, optional
        Shares of the values of unknown attributes, instead of the card's.
    """

    settings: InferenceSettings = field(default_factory=InferenceSettings)
    routing: bool = False
    file_format: FileFormat = "auto"
    priors: Priors | None = None


def segment_series(
    loaded: LoadedModel,
    entries: Sequence[Entry],
    output: Path,
    *,
    options: SeriesOptions | None = None,
    progress: ProgressHook | None = None,
    tell: Callable[[Done], None] | None = None,
) -> list[Done]:
    """Segment images, and write masks, records and the table ``segment.csv``.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    entries : sequence of Entry
        The images, each with its patient.
    output : Path
        Folder of the results; made where it does not exist.
    options : SeriesOptions, optional
        What is written.
    progress : callable, optional
        Called with a :class:`Progress`; may raise ``Cancelled``, and then the table
        holds what was done until then.
    tell : callable, optional
        Called with each :class:`Done`.

    Returns
    -------
    list of Done
        One for each entry, in order.
    """
    options, progress = options or SeriesOptions(), progress or silent
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
    settings = options.settings
    if entry.problem is not None:
        return Done(entry.name, str(entry.problem), error=entry.problem)
    try:
        image = read_image(entry.path)
        result = segment(
            loaded,
            image,
            entry.patient,
            settings=settings,
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
    on_source = settings.scored_at == "source"
    has_sizes = on_source and len(result.axes) == len(result.grid.shape)
    sizes = sizes_of(result.labels, image, result.classes) if has_sizes else {}
    return Done(
        name=entry.name,
        outcome="; ".join((_made_for(result), *result.provenance.notices)),
        labels=saved.labels,
        sizes=sizes,
        seconds=perf_counter() - began,
    )


def _made_for(result: Segmentation) -> str:
    """Say for which values of the drivers an image was segmented."""
    parts = describe_drivers(result.provenance)
    return f"segmented for {', '.join(parts)}" if parts else "segmented"


def describe_drivers(provenance: Provenance) -> list[str]:
    """Say the value of each driver, or that it was unknown."""
    parts = []
    for driver in provenance.drivers:
        name = driver.attribute.replace("_", " ")
        value = driver.value or f"unknown ({len(driver.values)} values mixed)"
        parts.append(f"{name} {value}")
    return parts


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
