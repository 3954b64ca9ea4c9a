"""The one thing to do: the button that segments, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.lines import LineWithLink, LinkButton
from napari_dmoe.viewer.ui.theme import set_tone


@dataclass(frozen=True)
class Remedy:
    """What a link-button offers to do."""

    key: str
    """What is told when it is clicked."""
    text: str
    help: str = ""


class ActionSection(QWidget):
    """Keeps the place of the button; below it one line, with a link-button.

    It is as high whatever it says, so that the button never moves.
    """

    remedy_requested = Signal(str)
    """Key of the remedy that a person wants."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reason = parts.line(name="reason")
        self.link = LinkButton()
        self._key = ""
        self.link.clicked.connect(self._on_clicked)
        below = LineWithLink(self.reason, self.link)
        self._column: QVBoxLayout = parts.column(self, below, spacing=2)
        self.show_reason("")

    def place(self, button: QPushButton) -> None:
        """Take the button in, once."""
        self._column.insertWidget(0, button)
        for before, after in pairwise((self.reason, button, self.link)):
            QWidget.setTabOrder(before, after)

    def show_reason(
        self, text: str, remedy: Remedy | None = None, *, is_caution: bool = False
    ) -> None:
        """Say why nothing can be begun, or what to know before; often nothing."""
        parts.tell(self.reason, text)
        set_tone(self.reason, "caution" if is_caution else "")
        self._key = "" if remedy is None else remedy.key
        self.link.setText("" if remedy is None else remedy.text)
        self.link.setToolTip("" if remedy is None else remedy.help or remedy.text)
        self.link.setVisible(remedy is not None)

    def _on_clicked(self) -> None:
        self.remedy_requested.emit(self._key)
