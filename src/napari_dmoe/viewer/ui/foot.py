"""The fixed foot of a tab: how its job goes, and what starts and stops it."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QSizePolicy, QWidget

from napari_dmoe.estimate import LONG_SECONDS, SoFar
from napari_dmoe.viewer.ui.lines import FixedLines
from napari_dmoe.viewer.ui.parts import button, column, paragraph, row, tell
from napari_dmoe.viewer.ui.theme import PRIMARY
from napari_dmoe.viewer.ui.words import WordsLink

RESEARCH_ONLY = "Research use only, never a clinical decision."
_STEPS, _STATUS_LINES = 1000, 2
_BAR_HEIGHT, _BUTTON_HEIGHT = 8, 32


class Foot(QWidget):
    """Lets a person start and stop something, and shows how it goes.

    Its parts are named by `name`, such as ``"run"``, for people who cannot see them;
    `start` is on the button while nothing goes on. It stands in the foot, unless it
    `is_elsewhere`: somebody puts it where its tab needs it.
    """

    start_requested = Signal()
    stop_requested = Signal()

    def __init__(
        self,
        name: str,
        *,
        start: str,
        start_help: str,
        stop_help: str,
        beside: Sequence[QWidget] = (),
        below: Sequence[QWidget] = (),
        is_elsewhere: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._start, self._helps = start, (start_help, stop_help)
        self.button = button(start, clicked=self._on_clicked)
        self.button.setObjectName(PRIMARY)
        self.button.setMinimumHeight(_BUTTON_HEIGHT)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(_BAR_HEIGHT)
        self.bar.setAccessibleName(f"Progress of the {name}")
        # Its room is kept, so that nothing jumps when work begins.
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.status = FixedLines(_STATUS_LINES, name=f"{name}-status")
        self.research_label = paragraph(RESEARCH_ONLY, name="research-only")
        self.words_link = WordsLink()
        self.words_link.setMinimumWidth(self.words_link.sizeHint().width())
        buttons = () if is_elsewhere else (self.button,)
        texts = row(self.status, *beside, self.words_link), self.research_label
        column(self, *buttons, *below, self.bar, *texts)
        self._may_start = self._may_stop = True
        self._why_not = self._shorter = ""
        self.show_running(False)

    def show_ready(self, why_not: str = "") -> None:
        """Say that it can be started, or why it cannot."""
        self._why_not = why_not
        self._show_button()

    def show_running(self, is_running: bool) -> None:
        """Offer to stop while something goes on, else to start."""
        self._is_running = is_running
        self._show_fraction(0)
        self.bar.setVisible(is_running)
        self._show_button()

    def propose(self, shorter: str) -> None:
        """Say what would make it shorter as soon as it turns out to take long."""
        self._shorter = shorter

    def show_progress(self, so_far: SoFar) -> None:
        """Show how far it is, what is done, and how long it will still take."""
        self._show_fraction(max(self.bar.value(), round(_STEPS * so_far.fraction)))
        said = [f"{so_far.message} ({so_far.fraction:.0%})", so_far.left]
        seconds = so_far.seconds_left
        if seconds is not None and seconds > LONG_SECONDS:
            said.append(self._shorter)
        self.show_status(" · ".join(filter(None, said)))

    def show_status(self, text: str) -> None:
        """Say what happens, or happened last."""
        tell(self.status, text)

    def _show_fraction(self, steps: int) -> None:
        """Let the bar be painted in its turn: Qt would paint the window at once.

        Its canvas, too, whose layers may have changed a moment ago.
        """
        self.bar.setUpdatesEnabled(False)
        self.bar.setValue(steps)
        self.bar.setUpdatesEnabled(True)

    def _show_button(self) -> None:
        is_running, (start_help, stop_help) = self._is_running, self._helps
        may_start = self._may_start and not self._why_not
        self.button.setText("Stop" if is_running else self._start)
        self.button.setEnabled(self._may_stop if is_running else may_start)
        self.button.setToolTip(stop_help if is_running else self._why_not or start_help)

    def _on_clicked(self) -> None:
        if self._is_running:
            self.button.setEnabled(False)
            self.show_status("Stopping …")
            self.stop_requested.emit()
        else:
            self.start_requested.emit()
