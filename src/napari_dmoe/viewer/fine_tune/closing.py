"""Asks what becomes of a tuning when the window is closed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.ui.asking import ask_for_file

_AT_WORK = (
    "A model is being fine-tuned. It can go on without the window and save its result, "
    "or end now and leave nothing."
)
_UNDECIDED = "What was tuned was neither kept nor saved."

UNDECIDED = (State.STOPPED, State.DONE)
MODEL_FILES = "Checkpoints (*.safetensors)"


class Answer(StrEnum):
    """What becomes of it."""

    GO_ON = "go on"
    """Let it finish and save; or save what is there."""
    END = "end"
    STAY = "stay"
    """Do not close the window."""


class ClosingQuestion(QObject):
    """Watches the dock's window, of which the owner is a part.

    `finish` saves the result at a path, now or when it is ready, and returns whether it
    can.
    """

    def __init__(
        self, tuning: Tuning, finish: Callable[[Path], bool], owner: QWidget
    ) -> None:
        super().__init__(owner)
        self._tuning, self._finish, self._owner = tuning, finish, owner
        self._watched: weakref.ref[QWidget] | None = None

    def watch(self) -> None:
        """Watch the window that the owner is in now."""
        window, watched = self._owner.window(), self._window()
        if window is watched or window is self._owner:
            return
        if watched is not None and isalive(watched):
            watched.removeEventFilter(self)
        self._watched = weakref.ref(window)
        window.installEventFilter(self)

    def _window(self) -> QWidget | None:
        return None if self._watched is None else self._watched()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask before the window closes, where something would be lost."""
        if event.type() != QEvent.Type.Close or watched is not self._window():
            return False
        if not self.may_close():
            event.ignore()
            return True
        return False

    def may_close(self) -> bool:
        """Ask, and do what is answered; return False where the window is to stay."""
        state = self._tuning.state
        is_at_work = state in (State.TRAINING, State.STOPPING)
        if not is_at_work and state not in UNDECIDED:
            return True
        answer = self.ask(_AT_WORK if is_at_work else _UNDECIDED, is_at_work)
        if answer is not Answer.GO_ON:
            return answer is Answer.END
        path = self.ask_where()
        return path is not None and self._finish(path)

    def ask(self, text: str, is_at_work: bool) -> Answer:
        """Let a person choose."""
        box = QMessageBox(self._owner.window())
        box.setWindowTitle("Fine-tuning")
        box.setText(text)
        role = QMessageBox.ButtonRole
        go_on, end = "Save…", "Discard"
        if is_at_work:
            go_on, end = "Finish and save…", "End it"
        buttons = {
            box.addButton(go_on, role.AcceptRole): Answer.GO_ON,
            box.addButton(end, role.DestructiveRole): Answer.END,
            box.addButton("Cancel", role.RejectRole): Answer.STAY,
        }
        box.exec()
        return buttons.get(box.clickedButton(), Answer.STAY)

    def ask_where(self) -> Path | None:
        """Let a person say where to save; None where nothing was chosen."""
        title, proposed = "Save the tuned model when it is ready", "tuned.safetensors"
        owner = self._owner.window()
        return ask_for_file(owner, title, proposed, MODEL_FILES, named_as_model)


def named_as_model(path: Path) -> Path:
    """Return a path with the ending of a model's file, where it has none."""
    return path if path.suffix else path.with_suffix(".safetensors")
