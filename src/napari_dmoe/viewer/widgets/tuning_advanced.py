"""The settings of a tuning that few people change, folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.form import SettingsForm
from napari_dmoe.viewer.ui.parts import column, paragraph, say
from napari_dmoe.viewer.widgets.fold import Fold

if TYPE_CHECKING:
    from napari_dmoe.training.settings import TrainSettings

_NAMES = (
    *("device", "epochs", "batch", "learning_rate", "loss", "dropout"),
    *("sampling", "annotated", "keep", "seed"),
)
_DEVICES = ("auto", "cpu")


class TuningAdvanced(QWidget):
    """Edits the settings; made when there is a model to be tuned."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form: SettingsForm[TrainSettings] | None = None
        self.problem = paragraph(name="tuning-advanced-problem")
        self._content = QWidget()
        self._layout = column(self._content, self.problem)
        self.fold = Fold(
            "Advanced", "Device, rounds, batch, learning rate and more.", self._content
        )
        column(self, self.fold)
        self._devices: tuple[str, ...] = _DEVICES

    def offer_devices(self, names: tuple[str, ...]) -> None:
        """Offer devices."""
        self._devices = names
        if self.form is not None:
            self.form.set_choices("device", names)

    def show_settings(self, settings: TrainSettings) -> None:
        """Show other settings."""
        if self.form is not None:
            self._layout.removeWidget(self.form)
            self.form.hide()
            self.form.deleteLater()
        self.form = SettingsForm(
            settings, names=_NAMES, choices={"device": self._devices}
        )
        self.form.changed.connect(self._on_changed)
        self._layout.addWidget(self.form)
        say(self.problem, "")

    def value(self) -> TrainSettings | None:
        """Return the settings; None where there is no model, or they cannot be."""
        if self.form is None:
            return None
        try:
            return self.form.value()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0]).replace("_", " ")
            say(self.problem, f"{name}: {first['msg'].lower()}")
            return None

    def _on_changed(self) -> None:
        if self.value() is not None:
            say(self.problem, "")
        self.changed.emit()
