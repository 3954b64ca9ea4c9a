"""Asks what becomes of a tuning, or of a tuned model, before it would be lost.

That is when the window is closed, and when another model is to be loaded, or none.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QCheckBox, QMessageBox, QWidget

from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.fine_tune.words import acceptance
from napari_dmoe.viewer.session.models import is_unsaved
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.asking import ask_for_file
from napari_dmoe.viewer.ui.connections import Connections

_AT_WORK = (
    "A model is being fine-tuned. It can go on without the window and save its result, "
    "or end now and leave nothing."
)
_UNDECIDED = "What was tuned was neither kept nor saved."
_NOT_SAVED = "The tuned model is not saved."
_LOADED_NOT_SAVED = "The tuned model that is loaded is not saved."
_AND_PARENT = " The tuned model that it began from is not saved either."

AT_WORK = (State.TRAINING, State.STOPPING)
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
    can; `save` saves the kept model there, and returns whether it did.
    """

    def __init__(
        self,
        session: Session,
        tuning: Tuning,
        *,
        finish: Callable[[Path], bool],
        save: Callable[[Path], bool],
        owner: QWidget,
    ) -> None:
        super().__init__(owner)
        self._session, self._tuning, self._owner = session, tuning, owner
        self._finish, self._save = finish, save
        self._watched: weakref.ref[QWidget] | None = None
        self._is_let_go = False
        session.leaving.ask_by(self.may_leave)
        connections = Connections(self)
        connections.add(tuning.changed, self._on_change)
        connections.add(session.model_changed, self._on_change)

    def _on_change(self) -> None:
        """Ask again: there is something else to lose."""
        self._is_let_go = False

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
        state, is_unsaved_ = self._tuning.state, is_unsaved(self._session)
        is_at_work = state in AT_WORK
        is_saved = self._tuning.saved_as is not None
        is_open = is_at_work or (state in UNDECIDED and not is_saved)
        if self._is_let_go or not (is_open or is_unsaved_):
            return True
        text = _AT_WORK if is_at_work else _UNDECIDED
        text = text + _AND_PARENT * is_unsaved_ if is_open else _NOT_SAVED
        answer = self.ask(text, is_at_work, self._to_accept() if is_open else "")
        self._is_let_go = answer is Answer.END
        # napari may ask, too, and the window stay: this is of one closing alone.
        QTimer.singleShot(0, self._on_change)
        if answer is not Answer.GO_ON:
            return self._is_let_go
        if is_open and is_unsaved_ and not self.may_leave():
            return False
        path = self.ask_where(is_at_work)
        return path is not None and self._finish(path)

    def may_leave(self) -> bool:
        """Ask before another model takes the place of one that is not saved."""
        if not is_unsaved(self._session):
            return True
        has_other = self._tuning.state in (*AT_WORK, *UNDECIDED)
        answer = self.ask(_LOADED_NOT_SAVED if has_other else _NOT_SAVED, False)
        if answer is not Answer.GO_ON:
            return answer is Answer.END
        path = self.ask_where(False)
        return path is not None and self._save(path)

    def _to_accept(self) -> str:
        """Return what got worse in a result that is there; mostly nothing."""
        report, is_there = self._tuning.report, self._tuning.state is State.DONE
        return acceptance(report) if is_there and report is not None else ""

    def ask(self, text: str, is_at_work: bool, to_accept: str = "") -> Answer:
        """Let a person choose; who saves has to accept first what got worse."""
        box = QMessageBox(self._owner.window())
        box.setWindowTitle("Tuned model")
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
        if to_accept:
            save = next(each for each, does in buttons.items() if does is Answer.GO_ON)
            tick = QCheckBox(f"I accept, and save it: {to_accept}")
            tick.toggled.connect(save.setEnabled)
            save.setEnabled(False)
            box.setCheckBox(tick)
        box.exec()
        return buttons.get(box.clickedButton(), Answer.STAY)

    def ask_where(self, is_at_work: bool) -> Path | None:
        """Let a person say where to save; None where nothing was chosen."""
        title, proposed = "Save the tuned model", "tuned.safetensors"
        title += " when it is ready" if is_at_work else ""
        owner = self._owner.window()
        return ask_for_file(owner, title, proposed, MODEL_FILES, named_as_model)


def named_as_model(path: Path) -> Path:
    """Return a path with the ending of a model's file, where it has none."""
    return path if path.suffix else path.with_suffix(".safetensors")
