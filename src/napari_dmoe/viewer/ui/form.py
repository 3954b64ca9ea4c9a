"""A form for the fields of a settings model: labels, help and bounds come from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from magicgui.widgets import create_widget
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_dmoe.viewer.ui.parts import LARGEST_INTEGER

Settings = TypeVar("Settings", bound=BaseModel)

_SMALL_NUMBER = 0.1


class SettingsForm(QWidget, Generic[Settings]):
    """Edits the fields `names` of one settings object; the others keep their values.

    `choices` are values to choose from, for fields whose type does not say it.
    """

    changed = Signal()

    def __init__(
        self,
        settings: Settings,
        *,
        names: Iterable[str],
        choices: Mapping[str, tuple[str, ...]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self.inputs: dict[str, Any] = {}
        """The magicgui widget of each field, by name."""
        fields = type(settings).model_fields
        layout = QFormLayout(self)
        layout.setContentsMargins(4, 4, 0, 4)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name in names:
            widget = _widget(name, fields[name], getattr(settings, name), choices or {})
            widget.changed.connect(self._on_changed)
            # A tick box has its label behind it.
            is_box = fields[name].annotation is bool
            layout.addRow("" if is_box else widget.label, widget.native)
            self.inputs[name] = widget

    def value(self) -> Settings:
        """Return the settings as they stand in the form."""
        entered = {name: widget.value for name, widget in self.inputs.items()}
        kind = type(self._settings)
        return kind.model_validate(self._settings.model_dump() | entered)

    def set_choices(self, name: str, values: tuple[str, ...]) -> None:
        """Offer other values for a field; the one that is chosen stays if it can."""
        with self.inputs[name].changed.blocked():
            self.inputs[name].choices = values

    def _on_changed(self, value: object) -> None:
        self.changed.emit()


def _widget(
    name: str, field: FieldInfo, value: Any, choices: Mapping[str, tuple[str, ...]]
) -> Any:
    said = field.description or ""
    options: dict[str, Any] = {"tooltip": said[:1].upper() + said[1:]}
    if name in choices or get_origin(field.annotation) is Literal:
        offered = choices.get(name) or get_args(field.annotation)
        options |= {"choices": offered, "widget_type": "ComboBox"}
    elif field.annotation is int:
        options |= _bounds(field)
    elif field.annotation is float and 0 < value < _SMALL_NUMBER:
        # Its box would round it to two decimals.
        options["step"] = 10 ** (math.floor(math.log10(value)) - 1)
    label, kind = field.title or name, field.annotation
    widget = create_widget(value, kind, name=name, label=label, options=options)
    widget.native.setAccessibleName(label)
    return widget


def _bounds(field: FieldInfo) -> dict[str, int]:
    least = [rule.ge for rule in field.metadata if hasattr(rule, "ge")]
    most = [rule.le for rule in field.metadata if hasattr(rule, "le")]
    return {"min": [0, *least][-1], "max": [LARGEST_INTEGER, *most][-1]}
