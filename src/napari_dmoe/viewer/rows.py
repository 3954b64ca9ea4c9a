"""The lines of the tables that widgets show, copy and save. Knows no Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_dmoe.inference.pictures.colours import Rgb


@dataclass(frozen=True)
class TableRow:
    """One line of a table.

    Parameters
    ----------
    name : str
        What was measured.
    value : str
        With its unit.
    span : str
        A remark, such as the span over the values of an unknown driver.
    colour : tuple of int, optional
        Colour of the swatch before it.
    cells : mapping of str to str
        The same for a file, by column: numbers and units apart.
    """

    name: str
    value: str
    span: str = ""
    colour: Rgb | None = None
    cells: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A column that is shown of a table.

    Parameters
    ----------
    key : str
        Its name in the rows, and in files.
    title : str
        What stands above it; short, on two lines at the most.
    help : str
        What it means.
    is_right : bool
        Whether its texts end at its right edge, as its numbers always do.
    """

    key: str
    title: str
    help: str = ""
    is_right: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a table of many columns.

    Parameters
    ----------
    cells : mapping of str to object
        Texts and numbers, by the keys of their columns; NaN is not known.
    help : mapping of str to str
        What is said when a cell is pointed at, by the same keys.
    colour : tuple of int, optional
        Colour of the swatch in its first cell.
    bold : collection of str
        Keys of the cells in bold type.
    is_heading : bool
        Whether its first cell takes the whole width.
    """

    cells: Mapping[str, Any]
    help: Mapping[str, str] = field(default_factory=dict)
    colour: Rgb | None = None
    bold: Collection[str] = ()
    is_heading: bool = False


def as_text(rows: Sequence[TableRow]) -> str:
    """Return lines as text, with tabs between the columns."""
    return "\n".join("\t".join((r.name, r.value, r.span)).rstrip() for r in rows)
