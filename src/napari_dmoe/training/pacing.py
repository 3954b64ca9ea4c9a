"""What a guarded training is made of, and how much of the time each part takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from napari_dmoe.progress import Phases, ProgressHook

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.training.settings import TrainSettings

GUARD, BEFORE, TRAINING, AFTER = "guard", "before", "training", "after"
"""Parts of it; see :class:`Pacing` for the kinds of work that they consist of."""

DRAWING, LOOKING, READING, MEASURING, STEPS = (
    *("drawing", "looking", "reading", "measuring"),
    "steps",
)
LOOKING_AT_TRAINED = "trained"
_KINDS = {BEFORE: MEASURING, AFTER: MEASURING}


class Paces(BaseModel):
    """Seconds a unit: a case drawn, looked at, read, measured; a step of training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drawing: float = Field(gt=0)
    looking: float = Field(gt=0)
    reading: float = Field(gt=0)
    measuring: float = Field(gt=0)
    steps: float = Field(gt=0)


PLANES = Paces(drawing=0.2, looking=0.02, reading=0.4, measuring=0.24, steps=0.8)
VOLUMES = Paces(drawing=0.8, looking=0.01, reading=0.4, measuring=0.55, steps=0.26)
CONVOLVED = Paces(drawing=0.2, looking=0.02, reading=0.4, measuring=0.2, steps=0.3)
"""Of the bundled models on one core; `CONVOLVED` of a U-Net of planes with 16 features,
that sees 192 pixels a side. Only their proportions count before a run."""


@dataclass(frozen=True)
class Pacing:
    """How many units of work there are, and how long each takes.

    Parameters
    ----------
    paces : Paces
        Seconds a unit.
    n_drawn, n_guard : int
        Phantoms that are drawn for the guard, and its cases.
    n_trained, n_measured : int
        Cases that are trained on, and those of them that are measured, too.
    n_steps : int
        Steps of training.
    """

    paces: Paces
    n_drawn: int
    n_guard: int
    n_trained: int
    n_measured: int
    n_steps: int

    @classmethod
    def of(
        cls,
        card: ModelCard,
        settings: TrainSettings,
        *,
        n_trained: int,
        n_measured: int = 0,
        n_drawn: int = 0,
        n_guard: int = 0,
        paces: Paces | None = None,
    ) -> Pacing:
        """Return the work of a training with some settings."""
        steps = n_steps(settings, n_trained)
        paces = paces or usual_paces(card)
        return cls(paces, n_drawn, n_guard, n_trained, n_measured, steps)

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds of each part, if the paces are right."""
        paces = self.paces
        measured = paces.measuring * (self.n_measured + self.n_guard)
        looked_at = self.n_guard + (self.n_trained if self.n_guard else 0)
        return {
            GUARD: paces.drawing * self.n_drawn + paces.looking * looked_at,
            BEFORE: measured,
            TRAINING: paces.reading * self.n_trained + paces.steps * self.n_steps,
            AFTER: measured,
        }

    @property
    def in_all(self) -> float:
        """Seconds of everything, if the paces are right."""
        return sum(self.seconds.values())

    def phases(self, progress: ProgressHook) -> Phases:
        """Return the parts as phases of one progress."""
        return Phases(progress, self.seconds, kinds=_KINDS)

    def training_phases(self, progress: ProgressHook) -> Phases:
        """Return the phases of the training alone."""
        shares = {
            READING: self.paces.reading * self.n_trained,
            STEPS: self.paces.steps * self.n_steps,
        }
        return Phases(progress, shares)

    def looking_phases(self, progress: ProgressHook) -> Phases:
        """Return the phases of looking at the guard."""
        shares = {
            DRAWING: self.paces.drawing * self.n_drawn,
            LOOKING_AT_TRAINED: self.paces.looking * self.n_trained,
            LOOKING: self.paces.looking * self.n_guard,
        }
        return Phases(progress, shares, kinds={LOOKING_AT_TRAINED: LOOKING})

    def learnt(self, rate: Callable[[str], float | None]) -> Paces:
        """Return the paces that a run had, each from the kinds of work that it did.

        `rate` says how many seconds everything would take at the pace of one kind.
        """
        known = {name: rate(name) for name in Paces.model_fields}
        whole = self.in_all
        found = {
            name: getattr(self.paces, name) * seconds / whole
            for name, seconds in known.items()
            if seconds and whole
        }
        return self.paces.model_copy(update=found)


def usual_paces(card: ModelCard) -> Paces:
    """Return about how long the parts of a model's training take, on one core."""
    if card.dims == 3:
        return VOLUMES
    return CONVOLVED if card.architecture == "dmoe-unet2d" else PLANES


def n_steps(settings: TrainSettings, n_cases: int) -> int:
    """Return how many steps are trained in all."""
    together = settings.batch * settings.accumulate
    return settings.epochs * (settings.steps_per_epoch or -(-n_cases // together))
