"""What a tuning changed, and what becomes of the tuned model."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_dmoe.viewer.fine_tune.words import REPORT_COLUMNS
from napari_dmoe.viewer.rows import Line
from napari_dmoe.viewer.ui.parts import (
    StartButton,
    button,
    column,
    emphasise,
    heading,
    narrow_combo,
    offer,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.tables import Table
from napari_dmoe.viewer.ui.theme import set_tone

_MOST_LINES = 30
_KEEP_HELP = "Work with the tuned model from now on."
_SAVE_HELP = (
    "Save the tuned model as .safetensors, under the published tensor names, with its "
    "card, its history and the hash of the model it came from."
)
_TICK_FIRST = "Tick first that you accept what got worse."


class OutcomeSection(QWidget):
    """Shows the table, and tells what is wanted."""

    keep_requested = Signal()
    discard_requested = Signal()
    save_requested = Signal()
    look_requested = Signal(int, bool)
    """Place of an image, and whether to show what changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_looks()
        self.title = heading("AFTER")
        self.verdict = paragraph(name="tuning-verdict")
        self.own_cases = paragraph(name="tuning-own-cases")
        set_tone(self.own_cases, "caution")
        emphasise(self.own_cases)
        self.table = Table("Dice before and after", most_lines=_MOST_LINES, wraps=True)
        self.legend = paragraph(name="tuning-legend")
        self.notices = paragraph(name="tuning-notices")
        self._make_decisions()
        column(
            self,
            self.title,
            self.own_cases,
            self.verdict,
            self.table,
            self.legend,
            self.notices,
            self.case_combo,
            self.look_button,
            self.changes_button,
            self._accept,
            self._decide,
            self.keeping,
        )
        self.offer_cases((), may_look=False, may_compare=False)
        self.show_nothing()

    def _make_looks(self) -> None:
        """Make what lets a person look at masks."""
        self.case_combo = narrow_combo("Case", "The image to look at.")
        self.look_button = button(
            "Show the current prediction",
            "Segment the image with the model as it is now; the mask is added as a "
            "layer of its own.",
            self._on_look,
            StartButton,
        )
        self.changes_button = button(
            "Show what changed",
            "Segment the image with the model before and after, and show where the "
            "masks differ.",
            self._on_changes,
            StartButton,
        )

    def _make_decisions(self) -> None:
        """Make what lets a person decide."""
        self.accept_box = QCheckBox("I accept:")
        self.accept_box.setToolTip(
            "Tick it to keep or save it although this got worse."
        )
        self.accept_box.toggled.connect(self._show_keep)
        self.accepted = paragraph(name="tuning-accepted")
        self._accept = row(self.accept_box, self.accepted, stretch=1)
        self.keeping = paragraph(name="tuning-keeping")
        self._is_kept = self._is_keeping = False
        self.keep_button = button("Keep", _KEEP_HELP, self.keep_requested)
        self.discard_button = button(
            "Discard", "Forget the tuned model, and its cases.", self.discard_requested
        )
        self.save_button = button("Save model…", _SAVE_HELP, self.save_requested)
        self._decide, buttons = QWidget(), row(self.keep_button, self.discard_button)
        column(self._decide, buttons, self.save_button)

    def offer_cases(
        self, names: Sequence[str], *, may_look: bool, may_compare: bool
    ) -> None:
        """Offer images to look at."""
        offer(self.case_combo, names)
        self.case_combo.setVisible(bool(names) and (may_look or may_compare))
        self.look_button.setVisible(may_look)
        self.changes_button.setVisible(may_compare)

    def show_nothing(self) -> None:
        """Show no outcome."""
        for part in (self.title, self.table, self._accept, self._decide):
            part.setVisible(False)
        for text in (self.verdict, self.own_cases, self.legend, self.notices):
            say(text, "")
        say(self.keeping, "")

    def show_outcome(
        self,
        verdict: str,
        lines: Sequence[Line],
        *,
        own_cases: str = "",
        legend: str = "",
        notices: Sequence[str] = (),
        to_accept: str = "",
        is_kept: bool = False,
    ) -> None:
        """Show what changed, and let a person decide.

        `own_cases` says what got worse on what it was trained on, and `to_accept` what
        has to be ticked before Keep, nothing where all is well; the `legend` what marks
        in the table mean; `is_kept` that it is decided already.
        """
        self.title.setVisible(True)
        say(self.verdict, verdict)
        say(self.own_cases, own_cases)
        say(self.legend, legend)
        say(self.notices, "\n".join(notices))
        if to_accept != self.accepted.text():
            self.accept_box.setChecked(False)
        say(self.accepted, to_accept)
        self._accept.setVisible(bool(to_accept) and not is_kept)
        self._is_kept = is_kept
        if is_kept:
            say(self.keeping, "")
        self._decide.setVisible(True)
        self.discard_button.setVisible(not is_kept)
        self.table.show_lines(lines, REPORT_COLUMNS)
        self._show_keep()

    def show_keeping(self, is_begun: bool) -> None:
        """Say at once that the model is being kept, or that this ended."""
        self._is_keeping = is_begun
        say(self.keeping, "Loading the tuned model …" if is_begun else "")
        self.discard_button.setEnabled(not is_begun)
        self._show_keep()
        self.keep_button.repaint()  # at once: the window may be busy with the canvas

    def _show_keep(self, *_: object) -> None:
        needs = bool(self.accepted.text()) and not self.accept_box.isChecked()
        is_over = self._is_kept or self._is_keeping
        known = "Keeping …" if self._is_keeping else "Keep"
        self.keep_button.setText("Kept" if self._is_kept else known)
        self.keep_button.setEnabled(not needs and not is_over)
        self.keep_button.setToolTip(_TICK_FIRST if needs else _KEEP_HELP)
        # Saved, it would be as much at work as kept.
        is_held = needs and not self._is_kept
        self.save_button.setEnabled(not is_held)
        self.save_button.setToolTip(_TICK_FIRST if is_held else _SAVE_HELP)

    def _on_look(self) -> None:
        self.look_requested.emit(self.case_combo.currentIndex(), False)

    def _on_changes(self) -> None:
        self.look_requested.emit(self.case_combo.currentIndex(), True)
