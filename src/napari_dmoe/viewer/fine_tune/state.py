"""Where a fine-tuning stands, shared by the parts of its tab. Knows no Qt."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from pathlib import Path

    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.training.loop.history import Epoch
    from napari_dmoe.training.tuning.report import TuningReport
    from napari_dmoe.viewer.fine_tune.pairs import Pair


class State(StrEnum):
    """Where a tuning stands."""

    READY = "ready"
    """Nothing was begun, or it was discarded."""
    PREPARING = "preparing"
    """Model and cases are handed over."""
    TRAINING = "training"
    STOPPING = "stopping"
    STOPPED = "stopped"
    """It can be resumed, compared as it is, or discarded."""
    FAILED = "failed"
    DONE = "done"
    """It waits for Keep or Discard."""
    KEPT = "kept"
    """The tuned model is the session's."""

    @property
    def is_at_work(self) -> bool:
        """Whether something goes on that can be stopped."""
        return self in (State.PREPARING, State.TRAINING, State.STOPPING)


class Tuning:
    """One fine-tuning of a viewer, from Start to Keep or Discard."""

    changed = Signal()
    """The state changed, or what is said of it."""
    epoch_ended = Signal()

    def __init__(self) -> None:
        self.state = State.READY
        self.said = ""
        """What happened last, in words."""
        self.parent: LoadedModel | None = None
        """The model that it started from."""
        self.pairs: tuple[Pair, ...] = ()
        """What it is trained on, as it was at Start."""
        self.folder: Path | None = None
        """The private folder that it works in."""
        self.epochs: list[Epoch] = []
        self.has_model = False
        """Whether a model was saved that can be looked at or gone on with."""
        self.report: TuningReport | None = None

    def begin(self, parent: LoadedModel, pairs: tuple[Pair, ...], folder: Path) -> None:
        """Forget the last tuning and prepare another."""
        self.parent, self.pairs, self.folder = parent, pairs, folder
        self.epochs, self.report, self.has_model = [], None, False
        self.epoch_ended.emit()
        self.become(State.PREPARING, "Handing the cases over …")

    def go_on(self) -> None:
        """Work on what was stopped."""
        self.become(State.TRAINING, "Starting …")

    def add_epoch(self, epoch: Epoch) -> None:
        """Take note of an epoch."""
        self.epochs.append(epoch)
        self.has_model = True
        self.epoch_ended.emit()
        self.changed.emit()

    def become(self, state: State, said: str) -> None:
        """Be in another state."""
        self.state, self.said = state, said
        self.changed.emit()

    def forget(self, said: str) -> None:
        """Be ready again, with nothing left of what was trained."""
        self.parent, self.pairs, self.report = None, (), None
        self.epochs, self.has_model = [], False
        self.epoch_ended.emit()
        self.become(State.READY, said)
