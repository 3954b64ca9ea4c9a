"""A sweep on disk: a mask and record for each value, the maps, and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio

from napari_dmoe.imaging.atomic import atomic_path, write_text
from napari_dmoe.imaging.files import safe_stem
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import (
    FileFormat,
    ResultWriter,
    save_segmentation,
)
from napari_dmoe.inference.what_if.sweep_pictures import sweep_picture
from napari_dmoe.inference.what_if.sweep_result import Sweep


@dataclass(frozen=True)
class SavedSweep:
    """Where a sweep was written.

    Parameters
    ----------
    labels : tuple of Path
        The mask of each value; its record lies beside it.
    sensitivity : Path
        Entropy of the values' votes in bits, float32.
    differs : Path
        In how many values the label is not the reference's, uint8.
    picture : Path
        All masks side by side.
    record : Path
        The records of all values, the reference and the summary.
    """

    labels: tuple[Path, ...]
    sensitivity: Path
    differs: Path
    picture: Path
    record: Path


def save_sweep(
    folder: Path,
    stem: str,
    sweep: Sweep,
    image: SpatialImage,
    *,
    file_format: FileFormat = "auto",
) -> SavedSweep:
    """Write a sweep.

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
        Where everything is. The table, :meth:`Sweep.rows`, is the caller's to write.

    Raises
    ------
    ImageReadError
        For a sweep of a 2D model as NIfTI.
    OSError
        When something cannot be written. No file is left half-written.
    """
    labels = []
    for number, value in enumerate(sweep.values):
        name = f"{stem}.{number}-{safe_stem(value.name)}"
        saved = save_segmentation(
            folder, name, value.result, image, file_format=file_format
        )
        labels.append(saved.labels)
    beginning = folder / safe_stem(stem)
    record = sweep.record().model_dump_json(indent=2) + "\n"
    writer = ResultWriter.of(beginning, image, record, sweep.grid, file_format)
    sensitivity = writer.write("sensitivity", sweep.entropy, sweep.axes, sweep.grid)
    differs = writer.write("differs", sweep.differs, sweep.axes, sweep.grid)
    picture = beginning.with_name(f"{beginning.name}.sweep.png")
    with atomic_path(picture) as partial:
        iio.imwrite(partial, sweep_picture(image, sweep), extension=".png")
    everything = beginning.with_name(f"{beginning.name}.sweep.json")
    write_text(everything, record)
    return SavedSweep(tuple(labels), sensitivity, differs, picture, everything)
