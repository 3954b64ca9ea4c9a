"""Files of a cohort looked at before anything is done with it, and none decoded.

Empty files, and files that are not of the kind that their names say, are told with all
other problems; what only decoding can show is told when a case is read. Archives of
FairSeg are opened one by one, which takes a while, so that is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from napari_dmoe.cohorts.case import CaseRow
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.archives import ArchiveError
from napari_dmoe.cohorts.layouts.fairseg_rows import FairSegRow
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.imaging.dicom.library import DICOM_SUFFIXES, is_dicom_file
from napari_dmoe.imaging.files import image_suffix, is_image_folder
from napari_dmoe.imaging.itk import ITK_SUFFIXES, is_itk
from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES
from napari_dmoe.imaging.pictures.signatures import true_format
from napari_dmoe.progress import Progress, ProgressHook, silent

_GZIP = b"\x1f\x8b"
_SIZES = frozenset({348, 540})
"""Bytes of the headers of NIfTI-1 and NIfTI-2, which say so themselves."""


def checked(cohort: Cohort, *, progress: ProgressHook = silent) -> Cohort:
    """Return a cohort whose files were looked at, archives included.

    Rows whose files cannot be used become problems. Of archives, whom they show is
    read, too: what is refused there, such as pickled objects, is told in notices.

    Parameters
    ----------
    cohort : Cohort
        As it was opened.
    progress : callable
        Told after every case. It may raise ``Cancelled``.
    """
    rows: list[CaseRow] = []
    problems = list(cohort.problems)
    refused: Counter[str] = Counter()
    for n, row in enumerate(cohort.rows, start=1):
        wrong = list(_wrong(row))
        problems += wrong
        if not wrong:
            rows.append(row)
            refused.update(row.notices if isinstance(row, FairSegRow) else ())
        progress(Progress(n, len(cohort.rows), "looking at the files"))
    said = (f"in {n:,} archives {notice}" for notice, n in refused.items())
    return replace(
        cohort,
        rows=tuple(rows),
        problems=tuple(sorted(problems, key=lambda problem: problem.row)),
        notices=(*cohort.notices, *said),
    )


def _wrong(row: CaseRow) -> Iterator[Problem]:
    if isinstance(row, FairSegRow):
        try:
            row.check()
        except ArchiveError as error:
            # By kinds, as what is wrong with one archive mostly is with thousands.
            what = f"; {error.key} {error.why}" if error.key else f"; it {error.why}"
            expected = f"an archive with an image and a mask{what}"
            yield Problem(row.number, error.key or "name", row.image.name, expected)
        else:
            yield from row.problems
        return
    files = {"image": row.image, "labels": row.labels, "prediction": row.prediction}
    for column, path in files.items():
        if path is None or path == Path():
            continue
        expected = why_no_image(path)
        if expected:
            yield Problem(row.number, column, path.name, expected)


def why_no_image(path: Path) -> str:
    """Return what is expected instead of a file, by its first bytes; empty for none."""
    try:
        suffix = image_suffix(path)
        if path.is_dir():
            is_fine, other = is_image_folder(path), None
        elif suffix in DICOM_SUFFIXES or is_dicom_file(path):
            is_fine, other = is_dicom_file(path), None
        elif suffix in NIFTI_SUFFIXES:
            is_fine, other = _is_nifti(path, suffix), None
        elif suffix in ITK_SUFFIXES:
            is_fine, other = is_itk(path), None
        else:
            kind, other = true_format(path)
            is_fine = kind is not None
        if is_fine:
            return ""
        if not path.stat().st_size:
            return "an image; the file is empty"
    except OSError as error:
        return f"a file that can be read: {error.strerror}"
    what = f"; it is {other}" if other else ""
    return f"an image of the kind that its name says{what}"


def _is_nifti(path: Path, suffix: str) -> bool:
    """Say whether a file begins as its name says: with gzip's mark or a header."""
    with path.open("rb") as file:
        head = file.read(4)
    if suffix == ".nii.gz":
        return head.startswith(_GZIP)
    stated = {int.from_bytes(head, "little"), int.from_bytes(head, "big")}
    return bool(stated & _SIZES)
