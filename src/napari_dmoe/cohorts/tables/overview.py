"""What a table would be read as, told before anything is done with it.

Window and command line show the same: which column means what and why, how many images
and truths there are, and what is missing. What is wrong can be put right by saying what
a column means, and looking again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_dmoe.attributes import ATTRIBUTES, attribute_called, is_unknown, name_key
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.columns import (
    ID,
    IMAGE,
    LABELS,
    SUBJECT,
    UNUSED,
    Columns,
)
from napari_dmoe.cohorts.tables.finding import TABLE, Found, read_found, table_at
from napari_dmoe.cohorts.tables.matching import FolderFiles
from napari_dmoe.cohorts.tables.reading import TableRows
from napari_dmoe.cohorts.tables.refusals import told_once
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.cohorts.tables.telling import columns_in, lines_of
from napari_dmoe.imaging.tables import unescaped
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient, PatientError

_EXAMPLES = 3
"""Cells of a column that are shown."""

_LONGEST = 60
"""Characters of a cell that are shown."""

MEANINGS: Mapping[str, str] = {
    IMAGE: "image",
    LABELS: "truth",
    ID: "id",
    SUBJECT: "patient or lesion",
    UNUSED: "not used",
}
"""What a column may mean beside an attribute, in words."""

BY_NAME, BY_CONTENT, STATED = "by its name", "by what is in it", "as you said"


@dataclass(frozen=True)
class ColumnOverview:
    """What one column means, and what is in it."""

    name: str
    """As the table calls it."""
    meaning: str
    """A key of :data:`MEANINGS`, or an attribute's own name."""
    how: str = ""
    """How that is known: :data:`BY_NAME`, :data:`BY_CONTENT` or :data:`STATED`; empty
    for what is not used."""
    drives: bool = False
    """Whether it drives the model in hand."""
    n_filled: int = 0
    """Rows in which something is stated: no blank cell, and no word for unknown."""
    n_unheard: int = 0
    """Rows whose value the model does not know."""
    unheard: tuple[str, ...] = field(default=(), repr=False)
    """Some of these values. They are patients', as the examples are: for the screen
    alone, for no log, record or message."""
    examples: tuple[str, ...] = field(default=(), repr=False)
    """The first few cells that differ."""

    @property
    def words(self) -> str:
        """What it means, in words."""
        known = ATTRIBUTES.get(self.meaning)
        plain = known.label.lower() if known else self.meaning.replace("_", " ")
        return MEANINGS.get(self.meaning, plain)


@dataclass(frozen=True)
class Overview:
    """What a table would be read as."""

    table: Path
    columns: tuple[ColumnOverview, ...] = ()
    n_rows: int = 0
    """Rows with anything in them, without the header."""
    n_images: int = 0
    """Rows whose image is there and that can be read."""
    n_truths: int = 0
    """Those of them with a truth."""
    n_without_image: int = 0
    """Rows whose image is not there."""
    n_bad: int = 0
    """Rows with an image that cannot be understood otherwise."""
    unlisted: tuple[Path, ...] = ()
    """Images without a row, which can be segmented as unknown patients."""
    untold: tuple[str, ...] = ()
    """Drivers of the model that no column tells, which are unknown."""
    problems: tuple[str, ...] = ()
    """What is wrong with rows, each kind once."""
    notices: tuple[str, ...] = ()
    """What is to be said of the whole, in sentences."""
    refusal: str = ""
    """Why it is no table of images as it is; a column may have to be said."""
    files: FolderFiles | None = field(default=None, repr=False)
    """What its folder holds, so that it need not be looked through again."""
    read: TableRows | None = field(default=None, repr=False)
    """Its rows; None where it is refused."""

    @property
    def is_readable(self) -> bool:
        """Whether there is anything to segment."""
        return not self.refusal and self.n_images > 0

    def facts(self) -> dict[str, Any]:
        """Return all but patients' values, as JSON takes it."""
        facts = asdict(replace(self, files=None, read=None, unlisted=()))
        for column in facts["columns"]:
            column.pop("unheard"), column.pop("examples")
        facts.pop("files"), facts.pop("read")
        unlisted = [path.name for path in self.unlisted]
        return facts | {"table": self.table.name, "unlisted": unlisted}


def choices(drivers: Sequence[CardAttribute] = ()) -> tuple[str, ...]:
    """Return what a column can be said to mean: the model's attributes first."""
    own = (attribute.name for attribute in drivers)
    return tuple(dict.fromkeys((*MEANINGS, *own, *ATTRIBUTES)))


