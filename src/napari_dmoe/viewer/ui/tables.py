"""Tables in a narrow dock: as high as their lines, and sorted at a click.

One model and one view for all of them. They can be had as text and as rows for a file;
what copies and saves them stands in :mod:`napari_dmoe.viewer.ui.findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from qtpy.QtCore import Property, Qt, Signal
from qtpy.QtGui import QColor, QFontMetrics, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QFrame, QTableView
from superqt.utils import signals_blocked

from napari_dmoe.viewer.rows import Column, Line, TableRow, as_text
from napari_dmoe.viewer.ui.table_model import (
    Index,
    TableModel,
    exact,
    in_order,
    shown_as,
)

_MOST_LINES = 9  # more than these are scrolled
_GIVES_WAY = 0.4
"""Share of the first column that may be cut, rather than to scroll; hovering tells."""
_MEASURED = 100  # lines that decide how wide a column is; more would take long
_CELLS, _FEWEST = 1_000, 30  # of many columns fewer lines are measured
_GAP = 6  # around a column's name, and between lines
_ROUNDED = 2  # of pixels, so that no word is cut for want of a part of one
_DASH_THAT_MAY_BREAK = "–\u200b"  # with a space of no width, for narrow docks
_MOST_FACTS = 100
_OF_FACTS = (
    Column("colour", ""),
    Column("name", ""),
    Column("value", "", is_right=True),
    Column("span", ""),
)


class Table(QTableView):
    """Shows lines by column; none take no room.

    More than `most_lines` are scrolled. The columns `last` stand behind all others. A
    click on a column's name sorts by it where the table `is_sorted`. One that `wraps`
    sets words on another line rather than to scroll.
    """

    line_chosen = Signal(int)
    """A line was clicked, or reached from the keyboard."""
    line_activated = Signal(int)
    """A line was double-clicked, or Enter was pressed on it."""

    def __init__(
        self,
        name: str = "",
        tooltip: str = "",
        *,
        last: Sequence[str] = (),
        most_lines: int = _MOST_LINES,
        is_sorted: bool = False,
        wraps: bool = False,
    ) -> None:
        super().__init__()
        self._last, self._most_lines = tuple(last), most_lines
        self._wraps = wraps
        self._lines = TableModel(self)
        self.setModel(self._lines)
        self.setSortingEnabled(is_sorted)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        # Tab leaves the table, as it leaves every other input of the dock.
        self.setTabKeyNavigation(False)
        self.setWordWrap(wraps)
        self.setMinimumWidth(1)
        for header in (self.verticalHeader(), self.horizontalHeader()):
            header.setMinimumSectionSize(1)
            header.setResizeContentsPrecision(_MEASURED)
        self.verticalHeader().setVisible(False)
        self.clicked.connect(self._on_index)
        self.selectionModel().currentRowChanged.connect(self._on_index)
        self.activated.connect(self._on_activated)
        self.setVisible(False)

    def _worse(self) -> QColor:
        return self._lines.worse or self.palette().text().color()

    def _set_worse(self, colour: QColor) -> None:
        self._lines.worse = colour

    worse = Property(QColor, _worse, _set_worse)
    """Colour of what is worse, which the dock's style sheet gives it."""

    def show_lines(
        self, lines: Sequence[Line], columns: Sequence[Column] | None = None
    ) -> None:
        """Show other lines, by all columns or some; copies and files have every one."""
        place = self.currentIndex()
        with signals_blocked(self):
            self._lines.fill(lines, columns or ())
            if columns is None:
                self._lines.show_columns(self.all_columns())
            # No column is sorted by yet: the lines stay as they come.
            self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
            self.setCurrentIndex(self._lines.index(place.row(), place.column()))
        self.clearSpans()
        for number, line in enumerate(lines):
            if line.is_heading:
                self.setSpan(number, 0, 1, self._lines.columnCount())
        self.setVisible(bool(lines))
        self._fit()

    def add_lines(self, lines: Sequence[Line]) -> None:
        """Show more lines; those that there are stay as they are."""
        n_before = len(self._lines.lines)
        self._lines.add(lines)
        self.setVisible(bool(self._lines.lines))
        if n_before < _MEASURED:  # the rest decides about no width and no height
            self._fit()

    def replace_line(self, place: int, line: Line) -> None:
        """Show another line in the place of one."""
        self._lines.replace(place, line)

    def show_columns(self, columns: Sequence[Column]) -> None:
        """Show the same lines by other columns, in the same order."""
        header = self.horizontalHeader()
        with self._place_kept(), signals_blocked(header):
            self._lines.show_columns(columns)
            header.setSortIndicator(*self._lines.sorting)
        self._fit()

    def keep_lines(self, is_kept: Callable[[Line], bool] | None) -> None:
        """Show the lines of which something is true; all of them for None."""
        with self._place_kept():
            self._lines.keep(is_kept)
        self._fit()

    def all_columns(self) -> list[Column]:
        """Return a column for each key of the lines."""
        return [Column(name, name) for name in in_order(self._lines.names, self._last)]

    def shown_places(self) -> list[int]:
        """Return which lines are shown, from top to bottom, by their places."""
        return self._lines.shown_places()

    def go_to(self, place: int) -> None:
        """Point at a line, if it is shown, and tell nobody."""
        row = self._lines.row_of(place)
        if row >= 0:
            with signals_blocked(self):
                self.setCurrentIndex(self._lines.index(row, 0))

    @contextmanager
    def _place_kept(self) -> Iterator[None]:
        """Point at the same line afterwards, where it is still shown."""
        index = self.currentIndex()
        place = self._lines.place_of(index.row()) if index.isValid() else -1
        with signals_blocked(self):
            yield
        self.go_to(place)

    def show_nothing(self) -> None:
        """Show no line."""
        self.show_lines(())

    def show_outdated(self, is_outdated: bool) -> None:
        """Set what no longer holds in italics."""
        font = self.font()
        font.setItalic(is_outdated)
        self.setFont(font)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit again: at another width, there may be a scroll bar or none."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Share the width out, and be as high as the lines, up to a limit."""
        if not self._lines.lines:
            return
        self._share_width()
        self._share_height()
        header, n_lines = self.horizontalHeader(), self._lines.rowCount()
        around = 0 if header.isHidden() else header.sizeHint().height()
        around += 2 * self.frameWidth()
        if header.length() > self.viewport().width():
            around += self.horizontalScrollBar().sizeHint().height()
        n_seen = min(n_lines, self._most_lines)
        seen = sum(map(self.rowHeight, range(n_seen)))
        # Nothing below the table moves where some of its lines are left out.
        n_empty = min(len(self._lines.lines), self._most_lines) - n_seen
        seen += n_empty * self.verticalHeader().defaultSectionSize()
        self.setFixedHeight(seen + around)

    def _share_width(self) -> None:
        """Give each column what it needs, and its share of what is left."""
        n_columns = self._lines.columnCount()
        n_measured = max(_FEWEST, min(_MEASURED, _CELLS // max(1, n_columns)))
        self.horizontalHeader().setResizeContentsPrecision(n_measured)
        widths = [self._needed(place) for place in range(n_columns)]
        left = self.viewport().width() - sum(widths)
        if left < 0 and self._wraps:
            left = self._wrap(widths, left)
        if 0 > left >= -_GIVES_WAY * widths[0]:
            widths[0] += left
        left, n = max(left, 0), len(widths)
        for place, width in enumerate(widths):
            # Whole pixels: what one column does not get, the next one does.
            more = left * (place + 1) // n - left * place // n
            self.setColumnWidth(place, width + more)

    def _wrap(self, widths: list[int], left: int) -> int:
        """Take width from where words can stand below each other, the most first."""
        gives = [
            width - self._needed(place, is_wrapped=True)
            for place, width in enumerate(widths)
        ]
        for place in sorted(range(len(widths)), key=lambda n: -gives[n]):
            less = min(-left, gives[place])
            widths[place] -= less
            left += less
        return left

    def _share_height(self) -> None:
        """Give all lines the height of the first one; more to those that wrap."""
        if not self._wraps:
            self.verticalHeader().setDefaultSectionSize(self.sizeHintForRow(0) + _GAP)
            return
        heights = [self.sizeHintForRow(row) for row in range(self._lines.rowCount())]
        for row, height in enumerate(heights):
            is_heading = self.columnSpan(row, 0) > 1  # its cell takes the whole width
            self.setRowHeight(row, (min(heights) if is_heading else height) + _GAP)

    def _needed(self, place: int, *, is_wrapped: bool = False) -> int:
        """Return the least width of a column: of its name, and of its cells."""
        column, metrics = self._lines.columns[place], self.fontMetrics()
        lines = column.title.splitlines()
        names = [metrics.horizontalAdvance(line) + _GAP for line in lines]
        saved = self._saved(column.key) if is_wrapped else 0
        return max([self.sizeHintForColumn(place) - saved, *names])

    def _saved(self, key: str) -> int:
        """Return how much narrower a column is with each word on a line of its own."""
        plain, bold = self.font(), self.font()
        bold.setBold(True)
        lines = [line for line in self._lines.lines if not line.is_heading]
        texts, words = [0], [0]
        for line in lines[:_MEASURED]:
            metrics = QFontMetrics(bold if key in line.bold else plain)
            text = shown_as(line.cells.get(key, ""))
            texts.append(metrics.horizontalAdvance(text))
            words += [metrics.horizontalAdvance(word) for word in text.split()]
        return max(0, max(texts) - max(words) - _ROUNDED)

    def file_rows(self) -> list[dict[str, str]]:
        """Return the lines for a file, with all columns and digits."""
        lines = self._lines.lines
        names = in_order(self._lines.names, self._last)
        return [
            {name: exact(line.cells.get(name, "")) for name in names} for line in lines
        ]

    def text(self) -> str:
        """Return the lines as text, with tabs between the columns."""
        rows = self.file_rows()
        lines = [*map(list, rows[:1]), *(list(row.values()) for row in rows)]
        return "\n".join("\t".join(line) for line in lines)

    def _on_index(self, index: Index, *_: object) -> None:
        if index.isValid():
            self.line_chosen.emit(self._lines.place_of(index.row()))

    def _on_activated(self, index: Index) -> None:
        self.line_activated.emit(self._lines.place_of(index.row()))


class Facts(Table):
    """Shows names, values and spans as plain text, with a swatch of colour before each.

    `span_help` says what the spans are; a `span_title` stands above them, where there
    are any.
    """

    def __init__(self, span_help: str, *, span_title: str = "") -> None:
        super().__init__(most_lines=_MOST_FACTS)
        self._facts: tuple[TableRow, ...] = ()
        self._help = {"span": span_help}
        self._title = span_title
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setWordWrap(True)
        self.horizontalHeader().setVisible(False)
        for part in (self, self.viewport()):  # what lies below is seen
            part.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
            part.setAutoFillBackground(False)

    def show_facts(self, rows: Sequence[TableRow]) -> None:
        """Show other lines."""
        self._facts = tuple(rows)
        head = [self._line(each) for each in self._head()]
        self.show_lines([*head, *map(self._line, rows)], _OF_FACTS)

    def show_nothing(self) -> None:
        """Show no line."""
        self.show_facts(())

    def _head(self) -> list[TableRow]:
        """Return what stands above the spans, where there are any."""
        has_title = bool(self._title) and any(each.span for each in self._facts)
        return [TableRow("", "", self._title)] if has_title else []

    def _line(self, fact: TableRow) -> Line:
        span = fact.remark.replace("–", _DASH_THAT_MAY_BREAK)
        cells = {"name": fact.name, "value": fact.value, "span": span}
        return Line(cells, self._help if fact.span else {}, fact.colour)

    def _share_width(self) -> None:
        """Wrap the spans in what is left of the width."""
        *others, last = range(len(_OF_FACTS))
        widths = [self._needed(place) + _GAP * (place > 0) for place in others]
        for place, width in zip(others, widths, strict=True):
            self.setColumnWidth(place, width)
        self.setColumnWidth(last, max(self.viewport().width() - sum(widths), 1))

    def _share_height(self) -> None:
        self.resizeRowsToContents()

    def file_rows(self) -> list[dict[str, str]]:
        """Return the lines for a file: numbers and units apart."""
        return [dict(each.cells) for each in self._facts]

    def text(self) -> str:
        """Return the lines as text, with tabs between the columns."""
        return as_text([*self._head(), *self._facts])
