"""Cohorts written to a folder: a table, images and labels, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.drawn import DrawnFiles, write_drawn
from napari_dmoe.cohorts.tables.finding import TABLE
from napari_dmoe.cohorts.tables.rows import FILE_COLUMNS
from napari_dmoe.imaging.disk.atomic import remove_leftovers, write_text
from napari_dmoe.imaging.disk.claims import FolderError, claimed
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.patient import FORM_ATTRIBUTES
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.purpose import reason

README = "README.txt"
SUBJECT = "subject"
_FOLDERS = ("images", "labels")
_COLUMNS = (*FILE_COLUMNS, *FORM_ATTRIBUTES)


def write_cohort(
    folder: str | Path,
    cases: Iterable[Case],
    *,
    total: int = 0,
    notice: str | None = None,
    progress: ProgressHook = silent,
) -> Path:
    """Write cases as a folder with images, labels and a table, whose path is returned.

    The table is written last: a folder with a table is complete. Phantoms are listed
    beside it (:mod:`napari_dmoe.cohorts.drawn`).

    Parameters
    ----------
    folder : str or Path
        Where to; made where it does not exist.
    cases : iterable of Case
        2D cases with uint8 or uint16 images, or volumes; each is written before the
        next is asked for.
    total : int
        How many there are, for `progress`.
    notice : str, optional
        What a reader of the folder must know, written to ``README.txt``.
    progress : callable
        Told after every case. It may raise ``Cancelled``.

    Raises
    ------
    CohortError
        When the folder holds a cohort or other images already, cannot be written, or
        another run writes into it; when two cases have the same id.

    Notes
    -----
    Planes are deflated TIFF with their pixel spacing, volumes NIfTI. Text that a
    spreadsheet would take for a formula is escaped with an apostrophe.
    """
    folder = Path(folder)
    rows: list[dict[str, str]] = []
    ids: set[str] = set()
    drawn: list[DrawnFiles] = []
    try:
        with claimed(folder), _whole(folder):
            _refuse_foreign(folder, notice)
            for name in _FOLDERS:
                (folder / name).mkdir(parents=True, exist_ok=True)
            for number, case in enumerate(cases):
                if case.id in ids:
                    raise CohortError(f"two cases have the id {case.id!r}")
                ids.add(case.id)
                rows.append(_write_case(folder, case, number=number))
                if case.phantom is not None:
                    drawn.append(_drawn(folder, case, rows[-1]))
                progress(Progress(len(rows), max(total, len(rows)), "writing cases"))
            if notice is not None:
                write_text(folder / README, notice + "\n")
            if drawn:
                write_drawn(folder, drawn)
            others = {name for row in rows for name in row} - {*_COLUMNS, SUBJECT}
            subject = [SUBJECT] if any(SUBJECT in row for row in rows) else []
            columns = [*_COLUMNS, *subject, *sorted(others)]
            write_table(folder / TABLE, rows, columns)
        return folder / TABLE
    except (OSError, FolderError) as error:
        raise CohortError(f"the cohort cannot be written: {reason(error)}") from error


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """Take away what a block has written into a cohort's folders, unless it ends well.

    What a killed run has left half-written there goes first.
    """
    within = [folder / name for name in _FOLDERS]
    for each in within:
        remove_leftovers(each)
    there = {path for each in within for path in each.glob("*")}
    try:
        yield
    except BaseException:
        for each in within:
            with suppress(OSError):
                for path in set(each.glob("*")) - there:
                    path.unlink()
                each.rmdir()
        raise


def _refuse_foreign(folder: Path, notice: str | None) -> None:
    """Refuse a folder that holds a cohort, or files that one would replace."""
    if (folder / TABLE).exists():
        raise CohortError(f"{folder.name} already holds a cohort: choose another")
    taken = [folder / name for name in _FOLDERS if any((folder / name).glob("*"))]
    readme = folder / README
    with suppress(OSError, UnicodeDecodeError):
        if notice is not None and readme.read_text("utf-8") != notice + "\n":
            taken.append(readme)
    if taken:
        raise CohortError(
            f"{taken[0]} is there already: choose another folder, or empty this one"
        )


def _write_case(folder: Path, case: Case, *, number: int) -> dict[str, str]:
    # Files are numbered, not named by id: an id may hold what no file name can.
    suffix = ".nii.gz" if len(case.image.spatial_axes) == 3 else ".tif"
    row = {"id": case.id, "image": f"images/{number:05d}{suffix}"}
    _write_image(folder / row["image"], case.image)
    if case.labels is not None:
        row["labels"] = f"labels/{number:05d}{suffix}"
        _write_image(folder / row["labels"], case.labels)
    if case.subject is not None:
        row[SUBJECT] = case.subject
    stated = case.patient.stated().items()
    return row | {k: f"{v:.10g}" if isinstance(v, float) else v for k, v in stated}


def _drawn(folder: Path, case: Case, row: Mapping[str, str]) -> DrawnFiles:
    """Return what is known of a phantom that was written."""
    labels = folder / row["labels"] if "labels" in row else None
    image, kind = folder / row["image"], str(case.phantom)
    return DrawnFiles(image, labels, kind, case.patient, case.is_altered)


def _write_image(path: Path, image: SpatialImage) -> None:
    if path.suffix == ".gz":
        write_nifti(path, image)
        return
    spacing = image.spacing if image.unit else None
    pixels = in_memory(image.data)
    write_tiff(path, pixels, axes=image.axes, spacing=spacing, unit=image.unit)
