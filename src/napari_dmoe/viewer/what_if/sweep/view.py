"""What another patient would have got: which driver to sweep, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QWidget
from superqt import QLabeledSlider
from superqt.utils import signals_blocked

from napari_dmoe.inference.pictures.colours import ColourKey
from napari_dmoe.viewer.rows import Column, Line
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.colours import ColourBar
from napari_dmoe.viewer.ui.lists import WrappingList
from napari_dmoe.viewer.ui.parts import StartButton, button, column, paragraph, row, say
from napari_dmoe.viewer.ui.tables import Table
from napari_dmoe.viewer.ui.turns import is_free
from napari_dmoe.viewer.what_if.sweep.rows import UNTRAINED

_HELP = (
    "Segments the image for every value of this attribute, and shows what changes. "
    "Other attributes stay as the patient has them. It says how this model behaves, "
    "not how patients differ."
)
_BETWEEN_HELP = (
    "Steps between neighbouring values have routers between theirs. They were never "
    "trained, and are marked."
)
NOTHING = "How would the mask be if one attribute of the patient were another?"
REMOVED = "The layer with the masks of all values is gone."
HIDDEN = "These masks are hidden: move the slider to see them."
MAPS = ("no map", "for how many values it differs", "how much the values disagree")
_PLAY, _PAUSE = "▶", "❚❚"  # fonts often lack the one pause sign
_UNFOLD, _FOLD = "Show small regions", "Fold small regions away"
_ANIMATION_MS = 600


@dataclass(frozen=True)
class SweepView:
    """What the section shows of a sweep."""

    headline: str = ""
    """Whether what was swept matters here, in one sentence."""
    summary: str = ""
    """What stands behind it, and what must be said with it."""
    steps: tuple[str, ...] = ()
    """What each step of the slider shows."""
    current: int = 0
    """The step at first."""
    rows: tuple[Mapping[str, str], ...] = ()
    """A line a value."""
    notice: str = ""
    """What must be said of the model."""
    note: str = ""
    """What the values are compared with."""
    row_notes: tuple[str, ...] = ()
    """What no training case of each line's value had; empty where some had it."""
    column_help: Mapping[str, str] = field(default_factory=dict)
    """What the columns of the rows mean."""
    regions: tuple[str, ...] = ()
    """Regions that flip, the largest first."""
    small: tuple[int, ...] = ()
    """Places of those that are folded away."""
    folded: str = ""
    """How many they are, and why."""


class SweepSection(QWidget):
    """Tells what is to be swept, and shows what came of it."""

    sweep_requested = Signal(int)
    """Place in the list of what can be swept."""
    layer_requested = Signal()
    """The masks, whose layer was removed, are wanted again."""
    picture_requested = Signal()
    save_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = parts.narrow_combo("Attribute", f"{_HELP} {_BETWEEN_HELP}")
        self.button = button("Sweep", "", self._on_sweep, StartButton)
        self.headline = paragraph(name="sweep-headline")
        parts.emphasise(self.headline)
        self.summary = paragraph(NOTHING, name="sweep-summary")
        self.removed = paragraph(REMOVED, name="sweep-removed")
        self.again_button = button(
            "Show again", "Put the masks into a layer again.", self.layer_requested
        )
        self.found = SweepFound()
        self.copy_button = button(
            "Copy", "Copy the table as text, with tabs.", self._on_copy
        )
        self.grid_button = button(
            "Grid…", "Show all masks side by side.", self.picture_requested, StartButton
        )
        self.save_button = button(
            "Save…",
            "Save masks, maps, table, picture and records into a folder.",
            self.save_requested,
        )
        self._lay_out()
        self.offer((), "")
        self.show_sweep(SweepView())

    def _lay_out(self) -> None:
        exports = self.copy_button, self.grid_button, self.save_button
        column(self.found.buttons, parts.flow(*exports))
        self._removed = QWidget()
        column(self._removed, self.removed, self.again_button)
        title, inputs = parts.heading("ANOTHER PATIENT"), row(self.combo, self.button)
        texts = self.headline, self.summary
        column(self, title, *texts, inputs, self._removed, self.found)

    def offer(self, titles: Sequence[str], why_not: str) -> None:
        """Offer what can be swept, or say why nothing can."""
        chosen = self.combo.currentText()
        parts.offer(self.combo, titles)
        self.combo.setCurrentIndex(max(self.combo.findText(chosen), 0))
        self.button.setEnabled(bool(titles) and not why_not)
        self.button.setToolTip(why_not or _HELP)

    def show_sweep(self, view: SweepView) -> None:
        """Show a sweep; nothing of one without steps."""
        say(self.headline, view.headline)
        say(self.summary, view.summary or NOTHING)
        self._removed.setVisible(False)
        self.found.show_sweep(view)

    def show_removed(self) -> None:
        """Say that the masks are no longer there, and offer to show them again."""
        self.found.stop()
        self.found.setVisible(False)
        self._removed.setVisible(True)

    def show_there(self) -> None:
        """Show what came of the sweep again: its masks are back."""
        self._removed.setVisible(False)
        self.found.setVisible(True)

    def _on_sweep(self) -> None:
        self.sweep_requested.emit(self.combo.currentIndex())

    def _on_copy(self) -> None:
        texts = self.headline.text(), self.summary.text(), self.found.text()
        parts.copy_text("\n".join(filter(None, texts)))


