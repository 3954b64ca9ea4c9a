"""Cohorts opened in whichever layout they lie on disk; which one it is is said.

``fairseg`` and ``ham10000`` are read as they are published, ``bids`` is a folder with
``participants.tsv``, and ``folder`` any table of images, labels and patients.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from napari_dmoe.cohorts.case import Case, CaseRow, CohortError
from napari_dmoe.cohorts.datasets import (
    Cohort,
    read_cohort,
    read_table_rows,
    rows_of,
    title_of,
)
from napari_dmoe.cohorts.labels import whole_labels
from napari_dmoe.cohorts.layouts import bids, fairseg, ham10000
from napari_dmoe.cohorts.layouts.checking import checked
from napari_dmoe.cohorts.problems import Problem, refusal
from napari_dmoe.cohorts.tables.columns import tells_who
from napari_dmoe.cohorts.tables.finding import TABLE
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient

Layout = Literal["auto", "fairseg", "ham10000", "bids", "folder"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
"""How a cohort may be said to lie on disk."""


def open_cohort(
    path: str | Path,
    *,
    layout: str = "auto",
    list_file: str | Path | None = None,
    subject: str | None = None,
    drivers: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
    needs_image: bool = True,
    needs_labels: bool = False,
) -> Cohort:
    """Open a cohort; images and labels are read later, one at a time.

    Parameters
    ----------
    path : str or Path
        A table, a list of names, or a folder that holds them or is beside them.
    layout : {"auto", "fairseg", "ham10000", "bids", "folder"}
        How it lies on disk; ``auto`` recognises it.
    list_file : str or Path, optional
        Which list of names (FairSeg) or which split's table (HAM10000) tells the cases,
        as ``test.txt``: looked for as it is named, in the folder, beside it, and where
        the layout keeps it.
    subject, drivers, columns
        As in :func:`~napari_dmoe.cohorts.datasets.read_cohort`; for tables.
    needs_image : bool
        Whether a row without an image is a problem; else its masks can be compared.
    needs_labels : bool
        Whether a row without a truth is a problem.

    Returns
    -------
    Cohort
        Its rows can be used; its problems tell of those that cannot, and why, so that
        a caller refuses the whole or leaves them out. Its notices say what was decided.

    Raises
    ------
    CohortError
        When nothing is there, it is of another layout, or it cannot be read at all.
    """
    if layout not in LAYOUTS:
        raise CohortError(
            f"there is no layout {layout!r}: expected one of {', '.join(LAYOUTS)}"
        )
    source = Path(path)
    if not source.exists():
        raise CohortError(f"there is no cohort at {path}: no such file or folder")
    opened = _published(
        source, layout, list_file, subject=subject, needs_image=needs_image
    )
    if opened is None:
        if list_file is not None:
            raise CohortError(
                "a list is for the layouts fairseg and ham10000: this cohort is neither"
            )
        opened = _table(source, subject, drivers, columns, needs_image=needs_image)
    elif columns or (subject and opened.layout != ham10000.LAYOUT):
        raise CohortError(
            f"the columns of the layout {opened.layout} are known: none can be stated"
        )
    if needs_labels:
        opened = _with_labels(opened)
    # Archives are opened one by one, which takes a while: see `checked`.
    return opened if opened.layout == fairseg.LAYOUT else checked(opened)


def usable_cohort(
    path: str | Path,
    *,
    subject: str | None = None,
    drivers: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Cohort:
    """Open a cohort in whichever layout, every row of which is to be used.

    See :func:`open_cohort` for the arguments; the list of a published layout is named
    by its own path.

    Raises
    ------
    CohortError
        When it cannot be read, or any row has a problem.
    """
    if not is_published(path):
        return read_cohort(path, subject=subject, drivers=drivers, columns=columns)
    opened = checked(open_cohort(path, subject=subject, columns=columns))
    if opened.problems:
        raise CohortError(refusal(opened.problems))
    return opened


def is_published(path: str | Path) -> bool:
    """Say whether something lies in a published layout, or in BIDS.

    Where several lists or folders could be meant it does, and has to be named.
    """
    source = Path(path)
    if not source.exists() or (source / TABLE).is_file():
        return False
    try:
        return bool(
            fairseg.find_fairseg(source, None)
            or ham10000.find_ham(source, None)
            or bids.find_bids(source)
        )
    except CohortError:
        return True


def _published(
    source: Path,
    layout: str,
    list_file: str | Path | None,
    *,
    subject: str | None,
    needs_image: bool,
) -> Cohort | None:
    """Open what is in a published layout; None for a table of any other."""
    is_table = layout == "auto" and (source / TABLE).is_file()
    if layout == "folder" or is_table:
        return None
    if layout in ("auto", fairseg.LAYOUT):
        archives = fairseg.find_fairseg(source, list_file)
        if archives is not None:
            return fairseg.read_fairseg(archives)
    if layout in ("auto", ham10000.LAYOUT):
        table = ham10000.find_ham(source, list_file)
        if table is not None:
            return ham10000.read_ham(table, subject=subject)
    if layout in ("auto", bids.LAYOUT):
        participants = bids.find_bids(source)
        if participants is not None:
            return bids.read_bids(participants, needs_image=needs_image)
    if layout != "auto":
        expected = {
            fairseg.LAYOUT: "a folder of data_*.npz, or a list of their names",
            ham10000.LAYOUT: "a CSV with the columns image_id, Path, Sex, Age_multi "
            "and localization, or its folder",
            bids.LAYOUT: "participants.tsv with participant_id, beside folders sub-XX",
        }[layout]
        raise CohortError(
            f"{source.name} is not laid out as {layout}: expected {expected}"
        )
    return None


def _table(
    source: Path,
    subject: str | None,
    drivers: Collection[str] | None,
    columns: Mapping[str, str] | None,
    *,
    needs_image: bool,
) -> Cohort:
    read = read_table_rows(
        source,
        subject=subject,
        drivers=drivers,
        columns=columns,
        needs_image=needs_image,
    )
    rows: list[CaseRow] = []
    problems = [
        problem
        for row in read.rows
        if isinstance(row, BadRow)
        for problem in row.problems
    ]
    seen: dict[str, int] = {}
    for row in read.rows:
        if isinstance(row, BadRow):
            continue
        if row.id in seen:
            column = read.columns.identity or read.columns.image or ""
            expected = f"an id of its own; row {seen[row.id]} has this one, too"
            problems.append(Problem(row.number, column, row.id, expected))
            continue
        seen[row.id] = row.number
        rows.append(_telling_nobody(row))
    problems.sort(key=lambda problem: problem.row)
    # Whatever drives a model, cases may be grouped by all that is recorded.
    of_columns = read.columns.notices(drivers)
    said = [notice for notice in read.notices if notice not in of_columns]
    notices = *said, *read.columns.kept_notices()
    told, header = (notices, read.table.name), read.columns.header
    return Cohort(tuple(rows), *told, problems=tuple(problems), header=header)


def _telling_nobody(row: CohortRow) -> CohortRow:
    """Return a row without cells that may tell who somebody is."""
    further = {k: v for k, v in row.further.items() if not tells_who(k)}
    return row if len(further) == len(row.further) else replace(row, further=further)


def _with_labels(cohort: Cohort) -> Cohort:
    """Move rows without a truth to the problems."""
    without = [row for row in cohort.rows if row.labels is None]
    expected = "the file of a truth"
    problems = [Problem(row.number, "labels", "", expected) for row in without]
    return replace(
        cohort,
        rows=tuple(row for row in cohort.rows if row.labels is not None),
        problems=tuple(
            sorted((*cohort.problems, *problems), key=lambda problem: problem.row)
        ),
    )


@dataclass(frozen=True)
class OpenRow:
    """A case of a sequence, such as an open layer or a drawn phantom."""

    number: int
    """Place in the sequence, from 1."""
    id: str
    patient: Patient
    cases: Sequence[Case] = field(repr=False)
    image: Path = Path()
    """Its image's file; ``Path()`` where it has none but can be read all the same."""
    labels: Path | None = None
    prediction: Path | None = None
    subject: str | None = None
    marks: tuple[str, ...] = ()
    further: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        """Show the place alone, and nothing that tells whose case it is."""
        return f"OpenRow(number={self.number})"

    @classmethod
    def of(cls, cases: Sequence[Case], number: int, known: Case | CaseRow) -> OpenRow:
        """Return the row of a case of which something is known; no pixel is kept."""
        told = number, known.id, known.patient, cases
        own = known.subject, known.marks
        if isinstance(known, Case):
            return cls(*told, Path(), None, None, *own)
        files = known.image, known.labels, known.prediction
        return cls(*told, *files, *own, known.further)

    def read(self) -> Case:
        """Return the case."""
        return self.cases[self.number - 1]

    def read_labels(self) -> SpatialImage:
        """Return its truth.

        Raises
        ------
        CohortError
            When there is none.
        """
        labels = self.read().labels
        if labels is None:
            raise CohortError(f"case {self.number} has no labels")
        return whole_labels(labels)


def cohort_of(cases: Sequence[Case], *, title: str = "") -> Cohort:
    """Return any cases as a cohort: open layers, phantoms, a part of another cohort.

    Cases of a table stay unread; those of another kind are asked for once here, and
    again each time they are used. Two of one id are a problem.
    """
    if isinstance(cases, Cohort):
        return cases
    rows: list[CaseRow] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for number, known in enumerate(rows_of(cases), start=1):
        if known.id in seen:
            expected = f"an id of its own; case {seen[known.id]} has this one, too"
            problems.append(Problem(number, "id", known.id, expected))
            continue
        seen[known.id] = number
        rows.append(OpenRow.of(cases, number, known))
    return Cohort(
        tuple(rows),
        title=title or title_of(cases),
        layout="open",
        problems=tuple(problems),
    )
