"""What a long-running function says while it works, and how it is told to stop.

Engines take ``progress``, any callable of one :class:`Progress`. A hook that raises
:class:`Cancelled` stops the engine at its next step; nothing else is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_STEPS = 100_000
"""Steps of progress in one part of a job."""

Plan = tuple[tuple[str, float], ...]
"""Phases of a job in their order, each with its share; the shares sum to 1."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long job.

    Parameters
    ----------
    done, total : int
        Steps finished, and steps in all; ``0 <= done <= total``.
    message : str
        What is being done, for a person.
    phase : str
        Which of the phases of `plan` is under way; empty where there is no plan.
    plan : tuple of (str, float)
        Kinds of work that the whole job is made of, and their shares of it, in [0, 1].
        It holds for the whole job however many parts repeat it.
    """

    done: int
    total: int
    message: str = ""
    phase: str = ""
    plan: Plan = ()

    @property
    def fraction(self) -> float:
        """Share of the work done, in [0, 1]; 0 where the total is not known."""
        return self.done / self.total if self.total > 0 else 0.0


ProgressHook = Callable[[Progress], None]


class Cancelled(Exception):
    """Raised by a progress hook to stop the engine that called it."""


def silent(_: Progress) -> None:
    """Ignore progress; the default hook."""


Pulse = Callable[[], None]
"""Called now and then by work that has no steps to count; may raise `Cancelled`."""


def no_pulse() -> None:
    """Do nothing; the default pulse."""


def beats(progress: ProgressHook, n: int, message: str) -> Pulse:
    """Return a pulse that tells of work of about `n` beats as it goes on.

    Nobody knows the last one beforehand: whoever does the work tells that it is over.
    """
    counted = itertools.count()

    def pulse() -> None:
        progress(Progress(min(next(counted), n - 1), n, message))

    return pulse


Words = Callable[[int, int], str]
"""Says which of several runs are under way, from the first to the last of them."""


def part_of(
    progress: ProgressHook, number: int, n: int, words: str = "", *, width: int = 1
) -> ProgressHook:
    """Return the progress of part `number` of n alike, out of a whole job's.

    A single part without words of its own is told as it is.

    Parameters
    ----------
    progress : callable
        Told of the whole job.
    number, n : int
        Which part it is, counted from 0, and how many there are.
    words : str
        What the part does; stands before what its own steps say.
    width : int
        How many of the n, from `number` on, it does together.
    """
    if n == 1 and not words:
        return progress

    def tell(step: Progress) -> None:
        done = round(_STEPS * (number + width * step.fraction))
        message = ", ".join(filter(None, (words, step.message)))
        progress(Progress(done, _STEPS * n, message, step.phase, step.plan))

    return tell


class Phases:
    """A job made of unlike kinds of work, each with its own share of the whole.

    Parameters
    ----------
    progress : callable
        Told of the whole job.
    shares : mapping of str to float
        The phases in their order, and how much of the time each will take, as far as
        that is known beforehand; in any unit.
    kinds : mapping of str to str
        What phases are that are work of the same kind; each its own by default.

    Examples
    --------
    >>> phases = Phases(lambda at: print(at.fraction), {"reading": 1, "training": 3})
    >>> phases.of("training")(Progress(1, 2))
    0.625
    """

    def __init__(
        self,
        progress: ProgressHook,
        shares: Mapping[str, float],
        *,
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        self._progress, self._names = progress, list(shares)
        whole, kinds = sum(shares.values()) or 1.0, kinds or {}
        self.plan: Plan = tuple((kinds.get(k, k), v / whole) for k, v in shares.items())

    def of(self, name: str) -> ProgressHook:
        """Return the progress of one phase, which may have phases of its own."""
        place = self._names.index(name)
        (kind, share), before = self.plan[place], sum(s for _, s in self.plan[:place])
        first, last = self.plan[:place], self.plan[place + 1 :]

        def tell(step: Progress) -> None:
            done = round(_STEPS * (before + share * step.fraction))
            is_over = step.fraction == 1 and not sum(s for _, s in last)
            inner = tuple((k, share * s) for k, s in step.plan) or ((kind, share),)
            at = _STEPS if is_over else min(done, _STEPS - 1)
            plan, phase = (*first, *inner, *last), step.phase or kind
            self._progress(Progress(at, _STEPS, step.message, phase, plan))

        return tell


def parts_of(
    progress: ProgressHook, *parts: Mapping[str, float]
) -> tuple[ProgressHook, ...]:
    """Return the progress of each of some parts of a job, of the phases that it has.

    Its plan is that of the whole job from the beginning: parts may have phases of the
    same kind, at which the same speed is seen.

    Parameters
    ----------
    progress : callable
        Told of the whole job.
    parts : mapping of str to float
        Phases of each part and how long they take, in any unit that all share.
    """
    whole = sum(sum(part.values()) for part in parts) or 1.0
    plan = tuple((k, v / whole) for part in parts for k, v in part.items())
    ends = list(itertools.accumulate(sum(part.values()) / whole for part in parts))

    def told(begin: float, end: float) -> ProgressHook:
        def tell(step: Progress) -> None:
            at = begin + (end - begin) * step.fraction
            is_over = step.fraction == 1 and end == ends[-1]
            done = _STEPS if is_over else min(round(_STEPS * at), _STEPS - 1)
            progress(Progress(done, _STEPS, step.message, step.phase, plan))

        return tell

    return tuple(told(*each) for each in zip([0.0, *ends], ends, strict=False))


def numbered(noun: str, n: int, names: Sequence[str] = ()) -> Words:
    """Return what says which of n runs are under way.

    Parameters
    ----------
    noun : str
        What each of them is.
    n : int
        How many there are.
    names : sequence of str
        What each of them is called, where they have names.

    Examples
    --------
    >>> words = numbered("value", 3, ["0-19", "20-39", "40-59"])
    >>> words(1, 1)
    'value 2 of 3: 20-39'
    >>> words(0, 2)
    'values 1 to 3 of 3'
    """

    def say(first: int, last: int) -> str:
        if first < last:
            return f"{noun}s {first + 1} to {last + 1} of {n}"
        name = f": {names[first]}" if first < len(names) else ""
        return f"{noun} {first + 1} of {n}{name}"

    return say
