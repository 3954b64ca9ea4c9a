"""The option that says in which format masks are written, and what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli.printing import say_above_bar

if TYPE_CHECKING:
    from napari_dmoe.inference.results.mask_formats import FileFormat

Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="tiff, nifti, or auto: nifti for 3D models, else tiff. Masks of volumes "
        "also as seg.nrrd, for 3D Slicer, or, by segment, as dicom-seg.",
    ),
]
Series = Annotated[
    Path | None,
    typer.Option(
        "--series",
        metavar="FOLDER",
        help="For --format dicom-seg: the DICOM series that a single image is of, "
        "where it is not that series itself.",
    ),
]


def chosen_format(name: str) -> FileFormat:
    """Return a file format by its name.

    Raises
    ------
    ValueError
        When there is no such format, or its library is not installed.
    """
    from napari_dmoe.inference.results.mask_formats import FORMATS, refuse_unready

    if name not in FORMATS:
        *others, last = FORMATS
        known = f"{', '.join(others)} or {last}"
        raise ValueError(f"there is no format {name!r}: use {known}")
    refuse_unready(name)
    return name


def refuse_no_series(
    file_format: FileFormat, series: Path | None, images: Sequence[Path]
) -> None:
    """Refuse DICOM-SEG of what is no DICOM series, and say that it names the patient.

    Raises
    ------
    ValueError
        Where a series is named for several images, or for another format.
    ImageReadError
        Where an image is no DICOM series, and none is named.
    """
    if file_format != "dicom-seg":
        if series is not None:
            raise ValueError("--series is for --format dicom-seg")
        return
    from napari_dmoe.imaging.segments.dicom_seg import IDENTIFIED
    from napari_dmoe.imaging.segments.series import refuse_no_dicom

    if series is not None and len(images) > 1:
        raise ValueError(
            f"--series names the series of one image, and there are {len(images)}"
        )
    for image in images if series is None else (series,):
        refuse_no_dicom(image)
    say_above_bar(f"notice: {IDENTIFIED}")
