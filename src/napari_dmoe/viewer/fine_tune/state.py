"""Where a fine-tuning stands, shared by the parts of its tab. Knows no Qt."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_dmoe.viewer.fine_tune.folder import TuningFolder

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.training.guarding.guard import Guard
    from napari_dmoe.training.guarding.report import TuningReport
    from napari_dmoe.training.loop.history import Epoch
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
    saved = Signal()
    """The tuned model was written into a file."""

    def __init__(self) -> None:
        self.state, self.said = State.READY, ""
        """Where it stands, and what happened last, in words."""
        self.folder = TuningFolder()
        """The private folder that it works in."""
        self._hold(None, ())

    def _hold(
        self,
        parent: LoadedModel | None,
        pairs: tuple[Pair, ...],
        guard: Guard | None = None,
    ) -> None:
        self.parent, self.pairs, self.guard = parent, pairs, guard
        """The model that it started from, what it is trained on, and its guard."""
        self.has_held = False
        """Whether some of these are held out to choose the round by."""
        self.epochs: list[Epoch] = []
        self.report: TuningReport | None = None
        self.saved_as: Path | None = None
        """Where a person saved its result; None where they did not."""
        self.epoch_ended.emit()

    @property
    def has_model(self) -> bool:
        """Whether a model was saved that can be looked at or gone on with."""
        return self.model_file is not None

    @property
    def model_file(self) -> Path | None:
        """The file of the tuned model, also once it is kept; None without one."""
        is_kept = self.state is State.KEPT
        return self.folder.kept_model() if is_kept else self.folder.tuned_model()

    def begin(
        self,
        parent: LoadedModel,
        pairs: tuple[Pair, ...],
        guard: Guard,
        *,
        has_held: bool = False,
    ) -> None:
        """Forget the last tuning and prepare another, which holds some cases out."""
        self._hold(parent, pairs, guard)
        self.has_held = has_held
        self.become(State.PREPARING, "Handing the cases over …")

    def add_epoch(self, epoch: Epoch) -> None:
        """Take note of an epoch."""
        self.epochs.append(epoch)
        self.epoch_ended.emit()
        self.changed.emit()

    def become(self, state: State, said: str) -> None:
        """Be in another state."""
        self.state, self.said = state, said
        self.changed.emit()

    def forget(self, said: str) -> None:
        """Be ready again, with nothing left of what was trained."""
        self._hold(None, ())
        self.become(State.READY, said)
