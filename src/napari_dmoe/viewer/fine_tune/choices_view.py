"""How a model is tuned: how much of it, from which labels, guarded, set how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QLabel, QRadioButton, QWidget
from superqt.utils import signals_blocked

from napari_dmoe.training.tuning.presets import DEFAULT_PRESET, PRESETS
from napari_dmoe.validation import said
from napari_dmoe.viewer.ui.form import SettingsForm
from napari_dmoe.viewer.ui.parts import (
    Fold,
    button,
    column,
    heading,
    narrow_combo,
    paragraph,
    row,
    say,
    spin_box,
)

if TYPE_CHECKING:
    from napari_dmoe.training.settings import TrainSettings

_MOST_LABEL, _MOST_CASES = 254, 10_000
_INDENT = 1
_SETTINGS = (
    *("device", "epochs", "batch", "learning_rate", "loss", "dropout"),
    *("sampling", "annotated", "keep", "seed"),
)


class TuneSection(QWidget):
    """Takes the choices that are not in the settings."""

    preset_chosen = Signal()
    reading_changed = Signal()
    """The labels are to be read another way."""
    guard_chosen = Signal(int)
    n_changed = Signal()
    """Another number of phantoms is wanted."""
    full_requested = Signal()
    """So many as a verdict on every group needs are wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.presets = QButtonGroup(self)
        buttons = [QRadioButton(preset.title) for preset in PRESETS.values()]
        for place, (radio, name) in enumerate(zip(buttons, PRESETS, strict=True)):
            radio.setToolTip(PRESETS[name].description)
            self.presets.addButton(radio, place)
            radio.setChecked(name == DEFAULT_PRESET)
        self.presets.idClicked.connect(self.preset_chosen)
        self.facts = paragraph(name="tune-facts")
        self._make_reading()
        self._make_guard()
        column(
            self,
            heading("HOW TO TRAIN"),
            *buttons,
            self.facts,
            self.sparse_box,
            self._background_row,
            self.rehearsal_box,
            row(heading("GUARD"), self.guard_combo, stretch=1),
            self._n_row,
            self.guard_note,
        )
        self._on_sparse(False)
        self.offer_rehearsal(0)

    def _make_reading(self) -> None:
        """Make what says how labels are read, and what is trained on besides."""
        self.sparse_box = QCheckBox("Only painted parts count")
        self.sparse_box.setToolTip(
            "Tick it where only parts were painted: label 0 then means nothing, and "
            "the background is painted with a label of its own."
        )
        self.sparse_box.toggled.connect(self._on_sparse)
        told = "Label that the background is painted with."
        self.background_spin = spin_box("Label of the background", told, 1, _MOST_LABEL)
        self.background_spin.valueChanged.connect(self.reading_changed)
        self._background_row = row(
            _space(), QLabel("Background is label"), self.background_spin, stretch=1
        )
        self.rehearsal_box = QCheckBox()
        self.rehearsal_box.setToolTip(
            "Those that were kept earlier in this session, so that the model does not "
            "forget them."
        )

    def _make_guard(self) -> None:
        """Make what chooses a guard."""
        self.guard_combo = narrow_combo(
            "Guard",
            "Labelled cases of every patient group that are measured before and after, "
            "and never trained on. Only with them can be said that no group got worse.",
        )
        self.guard_combo.activated.connect(self.guard_chosen)
        told = "How many phantoms are drawn, every group alike."
        self.n_spin = spin_box("Number of phantoms", told, 1, _MOST_CASES)
        self.n_spin.setSuffix(" cases")
        self.n_spin.valueChanged.connect(self.n_changed)
        self.full_button = button("", "", clicked=self.full_requested)
        spin = QLabel("Drawn:"), self.n_spin
        self._n_row = row(_space(), *spin, self.full_button, stretch=2)
        self.guard_note = paragraph(name="guard-note")

    @property
    def preset(self) -> str:
        """Name of the way to tune that is chosen."""
        return list(PRESETS)[self.presets.checkedId()]

    @property
    def background(self) -> int | None:
        """Label of the background, where 0 means not annotated; else None."""
        is_sparse = self.sparse_box.isChecked()
        return int(self.background_spin.value()) if is_sparse else None

    @property
    def wants_rehearsal(self) -> bool:
        """Whether earlier cases are to be rehearsed."""
        return self.rehearsal_box.isVisibleTo(self) and self.rehearsal_box.isChecked()

    def propose_background(self, label: int) -> None:
        """Propose a label for the background: the first that is no class."""
        with signals_blocked(self.background_spin):
            self.background_spin.setValue(label)

    def offer_rehearsal(self, n: int) -> None:
        """Offer to train on so many earlier cases, too."""
        self.rehearsal_box.setText(
            f"Also train on {n} earlier {'image' if n == 1 else 'images'}"
        )
        self.rehearsal_box.setVisible(n > 0)
        if n == 0:
            self.rehearsal_box.setChecked(True)

    def offer_guards(self, titles: Sequence[str], chosen: int) -> None:
        """Offer guards; the last ones open a dialog."""
        combo = self.guard_combo
        if [combo.itemText(i) for i in range(combo.count())] != list(titles):
            combo.clear()
            combo.addItems(list(titles))
        combo.setCurrentIndex(chosen)

    def show_guard(self, note: str, n: int | None) -> None:
        """Say what a guard does; let its number be chosen, where it has one."""
        say(self.guard_note, note)
        self._n_row.setVisible(n is not None)
        if n is not None and n != self.n_spin.value():
            with signals_blocked(self.n_spin):
                self.n_spin.setValue(n)

    def offer_full(self, full: int, quick: int) -> None:
        """Offer as many phantoms as a verdict needs, and the way back; none for 0."""
        is_full = self.n_spin.value() >= full
        n = quick if is_full else full
        told = f"Draw {n}: ten or more of every group, as a verdict on each needs. "
        told += "It takes longer."
        if is_full:
            told = f"Draw {n}: a quick look, without a verdict on any group."
        self.full_button.setText(f"Use {n}")
        self.full_button.setToolTip(told)
        self.full_button.setAccessibleName(f"Use {n} guard cases")
        self.full_button.setVisible(full > 0)

    def show_facts(self, text: str) -> None:
        """Say how much work it will be."""
        say(self.facts, text)

    def _on_sparse(self, is_sparse: bool) -> None:
        self._background_row.setVisible(is_sparse)
        self.reading_changed.emit()


class TuningAdvanced(QWidget):
    """Edits the settings; made when there is a model to be tuned."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form: SettingsForm[TrainSettings] | None = None
        self.problem = paragraph(name="tuning-advanced-problem")
        content = QWidget()
        self._layout = column(content, self.problem)
        told = "Device, rounds, batch, learning rate and more."
        self.fold = Fold("Advanced", told, content)
        column(self, self.fold)
        self._devices: tuple[str, ...] = ("auto", "cpu")

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
        devices = {"device": self._devices}
        self.form = SettingsForm(settings, names=_SETTINGS, choices=devices)
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
            say(self.problem, said(error).replace("_", " "))
            return None

    def _on_changed(self) -> None:
        if self.value() is not None:
            say(self.problem, "")
        self.changed.emit()


def _space() -> QWidget:
    space = QWidget()
    space.setFixedWidth(_INDENT)
    return space
