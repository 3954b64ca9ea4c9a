"""``napari-dmoe inspect TABLE.csv``: what a table is read as, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.cli import options
from napari_dmoe.cli.printing import MOST_LINES, say, say_json
from napari_dmoe.foreign import printable

if TYPE_CHECKING:
    from napari_dmoe.cohorts.tables.overview import ColumnOverview, Overview

_SHOWN = 3
"""Files that are named."""


def is_table(source: str) -> bool:
    """Say whether something is a table or a folder, and no checkpoint."""
    path = Path(source)
    return path.suffix.lower() == ".csv" or path.is_dir()


def inspect_table(
    source: str,
    checkpoint: str | None,
    card: str | None,
    column: Sequence[str] | None,
    *,
    as_json: bool,
) -> bool:
    """Print what a table is read as; return whether there is anything to segment.

    Parameters
    ----------
    source : str
        The table, or its folder.
    checkpoint, card : str, optional
        The model that it is meant for.
    column : sequence of str, optional
        What columns mean, as NAME=MEANING.
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
    found = overview_of(source, drivers=drivers, columns=stated)
    if as_json:
        say_json(found.facts())
        return found.is_readable
    for name, value in _lines(found):
        say(f"{name:<14}{value}")
    return found.is_readable


def _lines(found: Overview) -> Iterator[tuple[str, str]]:
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
