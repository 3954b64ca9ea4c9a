"""The fixed foot of the Fine-tune tab: what can be done now, and how it goes."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.ui.foot import Foot
from napari_dmoe.viewer.ui.parts import StartButton, button, row

_BEGINNINGS = (State.READY, State.FAILED, State.KEPT)
_UNDECIDED = "Keep or discard what was tuned first."


class TuningFoot(Foot):
    """Lets a person start, stop and go on."""

    resume_requested = Signal()
    compare_requested = Signal()
    discard_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        self.resume_button = button(
            "Resume", "Go on as if there had been no break.", kind=StartButton
        )
        self.compare_button = button(
            "Compare now",
            "Train no more: measure what was reached, and decide.",
            kind=StartButton,
        )
        told = "Forget what was trained, and its cases."
        self.discard_button = button("Discard", told)
        choices = self.resume_button, self.compare_button, self.discard_button
        self._choices = row(*choices)
        super().__init__(
            "tuning",
            start="Start",
            start_help="Train a copy of the model on the ticked images. The model "
            "itself stays as it is until Keep.",
            stop_help="Save what was trained so far, and stop. It can be resumed.",
            below=(self._choices,),
            parent=parent,
        )
        self.resume_button.clicked.connect(self.resume_requested)
        self.compare_button.clicked.connect(self.compare_requested)
        self.discard_button.clicked.connect(self.discard_requested)
        self._obstacle = "Open a model first."
        self.show_state(State.READY, has_model=False)

    def show_state(self, state: State, *, has_model: bool) -> None:
        """Show what can be done in a state."""
        is_halted = state in (State.STOPPED, State.FAILED) and has_model
        self.button.setVisible(not is_halted)
        self._choices.setVisible(is_halted)
        self._is_undecided = state is State.DONE
        self._may_start = state in _BEGINNINGS
        self._may_stop = state in (State.PREPARING, State.TRAINING)
        if state.is_at_work != self._is_running:
            self.show_running(state.is_at_work)
        self.show_ready(self._obstacle)

    def show_ready(self, why_not: str = "") -> None:
        """Say that a tuning can begin, or why it cannot."""
        self._obstacle = why_not
        super().show_ready(_UNDECIDED if self._is_undecided else why_not)
