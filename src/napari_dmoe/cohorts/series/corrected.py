"""A corrected mask, put back into its series: file, record and row of the table.

Nothing else of the folder is touched. What is in the file must be what was opened, so
that no work of somebody else is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.series.done import TRUTH_NOT_USED
from napari_dmoe.cohorts.series.finished import FinishedRow, read_finished
from napari_dmoe.cohorts.series.measuring import headline_and_sizes, outcome_of
from napari_dmoe.cohorts.series.rows import (
    FILES,
    HEAD,
    RUN,
    Status,
    arranged,
    score_cells,
    without_measures,
)
from napari_dmoe.cohorts.series.table import SUMMARY, Row, write_rows
from napari_dmoe.cohorts.series.truths import TruthReader
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.imaging.disk.states import state_of
from napari_dmoe.imaging.files import image_suffix, read_image
from napari_dmoe.imaging.frames import transposed
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import ResultWriter
from napari_dmoe.inference.results.mask_formats import format_of, read_saved
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.sidecars import is_as_run, new_record_path, recorded
from napari_dmoe.purpose import reason

_WRITABLE = 0o222


class CorrectionError(ValueError):
    """A corrected mask cannot be put back; nothing was written."""


def save_correction(
    folder: str | Path,
    name: str,
    labels: NDArray[np.integer],
    *,
    file: str = "",
    axes: Sequence[str] | None = None,
    opened: str | None = None,
    image: SpatialImage | None = None,
) -> FinishedRow:
    """Write a corrected mask over that of a series, and bring its row up to date.

    The record says that it was edited, and keeps the hash of what left the run. Sizes,
    headline and scores are measured anew; other rows and columns stay as they are. A
    mask that is as it left its run again is no corrected one.

    Parameters
    ----------
    folder : str or Path
        The folder of the series, or its ``segment.csv``.
    name : str
        What the image is called, in the table's column ``id``.
    labels : (*S) integer array
        The mask, whole, numbered as the model's classes.
    file : str
        Name of the image's file, where two images are called alike.
    axes : sequence of str, optional
        Its axes; by default those of the record, in their order.
    opened : str, optional
        What :func:`~napari_dmoe.imaging.disk.states.state_of` returned when the mask
        was opened. Without it nobody knows whether the file was changed since.
    image : SpatialImage, optional
        The image, for its place in the world; else it is read, if it is still there.

    Returns
    -------
    FinishedRow
        The row as it is now.

    Raises
    ------
    CorrectionError
        When the table has no such image, its mask is gone, was changed since it was
        opened or is write-protected, or the labels do not fit it.
    FinishedError
        When the folder has no table of a series.
    FolderTaken
        When a series is running in that folder.
    FolderError, OSError
        When nothing can be written there.
    """
    given = Path(folder)
    at = given.parent if given.name == SUMMARY and not given.is_dir() else given
    if not at.is_dir():
        raise CorrectionError(f"the folder {at.name} is not there any more")
    with claimed(at):
        rows = read_finished(at).rows
        row = _row_called(rows, name, file)
        path, record = _mask_of(row, opened)
        whole = _in_order(labels, record, axes)
        is_corrected = not is_as_run(whole, record)
        record = record.model_copy(update={"edited": is_corrected})
        placed = image or _image_of(row, path, record)
        cells = _cells(row, whole, record, placed)
        cells["record"] = new_record_path(path).name
        _write_mask(path, whole, record, placed, series=row.image)
        new = _brought_up_to_date(row, cells)
        write_rows(
            at / SUMMARY, [(new if each is row else each).cells for each in rows]
        )
    return new


def _row_called(rows: Sequence[FinishedRow], name: str, file: str) -> FinishedRow:
    found = [row for row in rows if row.id == name and file in ("", row.file)]
    if len(found) != 1:
        how_many = f"has {len(found)} images" if found else "has no image"
        raise CorrectionError(f"{SUMMARY} {how_many} called {name}")
    return found[0]


def _mask_of(row: FinishedRow, opened: str | None) -> tuple[Path, Provenance]:
    """Return the mask of an image and its record, if they can be replaced."""
    path = row.mask
    if not row.cells.get("labels"):
        raise CorrectionError(f"no mask was made of {row.id}")
    record = None if path is None else recorded(path)
    if path is None or record is None:
        what = "mask" if path is None else "record of the mask"
        raise CorrectionError(f"the {what} of {row.id} is not there any more")
    if opened is not None and state_of(path) != opened:
        raise CorrectionError(
            f"{path.name} was changed on the disk since it was opened: open it again, "
            "or save the correction elsewhere"
        )
    # A new file takes the place of the old one, whoever may write into that.
    if not path.stat().st_mode & _WRITABLE:
        raise CorrectionError(f"{path.name} is write-protected")
    return path, record


def _in_order(
    labels: NDArray[np.integer], record: Provenance, axes: Sequence[str] | None
) -> NDArray[np.uint8]:
    """Return labels along the record's axes, if they can be a mask of its image."""
    order = record.axes
    given = order if axes is None else tuple(axes)
    if sorted(given) != sorted(order) or labels.ndim != len(order):
        raise CorrectionError(
            f"the correction has the axes {', '.join(given)}, the mask "
            f"{', '.join(order)}"
        )
    most = int(labels.max(initial=0))
    if labels.min(initial=0) < 0 or most >= len(record.classes):
        raise CorrectionError(
            f"the correction has the label {most}, but the model has classes 0 to "
            f"{len(record.classes) - 1}"
        )
    whole = transposed(labels.astype(np.uint8), given, order)
    return np.ascontiguousarray(whole)


