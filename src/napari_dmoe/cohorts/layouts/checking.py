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

from napari_dmoe.cohorts.case import CaseRow, CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.fairseg_rows import FairSegRow
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.imaging.files import image_suffix
from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES
from napari_dmoe.imaging.pictures.signatures import true_format
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.purpose import reason

_GZIP = b"\x1f\x8b"
_LEAST_NIFTI = 348
"""Bytes of the shortest header."""


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
        except CohortError as error:
            yield Problem(row.number, "name", row.image.name, reason(error))
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
        size = path.stat().st_size
        if not size:
            return "an image; the file is empty"
        suffix = image_suffix(path)
        if suffix in NIFTI_SUFFIXES:
            return _why_no_nifti(path, size, suffix)
        kind, other = true_format(path)
    except OSError as error:
        return f"a file that can be read: {error.strerror}"
    what = f"; it is {other}" if other else ""
    return "" if kind else f"an image of the kind that its name says{what}"


def _why_no_nifti(path: Path, size: int, suffix: str) -> str:
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    if is_packed or (size >= _LEAST_NIFTI and suffix != ".nii.gz"):
        return ""
    return "a NIfTI file, as its name says"
