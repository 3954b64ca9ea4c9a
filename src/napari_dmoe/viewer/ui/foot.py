"""The fixed foot of a tab: how its job goes, and what starts and stops it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QSizePolicy, QWidget

from napari_dmoe.progress import Progress
from napari_dmoe.viewer.ui.parts import FixedLines, button, column, paragraph, row, tell
from napari_dmoe.viewer.ui.words import WordsLink

RESEARCH_ONLY = "Research use only, never a clinical decision."
_STEPS, _STATUS_LINES = 1000, 3
_LEAST_SECONDS, _LEAST_SHARE = 2.0, 0.05  # before, the time left is only guessed
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
        above: Sequence[QWidget] = (),
        below: Sequence[QWidget] = (),
        is_elsewhere: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._start, self._helps = start, (start_help, stop_help)
        self.button = button(start, clicked=self._on_clicked)
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
        texts = self.status, row(self.research_label, self.words_link)
        buttons = () if is_elsewhere else (self.button,)
        column(self, *above, *buttons, *below, self.bar, *texts)
        self._may_start = self._may_stop = True
        self._why_not = ""
        self.show_running(False)

    def show_ready(self, why_not: str = "") -> None:
        """Say that it can be started, or why it cannot."""
        self._why_not = why_not
        self._show_button()

    def show_running(self, is_running: bool) -> None:
        """Offer to stop while something goes on, else to start."""
        self._is_running = is_running
        self._began = time.monotonic()
        self.bar.setValue(0)
        self.bar.setVisible(is_running)
        self._show_button()

    def show_fraction(self, fraction: float) -> None:
        """Show how far it is; never backwards."""
        self.bar.setValue(max(self.bar.value(), round(_STEPS * fraction)))

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is, what is done, and how long it will still take."""
        self.bar.setValue(round(_STEPS * progress.fraction))
        done = f"{progress.message} ({progress.fraction:.0%})"
        left = time_left(time.monotonic() - self._began, progress.fraction)
        self.show_status(f"{done} · {left}" if left else done)

    def show_status(self, text: str) -> None:
        """Say what happens, or happened last."""
        tell(self.status, text)

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


def time_left(seconds: float, fraction: float) -> str:
    """Say how long work will still take, after some seconds and a fraction in [0, 1].

    Nothing is said while that can only be guessed.
    """
    if seconds < _LEAST_SECONDS or not _LEAST_SHARE <= fraction < 1:
        return ""
    left = seconds * (1 - fraction) / fraction
    if left < 60:
        return f"about {max(1, round(left))} s left"
    return f"about {round(left / 60)} min left"
