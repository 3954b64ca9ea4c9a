"""Two masks of one image: what to compare with, and by how much they differ."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui import icons, parts
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.tables import Facts

OTHER_FILE = "Another checkpoint…"
_HELP = (
    "Runs another model on the same image for the same patient, or takes another "
    "result of the image, its truth or labels on it, and shows where they differ."
)


class CompareSection(QWidget):
    """Tells what a result is to be compared with, and shows the comparison."""

    compare_requested = Signal(int)
    """Place in the list that was shown; its length stands for another checkpoint."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = parts.narrow_combo("Compare with", _HELP)
        self.button = parts.button(
            "Compare", _HELP, self._on_compare, parts.StartButton
        )
        icons.give(self.button, "compare")
        self.table = Facts("")
        self.found = FindingView("compare", "the comparison", self.table)
        content = QWidget()
        parts.column(content, parts.row(self.combo, self.button, stretch=0), self.found)
        self.fold = parts.Fold("Compare", _HELP, content)
        parts.column(self, self.fold)
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
        parts.allow(self.button, why_not, _HELP)

    def show_nothing(self) -> None:
        """Show no comparison."""
        self.found.show_nothing()

    def show_comparison(
        self, headline: str, summary: str, rows: Sequence[TableRow]
    ) -> None:
        """Show by how much two masks differ; the headline is in bold type."""
        self.found.say(headline, summary)
        self.table.show_facts(rows)

    def show_problem(self, text: str) -> None:
        """Say why nothing was compared."""
        self.found.show_nothing()
        self.found.say("", text)

    def _on_compare(self) -> None:
        self.compare_requested.emit(self.combo.currentIndex())
