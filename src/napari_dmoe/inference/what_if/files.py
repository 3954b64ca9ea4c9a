"""What-ifs on disk: a sweep's masks, maps, table and picture, and noise samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as iio

from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.disk.output_names import output_stem
from napari_dmoe.imaging.files import safe_stem
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.inference.results.export import ResultWriter, room_for_mask
from napari_dmoe.inference.results.mask_formats import FileFormat
from napari_dmoe.inference.what_if.sweep_pictures import sweep_picture
from napari_dmoe.inference.what_if.sweep_result import Sweep
from napari_dmoe.inference.what_if.uncertainty import Uncertainty

_MAPS = 2
"""Of a sweep: of the votes' entropy, and of where the values differ."""
_RECORD_BYTES = 2000
"""Of one value, within those of the sweep and of its maps, which hold all."""


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


def room_for_sweep(image: SpatialImage, n_values: int) -> int:
    """Estimate from below how many bytes a sweep of so many values takes."""
    files = n_values + _MAPS
    return files * room_for_mask(image) + n_values * (1 + _MAPS) * _RECORD_BYTES


def save_sweep(
    folder: Path,
    stem: str,
    sweep: Sweep,
    image: SpatialImage,
    *,
    file_format: FileFormat = "auto",
    overwrite: bool = False,
) -> SavedSweep:
    """Write a sweep: masks, maps, records and the table, into a folder.

    One of an earlier run on the same image is replaced.

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
    file_format : {"auto", "tiff", "nifti", "seg.nrrd"}
        As :func:`save_segmentation` takes it.
    overwrite : bool
        Likewise.

    Returns
    -------
    SavedSweep
        Where everything is.

    Raises
    ------
    ImageReadError
        For a sweep of a 2D model as NIfTI.
    ExistingFileError
        As :func:`save_segmentation` raises it; nothing is written.
    OSError
        When a file cannot be written.
    """
    how: Any = {"image": image, "grid": sweep.grid, "file_format": file_format}
    name, stem = stem, output_stem(stem)
    whole = ResultWriter.of(folder, stem, record=sweep.record(), **how)
    picture, table, record = map(whole.path, ("sweep.png", "sweep.csv", "sweep.json"))
    values = [
        ResultWriter.of(
            folder,
            f"{stem}.{number}-{safe_stem(value.name)}",
            record=value.provenance,
            **how,
        )
        for number, value in enumerate(sweep.values)
    ]
    of_image = sweep.values[0].provenance.image
    whole.refuse_foreign(
        ("sensitivity", "differs"),
        of_image,
        others=(record, picture, table),
        overwrite=overwrite,
    )
    for writer in values:
        writer.refuse_foreign(("labels",), of_image, overwrite=overwrite)
    labels = [
        writer.write(
            "labels",
            value.labels,
            value.result.axes,
            value.result.grid,
            classes=value.provenance.classes,
        )
        for writer, value in zip(values, sweep.values, strict=True)
    ]
    sensitivity = whole.write("sensitivity", sweep.entropy, sweep.axes, sweep.grid)
    differs = whole.write("differs", sweep.differs, sweep.axes, sweep.grid)
    write_text(record, whole.text)  # by which the next run knows picture and table
    with atomic_path(picture) as partial:
        iio.imwrite(partial, sweep_picture(image, sweep), extension=".png")
    write_table(table, list(_rows(name, sweep)))
    return SavedSweep(tuple(labels), sensitivity, differs, picture, table, record)


def _rows(name: str, sweep: Sweep) -> Iterator[dict[str, Any]]:
    """Yield the table's rows, which begin as those of a series do."""
    for value, row in zip(sweep.values, sweep.rows(), strict=True):
        record = value.provenance
        ran = {each.attribute: each.value or "unknown" for each in record.drivers}
        swept = {each: row[each] for each in sweep.attributes}
        yield {"id": name, **ran, **swept, "model": record.model.named, **row}


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
    overwrite: bool = False,
) -> SavedUncertainty:
    """Write what noise samples agree on, but not their experts' votes.

    The other arguments, and what is raised, are those of :func:`save_segmentation`.
    """
    writer = ResultWriter.of(
        folder, stem, image, found.provenance, grid=found.grid, file_format=file_format
    )
    names = ("labels", "votes", "entropy")
    writer.refuse_foreign(names, found.provenance.image, overwrite=overwrite)
    mask, classes = (found.labels, found.axes, found.grid), found.provenance.classes
    return SavedUncertainty(
        labels=writer.write("labels", *mask, classes=classes),
        votes=writer.write("votes", found.votes, ("k", *found.axes), found.grid),
        entropy=writer.write("entropy", found.entropy, found.axes, found.grid),
    )
