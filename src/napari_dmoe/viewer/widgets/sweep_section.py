"""What another patient would have got: which driver to sweep, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QListWidget,
    QPushButton,
    QWidget,
)
from superqt import QLabeledSlider

from napari_dmoe.viewer.widgets._parts import (
    column,
    heading,
    narrow_combo,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.widgets.start_button import StartButton
from napari_dmoe.viewer.widgets.wide_table import WideTable

_HELP = (
    "Segments the image for every value of what drives the model, and shows what "
    "changes. It says how this model behaves, not how patients differ."
)
NOTHING = "Runs the image for every value of a driver, whoever the patient is."
MAPS = ("no map", "where the label changes", "entropy of the votes")
_REGIONS_SEEN = 5
_ANIMATION_MS = 600


@dataclass(frozen=True)
class SweepView:
    """What the section shows of a sweep.

    Parameters
    ----------
    summary : str
        One sentence, and what must be said with it.
    steps : tuple of str
        What each step of the slider shows.
    current : int
        The step at first.
    rows : tuple of mappings
        A line a value.
    regions : tuple of str
        Regions that flip, the largest first.
    """

    summary: str = ""
    steps: tuple[str, ...] = ()
    current: int = 0
    rows: tuple[Mapping[str, str], ...] = ()
    regions: tuple[str, ...] = ()


class SweepSection(QWidget):
    """Tells what is to be swept, and shows what came of it."""

    sweep_requested = Signal(int, bool)
    """Place in the list of drivers, and whether to go between trained values, too."""
    step_chosen = Signal(int)
    map_chosen = Signal(int)
    """Place in :data:`MAPS`."""
    region_activated = Signal(int)
    picture_requested = Signal()
    save_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps: tuple[str, ...] = ()
        self.combo: QComboBox = narrow_combo("Driver", _HELP)
        self.combo.currentIndexChanged.connect(self._on_driver)
        self.button = StartButton("Sweep")
        self.button.clicked.connect(self._on_sweep)
        self.between_box = QCheckBox("Also between trained values")
        self.between_box.setToolTip(
            "Adds steps between neighbouring values, with routers between theirs. They "
            "were never trained, and are marked."
        )
        self._between: tuple[bool, ...] = ()
        self.summary = paragraph(NOTHING, name="sweep-summary")
        self.outdated = paragraph(name="sweep-outdated")
        self.slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Value")
        self.slider.setToolTip("Goes through the masks of all values.")
        self.slider.setEdgeLabelMode(QLabeledSlider.EdgeLabelMode.NoLabel)
        self.slider.valueChanged.connect(self._on_slider)
        self.play_button = _button("▶", "Play through the values; again, and it stops.")
        self.play_button.setCheckable(True)
        self.play_button.setAccessibleName("Play")
        self.play_button.toggled.connect(self._on_play)
        self.step_label = paragraph(" ", name="sweep-step")
        self.table = WideTable(
            "Values", "One line a value; ● is the patient's own. A click shows it."
        )
        self.table.currentCellChanged.connect(self._on_cell)
        self.map_combo = narrow_combo("Map", "What the values disagree about.")
        self.map_combo.addItems(MAPS)
        self.map_combo.activated.connect(self.map_chosen)
        self.regions = QListWidget()
        self.regions.setAccessibleName("Regions that flip")
        self.regions.setToolTip(
            "Regions whose class depends on the value, the largest first. Double-click "
            "one, or press Enter, to go there."
        )
        self.regions.setMinimumWidth(1)
        self.regions.activated.connect(self._on_region)
        self.copy_button = _button("Copy", "Copy the table as text, with tabs.")
        self.copy_button.clicked.connect(self._on_copy)
        self.grid_button = _button("Grid…", "Show all masks side by side.")
        self.grid_button.clicked.connect(self.picture_requested)
        self.save_button = _button(
            "Save…", "Save masks, maps, table, picture and records into a folder."
        )
        self.save_button.clicked.connect(self.save_requested)
        self._timer = QTimer(self)
        self._timer.setInterval(_ANIMATION_MS)
        self._timer.timeout.connect(self._on_tick)
        self._found = QWidget()
        self._lay_out()
        self.offer((), between=(), why_not="")
        self.show_sweep(SweepView())

    def _lay_out(self) -> None:
        column(
            self._found,
            row(self.slider, self.play_button),
            self.step_label,
            self.table,
            row(self.copy_button, self.grid_button, self.save_button),
            row(heading("Map"), self.map_combo, stretch=1),
            self.regions,
        )
        column(
            self,
            heading("ANOTHER PATIENT"),
            row(self.combo, self.button),
            self.between_box,
            self.summary,
            self.outdated,
            self._found,
        )

    def offer(
        self, drivers: Sequence[str], *, between: Sequence[bool], why_not: str
    ) -> None:
        """Offer what can be swept, or say why nothing can be.

        Parameters
        ----------
        drivers : sequence of str
            Drivers, and pairs of them.
        between : sequence of bool
            Whether the values of each have an order, so that there is a between.
        why_not : str
            Why nothing can be swept; empty where something can.
        """
        chosen = self.combo.currentText()
        self._between = tuple(between)
        self.combo.clear()
        self.combo.addItems(list(drivers))
        self.combo.setCurrentIndex(max(self.combo.findText(chosen), 0))
        self.button.setEnabled(bool(drivers) and not why_not)
        self.button.setToolTip(why_not or _HELP)
        self._on_driver(self.combo.currentIndex())

    def show_sweep(self, view: SweepView) -> None:
        """Show a sweep; nothing of one without steps."""
        self._steps = view.steps
        self.play_button.setChecked(False)
        say(self.summary, view.summary or NOTHING)
        self._found.setVisible(bool(view.steps))
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(len(view.steps) - 1, 0))
        self.slider.setValue(view.current)
        self.slider.blockSignals(False)
        self._say_step(view.current)
        self.table.blockSignals(True)
        self.table.show_rows(view.rows)
        self.table.blockSignals(False)
        self.map_combo.setCurrentIndex(0)
        self.regions.clear()
        self.regions.addItems(list(view.regions))
        self.regions.setVisible(bool(view.regions))
        line = self.regions.sizeHintForRow(0) if view.regions else 0
        n_lines = min(len(view.regions), _REGIONS_SEEN)
        bar = self.regions.horizontalScrollBar().sizeHint().height()
        around = 2 * self.regions.frameWidth() + bar + 4
        self.regions.setFixedHeight(line * n_lines + around)

    def show_step(self, step: int) -> None:
        """Show which step the viewer is at; nothing is told."""
        self.slider.blockSignals(True)
        self.slider.setValue(step)
        self.slider.blockSignals(False)
        self._say_step(step)

    def show_outdated(self, text: str) -> None:
        """Say why the sweep is not of what is entered now; nothing if it is."""
        say(self.outdated, text)

    def _say_step(self, step: int) -> None:
        if 0 <= step < len(self._steps):
            say(self.step_label, self._steps[step])

    def _on_driver(self, place: int) -> None:
        is_ordered = 0 <= place < len(self._between) and self._between[place]
        self.between_box.setVisible(is_ordered)

    def _on_sweep(self) -> None:
        between = self.between_box.isChecked() and self.between_box.isVisibleTo(self)
        self.sweep_requested.emit(self.combo.currentIndex(), between)

    def _on_slider(self, step: int) -> None:
        self._say_step(step)
        self.step_chosen.emit(step)

    def _on_cell(self, line: int, *_: int) -> None:
        if line >= 0:
            name = self.table.item(line, 0).text().rstrip(" ●")
            place = next((i for i, s in enumerate(self._steps) if s == name), line)
            self.slider.setValue(place)

    def _on_play(self, is_on: bool) -> None:
        if is_on:
            self._timer.start()
        else:
            self._timer.stop()

    def _on_tick(self) -> None:
        n_steps = len(self._steps)
        self.slider.setValue((self.slider.value() + 1) % max(n_steps, 1))

    def _on_region(self) -> None:
        if self.regions.currentRow() >= 0:
            self.region_activated.emit(self.regions.currentRow())

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.summary.text()}\n{self.table.text()}")


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button
