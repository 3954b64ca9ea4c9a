"""A small table of what each label of a layer stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QWidget

from napari_dmoe.inference.pictures.colours import Rgb
from napari_dmoe.viewer.ui import parts

UNKNOWN = "choose …"
_HELP = (
    "What this label stands for. It is used where the labels are a truth, and to "
    "fine-tune; it is kept in the layer, which stays as it is."
)


@dataclass(frozen=True)
class LabelRow:
    """A label, and what it stands for."""

    label: int
    n: int
    """How many pixels have it."""
    colour: Rgb
    means: str = ""
    """A class's name or what else is offered; empty while nobody said it."""
    name: str = ""
    """What the layer calls it; empty where that says nothing."""

    @property
    def title(self) -> str:
        """Its number, and what it is called."""
        return f"{self.label} {self.name}".rstrip()


class LabelMeaningsSection(QWidget):
    """Shows the labels of a layer, and tells what each is said to stand for."""

    meaning_chosen = Signal(int, str)
    """A label, and the name of its class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.said = parts.paragraph(name="label-meanings")
        self.combos: dict[int, QComboBox] = {}
        self._grid = QGridLayout(table := QWidget())
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(3, 1)
        self._shown: tuple[Sequence[LabelRow], Sequence[str]] = ((), ())
        parts.column(self, parts.heading("LABELS"), self.said, table)
        self.show_labels("", (), ())

    def show_labels(
        self, said: str, rows: Sequence[LabelRow], names: Sequence[str]
    ) -> None:
        """Show labels that may stand for some names; nothing without any."""
        self.setVisible(bool(rows))
        parts.say(self.said, said)
        if (tuple(rows), tuple(names)) == self._shown:
            return
        self._shown = tuple(rows), tuple(names)
        self._clear()
        for place, row in enumerate(rows):
            self._add(place, row, names)

    def _clear(self) -> None:
        self.combos = {}
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def _add(self, place: int, row: LabelRow, names: Sequence[str]) -> None:
        swatch = QLabel()
        swatch.setPixmap(parts.swatch(row.colour))
        combo = parts.narrow_combo(f"Label {row.label}", _HELP)
        if not row.means:
            combo.addItem(UNKNOWN)
        for name in names:
            combo.addItem(name)
        combo.setCurrentText(row.means or UNKNOWN)
        combo.setObjectName(str(row.label))
        combo.textActivated.connect(self._on_chosen)
        self.combos[row.label] = combo
        # Beside a name the list of classes would have no place for how many there are.
        number, count = QLabel(row.title), QLabel("" if row.name else f"{row.n:,}")
        for label in (number, count):
            label.setToolTip(f"{row.n:,} pixels have this label.")
        shown = swatch, number, count, combo
        for column, widget in enumerate(shown):
            self._grid.addWidget(widget, place, column)

    def _on_chosen(self, name: str) -> None:
        if name != UNKNOWN:
            self.meaning_chosen.emit(int(self.sender().objectName()), name)
