"""How far a job is and how long it will still take, from what it says of its progress.

There is one estimator: the dock, napari's activity list and the terminal show what it
says. It believes the shares that a job gives its phases until it has seen how fast they
are, looks at the last half of what a phase has done, so that a slow first step is soon
forgotten, and stands still rather than count up, unless the pace really changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from napari_dmoe.progress import Plan, Progress

LONG_SECONDS = 180.0
"""What takes longer is worth being told how to shorten it."""

_LEAST_SECONDS = 1.0  # before, nobody needs to be told
_SEEN = 0.1  # of the whole job, from which the rest can be told
_SHORTEST, _MOST_STEPS = 0.05, 200  # steps that are remembered one by one
_FEW_STEPS, _OUTLIER = 3, 3.0  # a hiccup takes so many times what others take
_REALLY = 1.5  # times as long: then the pace really changed
_SURE_STEPS, _SURE_SECONDS = 2, 2.0  # until that is believed
_SOON = 4.0  # seconds in which a shorter time is taken over
_TRUST = 0.1  # what was expected counts as much as so much of the job
_MOST = 0.99  # before the end


@dataclass(frozen=True, slots=True)
class SoFar:
    """How a job stands.

    Parameters
    ----------
    message : str
        What is being done, for a person.
    fraction : float
        Share of the time that is over, in [0, 1]; never less than before, and 1 only
        at the end.
    seconds_left : float, optional
        How long it will still take; None while nobody knows.
    """

    message: str
    fraction: float
    seconds_left: float | None = None

    @property
    def left(self) -> str:
        """The time left in words; nothing while nobody knows, or at the end."""
        if self.seconds_left is None or self.fraction >= 1:
            return ""
        return f"{in_words(self.seconds_left)} left"


@dataclass
class _Pace:
    """The steps of one phase: seconds and share of the whole job, each."""

    steps: list[tuple[float, float]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """How much of the whole job was done."""
        return sum(share for _, share in self.steps)

    def add(self, seconds: float, share: float, *, at_least: float) -> None:
        """Take note of some work; of very short pieces together."""
        if self.steps and self.steps[-1][0] < at_least:
            before, done = self.steps.pop()
            seconds, share = seconds + before, share + done
        self.steps.append((seconds, share))

    def scaled(self, by: float) -> None:
        """Count its shares in another scale."""
        self.steps = [(seconds, share * by) for seconds, share in self.steps]

    @property
    def rate(self) -> float:
        """Seconds that the whole job would take at the pace of the last half."""
        seen, half, recent = 0.0, self.share / 2, []
        for step in reversed(self.steps):
            recent.append(step)
            seen += step[1]
            if seen >= half and len(recent) >= min(_FEW_STEPS, len(self.steps) - 1):
                break
        return (sum(s for s, _ in recent) - self._hiccup(recent)) / seen

    def _hiccup(self, recent: list[tuple[float, float]]) -> float:
        """Return the seconds that the only slow step took too long, if it is recent.

        The first does not count: it warms up. What comes back is no hiccup.
        """
        if len(recent) < _FEW_STEPS:
            return 0.0
        usual = sorted(seconds / share for seconds, share in recent)[len(recent) // 2]
        slow = [x for x in self.steps[1:] if x[0] > _OUTLIER * usual * x[1]]
        if len(slow) != 1 or slow[0] not in recent:
            return 0.0
        seconds, share = slow[0]
        return seconds - usual * share


class Estimate:
    """Takes note of one job's progress, by the clock `now`, in seconds.

    `expected` are the seconds that the whole job is expected to take, where earlier
    ones tell: it goes by them until it has seen how fast its phases are.
    """

    def __init__(
        self, *, expected: float | None = None, now: Callable[[], float] = monotonic
    ) -> None:
        self._expected, self._now = expected, now
        self._began = self._noted = self._advanced = now()
        self._at, self._phase = 0.0, ""
        self._told: Plan = ()
        self._plan: dict[str, float] = {}
        self._over: set[str] = set()
        self._paces: dict[str, _Pace] = {}
        self._open = 1.0
        self._shown: float | None = None
        self._slower: tuple[int, float] | None = None
        self._n_steps = 0

    def note(self, step: Progress) -> SoFar:
        """Take note of how far the job is, and return how it stands."""
        now, at = self._now(), min(1.0, step.fraction)
        if step.plan and step.plan != self._told:
            self._replan(step.plan, at)
            self._told = step.plan
        if at > self._at:
            self._advance(at, now)
        self._phase = step.phase or self._phase
        left = self._left(now)
        if left is not None:
            self._show(left, now)
        self._noted = now
        is_over = step.total > 0 and step.done >= step.total
        return SoFar(
            step.message,
            1.0 if is_over else min(_MOST, 1 - self._open),
            None if left is None else self._shown,
        )

    def rate(self, phase: str) -> float | None:
        """Return the seconds that the whole job would take at the pace of a phase.

        None where it has not been seen at work.
        """
        return self._paces[phase].rate if phase in self._paces else None

    def _replan(self, plan: Plan, at: float) -> None:
        """Go on with other shares; what was done keeps its seconds, the bar its end.

        Phases that end before what is done, and were not seen, are over.
        """
        shares = _shares(plan)
        for name, pace in self._paces.items():
            before, now = self._plan.get(name), shares.get(name)
            if before and now:
                pace.scaled(now / before)
        ends = itertools.accumulate(share for _, share in plan)
        self._over = {k for (k, _), end in zip(plan, ends, strict=True) if end <= at}
        if [name for name, _ in self._told] == [name for name, _ in plan]:
            self._at = min(at, _moved(self._at, self._told, plan))
        elif self._plan:
            self._at = at
        self._plan = shares

    def _advance(self, at: float, now: float) -> None:
        share = at - self._at
        pace = self._paces.setdefault(self._phase, _Pace())
        at_least = max(_SHORTEST, (now - self._began) / _MOST_STEPS)
        pace.add(max(now - self._advanced, 1e-9), share, at_least=at_least)
        self._at, self._advanced, self._n_steps = at, now, self._n_steps + 1
        rates = self._rates()
        after = sum(rates[name] * s for name, s in self._still().items())
        begun = after + share * rates[self._phase]
        self._open *= after / begun if begun else 0.0

    def _still(self) -> dict[str, float]:
        """Return the share of each phase that is still to be done."""
        plan = self._plan or {self._phase: 1.0}
        done = {name: plan[name] for name in self._over}
        done |= {name: pace.share for name, pace in self._paces.items()}
        left = {name: max(0.0, s - done.get(name, 0.0)) for name, s in plan.items()}
        whole = sum(left.values())
        scale = (1 - self._at) / whole if whole else 0.0
        return {name: share * scale for name, share in left.items()}

    def _rates(self) -> dict[str, float]:
        """Return the seconds that the whole job would take at each phase's pace."""
        seen = {name: pace.rate for name, pace in self._paces.items() if pace.steps}
        shares = {name: self._paces[name].share for name in seen}
        weight, seconds = sum(shares.values()), sum(seen[n] * shares[n] for n in seen)
        if self._expected is not None:
            weight, seconds = weight + _TRUST, seconds + _TRUST * self._expected
        usual = seconds / weight if weight else 1.0
        return {
            name: seen.get(name, usual) for name in (*self._plan, self._phase, *seen)
        }

    def _work_left(self) -> float:
        rates = self._rates()
        return sum(rates[name] * share for name, share in self._still().items())

    def _left(self, now: float) -> float | None:
        """Return the seconds left at the pace seen so far; None while nobody knows."""
        pace = self._paces.get(self._phase)
        n_done = len(pace.steps) if pace else 0
        is_seen = n_done >= 2 or sum(p.share for p in self._paces.values()) >= _SEEN
        is_soon = now - self._began < _LEAST_SECONDS
        if self._shown is None and self._expected is None and (not is_seen or is_soon):
            return None
        left = self._work_left()
        # Of the step under way some is done, but never more than it should take.
        step = pace.steps[-1][1] * pace.rate if pace and pace.steps else left
        return max(0.0, left - min(now - self._advanced, step))

    def _show(self, left: float, now: float) -> None:
        """Count down to what is left; up only where the pace really changed."""
        passed = now - self._noted
        if self._shown is None:
            self._shown = left
            return
        counted = max(0.0, self._shown - passed)
        if left <= counted:
            part = min(1.0, passed / _SOON)
            self._shown = max(left, counted - part * (counted - left))
        else:  # it stands still until it is true again
            self._shown = min(left, self._shown)
        if left <= _REALLY * self._shown:
            self._slower = None
            return
        steps, since = self._slower = self._slower or (self._n_steps, now)
        is_sure = self._n_steps - steps >= _SURE_STEPS
        if is_sure and now - since >= _SURE_SECONDS:
            self._shown, self._slower = left, None


def _shares(plan: Plan) -> dict[str, float]:
    """Return the share of each kind of work in a plan."""
    shares: dict[str, float] = {}
    for kind, share in plan:
        shares[kind] = shares.get(kind, 0.0) + share
    return shares


def _moved(at: float, before: Plan, now: Plan) -> float:
    """Return where in a plan is what was at a place in one of the same phases."""
    begin = start = 0.0
    for (_, old), (_, new) in zip(before, now, strict=True):
        if old and at <= begin + old:
            return start + new * (at - begin) / old
        begin, start = begin + old, start + new
    return 1.0


def in_words(seconds: float) -> str:
    """Say a length of time: about 20 s, about 3 min, about 2 h.

    Examples
    --------
    >>> [in_words(s) for s in (0.2, 23, 170, 5000, 7300)]
    ['about 1 s', 'about 25 s', 'about 3 min', 'about 1.5 h', 'about 2 h']
    """
    if seconds < 10:
        return f"about {max(1, round(seconds))} s"
    if seconds < 57.5:
        return f"about {5 * round(seconds / 5)} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 80:
        return f"about {minutes} min"
    hours = round(seconds / 1800) / 2
    return f"about {hours:g} h"