class SweepFound(QWidget):
    """Shows what came of a sweep; hidden without one."""

    step_chosen = Signal(int)
    map_chosen = Signal(int)
    """Place in :data:`MAPS`."""
    region_activated = Signal(int)
    """Place among all regions, folded away or not."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps: tuple[str, ...] = ()
        self._values: list[str] = []
        self._view = SweepView()
        self._places: list[int] = []
        self._make_player()
        self.step_label = paragraph(" ", name="sweep-step")
        self.hidden = paragraph(name="sweep-hidden")
        self.outdated = paragraph(name="sweep-outdated")
        parts.emphasise(self.outdated)
        self.notice = paragraph(name="sweep-notice")
        self.note = paragraph(name="sweep-note")
        self.table = Table(
            "Values", "One line a value; ● is the patient's own. A click shows it."
        )
        self.table.line_chosen.connect(self._on_line)
        self.map_combo = parts.narrow_combo(
            "Map", "Where the masks of the values differ."
        )
        self.map_combo.addItems(MAPS)
        self.map_combo.activated.connect(self.map_chosen)
        self.bar = ColourBar()
        self.map_help = paragraph(name="sweep-map")
        self._make_regions()
        self.buttons = QWidget()
        texts = self.step_label, self.hidden, self.outdated, self.note, self.notice
        column(
            self,
            row(self.slider, self.play_button),
            *(*texts, self.table, self.buttons),
            row(parts.heading("Map"), self.map_combo, stretch=1),
            *(self.bar, self.map_help, self.regions_heading, self.regions),
            *(self.folded, row(self.fold_button, QWidget(), stretch=1)),
        )

    def _make_regions(self) -> None:
        """Make the list of regions, and what folds the small ones away."""
        self.regions_heading = parts.heading("Regions that change class")
        self.regions = WrappingList(
            "Regions that change class",
            "Regions whose class depends on the value, the largest first. Double-click "
            "one, or press Enter, to see it, with a value that changes it.",
        )
        self.regions.activated.connect(self._on_region)
        self.folded = paragraph(name="sweep-folded")
        self.fold_button = button(
            _UNFOLD, "Lists the small regions, too, or folds them away.", self._on_fold
        )

    def _make_player(self) -> None:
        """Make what goes through the values."""
        self.slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Value")
        self.slider.setToolTip("Goes through the masks of all values.")
        self.slider.setEdgeLabelMode(QLabeledSlider.EdgeLabelMode.NoLabel)
        self.slider.valueChanged.connect(self._on_slider)
        self.play_button = button(
            _PLAY, "Play through the values; again, and it stops."
        )
        self.play_button.setCheckable(True)
        self.play_button.setAccessibleName("Play")
        self.play_button.toggled.connect(self._on_play)
        self._timer = QTimer(self)
        self._timer.setInterval(_ANIMATION_MS)
        self._timer.timeout.connect(self._on_tick)

    def show_sweep(self, view: SweepView) -> None:
        """Show a sweep; nothing of one without steps."""
        self._steps = view.steps
        self.stop()
        self.setVisible(bool(view.steps))
        with signals_blocked(self.slider):
            self.slider.setRange(0, max(len(view.steps) - 1, 0))
        self.show_step(view.current)
        names, helps = view.rows[0] if view.rows else (), view.column_help
        self._values = [next(iter(line.values())) for line in view.rows]
        self.table.show_lines(
            list(map(_line, view.rows, view.row_notes or [""] * len(view.rows))),
            [Column(name, name, helps.get(name, "")) for name in names],
        )
        say(self.note, view.note)
        say(self.notice, view.notice)
        self._view = view
        self.show_map(0)
        self._list_regions(with_small=False)

    def _list_regions(self, *, with_small: bool) -> None:
        """List the regions; of small ones only how many there are, unless asked for."""
        view = self._view
        places = range(len(view.regions))
        self._places = [i for i in places if with_small or i not in view.small]
        self.regions.show_lines([view.regions[i] for i in self._places])
        self.regions_heading.setVisible(bool(view.regions))
        say(self.folded, "" if with_small else view.folded)
        self.fold_button.setText(_FOLD if with_small else _UNFOLD)
        self.fold_button.setVisible(bool(view.small))

    def _on_fold(self) -> None:
        self._list_regions(with_small=self.fold_button.text() == _UNFOLD)

    def show_step(self, step: int) -> None:
        """Show which step the viewer is at; nothing is told."""
        with signals_blocked(self.slider):
            self.slider.setValue(step)
        self._say_step(step)

    def show_map(self, place: int, key: ColourKey | None = None) -> None:
        """Show which map is seen, and what it means."""
        self.map_combo.setCurrentIndex(place)
        self.bar.show_key(key)
        said = "" if key is None else f"{key.title} {self._view.headline}"
        say(self.map_help, said.strip())

    def show_hidden(self, is_hidden: bool) -> None:
        """Say that the masks are not seen."""
        say(self.hidden, HIDDEN if is_hidden else "")

    def show_outdated(self, text: str) -> None:
        """Say why the sweep is not of what is entered now; nothing if it is."""
        say(self.outdated, text)
        self.table.show_outdated(bool(text))

    def stop(self) -> None:
        """Play no longer."""
        self.play_button.setChecked(False)

    def text(self) -> str:
        """Return the table and what it says, with tabs between the columns."""
        lines = (self.outdated.text(), self.note.text(), self.table.text())
        return "\n".join(filter(None, lines))

    def _say_step(self, step: int) -> None:
        if 0 <= step < len(self._steps):
            say(self.step_label, self._steps[step])

    def _on_slider(self, step: int) -> None:
        self._say_step(step)
        self.step_chosen.emit(step)

    def _on_line(self, line: int) -> None:
        """Show a value's mask, even where the slider is at it already."""
        name = self._values[line].removesuffix(" ●")
        if name in self._steps:
            step = self._steps.index(name)
            self.show_step(step)
            self.step_chosen.emit(step)

    def _on_play(self, is_on: bool) -> None:
        self.play_button.setText(_PAUSE if is_on else _PLAY)
        self.play_button.setAccessibleName("Pause" if is_on else "Play")
        if is_on:
            self._timer.start()
            self.step_chosen.emit(self.slider.value())
        else:
            self._timer.stop()

    def _on_tick(self) -> None:
        if is_free():
            self.slider.setValue((self.slider.value() + 1) % max(len(self._steps), 1))

    def _on_region(self) -> None:
        if self.regions.currentRow() >= 0:
            self.region_activated.emit(self._places[self.regions.currentRow()])


def _line(cells: Mapping[str, str], note: str) -> Line:
    """Return a line, its value marked where there is something to be known of it."""
    if not note:
        return Line(cells, help=cells)
    helps = {key: f"{text}. {note}" for key, text in cells.items()}
    first = next(iter(cells))
    return Line({**cells, first: f"{cells[first]} {UNTRAINED}"}, help=helps)