def overview_of(
    source: str | Path,
    *,
    drivers: Sequence[CardAttribute] | None = None,
    columns: Mapping[str, str] | None = None,
    subject: str | None = None,
    earlier: Overview | None = None,
    found: Found | None = None,
) -> Overview:
    """Tell what a table would be read as; nothing is written, and no image is read.

    Parameters
    ----------
    source : str or Path
        A table, or a folder with one, as in
        :func:`~napari_dmoe.cohorts.datasets.read_cohort`.
    drivers : sequence of CardAttribute, optional
        What drives the model in hand.
    columns, subject
        As there.
    earlier : Overview, optional
        Of the same table, before something was said of its columns: its folder is not
        looked through again.
    found : Found, optional
        Which table a folder has, where that is known already.

    Raises
    ------
    CohortError
        When there is no table, it cannot be read at all, or `columns` cannot be. What
        can be put right by saying what a column means is told as the refusal.
    """
    names = None if drivers is None else [each.name for each in drivers]
    files = earlier.files if earlier is not None else None
    if earlier is None:
        found = found or table_at(source)
    else:
        is_chosen = earlier.table.name != TABLE and Path(source).is_dir()
        found = Found(earlier.table, files=files, is_chosen=is_chosen)
    table = found.table or Path(source)
    known = columns_in(table, subject=subject, stated=columns)
    try:
        read = read_found(
            found, subject=subject, drivers=names, columns=columns, needs_labels=False
        )
    except CohortError as error:
        shown = tuple(_columns(known, TableRows(()), table, drivers))
        n_rows = sum(1 for _ in lines_of(table))
        return Overview(table, shown, n_rows, refusal=str(error), files=files)
    return _overview(read, drivers)


def _overview(read: TableRows, drivers: Sequence[CardAttribute] | None) -> Overview:
    good = [row for row in read.rows if isinstance(row, CohortRow)]
    bad = [row for row in read.rows if isinstance(row, BadRow)]
    missing = [row for row in bad if row.number in read.missing]
    wrong = [row.problem for row in bad if row.number not in read.missing]
    columns = tuple(_columns(read.columns, read, read.table, drivers))
    told = {name_key(column.meaning) for column in columns}
    untold = (
        each.name
        for each in drivers or ()
        if name_key(attribute_called(each.name)) not in told
    )
    return Overview(
        read.table,
        columns,
        n_rows=len(read.rows) + len(read.without_image),
        n_images=len(good),
        n_truths=sum(row.labels is not None for row in good),
        n_without_image=len(read.without_image) + len(missing),
        n_bad=len(wrong),
        unlisted=tuple(read.unlisted()),
        untold=tuple(untold),
        problems=tuple(told_once(wrong)),
        notices=read.notices,
        files=read.files,
        read=read,
    )


def _columns(
    columns: Columns,
    read: TableRows,
    table: Path,
    drivers: Sequence[CardAttribute] | None,
) -> Iterator[ColumnOverview]:
    cells = _cells(columns, table)
    patients = {row.patient for row in read.rows if isinstance(row, CohortRow)}
    by_key = {name_key(attribute_called(each.name)): each for each in drivers or ()}
    further = columns.further([each.name for each in drivers or ()])
    for name in filter(None, columns.header):
        meaning, how = _meaning(columns, name, further)
        driver = by_key.get(name_key(meaning)) if meaning not in MEANINGS else None
        unheard = _unheard(driver, patients) if driver else set()
        rows = cells[name]
        # The values of a patient are of the attribute, however many columns tell it.
        n_unheard = (
            sum(
                isinstance(row, CohortRow) and driver.value_of(row.patient) in unheard
                for row in read.rows
            )
            if driver and unheard
            else 0
        )
        yield ColumnOverview(
            name,
            meaning,
            how,
            drives=driver is not None,
            n_filled=rows.n_filled,
            n_unheard=n_unheard,
            unheard=tuple(_short(str(each)) for each in sorted(unheard, key=str))[
                :_EXAMPLES
            ],
            examples=tuple(map(_short, rows.examples)),
        )


@dataclass
class _Cells:
    n_filled: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, cell: str) -> None:
        self.n_filled += 1
        if len(self.examples) < _EXAMPLES and cell not in self.examples:
            self.examples.append(cell)


def _cells(columns: Columns, table: Path) -> Mapping[str, _Cells]:
    """Count what is in each column, and keep some of it."""
    found = {name: _Cells() for name in columns.header}
    for _, cells in lines_of(table):
        for name, cell in zip(columns.header, cells, strict=False):
            if not is_unknown(text := unescaped(cell.strip())):
                found[name].add(text)
    return found


def _meaning(columns: Columns, name: str, further: Collection[str]) -> tuple[str, str]:
    """Return what a column means, and how that is known."""
    how = STATED if name in columns.stated else BY_NAME
    if name == columns.image:
        by_content = columns.is_by_name and how != STATED
        return IMAGE, BY_CONTENT if by_content else how
    if name == columns.labels:
        by_content = how != STATED and name_key(name) != LABELS
        return LABELS, BY_CONTENT if by_content else how
    if name == columns.identity:
        return ID, how
    if name in columns.subjects:
        return SUBJECT, how
    if name in further:
        return UNUSED, STATED if how == STATED else ""
    return columns.attribute(name), how


def _unheard(
    driver: CardAttribute, patients: Collection[Patient]
) -> set[str | float | None]:
    """Return the values of patients that a driver does not have."""
    unheard = set()
    for patient in patients:
        try:
            driver.category_of(patient)
        except PatientError:
            unheard.add(driver.value_of(patient))
    return unheard


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
