"""The fixed foot of the dock: device, Segment or Stop, progress, and what happened."""

from __future__ import annotations

import time

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_dmoe.progress import Progress
from napari_dmoe.viewer.ui.parts import column, paragraph

RESEARCH_ONLY = "Research use only, never a clinical decision."
_STEPS = 100
_LEAST_SECONDS, _LEAST_SHARE = 2.0, 0.05  # before, the time left is only guessed
_BAR_HEIGHT = 8


class RunFooter(QWidget):
    """Lets a person start and stop the run, and shows how it goes."""

    segment_requested = Signal()
    stop_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device_label = QLabel("Device: looking …")
        self.button = QPushButton("Segment")
        self.button.setMinimumHeight(32)
        self.button.clicked.connect(self._on_clicked)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(_BAR_HEIGHT)
        self.bar.setAccessibleName("Progress")
        # Its room is kept, so that nothing jumps when a run begins.
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.status = paragraph(name="run-status")
        self.status.setVisible(True)
        self.status.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self.research_label = paragraph(RESEARCH_ONLY, name="research-only")
        column(
            self,
            self.device_label,
            self.button,
            self.bar,
            self.status,
            self.research_label,
        )
        self._why_not = ""
        self.show_running(False)

    def show_device(self, text: str) -> None:
        """Name the device."""
        self.device_label.setText(f"Device: {text}")
        self.device_label.setToolTip(
            "Where the model runs. Another device can be chosen under Advanced."
        )

    def show_ready(self, why_not: str = "") -> None:
        """Say that a run can begin, or why it cannot."""
        self._why_not = why_not
        self._show_button()

    def show_running(self, is_running: bool) -> None:
        """Show the button as Stop while a run is under way, else as Segment."""
        self._is_running = is_running
        self._began = time.monotonic()
        self.bar.setValue(0)
        self.bar.setVisible(is_running)
        self._show_button()

    def show_progress(self, progress: Progress) -> None:
        """Show how far the run is."""
        self.bar.setValue(round(_STEPS * progress.fraction))
        parts = [f"{progress.message} ({progress.fraction:.0%})"]
        left = time_left(time.monotonic() - self._began, progress.fraction)
        self.show_status(" · ".join([*parts, left] if left else parts))

    def show_status(self, text: str) -> None:
        """Say what happened last."""
        self.status.setText(text)

    def _show_button(self) -> None:
        running = self._is_running
        self.button.setText("Stop" if running else "Segment")
        self.button.setEnabled(running or not self._why_not)
        help_text = "Stop the run; it leaves no layer." if running else self._why_not
        self.button.setToolTip(
            help_text or "Segment the image for its patient (one click, one mask)."
        )

    def _on_clicked(self) -> None:
        if self._is_running:
            self.button.setEnabled(False)
            self.show_status("Stopping …")
            self.stop_requested.emit()
        else:
            self.segment_requested.emit()


def time_left(seconds: float, fraction: float) -> str:
    """Say how long work will still take; nothing while that can only be guessed.

    Parameters
    ----------
    seconds : float
        How long it has taken so far.
    fraction : float
        Share of it that is done, in [0, 1].
    """
    if seconds < _LEAST_SECONDS or not _LEAST_SHARE <= fraction < 1:
        return ""
    left = seconds * (1 - fraction) / fraction
    if left < 60:
        return f"about {max(1, round(left))} s left"
    return f"about {round(left / 60)} min left"
