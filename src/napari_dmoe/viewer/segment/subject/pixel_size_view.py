"""Where a person states how large the pixels are of an image that does not say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QLabel,
    QLineEdit,
    QMenu,
    QWidget,
    QWidgetAction,
)

from napari_dmoe.imaging.units import length_in_mm
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.lines import LinkButton

_LEAST, _MOST = 1e-6, 100.0
"""In mm: from electron micrographs to maps of a body."""
_MARGIN = 8
_UNKNOWN = (
    "The pixel size of this image is not known, so areas are counted in pixels. Click "
    "to state it."
)
_TOO_FAR = "A size lies between 1 nm and 100 mm."
_OR = "in mm, or with its unit, such as 50 µm."
_FIELDS = {
    "x": ("Pixel", f"Distance of neighbouring pixels along x and y, {_OR}"),
    "z": ("Slices", f"Distance of neighbouring slices along z, {_OR}"),
}


class PixelSizeButton(LinkButton):
    """Opens the fields, and tells what was entered; hidden where the size is known."""

    stated = Signal(object)
    """Sizes in mm by axis: ``{"y": 0.5, "x": 0.5}``, with z for a volume."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("mm…", parent)
        self.setAccessibleName("Pixel size")
        self.fields = {axis: _field(*words) for axis, words in _FIELDS.items()}
        self._labels = {axis: QLabel(words[0]) for axis, words in _FIELDS.items()}
        self.set_button = parts.button(
            "Set", "Write the size into the layer.", self._on_set
        )
        self.popup = QMenu(self)
        action, form = QWidgetAction(self.popup), QWidget()
        rows = [
            parts.row(self._labels[axis], field, stretch=1)
            for axis, field in self.fields.items()
        ]
        self.problem = parts.line(name="pixel-size-problem")
        self.problem.setMinimumWidth(
            self.problem.fontMetrics().horizontalAdvance(f"Slices: {_TOO_FAR}")
        )
        for field in self.fields.values():
            field.textChanged.connect(self._on_text)
            field.returnPressed.connect(self.set_button.click)
        column = parts.column(form, *rows, self.problem, self.set_button)
        column.setContentsMargins(*(_MARGIN,) * 4)
        action.setDefaultWidget(form)
        self.popup.addAction(action)
        self.clicked.connect(self._on_clicked)
        self.show_size((), {}, is_offered=False)

    def show_size(
        self, axes: Sequence[str], stated: Mapping[str, float], *, is_offered: bool
    ) -> None:
        """Offer to state the size along some axes, and show what was stated before."""
        self.setVisible(is_offered)
        for axis, field in self.fields.items():
            for part in (field, self._labels[axis]):
                part.setVisible(axis in axes)
            field.setText(f"{stated[axis]:g}" if axis in stated else "")
        self._on_text()
        said = " × ".join(f"{stated[axis]:g}" for axis in axes if axis in stated)
        self.setToolTip(
            f"Pixel size as you stated it: {said} mm. Click to change it."
            if said
            else _UNKNOWN
        )

    def _on_clicked(self) -> None:
        self.popup.popup(self.mapToGlobal(self.rect().bottomLeft()))
        self.fields["x"].setFocus(Qt.FocusReason.PopupFocusReason)
        self.fields["x"].selectAll()

    def _on_text(self) -> None:
        parts.tell(self.problem, "")

    def _on_set(self) -> None:
        """Pass on what was written; say why it is no size, and pass on nothing."""
        sizes = {}
        for axis, field in self.fields.items():
            if field.isHidden():
                continue
            try:
                sizes[axis] = _size(field.text())
            except ValueError as error:
                parts.tell(self.problem, f"{_FIELDS[axis][0]}: {error}")
                field.setFocus()
                return
        self.popup.close()
        self.stated.emit({**sizes, "y": sizes["x"]})


def _size(text: str) -> float:
    """Read a size in mm; raises ``ValueError`` for what is none."""
    length = length_in_mm(text)
    if not _LEAST <= length <= _MOST:
        raise ValueError(_TOO_FAR)
    return length


class _Field(QLineEdit):
    """Keeps Return to itself: the menu around it would close."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take a key, and let no other widget have it if it is Return."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


def _field(name: str, tooltip: str) -> QLineEdit:
    field = _Field()
    field.setPlaceholderText("mm")
    field.setAccessibleName(f"{name} size")
    field.setToolTip(tooltip)
    return field
