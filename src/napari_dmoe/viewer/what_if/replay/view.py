"""Old results made again: which layer, what the replay found, and case files."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.parts import StartButton, allow, button, paragraph, say

_REPLAY_HELP = "Make the selected layer again from its record, and compare."
_COMPARE_HELP = "Says how two selected layers came about differently."
_SAVE_HELP = "Save the selected mask with its record, without the image."
_OPEN_HELP = "Open a case file on the image that is worked on, and make it again."
_CASE_HELP = (
    "A case file holds a mask and its record, and no image: whoever has the image and "
    "the checkpoint can make it again."
)


class ReplaySection(QWidget):
    """Tells what is to be replayed or compared, and shows what came of it."""

    replay_requested = Signal()
    compare_requested = Signal()
    save_requested = Signal()
    open_requested = Signal()
    checkpoint_requested = Signal()
    """The checkpoint that is missing is to be chosen by hand."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.selected = paragraph(name="replay-selected")
        self.replay_button = button(
            "Replay", _REPLAY_HELP, self.replay_requested, StartButton
        )
        self.compare_button = button(
            "Compare two", _COMPARE_HELP, self.compare_requested
        )
        self.save_button = button("Save case…", _SAVE_HELP, self.save_requested)
        self.open_button = button(
            "Open case…", _OPEN_HELP, self.open_requested, StartButton
        )
        self.checkpoint_button = button(
            "Choose checkpoint…",
            "Choose the checkpoint that the record names.",
            self.checkpoint_requested,
            StartButton,
        )
        self.found = FindingView(
            "replay",
            "what was found",
            between=(self.checkpoint_button,),
            text=self.text,
        )
        further = self.compare_button, self.save_button, self.open_button
        help_text = f"{_COMPARE_HELP} {_CASE_HELP}"
        self.fold = parts.Fold("Compare, case files", help_text, parts.flow(*further))
        shown = self.selected, parts.flow(self.replay_button), self.fold, self.found
        parts.column(self, parts.heading("REPLAY"), *shown)
        self.show_nothing()

    def show_selected(
        self, text: str, *, n_records: int, is_mask: bool, has_image: bool
    ) -> None:
        """Say which layers are selected, and offer what can be done with them.

        `n_records` of them have a record; `is_mask` says that it is a single mask.
        """
        say(self.selected, text)
        no_image = "" if has_image else "Open the image first."
        one = "" if n_records == 1 else "Select one layer that was made here first."
        two = "" if n_records == 2 else "Select two layers that were made here first."
        mask = "" if is_mask else "Select a mask that was made here first."
        allow(self.replay_button, one or no_image, _REPLAY_HELP)
        allow(self.compare_button, two, _COMPARE_HELP)
        allow(self.save_button, mask, _SAVE_HELP)
        allow(self.open_button, no_image, _OPEN_HELP)

    def show_nothing(self) -> None:
        """Show no finding."""
        self.show_found("", ())

    def show_found(
        self, verdict: str, details: Sequence[str], *, is_model_missing: bool = False
    ) -> None:
        """Show a verdict, and phrases that say what is missing or changed.

        Where the model is missing, its checkpoint can be chosen.
        """
        self.found.say(verdict, "\n".join(f"• {each}" for each in details))
        self.checkpoint_button.setVisible(is_model_missing)

    def text(self) -> str:
        """Return what is shown as text."""
        return "\n".join(filter(None, (self.selected.text(), self.found.text())))
