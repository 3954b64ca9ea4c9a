"""What a run found: sizes, the cup-to-disc ratio, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QApplication, QPushButton, QWidget

from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.segment.truth.view import TruthView
from napari_dmoe.viewer.ui import icons, parts
from napari_dmoe.viewer.ui.tables import Facts
from napari_dmoe.viewer.ui.theme import set_tone

_BUTTONS = {
    "Previous": "Bring back the result before this one and its patient; again, and "
    "both are back.",
    "Keep": "Leave this result as it is; the next run adds its own beside it.",
    "About": "How this mask came about: model, routers, settings, versions.",
    "Copy": "Copy the table as text, with tabs.",
    "CSV…": "Save the table as a CSV file.",
    "Save…": "Save the mask as TIFF or NIfTI, with its record beside it.",
    "Reopen…": "Open a mask that was saved here.",
    "Tidy": "Remove what was added to this image but its masks: maps of the routing, "
    "what-ifs, differences. What you painted or keep stays. With Shift: of all images.",
}
"""What is said when a button is pointed at."""

_ICONS: dict[str, icons.Name] = {
    "Previous": "previous",
    "About": "about",
    "Copy": "copy",
    "CSV…": "table",
    "Save…": "save",
}


NO_RESULT = "No result yet"

_SPAN = "least–most over the patients"
_SPAN_HELP = (
    "The least and the most of this mask and of those that each value of the unknown "
    "attribute alone would give."
)


@dataclass(frozen=True)
class ResultState:
    """What can be done with a result now."""

    names: tuple[str, ...] = ()
    """Results of the image, side by side, by the names of their masks."""
    current: int = -1
    """Which of them is shown."""
    has_previous: bool = False
    """Whether an earlier one can be brought back."""
    is_kept: bool = False
    """Whether the next run leaves it as it is."""


class ResultSection(QWidget):
    """Shows what a mask measures, and tells what a person wants to do with it."""

    result_chosen = Signal(int)
    previous_requested = Signal()
    keep_toggled = Signal(bool)
    tidy_requested = Signal(bool)
    """Layers are to go; whether those of all images."""
    table_requested = Signal()
    save_requested = Signal()
    open_requested = Signal()
    record_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = parts.narrow_combo(
            "Result", "Results of this image, side by side. Selecting a mask shows it."
        )
        self.combo.activated.connect(self.result_chosen)
        self.badge = parts.paragraph(name="result-badge")
        self.headline = parts.paragraph(NO_RESULT, name="result-headline")
        self.unlike = parts.paragraph(name="result-unlike")
        for each in (self.badge, self.headline, self.unlike):
            parts.emphasise(each)
        self.outdated = parts.paragraph(name="result-outdated")
        self.summary = parts.paragraph(name="result-summary")
        self.notices = parts.paragraph(name="result-notices")
        self.table = Facts(_SPAN_HELP, span_title=_SPAN)
        self.truth = TruthView()
        self._make_buttons()
        buttons = self.tidy_button, self.open_button
        head = parts.row(parts.heading("RESULT"), *buttons, stretch=0)
        above = self.combo, self.badge, self.headline
        # What comes and goes stands last, so that nothing above it jumps.
        said = self.unlike, self.outdated, self.summary, self.notices
        parts.column(self, head, *above, self.table, self._buttons, self.truth, *said)
        self.show_nothing()

    def _make_buttons(self) -> None:
        self.previous_button = _button("Previous", self.previous_requested)
        self.keep_button = _button("Keep", self.keep_toggled)
        self.keep_button.setCheckable(True)
        self.record_button = _button("About", self.record_requested)
        self.copy_button = _button("Copy", self._on_copy)
        self.table_button = _button("CSV…", self.table_requested)
        self.save_button = _button("Save…", self.save_requested)
        self.open_button = _button("Reopen…", self.open_requested)
        icons.give(self.open_button, "open", alone=True)
        self.tidy_button = _button("Tidy", self._on_tidy)
        above = self.previous_button, self.keep_button, self.record_button
        below = self.copy_button, self.table_button, self.save_button
        self._buttons = parts.flow(*above, *below)

    def show_nothing(self, rows: Sequence[TableRow] = ()) -> None:
        """Say that there is no result, with the lines that one of the model will have.

        So nothing below moves when it comes.
        """
        self._show_table(rows, is_old=True)
        parts.say(self.headline, NO_RESULT)
        set_tone(self.headline, "")
        for each in (self.unlike, self.badge, self.outdated, self.notices):
            parts.say(each, "")
        parts.say(self.summary, "")
        self._buttons.setEnabled(False)
        self.show_state(ResultState())

    def _show_table(self, rows: Sequence[TableRow], *, is_old: bool) -> None:
        self.table.show_facts(rows)
        self._is_old = is_old
        self.table.setEnabled(not is_old)

    def show_result(
        self,
        headline: str,
        rows: Sequence[TableRow],
        *,
        is_measured: bool = True,
        is_doubtful: bool = False,
        summary: str = "",
        unlike: str = "",
        is_unlike_said: bool = False,
        badge: str = "",
        outdated: str = "",
        notices: Sequence[str] = (),
    ) -> None:
        """Show what was found: its headline, sizes and ratios.

        While it is not measured the lines are those of before. What is doubtful is in
        another colour, too. The `summary` says what
        the mask was made for, `unlike` that the image is unlike those of the training,
        which is seen only where nothing else in the dock says it by now,
        the badge in what it is not a plain run of the model, `outdated` why it does not
        belong to what is entered now; each is empty where there is nothing.
        """
        parts.say(self.headline, headline)
        set_tone(self.headline, "caution" if is_doubtful else "")
        self._show_table(rows, is_old=not is_measured)
        parts.say(self.summary, summary)
        parts.say(self.unlike, unlike)
        self.unlike.setHidden(is_unlike_said or not unlike)
        parts.say(self.badge, badge)
        parts.say(self.outdated, outdated)
        parts.say(self.notices, "\n".join(notices))
        self._buttons.setEnabled(True)

    def show_state(self, state: ResultState) -> None:
        """Show which results there are and what can be done with this one."""
        self.combo.clear()
        self.combo.addItems(list(state.names))
        self.combo.setCurrentIndex(state.current)
        self.combo.setVisible(len(state.names) > 1)
        self.previous_button.setEnabled(state.has_previous)
        self.keep_button.setChecked(state.is_kept)

    def show_save(self, file: str) -> None:
        """Say which file Save writes over; without a name it asks for a file."""
        self.save_button.setText("Save" if file else "Save…")
        in_place = f"Save the correction over {file}. Hold Shift to save it elsewhere."
        self.save_button.setToolTip(in_place if file else _BUTTONS["Save…"])

    def text(self) -> str:
        """Return what is shown as text, with tabs between the columns."""
        said = self.headline, self.unlike, self.badge, self.summary, self.outdated
        head = [each.text() for each in said]
        table = "" if self._is_old else self.table.text()
        return "\n".join(part for part in (*head, table) if part)

    def _on_tidy(self) -> None:
        held = QApplication.keyboardModifiers()
        self.tidy_requested.emit(bool(held & Qt.KeyboardModifier.ShiftModifier))

    def _on_copy(self) -> None:
        parts.copy_text(self.text())


def _button(text: str, clicked: Any) -> QPushButton:
    made = parts.button(text, _BUTTONS[text], clicked)
    if text in _ICONS:
        icons.give(made, _ICONS[text])
    return made
