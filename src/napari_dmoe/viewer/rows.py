"""The lines of the tables that widgets show, copy and save. Knows no Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_dmoe.inference.pictures.colours import Rgb


@dataclass(frozen=True)
class TableRow:
    """One line of a table: what was measured, its value with its unit, a remark."""

    name: str
    value: str
    span: str = ""
    """A remark, such as the span over the values of an unknown driver."""
    colour: Rgb | None = None
    """Colour of the swatch before it."""
    cells: Mapping[str, str] = field(default_factory=dict)
    """The same for a file, by column: numbers and units apart."""
    beside: str = ""
    """What else is told of it, behind the span."""

    @property
    def remark(self) -> str:
        """The span, and what else is told."""
        return ", ".join(filter(None, (self.span, self.beside)))


@dataclass(frozen=True)
class Column:
    """A column that is shown of a table."""

    key: str
    """Its name in the rows, and in files."""
    title: str
    """What stands above it; short, on two lines at the most."""
    help: str = ""
    is_right: bool = False
    """Whether its texts end at its right edge, as its numbers always do."""
    decimals: int | None = None
    """Of its numbers; None for as many as there is room for."""
    is_unknown_last: bool = False
    """Whether cells that are not known stay behind all others, however it is sorted."""


@dataclass(frozen=True)
class Line:
    """One line of a table of many columns."""

    cells: Mapping[str, Any]
    """Texts and numbers, by the keys of their columns; NaN is not known."""
    help: Mapping[str, str] = field(default_factory=dict)
    """What is said when a cell is pointed at, by the same keys."""
    colour: Rgb | None = None
    """Colour of the swatch in its first cell."""
    bold: Collection[str] = ()
    """Keys of the cells in bold type."""
    worse: Collection[str] = ()
    """Keys of the cells that tell of a loss, set in another colour."""
    is_heading: bool = False
    """Whether its first cell takes the whole width."""


def as_text(rows: Sequence[TableRow]) -> str:
    """Return lines as text, with tabs between the columns."""
    return "\n".join("\t".join((r.name, r.value, r.remark)).rstrip() for r in rows)
