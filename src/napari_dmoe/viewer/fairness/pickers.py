"""The left of the dock: what is audited, and what starts it; in one column or two."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_dmoe.viewer.ui.parts import ScrollColumn, column

_LEAST = 240
_BETWEEN = 8


class Pickers(QWidget):
    """Shows the sections below each other, or beside each other where it is wide.

    The foot stays where it is, below what is compared.
    """

    def __init__(self, cohort: QWidget, compared: QWidget, foot: QWidget) -> None:
        super().__init__()
        self.is_wide = False
        self._compared = compared
        self._first, self._second = ScrollColumn(), ScrollColumn()
        self._first.stack(cohort, compared)
        self._second.stack()
        self._side = QWidget()
        column(self._side, self._second, foot).setStretch(0, 1)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._row = QHBoxLayout()
        self._row.setSpacing(_BETWEEN)
        self._layout.addLayout(self._row, stretch=1)
        self._row.addWidget(self._first, stretch=1)
        self._layout.addWidget(self._side)
        self._second.hide()
        self.setMinimumWidth(_LEAST)

    def spread(self, is_wide: bool) -> None:
        """Lay the sections out in two columns, or in one."""
        if is_wide == self.is_wide:
            return
        self.is_wide = is_wide
        target = self._second if is_wide else self._first
        content = target.widget()
        layout = None if content is None else content.layout()
        if isinstance(layout, QVBoxLayout):
            layout.insertWidget(layout.count() - 1, self._compared)
        self._second.setVisible(is_wide)
        if is_wide:
            self._row.addWidget(self._side, stretch=1)
        else:
            self._layout.addWidget(self._side)
