"""What a run found: sizes, the cup-to-disc ratio, and the experts of a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QWidget,
)
from superqt import QLabeledSlider

from napari_dmoe.viewer.widgets._parts import column, heading, paragraph, row, say

_SWATCH = 12
_DASH_THAT_MAY_BREAK = "–\u200b"  # with a space of no width, for narrow docks


@dataclass(frozen=True)
class ResultRow:
    """One line of the table.

    Parameters
    ----------
    name : str
        What was measured.
    value : str
        With its unit.
    span : str
        Over the values of an unknown driver; empty for a known one.
    colour : tuple of int, optional
        Colour of the class in the mask.
    """

    name: str
    value: str
    span: str = ""
    colour: tuple[int, int, int] | None = None


class ResultSection(QWidget):
    """Shows what a mask measures, and tells which block's experts are wanted."""

    block_chosen = Signal(int)
    experts_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.summary = paragraph("No result yet.", name="result-summary")
        self.outdated = paragraph(name="result-outdated")
        self.notices = paragraph(name="result-notices")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the table as text, with tabs.")
        self.copy_button.clicked.connect(self._on_copy)
        self.experts_box = QCheckBox("Show experts of block")
        self.experts_box.setToolTip(
            "Shows which expert has the largest gate at each token. Blocks and experts "
            "are counted from 0."
        )
        self.experts_box.toggled.connect(self.experts_toggled)
        self.block_slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.block_slider.setAccessibleName("Block")
        self.block_slider.setToolTip("Block whose experts are shown, counted from 0.")
        self.block_slider.valueChanged.connect(self.block_chosen)
        self._rows: list[ResultRow] = []
        self._labels: list[QLabel] = []
        self._table = QWidget()
        self._grid = QGridLayout(self._table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setColumnStretch(3, 1)
        self._experts = row(self.experts_box, self.block_slider, stretch=1)
        column(
            self,
            row(heading("RESULT"), self.copy_button),
            self.summary,
            self.outdated,
            self._table,
            self._experts,
            self.notices,
        )
        self.show_nothing()

    def show_nothing(self) -> None:
        """Say that there is no result."""
        self._show_rows(())
        say(self.summary, "No result yet.")
        say(self.outdated, "")
        say(self.notices, "")
        self._experts.setVisible(False)

    def show_result(
        self,
        summary: str,
        rows: Sequence[ResultRow],
        *,
        outdated: str = "",
        notices: Sequence[str] = (),
    ) -> None:
        """Show what was found.

        Parameters
        ----------
        summary : str
            What the mask was made for.
        rows : sequence of ResultRow
            The table.
        outdated : str
            Why it does not belong to what is entered now; empty where it does.
        notices : sequence of str
            What a person should know about the run.
        """
        say(self.summary, summary)
        say(self.outdated, outdated)
        say(self.notices, "\n".join(notices))
        self._show_rows(rows)

    def show_experts(self, *, n_blocks: int, block: int, is_visible: bool) -> None:
        """Show which block's experts are shown; nothing where there are no blocks."""
        self._experts.setVisible(n_blocks > 0)
        for widget in (self.block_slider, self.experts_box):
            widget.blockSignals(True)
        self.block_slider.setRange(0, max(n_blocks - 1, 0))
        self.block_slider.setValue(block)
        self.block_slider.setEnabled(n_blocks > 1)
        self.experts_box.setChecked(is_visible)
        for widget in (self.block_slider, self.experts_box):
            widget.blockSignals(False)

    def text(self) -> str:
        """Return what is shown as text, with tabs between the columns."""
        head = [self.summary.text(), self.outdated.text()]
        lines = ["\t".join((r.name, r.value, r.span)).rstrip() for r in self._rows]
        return "\n".join(part for part in (*head, *lines) if part)

    def _show_rows(self, rows: Sequence[ResultRow]) -> None:
        self._rows = list(rows)
        for label in self._labels:
            self._grid.removeWidget(label)
            label.hide()
            label.deleteLater()
        self._labels = []
        for number, entry in enumerate(rows):
            value = QLabel(entry.value)
            value.setAlignment(
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            )
            span = QLabel(entry.span.replace("–", _DASH_THAT_MAY_BREAK))
            span.setWordWrap(True)
            span.setToolTip("From the least to the most over the driver's values.")
            parts = (_swatch(entry.colour), QLabel(entry.name), value, span)
            for place, label in enumerate(parts):
                self._grid.addWidget(label, number, place)
                self._labels.append(label)
        self._table.setVisible(bool(rows))
        self.copy_button.setVisible(bool(rows))

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text())


def _swatch(colour: tuple[int, int, int] | None) -> QLabel:
    label = QLabel()
    if colour is not None:
        pixmap = QPixmap(_SWATCH, _SWATCH)
        pixmap.fill(QColor(*colour))
        label.setPixmap(pixmap)
    return label
