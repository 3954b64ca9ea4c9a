"""How far a tuning is and how long it will take: three stages of unlike speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from napari_dmoe.progress import Progress

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.training.guarding.guard import Guard
    from napari_dmoe.training.settings import TrainSettings
    from napari_dmoe.training.tuning.process import TuningTask

_BEFORE, _TRAINING, _AFTER = _STAGES = "before", "training", "after"
_LEAST_SECONDS, _LEAST_SHARE = 1.0, 0.05


@dataclass(frozen=True)
class Pace:
    """How fast a tuning was."""

    step: float
    """Seconds a step, what is measured after each round included."""
    measuring: float
    """Seconds to measure one case."""

    def seconds(self, *, steps: int, measured: int) -> float:
        """Return how long steps take, and cases that are measured before and after."""
        return steps * self.step + 2 * measured * self.measuring


@dataclass
class _Part:
    """Work whose steps are alike: how far it is, and since when."""

    total: int
    first: int
    began: float
    done: int
    at: float

    @property
    def rate(self) -> float | None:
        """Seconds a step; None while that can only be guessed."""
        spent, done = self.at - self.began, self.done - self.first
        is_guess = spent < _LEAST_SECONDS or done < _LEAST_SHARE * self.total
        return None if is_guess or not done else spent / done


class TuningClock:
    """Takes note of the progress of each stage, by the clock `now`, in seconds.

    `steps` are those of the training in all; `expected`, the seconds that everything is
    expected to take, is gone by until it is measured.
    """

    def __init__(
        self,
        steps: int,
        *,
        expected: float | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._steps, self._expected, self._now = steps, expected, now
        self._parts: dict[str, _Part] = {}
        self._stage, self._began = "", 0.0
        self._is_again = False

    def go_on(self) -> None:
        """Go on after a stop: what was measured before is not measured again."""
        self._stage, self._expected, self._is_again = "", None, True
        self._parts.pop(_TRAINING, None)

    def note(self, stage: str, progress: Progress) -> None:
        """Take note of how far a stage is."""
        now = self._now()
        if not self._stage:
            self._began = now
        self._stage = stage
        is_reading = stage == _TRAINING and progress.total != self._steps
        if is_reading or (stage == _BEFORE and self._is_again):
            return
        part = self._parts.get(stage)
        if part is None or part.total != progress.total or progress.done < part.done:
            part = _Part(progress.total, progress.done, now, progress.done, now)
            self._parts[stage] = part
        part.done, part.at = progress.done, now

    @property
    def pace(self) -> Pace | None:
        """How fast it is; None while that can only be guessed."""
        step, measuring = self._rate(_TRAINING), self._rate(_AFTER, _BEFORE)
        return None if step is None or measuring is None else Pace(step, measuring)

    @property
    def measured(self) -> int:
        """How many cases are measured before, and again afterwards."""
        parts = (self._parts.get(stage) for stage in (_BEFORE, _AFTER))
        return max(part.total if part else 0 for part in parts)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until everything is over; None while nobody knows."""
        rate, part = self._rate(self._stage), self._parts.get(self._stage)
        if self._stage in ("", _BEFORE) or rate is None or part is None:
            return self._expected_left  # how fast a step is, nobody knows yet
        left = (part.total - part.done) * rate
        if self._stage == _TRAINING:
            # Measuring afterwards takes as long as measuring before did.
            left += self.measured * (self._rate(_AFTER, _BEFORE) or 0.0)
        return left

    @property
    def fraction(self) -> float:
        """Share of everything that is done, in [0, 1]."""
        if not self._stage:
            return 0.0
        left = self.seconds_left
        if left is not None:
            spent = self._now() - self._began
            return spent / (spent + left) if spent + left else 0.0
        place, part = _STAGES.index(self._stage), self._parts.get(self._stage)
        share = part.done / part.total if part and part.total else 0.0
        return (place + share) / len(_STAGES) * (0.3 if place == 0 else 1)

    def _rate(self, *stages: str) -> float | None:
        """Return the seconds a step of the first of some stages that is known."""
        rates = (self._parts[stage].rate for stage in stages if stage in self._parts)
        return next((rate for rate in rates if rate is not None), None)

    @property
    def _expected_left(self) -> float | None:
        if self._expected is None or not self._stage:
            return None
        left = self._expected - (self._now() - self._began)
        return left if left > 0 else None


class Paces:
    """How fast the tunings of a session were, to say how long the next will take."""

    def __init__(self) -> None:
        self._paces: dict[tuple[object, ...], Pace] = {}
        self._n_guard: dict[Guard, int] = {}

    def note(
        self, clock: TuningClock, loaded: LoadedModel, task: TuningTask, n_cases: int
    ) -> None:
        """Take note of how fast a tuning of some cases is, once it can be told."""
        if clock.pace is not None:
            self._paces[_kind(loaded, task.settings)] = clock.pace
            self._n_guard[task.guard] = clock.measured - n_cases

    def expected(
        self, loaded: LoadedModel, settings: TrainSettings, guard: Guard, n_cases: int
    ) -> float | None:
        """Return the seconds that a tuning of some cases would take.

        None while nobody knows: before the first of its kind, and before a cohort was
        the guard once.
        """
        n_guard = {"none": 0, "phantoms": guard.n}.get(guard.kind)
        n_guard = self._n_guard.get(guard, n_guard)
        pace = self._paces.get(_kind(loaded, settings))
        if pace is None or n_guard is None:
            return None
        steps = n_steps(settings, n_cases)
        return pace.seconds(steps=steps, measured=n_cases + n_guard)


def _kind(loaded: LoadedModel, settings: TrainSettings) -> tuple[object, ...]:
    """Return what tunings share that are equally fast."""
    name = loaded.card.name.removesuffix("-tuned")
    return name, settings.device, settings.batch * settings.accumulate


def n_steps(settings: TrainSettings, n_cases: int) -> int:
    """Return how many steps are trained in all."""
    together = settings.batch * settings.accumulate
    return settings.epochs * (settings.steps_per_epoch or -(-n_cases // together))


def in_words(seconds: float) -> str:
    """Say a length of time: about 20 s, about 3 min."""
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min"
