"""What-ifs on disk: a sweep's masks, maps, table and picture, and noise samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio

from napari_dmoe.imaging.atomic import atomic_path, write_text
from napari_dmoe.imaging.files import safe_stem
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.inference.results.export import (
    FileFormat,
    ResultWriter,
    save_segmentation,
)
from napari_dmoe.inference.what_if.sweep_pictures import sweep_picture
from napari_dmoe.inference.what_if.sweep_result import Sweep
from napari_dmoe.inference.what_if.uncertainty import Uncertainty


@dataclass(frozen=True)
class SavedSweep:
    """Where a sweep was written."""

    labels: tuple[Path, ...]
    """The mask of each value; its record lies beside it."""
    sensitivity: Path
    """Entropy of the values' votes in bits, float32."""
    differs: Path
    """In how many values the label is not the reference's, uint8."""
    picture: Path
    """All masks side by side."""
    table: Path
    """A row for each value: see :meth:`Sweep.rows`."""
    record: Path
    """The records of all values, the reference and the summary."""


def save_sweep(
    folder: Path,
    stem: str,
    sweep: Sweep,
    image: SpatialImage,
    *,
    file_format: FileFormat = "auto",
) -> SavedSweep:
    """Write a sweep: masks, maps, records and the table, into a folder.

    Parameters
    ----------
    folder : Path
        Where to; made where it does not exist.
    stem : str
        Beginning of the file names; made safe for files.
    sweep : Sweep
        What to write.
    image : SpatialImage
        The image that was swept.
    file_format : {"auto", "tiff", "nifti"}
        As :func:`save_segmentation` takes it.

    Returns
    -------
    SavedSweep
        Where everything is.

    Raises
    ------
    ImageReadError
        For a sweep of a 2D model as NIfTI.
    OSError
        When a file cannot be written.
    """
    labels = []
    for number, value in enumerate(sweep.values):
        name = f"{stem}.{number}-{safe_stem(value.name)}"
        result = value.result
        saved = save_segmentation(folder, name, result, image, file_format=file_format)
        labels.append(saved.labels)
    writer = ResultWriter.of(
        folder, stem, image, sweep.record(), grid=sweep.grid, file_format=file_format
    )
    sensitivity = writer.write("sensitivity", sweep.entropy, sweep.axes, sweep.grid)
    differs = writer.write("differs", sweep.differs, sweep.axes, sweep.grid)
    picture, table, record = map(writer.path, ("sweep.png", "sweep.csv", "sweep.json"))
    with atomic_path(picture) as partial:
        iio.imwrite(partial, sweep_picture(image, sweep), extension=".png")
    write_table(table, sweep.rows())
    write_text(record, writer.record)
    return SavedSweep(tuple(labels), sensitivity, differs, picture, table, record)


@dataclass(frozen=True)
class SavedUncertainty:
    """Where noise samples were written; the record lies beside each file."""

    labels: Path
    """The class that most samples give."""
    votes: Path
    """How many samples give each pixel each class, uint8, the class first."""
    entropy: Path
    """Entropy of the votes in bits, float32."""


def save_uncertainty(
    folder: Path,
    stem: str,
    found: Uncertainty,
    image: SpatialImage,
    *,
    file_format: FileFormat = "auto",
) -> SavedUncertainty:
    """Write what noise samples agree on, but not their experts' votes.

    The other arguments, and what is raised, are those of :func:`save_segmentation`.
    """
    writer = ResultWriter.of(
        folder, stem, image, found.provenance, grid=found.grid, file_format=file_format
    )
    return SavedUncertainty(
        labels=writer.write("labels", found.labels, found.axes, found.grid),
        votes=writer.write("votes", found.votes, ("k", *found.axes), found.grid),
        entropy=writer.write("entropy", found.entropy, found.axes, found.grid),
    )
