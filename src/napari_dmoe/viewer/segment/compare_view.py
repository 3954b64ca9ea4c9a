"""Two masks of one image: what to compare with, and by how much they differ."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QPushButton, QWidget

from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui.parts import Fold, column, narrow_combo, paragraph, row, say
from napari_dmoe.viewer.ui.start_button import StartButton
from napari_dmoe.viewer.ui.table import Table

OTHER_FILE = "Another checkpoint…"
_HELP = (
    "Runs another model on the same image for the same patient, or takes another "
    "result of the image, and shows where the masks differ."
)


class CompareSection(QWidget):
    """Tells what a result is to be compared with, and shows the comparison."""

    compare_requested = Signal(int)
    """Place in the list that was shown; its length stands for another checkpoint."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = narrow_combo("Compare with", _HELP)
        self.button = StartButton("Compare")
        self.button.setToolTip(_HELP)
        self.button.clicked.connect(self._on_compare)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the comparison as text, with tabs.")
        self.copy_button.clicked.connect(self._on_copy)
        self.summary = paragraph(name="compare-summary")
        self.table = Table("Pixels of the class in the first and the second mask.")
        content = QWidget()
        column(
            content,
            row(self.combo, self.button, stretch=0),
            self.summary,
            self.table,
            self.copy_button,
        )
        self.fold = Fold("Compare", _HELP, content)
        column(self, self.fold)
        self.offer((), why_not="")
        self.show_nothing()

    def offer(self, names: Sequence[str], *, why_not: str) -> None:
        """Offer what there is to compare with, or say why nothing can be compared."""
        chosen = self.combo.currentText()
        self.combo.clear()
        self.combo.addItems([*names, OTHER_FILE])
        # Another file is only asked for where somebody chose that just now.
        place = -1 if chosen == OTHER_FILE else self.combo.findText(chosen)
        self.combo.setCurrentIndex(max(place, 0))
        self.button.setEnabled(not why_not)
        self.button.setToolTip(why_not or _HELP)

    def show_nothing(self) -> None:
        """Show no comparison."""
        say(self.summary, "")
        self.table.show_rows(())
        self.copy_button.setVisible(False)

    def show_comparison(self, summary: str, rows: Sequence[TableRow]) -> None:
        """Show by how much two masks differ."""
        say(self.summary, summary)
        self.table.show_rows(rows)
        self.copy_button.setVisible(True)

    def show_problem(self, text: str) -> None:
        """Say why nothing was compared."""
        self.show_nothing()
        say(self.summary, text)

    def text(self) -> str:
        """Return the comparison as text."""
        return f"{self.summary.text()}\n{self.table.text()}"

    def _on_compare(self) -> None:
        self.compare_requested.emit(self.combo.currentIndex())

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text())
