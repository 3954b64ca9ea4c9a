"""Where a person states how large the pixels are of an image that does not say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QLabel,
    QMenu,
    QWidget,
    QWidgetAction,
)

from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.lines import LinkButton

_LEAST, _MOST, _DIGITS = 0.0001, 100.0, 4
_UNKNOWN = (
    "The pixel size of this image is not known, so areas are counted in pixels. Click "
    "to state it."
)
_FIELDS = {
    "x": ("Pixel", "Distance of neighbouring pixels along x and y, in mm."),
    "z": ("Slices", "Distance of neighbouring slices along z, in mm."),
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
        margin = 8
        parts.column(form, *rows, self.set_button).setContentsMargins(*(margin,) * 4)
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
            field.setValue(stated.get(axis, 1.0))
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

    def _on_set(self) -> None:
        side = self.fields["x"].value()
        sizes = {"y": side, "x": side}
        if not self.fields["z"].isHidden():
            sizes = {"z": self.fields["z"].value(), **sizes}
        self.popup.close()
        self.stated.emit(sizes)


def _field(name: str, tooltip: str) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setDecimals(_DIGITS)
    field.setRange(_LEAST, _MOST)
    field.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    field.setSuffix(" mm")
    field.setAccessibleName(f"{name} size")
    field.setToolTip(tooltip)
    return field
