"""How far a tuning is and how long it will take: three stages of unlike speed."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from napari_dmoe.progress import Progress

_STAGES = ("before", "training", "after")
_LEAST_SECONDS, _LEAST_SHARE = 1.0, 0.05


class TuningClock:
    """Takes note of the progress of each stage.

    Measuring afterwards takes about as long as measuring before did.

    Parameters
    ----------
    now : callable
        Returns the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._totals: dict[str, int] = {}
        self._stage, self._share = "", 0.0

    def note(self, stage: str, progress: Progress) -> None:
        """Take note of how far a stage is."""
        if stage != self._stage:
            if self._stage:
                self._took[self._stage] = self._now() - self._began[self._stage]
            self._began[stage] = self._now()
            self._stage = stage
        self._share = progress.fraction
        self._totals[stage] = progress.total

    def took(self, stage: str) -> tuple[float, int]:
        """Return the seconds that a stage took so far, and what it had to do."""
        if stage not in self._began:
            return 0.0, 0
        seconds = self._took.get(stage, self._now() - self._began[stage])
        return seconds, self._totals.get(stage, 0)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until everything is over; None while that can only be guessed."""
        if not self._stage:
            return None
        spent = self._now() - self._began[self._stage]
        if spent < _LEAST_SECONDS or not _LEAST_SHARE <= self._share <= 1:
            return None
        left = spent * (1 - self._share) / self._share
        if self._stage == "before":
            return None  # how fast a step is, nobody knows yet
        if self._stage == "training":
            left += self._took.get("before", 0.0)
        return left

    @property
    def fraction(self) -> float:
        """Share of everything that is done, in [0, 1]."""
        if not self._stage:
            return 0.0
        place = _STAGES.index(self._stage) if self._stage in _STAGES else 0
        left = self.seconds_left
        before = self._took.get("before")
        if left is None or before is None:
            return (place + self._share) / len(_STAGES) * (0.3 if place == 0 else 1)
        spent = self._now() - self._began[_STAGES[0]]
        return spent / (spent + left) if spent + left else 0.0


def in_words(seconds: float) -> str:
    """Say a length of time: about 20 s, about 3 min."""
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min"
