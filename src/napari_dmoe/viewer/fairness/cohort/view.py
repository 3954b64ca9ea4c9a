"""Lets a person choose a cohort, and shows what was read of it."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QSizePolicy, QWidget

from napari_dmoe.viewer.fairness.cohort.columns_view import ColumnsView
from napari_dmoe.viewer.fairness.cohort.reading import Reading
from napari_dmoe.viewer.rows import Column, Line
from napari_dmoe.viewer.ui.parts import (
    Fold,
    button,
    column,
    emphasise,
    flow,
    heading,
    lay_out,
    narrow_combo,
    offer,
    paragraph,
    say,
)
from napari_dmoe.viewer.ui.tables import Table
from napari_dmoe.viewer.ui.theme import set_tone

NOTHING = (
    "Choose a folder or a table of images with their truths and patients, or press "
    "Phantoms to see an audit at once."
)
COLUMNS = (
    Column("row", "row", is_right=True),
    Column("column", "column"),
    Column("value", "value"),
    Column("expected", "expected"),
)
_MOST_PROBLEMS = 200
"""Problems that the table shows; all are written when the audit is run."""
_MOST_LINES = 6
LEAST_COMBO = 60
"""Width of a box whose text may be cut, in pixels."""


class CohortSection(QWidget):
    """Shows the cohort, how it can be chosen and what is wrong with it."""

    folder_requested = Signal()
    table_requested = Signal()
    layers_requested = Signal()
    phantoms_requested = Signal()
    reopen_requested = Signal()
    other_requested = Signal(str)
    """A cohort that was read before, by its path; or phantoms of another kind."""
    dropped = Signal(str)
    skip_toggled = Signal(bool)
    """Whether rows with a problem are left out."""
    stated = Signal(str, str)
    """A column of the table, and what a person says that it means."""
    columns_requested = Signal()
    """What the columns mean is not told yet, and is to be."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_starts()
        self.title = paragraph(name="cohort-title")
        emphasise(self.title)
        self.found = paragraph(NOTHING, name="cohort-found")
        self.attributes = paragraph(name="cohort-attributes")
        self.error = paragraph(name="cohort-error")
        set_tone(self.error, "caution")
        self._make_problems()
        self.columns = ColumnsView()
        self.columns.stated.connect(self.stated)
        self._has_columns = False
        self.columns_fold = Fold(
            "Columns", "What the table's columns mean.", self.columns
        )
        self.columns_fold.button.clicked.connect(self._on_columns)
        self.notices = paragraph(name="cohort-notices")
        starts = self.phantoms_button, self.folder_button, self.table_button
        buttons = flow(*starts, self.layers_button, self.reopen_button)
        read = self.title, self.found, self.attributes, self.error
        wrong = self.problems_fold, self.skip_box, self.columns_fold
        column(
            self,
            heading("COHORT"),
            buttons,
            self.other_combo,
            *read,
            *wrong,
            self.notices,
        )
        self.setAcceptDrops(True)
        self.show_nothing()

    def _make_starts(self) -> None:
        self.phantoms_button = button(
            "Phantoms",
            "Audit 48 synthetic fundi, drawn on this computer: nothing is needed.",
            self.phantoms_requested,
        )
        self.folder_button = button(
            "Folder…",
            "A folder of images with a table, Harvard-FairSeg files or HAM10000. It is "
            "read and shown first; nothing is run or written.",
            self.folder_requested,
        )
        self.table_button = button(
            "Table…",
            "A table (CSV, TSV) or a list of names beside its images.",
            self.table_requested,
        )
        self.layers_button = button("Layers", "", self.layers_requested)
        self.reopen_button = button(
            "Reopen…",
            "Look at an audit that was run earlier: choose its cases.csv, or a "
            "published table of results.",
            self.reopen_requested,
        )
        self.other_combo = narrow_combo(
            "Recent cohorts and other phantoms",
            "Cohorts that were read before, and phantoms of other kinds.",
        )
        self.other_combo.setPlaceholderText("Recent, and other phantoms")
        self.other_combo.setMinimumWidth(LEAST_COMBO)  # else as wide as this text
        self.other_combo.activated.connect(self._on_other)

    def _make_problems(self) -> None:
        self.problems = Table(
            "Problems of the cohort",
            "What cannot be understood, and what was expected instead.",
            most_lines=_MOST_LINES,
        )
        self.problems_fold = Fold("", "What is wrong with which rows.", self.problems)
        self.skip_box = QCheckBox("Leave these rows out")
        self.skip_box.setToolTip(
            "Audit the others. What was left out is said, and recorded."
        )
        self.skip_box.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed
        )
        self.skip_box.toggled.connect(self.skip_toggled)

    def offer_others(self, titles: Sequence[str], keys: Sequence[str]) -> None:
        """Offer cohorts that were read before, and other phantoms."""
        self.other_combo.clear()
        offer(self.other_combo, titles, keys)
        self.other_combo.setCurrentIndex(-1)
        self.other_combo.setVisible(bool(titles))

    def offer_layers(self, n: int) -> None:
        """Say how many open images have a truth."""
        self.layers_button.setText(f"Layers ({n:,})" if n else "Layers")
        self.layers_button.setEnabled(n > 0)
        self.layers_button.setToolTip(
            "Audit the open images that have a truth, each for its own patient."
            if n
            else "No open image has a truth. Choose one in the dMoE dock, under Truth, "
            "or open labels that are named after their image."
        )

    def show_nothing(self) -> None:
        """Show that no cohort is chosen."""
        say(self.title, "")
        say(self.found, NOTHING)
        self._show_rest()

    def show_reading(self, name: str) -> None:
        """Say that a cohort is read."""
        say(self.title, f"Reading {name} …")
        say(self.found, "")
        self._show_rest()

    def show_read(self, reading: Reading, *, is_skipped: bool = False) -> None:
        """Show what was read."""
        say(self.title, reading.title)
        say(self.found, "\n".join(reading.found))
        self._show_rest(reading, is_skipped)
        lay_out(self.columns, self)

    def _show_rest(
        self, reading: Reading | None = None, is_skipped: bool = False
    ) -> None:
        say(self.attributes, "\n".join(() if reading is None else reading.attributes))
        say(self.error, "" if reading is None else reading.error)
        say(self.notices, "\n".join(() if reading is None else reading.notices))
        self._show_problems(reading, is_skipped)
        columns = () if reading is None else reading.columns
        self.columns_fold.setVisible(reading is not None and reading.has_columns)
        if reading is not None:
            self.columns.show_columns(columns, reading.meanings)
        self._has_columns = bool(columns)
        self.columns_fold.unfold(bool(columns))

    def _show_problems(self, reading: Reading | None, is_skipped: bool) -> None:
        problems = () if reading is None else reading.problems
        lines = [
            Line(
                {
                    "row": each.row,
                    "column": each.column,
                    "value": each.value,
                    "expected": each.expected,
                },
                {"expected": each.expected, "value": each.value},
            )
            for each in problems[:_MOST_PROBLEMS]
        ]
        self.problems.show_lines(lines, COLUMNS)
        n = len(problems)
        shown = f", the first {_MOST_PROBLEMS:,} of them" if n > _MOST_PROBLEMS else ""
        self.problems_fold.rename(f"{n:,} problem{'s' * (n != 1)}{shown}")
        self.problems_fold.unfold(n > 0)
        self.problems_fold.setVisible(n > 0)
        self.skip_box.setVisible(n > 0 and reading is not None and reading.n > 0)
        self.skip_box.blockSignals(True)
        self.skip_box.setChecked(is_skipped)
        self.skip_box.blockSignals(False)

    def _on_columns(self) -> None:
        if not self._has_columns:
            self.columns_requested.emit()

    def _on_other(self, place: int) -> None:
        key = self.other_combo.itemData(place)
        self.other_combo.setCurrentIndex(-1)
        self.other_requested.emit(str(key))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a folder or a file; a checkpoint is for what is compared."""
        dropped_path(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell what was dropped."""
        path = dropped_path(event)
        if path:
            self.dropped.emit(path)


def dropped_path(event: QDropEvent) -> str:
    """Accept the one file or folder that is dragged, and return its path."""
    mime = event.mimeData()
    paths = [url.toLocalFile() for url in (mime.urls() if mime is not None else [])]
    if len(paths) == 1 and paths[0]:
        event.acceptProposedAction()
        return str(paths[0])
    event.ignore()
    return ""
