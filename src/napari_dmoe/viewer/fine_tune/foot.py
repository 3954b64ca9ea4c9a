"""The fixed foot of the Fine-tune tab: what can be done now, and how it goes."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.segment.footer import RESEARCH_ONLY
from napari_dmoe.viewer.ui.parts import column, paragraph, row
from napari_dmoe.viewer.ui.start_button import StartButton

_STEPS = 1000
_BAR_HEIGHT = 8
_TALL = 32
_BEGINNINGS = (State.READY, State.FAILED, State.KEPT)


class TuningFoot(QWidget):
    """Lets a person start, stop and go on."""

    start_requested = Signal()
    stop_requested = Signal()
    resume_requested = Signal()
    compare_requested = Signal()
    discard_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Start")
        self.button.setMinimumHeight(_TALL)
        self.button.clicked.connect(self._on_clicked)
        self.resume_button = StartButton("Resume")
        self.resume_button.setToolTip("Go on as if there had been no break.")
        self.resume_button.clicked.connect(self.resume_requested)
        self.compare_button = StartButton("Compare now")
        self.compare_button.setToolTip(
            "Train no more: measure what was reached, and decide."
        )
        self.compare_button.clicked.connect(self.compare_requested)
        self.discard_button = QPushButton("Discard")
        self.discard_button.setToolTip("Forget what was trained, and its cases.")
        self.discard_button.clicked.connect(self.discard_requested)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(_BAR_HEIGHT)
        self.bar.setAccessibleName("Progress of the tuning")
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.status = paragraph(name="tuning-status")
        self.status.setVisible(True)
        self.status.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self._choices = row(
            self.resume_button, self.compare_button, self.discard_button
        )
        column(
            self,
            self.button,
            self._choices,
            self.bar,
            self.status,
            paragraph(RESEARCH_ONLY, name="research-only"),
        )
        self._why_not = "Open a model first."
        self.show_state(State.READY, has_model=False)

    def show_state(self, state: State, *, has_model: bool) -> None:
        """Show what can be done in a state."""
        self._state = state
        is_halted = state in (State.STOPPED, State.FAILED) and has_model
        self.button.setVisible(not is_halted)
        self._choices.setVisible(is_halted)
        self.bar.setVisible(state.is_at_work)
        if not state.is_at_work:
            self.bar.setValue(0)
        self._show_button()

    def show_ready(self, why_not: str) -> None:
        """Say that a tuning can begin, or why it cannot."""
        self._why_not = why_not
        self._show_button()

    def show_progress(self, fraction: float) -> None:
        """Show how far it is; never backwards."""
        self.bar.setValue(max(self.bar.value(), round(_STEPS * fraction)))

    def show_status(self, text: str) -> None:
        """Say what happens, or happened last."""
        self.status.setText(text)

    def _show_button(self) -> None:
        state = self._state
        self.button.setText("Stop" if state.is_at_work else "Start")
        may_stop = state in (State.PREPARING, State.TRAINING)
        may_start = state in _BEGINNINGS and not self._why_not
        self.button.setEnabled(may_stop or may_start)
        if state.is_at_work:
            help_text = "Save what was trained so far, and stop. It can be resumed."
        elif state is State.DONE:
            help_text = "Keep or discard what was tuned first."
        else:
            help_text = self._why_not or (
                "Tune a copy of the model on the ticked pairs, in a process of its "
                "own. The model itself stays as it is until Keep."
            )
        self.button.setToolTip(help_text)

    def _on_clicked(self) -> None:
        if self._state.is_at_work:
            self.stop_requested.emit()
        else:
            self.start_requested.emit()