def _image_of(row: FinishedRow, mask: Path, record: Provenance) -> SpatialImage:
    """Return the image for its place in the world; the mask where it is gone."""
    if row.image is not None:
        with suppress(ValueError, OSError):
            found = read_image(row.image)
            if tuple(found.data.shape) == record.image.shape:
                return found
    if record.settings.get("scored_at") == "network":
        raise CorrectionError(
            f"the image of {mask.name}, by which its mask is placed, is not there any "
            "more"
        )
    return read_saved(mask, record)


def _cells(
    row: FinishedRow,
    labels: NDArray[np.uint8],
    record: Provenance,
    image: SpatialImage,
) -> Row:
    """Return the cells of a row that are others now."""
    headline, measures = headline_and_sizes(labels, record, image)
    outcome = [outcome_of(record)]
    if "truth" in row.gone:
        outcome.append(f"{TRUTH_NOT_USED}: it is not there any more")
    elif row.truth is not None:
        which = labels, record, image, row.truth, row.id
        try:
            scores = TruthReader(record.classes).scores(*which)
            measures = measures | score_cells(scores)
        except (ValueError, OSError) as error:
            why = reason(error).removeprefix(f"case {row.id}: ")
            outcome.append(f"{TRUTH_NOT_USED}: {why}")
    status: Status = "corrected" if record.edited else "segmented"
    said = {"status": status, "headline": headline, "outcome": "; ".join(outcome)}
    return {**said, **measures}


def _write_mask(
    path: Path,
    labels: NDArray[np.uint8],
    record: Provenance,
    image: SpatialImage,
    *,
    series: Path | None,
) -> None:
    """Write mask and record over those of before, both or none."""
    old = read_saved(path, record)
    if sorted(old.axes) != sorted(record.axes):
        raise CorrectionError(f"{path.name} has other axes than its record says")
    sizes = dict(zip(old.axes, old.data.shape, strict=True))
    shape = tuple(int(sizes[axis]) for axis in record.axes)
    if labels.shape != shape:
        raise CorrectionError(
            f"the correction has {labels.shape} pixels, the mask {shape}"
        )
    stem = path.name.removesuffix(f".labels{image_suffix(path)}")
    where = path.with_name(stem)
    writer = ResultWriter(where, image, record, format_of(path), series)
    writer.write(
        "labels", labels, record.axes, record.labels_grid, classes=record.classes
    )


def _brought_up_to_date(row: FinishedRow, cells: Row) -> FinishedRow:
    """Return a row with other cells; measures that are not made anew are gone."""
    measures = [name for name in cells if name not in (*HEAD, *RUN, *FILES)]
    header = arranged([tuple(row.cells), (*HEAD, *RUN, *measures, *FILES)])
    known = without_measures(row.cells) | cells
    return replace(
        row,
        status=cast("Status", cells["status"]),
        headline=cells["headline"],
        outcome=cells["outcome"],
        cells={name: known.get(name, "") for name in header},
        record=None if row.mask is None else row.mask.with_name(cells["record"]),
    )
