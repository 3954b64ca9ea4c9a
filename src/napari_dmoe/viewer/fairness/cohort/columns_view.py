"""What each column of the table means, to be put right where it was misunderstood."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QWidget
from superqt import QElidingLabel

from napari_dmoe.viewer.fairness.cohort.reading import Meaning, ReadColumn
from napari_dmoe.viewer.ui.parts import narrow_combo, offer

_NAME_SHARE, _MEANING_SHARE = 2, 3


class ColumnsView(QWidget):
    """A line for each column, with all that it may mean."""

    stated = Signal(str, str)
    """A column, and what a person says that it means."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combos: dict[str, QComboBox] = {}
        """What each column means, by its name."""
        self._labels: dict[str, QElidingLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(0, _NAME_SHARE)
        self._grid.setColumnStretch(1, _MEANING_SHARE)

    def show_columns(
        self, columns: Sequence[ReadColumn], meanings: Sequence[Meaning]
    ) -> None:
        """Show what the columns mean, as far as anybody knows."""
        names = [each.name for each in columns]
        if list(self.combos) != names:
            self._make_lines(names)
        titles, keys = [each.title for each in meanings], [e.key for e in meanings]
        for place, each in enumerate(columns):
            label, combo = self._labels[each.name], self.combos[each.name]
            offer(combo, titles, keys)
            combo.setCurrentIndex(keys.index(each.meaning))
            for side, part in enumerate((label, combo)):
                part.setToolTip(each.help)
                self._grid.addWidget(part, place, side)
                part.show()  # Qt would do so later, and the line is as high only then

    def _make_lines(self, names: Sequence[str]) -> None:
        for part in (*self._labels.values(), *self.combos.values()):
            part.hide()
            part.deleteLater()
        self._labels = {name: QElidingLabel(name) for name in names}
        self.combos = {name: self._combo(name) for name in names}

    def _combo(self, name: str) -> QComboBox:
        combo = narrow_combo(
            f"Meaning of {name}", "What this column means; choose to correct it."
        )
        combo.activated.connect(
            lambda place: self.stated.emit(name, combo.itemData(place))
        )
        return combo
