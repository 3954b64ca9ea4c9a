"""A quiet line that offers what a window held that did not end as it should."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.parts import button, column, paragraph, row, say


class RescueOffer(QWidget):
    """Says what was not saved, and lets it be restored or declined."""

    restore_requested = Signal()
    decline_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = paragraph(name="rescue-offer")
        told = "Open it again; a tuned model into a file that you choose."
        self.restore_button = button("Restore", told, clicked=self.restore_requested)
        told = "Delete it for good."
        self.decline_button = button("Decline", told, clicked=self.decline_requested)
        buttons = self.restore_button, self.decline_button
        column(self, row(self.text, *buttons, stretch=0))
        self.setVisible(False)

    def show_left(self, masks: Sequence[float], models: Sequence[float]) -> None:
        """Offer masks and models that were put aside at some times; hide for none."""
        say(self.text, told_of(masks, models))
        self.setVisible(bool(masks or models))


def told_of(masks: Sequence[float], models: Sequence[float]) -> str:
    """Say what was not saved, and when it was put aside."""
    things = [
        f"{len(times)} {noun}{'s' * (len(times) > 1)}"
        for times, noun in ((masks, "painted mask"), (models, "tuned model"))
        if times
    ]
    times = [*masks, *models]
    if not times:
        return ""
    were = "was" if len(times) == 1 else "were"
    return f"{' and '.join(things)} from {_when(max(times))} {were} not saved."


def _when(at: float) -> str:
    there, today = time.localtime(at), time.localtime()
    clock = time.strftime("%H:%M", there)
    if there[:3] == today[:3]:
        return clock
    return time.strftime("%d %b, ", there) + clock
