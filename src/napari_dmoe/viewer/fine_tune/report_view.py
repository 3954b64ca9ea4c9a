"""What a tuning changed, and what becomes of the tuned model."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_dmoe.viewer.fine_tune.words import ReportRow
from napari_dmoe.viewer.ui.parts import (
    column,
    heading,
    narrow_combo,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.start_button import StartButton

_COLUMNS = ("group", "class", "before→after", "n")
_ROWS_SEEN = 30
_KEEP_HELP = "Work with the tuned model from now on."


class OutcomeSection(QWidget):
    """Shows the table, and tells what is wanted."""

    keep_requested = Signal()
    discard_requested = Signal()
    save_requested = Signal()
    prediction_requested = Signal(int)
    changes_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_looks()
        self.title = heading("AFTER")
        self.verdict = paragraph(name="tuning-verdict")
        self.table = _table()
        self.notices = paragraph(name="tuning-notices")
        self._make_decisions()
        column(
            self,
            self.title,
            self.verdict,
            self.table,
            self.notices,
            self.case_combo,
            self.look_button,
            self.changes_button,
            self._accept,
            self._decide,
        )
        self.offer_cases((), may_look=False, may_compare=False)
        self.show_nothing()

    def _make_looks(self) -> None:
        """Make what lets a person look at masks."""
        self.case_combo = narrow_combo("Case", "The image to look at.")
        self.look_button = StartButton("Show the current prediction")
        self.look_button.setToolTip(
            "Segment the image with the model as it is now; the mask is added as a "
            "layer of its own."
        )
        self.look_button.clicked.connect(self._on_look)
        self.changes_button = StartButton("Show what changed")
        self.changes_button.setToolTip(
            "Segment the image with the model before and after, and show where the "
            "masks differ."
        )
        self.changes_button.clicked.connect(self._on_changes)

    def _make_decisions(self) -> None:
        """Make what lets a person decide."""
        self.accept_box = QCheckBox("I accept:")
        self.accept_box.setToolTip("Tick it to keep the model although this got worse.")
        self.accept_box.toggled.connect(self._show_keep)
        self.accepted = paragraph(name="tuning-accepted")
        self._accept = row(self.accept_box, self.accepted, stretch=1)
        self.keep_button = QPushButton("Keep")
        self.keep_button.setToolTip(_KEEP_HELP)
        self.keep_button.clicked.connect(self.keep_requested)
        self.discard_button = QPushButton("Discard")
        self.discard_button.setToolTip("Forget the tuned model, and its cases.")
        self.discard_button.clicked.connect(self.discard_requested)
        self.save_button = QPushButton("Save model…")
        self.save_button.setToolTip(
            "Save the tuned model as .safetensors, under the published tensor names, "
            "with its card, its history and the hash of the model it came from."
        )
        self.save_button.clicked.connect(self.save_requested)
        self._decide = QWidget()
        column(
            self._decide, row(self.keep_button, self.discard_button), self.save_button
        )

    def offer_cases(
        self, names: Sequence[str], *, may_look: bool, may_compare: bool
    ) -> None:
        """Offer images to look at."""
        shown = [self.case_combo.itemText(i) for i in range(self.case_combo.count())]
        if shown != list(names):
            self.case_combo.clear()
            self.case_combo.addItems(list(names))
        self.case_combo.setVisible(bool(names) and (may_look or may_compare))
        self.look_button.setVisible(may_look)
        self.changes_button.setVisible(may_compare)

    def show_nothing(self) -> None:
        """Show no outcome."""
        for part in (self.title, self.table, self._accept, self._decide):
            part.setVisible(False)
        say(self.verdict, "")
        say(self.notices, "")

    def show_outcome(
        self,
        verdict: str,
        rows: Sequence[ReportRow],
        *,
        notices: Sequence[str] = (),
        to_accept: str = "",
        is_kept: bool = False,
    ) -> None:
        """Show what changed, and let a person decide.

        Parameters
        ----------
        verdict : str
            What may be said of the groups.
        rows : sequence of ReportRow
            The table.
        notices : sequence of str
            What a person should know.
        to_accept : str
            What has to be ticked before Keep; nothing where all is well.
        is_kept : bool
            Whether it is decided already: the model is kept.
        """
        self.title.setVisible(True)
        say(self.verdict, verdict)
        say(self.notices, "\n".join(notices))
        if to_accept != self.accepted.text():
            self.accept_box.setChecked(False)
        say(self.accepted, to_accept)
        self._accept.setVisible(bool(to_accept) and not is_kept)
        self._is_kept = is_kept
        self._decide.setVisible(True)
        self.discard_button.setVisible(not is_kept)
        self._fill(rows)
        self._show_keep()

    def _fill(self, rows: Sequence[ReportRow]) -> None:
        table = self.table
        table.clearSpans()
        table.setRowCount(len(rows))
        for number, entry in enumerate(rows):
            cells = (entry.group, entry.region, entry.change, entry.n)
            for place, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(entry.help)
                font = item.font()
                font.setBold(entry.is_heading or (entry.is_worse and place == 0))
                item.setFont(font)
                table.setItem(number, place, item)
            if entry.is_heading:
                table.setSpan(number, 0, 1, len(cells))
        table.resizeRowsToContents()
        shown = min(len(rows), _ROWS_SEEN)
        heights = sum(table.rowHeight(i) for i in range(shown))
        head = table.horizontalHeader().sizeHint().height()
        table.setFixedHeight(heights + head + 2 * table.frameWidth() + 2)
        table.setVisible(True)

    def _show_keep(self, *_: object) -> None:
        needs = bool(self.accepted.text()) and not self.accept_box.isChecked()
        self.keep_button.setText("Kept" if self._is_kept else "Keep")
        self.keep_button.setEnabled(not needs and not self._is_kept)
        self.keep_button.setToolTip(
            "Tick first that you accept what got worse." if needs else _KEEP_HELP
        )

    def _on_look(self) -> None:
        self.prediction_requested.emit(self.case_combo.currentIndex())

    def _on_changes(self) -> None:
        self.changes_requested.emit(self.case_combo.currentIndex())


def _table() -> QTableWidget:
    table = QTableWidget(0, len(_COLUMNS))
    table.setHorizontalHeaderLabels(list(_COLUMNS))
    table.horizontalHeaderItem(2).setToolTip("Mean Dice before and after tuning.")
    table.horizontalHeaderItem(3).setToolTip("Cases. *: few, so it says little.")
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.verticalHeader().setVisible(False)
    table.setAccessibleName("Dice before and after")
    table.setMinimumWidth(1)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
    return table
