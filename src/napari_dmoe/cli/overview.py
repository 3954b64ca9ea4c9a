"""``napari-dmoe inspect COHORT``: what it is read as, and what is missing or wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.cli import options
from napari_dmoe.cli.outcome import progress_bar
from napari_dmoe.cli.printing import MOST_LINES, say, say_json
from napari_dmoe.foreign import printable

if TYPE_CHECKING:
    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.cohorts.tables.overview import ColumnOverview, Overview

_SHOWN = 3
"""Files that are named."""


def is_table(source: str) -> bool:
    """Say whether something is a table or a folder, and no checkpoint."""
    path = Path(source)
    return path.suffix.lower() in (".csv", ".tsv", ".txt") or path.is_dir()


def inspect_table(
    source: str,
    checkpoint: str | None,
    card: str | None,
    column: Sequence[str] | None,
    *,
    list_file: str | None = None,
    as_json: bool,
) -> bool:
    """Print what a table is read as; return whether there is anything to segment.

    A cohort in a published layout, or of masks alone, is told of as it is opened.

    Parameters
    ----------
    source : str
        The table, or its folder.
    checkpoint, card : str, optional
        The model that it is meant for.
    column : sequence of str, optional
        What columns mean, as NAME=MEANING.
    list_file : str, optional
        The list of names, or the table of a split.
    as_json : bool
        Print it as JSON; neither shows a patient's values.

    Raises
    ------
    CohortError
        When it cannot be read at all.
    """
    from napari_dmoe.cohorts.tables.overview import overview_of
    from napari_dmoe.models.checkpoint import load_checkpoint

    drivers = None
    if checkpoint is not None:
        drivers = load_checkpoint(checkpoint, card).card.attributes
    elif card is not None:
        raise ValueError("name the model, too, with --checkpoint")
    stated = options.columns_of(column)
    opened = _opened(source, list_file, is_table=bool(stated or drivers))
    if opened is not None:
        _say_cohort(opened, as_json=as_json)
        return bool(opened.rows)
    found = overview_of(source, drivers=drivers, columns=stated)
    if as_json:
        say_json({"layout": "folder", **found.facts()})
        return found.is_readable
    for name, value in _lines(found):
        say(f"{name:<14}{value}")
    return found.is_readable


def _opened(source: str, list_file: str | None, *, is_table: bool) -> Cohort | None:
    """Open what an overview of a table cannot tell of; None for a table of images."""
    from napari_dmoe.cohorts.layouts.checking import checked
    from napari_dmoe.cohorts.layouts.opening import is_published, open_cohort
    from napari_dmoe.cohorts.tables.finding import table_at
    from napari_dmoe.cohorts.tables.telling import columns_in

    if list_file is None and not is_published(source):
        table = None if is_table else table_at(source).table
        if table is None or columns_in(table).image is not None:
            return None
        opened = open_cohort(source, needs_image=False)
        is_masks = any(row.image == Path() for row in opened.rows)
        return opened if is_masks else None
    if is_table:
        raise ValueError(
            "--checkpoint and --column are for tables whose columns have to be "
            "understood: this layout is known"
        )
    with progress_bar() as progress:
        return checked(open_cohort(source, list_file=list_file), progress=progress)


def _say_cohort(cohort: Cohort, *, as_json: bool) -> None:
    from napari_dmoe.cohorts.problems import lines_told

    n_images = sum(row.image != Path() for row in cohort.rows)
    n_truths = sum(row.labels is not None for row in cohort.rows)
    n_predictions = sum(row.prediction is not None for row in cohort.rows)
    known = Counter(name for row in cohort.rows for name in row.patient.known())
    if as_json:
        problems = [
            {"row": p.row, "column": p.column, "value": p.shown, "expected": p.expected}
            for p in cohort.problems
        ]
        say_json(
            {
                "layout": cohort.layout,
                "table": cohort.title,
                "classes": list(cohort.classes),
                "n_cases": len(cohort),
                "n_images": n_images,
                "n_truths": n_truths,
                "n_predictions": n_predictions,
                "known": dict(known),
                "problems": problems,
                "notices": list(cohort.notices),
            }
        )
        return
    lines = [
        ("layout", f"{cohort.layout}: {cohort.title}"),
        (
            "cases",
            f"{len(cohort):,}, {n_images:,} with an image, {n_truths:,} with a "
            f"truth, {n_predictions:,} with a prediction",
        ),
        *([("classes", ", ".join(cohort.classes))] if cohort.classes else []),
        *(("known", f"{name}: {_rows(n)}") for name, n in known.items()),
        *(("problem", line) for line in lines_told(cohort.problems)),
        *(("notice", notice) for notice in cohort.notices),
    ]
    for name, value in lines:
        say(f"{name:<14}{printable(value, None)}")


def _lines(found: Overview) -> Iterator[tuple[str, str]]:
    yield "layout", "folder"
    yield "table", found.table.name
    yield "rows", f"{found.n_rows:,}"
    yield "images", f"{found.n_images:,} found, {found.n_truths:,} of them with a truth"
    if found.n_without_image:
        yield "not there", f"the images of {_rows(found.n_without_image)}"
    if found.n_bad:
        yield "wrong", _rows(found.n_bad)
    if n := len(found.unlisted):
        more = ", ..." if n > _SHOWN else ""
        names = ", ".join(printable(path.name) for path in found.unlisted[:_SHOWN])
        images = f"image{'s' * (n > 1)}"
        yield "without a row", f"{n:,} {images} (see --unlisted): {names}{more}"
    for column in found.columns:
        yield "column", _column(column)
    for name in found.untold:
        yield "unknown", f"{name}, which drives the model: no column tells it"
    for problem in found.problems[:MOST_LINES]:
        yield "problem", problem
    if n := len(found.problems[MOST_LINES:]):
        yield "problem", f"and {n:,} further problems"
    for notice in found.notices:
        yield "notice", notice
    if found.refusal:
        yield "refused", f"{found.refusal}. Say what a column means with --column"


def _column(column: ColumnOverview) -> str:
    said = f"{printable(column.name, 40)}: {column.words}"
    if column.how:
        said += f", {column.how}"
    said += f"; stated in {_rows(column.n_filled)}"
    if column.drives:
        said += "; drives the model"
    if column.n_unheard:
        said += f", which does not know the values of {_rows(column.n_unheard)}"
    return said


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"
