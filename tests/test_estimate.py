"""The estimator against recorded sequences, by a clock that the test moves."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dmoe.estimate import Estimate, SoFar, in_words
from napari_dmoe.progress import Phases, Progress, part_of


class Watch:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


Track = list[tuple[float, SoFar]]
"""When it was told, and what."""


def played(units: Sequence[float], beats: int = 4) -> Track:
    """Return what is told of a job with units that take so many seconds."""
    watch = Watch()
    estimate, n, told = Estimate(now=watch), len(units), []
    for number, seconds in enumerate(units):
        for _ in range(beats):
            told.append((watch.at, estimate.note(Progress(number, n, "image"))))
            watch.at += seconds / beats
    told.append((watch.at, estimate.note(Progress(n, n, "image"))))
    return told


def rises(track: Track) -> list[float]:
    """Return by which factor the time left counted up, wherever it did."""
    lefts = [so_far.seconds_left for _, so_far in track]
    known = [left for left in lefts if left is not None]
    return [b / a for a, b in itertools.pairwise(known) if b > a > 1]


def errors(track: Track, *, after: float = 0.0, until: float = 0.95) -> list[float]:
    """Return the time told over the time it took, between two shares of the job."""
    end = track[-1][0]
    return [
        so_far.seconds_left / (end - at)
        for at, so_far in track
        if so_far.seconds_left is not None and after * end <= at < until * end
    ]


STEADY = [3.0] * 20
WARM_UP = [30.0] + [3.0] * 20
STALL = [3.0] * 10 + [40.0] + [3.0] * 10
SPEED_UP = [6.0] * 10 + [2.0] * 20
SLOW_DOWN = [2.0] * 10 + [8.0] * 20
RECURRING = ([1.0] * 9 + [11.0]) * 6  # such as measuring after every round


def test_a_steady_job_is_told_from_its_second_step_on() -> None:
    track = played(STEADY)
    first = next(at for at, so_far in track if so_far.seconds_left is not None)
    assert first <= 6.0
    assert errors(track) == pytest.approx([1.0] * len(errors(track)), abs=0.1)


def test_a_slow_first_step_is_forgotten_after_the_third() -> None:
    track = played(WARM_UP)
    assert not rises(track)
    late = errors(track, after=0.5)
    assert late == pytest.approx([1.0] * len(late), abs=0.2)


@pytest.mark.parametrize(
    "units", [STEADY, WARM_UP, STALL, SPEED_UP], ids=["steady", "warm", "stall", "fast"]
)
def test_it_counts_up_by_no_more_than_a_tenth_unless_slower(
    units: list[float],
) -> None:
    assert all(rise <= 1.1 for rise in rises(played(units)))


def test_a_slower_pace_is_believed_after_a_few_steps_and_told_once() -> None:
    track = played(SLOW_DOWN)
    assert 1 <= sum(rise > 1.1 for rise in rises(track)) <= 4
    late = errors(track, after=0.5)
    assert late == pytest.approx([1.0] * len(late), abs=0.2)


def test_what_slows_it_down_again_and_again_is_no_hiccup() -> None:
    late = errors(played(RECURRING), after=0.4, until=0.8)
    assert late == pytest.approx([1.0] * len(late), abs=0.35)


def test_a_stall_stops_the_bar_and_not_its_end() -> None:
    track = played([1.0] * 5 + [60.0] + [1.0] * 5, beats=50)
    during = [s.fraction for at, s in track if 6 < at < 64]
    assert max(during) == pytest.approx(5 / 11, abs=0.01)
    assert track[-1][1].fraction == 1


def phased(
    costs: dict[str, tuple[int, float]], plan: dict[str, float]
) -> tuple[Track, Estimate]:
    """Return what is told of phases of so many units, of so many seconds each."""
    watch, track = Watch(), []
    estimate = Estimate(now=watch)
    phases = Phases(lambda at: track.append((watch.at, estimate.note(at))), plan)
    for name, (n, seconds) in costs.items():
        tell = phases.of(name)
        for number in range(n):
            tell(Progress(number, n, name))
            watch.at += seconds
        tell(Progress(n, n, name))
    return track, estimate


PHASES = {"drawing": (60, 2.3), "measuring": (60, 1.0), "training": (40, 4.0)}


def test_phases_have_their_own_share_of_the_bar() -> None:
    plan = {name: n * s for name, (n, s) in PHASES.items()}
    track, estimate = phased(PHASES, plan)
    end = track[-1][0]
    told = [s.fraction for _, s in track[:-1]]
    assert told == pytest.approx([at / end for at, _ in track[:-1]], abs=0.011)
    assert errors(track) == pytest.approx([1.0] * len(errors(track)), abs=0.1)
    assert estimate.rate("drawing") == pytest.approx(end, rel=1e-3)


def test_shares_that_were_wrong_are_learnt_on_the_way() -> None:
    track, _ = phased(PHASES, dict.fromkeys(PHASES, 1.0))
    fractions = [s.fraction for _, s in track]
    assert fractions == sorted(fractions)
    late = errors(track, after=0.7)
    assert late == pytest.approx([1.0] * len(late), abs=0.15)


def test_phases_that_every_part_repeats_are_learnt_from_the_first() -> None:
    watch, track = Watch(), []
    estimate = Estimate(now=watch)

    def tell(at: Progress) -> None:
        track.append((watch.at, estimate.note(at)))

    for number in range(4):
        phases = Phases(part_of(tell, number, 4), {"windows": 1.0, "restoring": 1.0})
        for name, seconds in (("windows", 1.0), ("restoring", 9.0)):
            hook = phases.of(name)
            for step in range(5):
                hook(Progress(step, 5))
                watch.at += seconds
            hook(Progress(5, 5))
    late = errors(track, after=0.3)
    assert late == pytest.approx([1.0] * len(late), abs=0.15)
    assert track[-1][1].fraction == 1


def test_phases_within_a_phase_split_its_share() -> None:
    told: list[Progress] = []
    outer = Phases(told.append, {"before": 1, "training": 3})
    inner = Phases(outer.of("training"), {"reading": 1, "steps": 2})
    inner.of("steps")(Progress(1, 2, "step 1"))
    assert told[0].fraction == pytest.approx(0.75)
    assert (told[0].phase, told[0].message) == ("steps", "step 1")
    assert dict(told[0].plan) == pytest.approx(
        {"before": 0.25, "reading": 0.25, "steps": 0.5}
    )


def test_another_plan_in_the_middle_moves_no_bar() -> None:
    watch, fractions = Watch(), []
    estimate = Estimate(now=watch)
    for plan in ({"reading": 1, "training": 1}, {"reading": 1, "training": 9}):
        phases = Phases(lambda at: fractions.append(estimate.note(at).fraction), plan)
        for number in range(4):
            phases.of("reading")(Progress(number, 4))
            watch.at += 1
    assert fractions == sorted(fractions)
    assert fractions[-1] < 0.6


def test_phases_that_are_told_in_detail_and_then_as_one_are_not_done_twice() -> None:
    watch, track = Watch(), []
    estimate = Estimate(now=watch)

    def tell(at: Progress) -> None:
        track.append((watch.at, estimate.note(at)))

    shares = {"guard": 20.0, "before": 20.0, "training": 40.0, "after": 20.0}
    kinds = {"before": "measuring", "after": "measuring"}
    outer = Phases(tell, shares, kinds=kinds)
    guard = Phases(outer.of("guard"), {"drawing": 3, "looking": 1})
    parts = [
        (guard.of("drawing"), 15, 1.0),
        (guard.of("looking"), 5, 1.0),
        (Phases(tell, shares, kinds=kinds).of("before"), 10, 2.0),
        (outer.of("training"), 20, 2.0),
        (outer.of("after"), 10, 2.0),
    ]
    for hook, n, seconds in parts:
        for number in range(n):
            hook(Progress(number, n))
            watch.at += seconds
        hook(Progress(n, n))
    found = errors(track)
    assert found == pytest.approx([1.0] * len(found), abs=0.1)
    assert estimate.rate("measuring") == pytest.approx(100)
    assert estimate.rate("drawing") == pytest.approx(100)


def test_what_earlier_jobs_took_is_told_at_once() -> None:
    watch = Watch()
    estimate = Estimate(expected=120.0, now=watch)
    assert estimate.note(Progress(0, 10)).seconds_left == 120


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60), st.integers(1, 5))
def test_the_bar_never_goes_back_and_is_full_at_the_end_alone(
    units: list[float], beats: int
) -> None:
    told = [so_far.fraction for _, so_far in played(units, beats)]
    assert told == sorted(told)
    assert told[-1] == 1
    assert all(fraction < 1 for fraction in told[:-1])
    lefts = [s.seconds_left for _, s in played(units, beats)]
    assert all(left is None or left >= 0 for left in lefts)
    assert all(rise > 1.1 for rise in rises(played(units, beats)))  # or none at all


@pytest.mark.parametrize("seed", range(30))
def test_a_pace_that_wavers_by_a_fifth_never_counts_up_by_more_than_a_tenth(
    seed: int,
) -> None:
    draw = random.Random(seed)
    units = [3 * draw.uniform(0.8, 1.2) for _ in range(draw.randint(5, 60))]
    assert all(rise <= 1.1 for rise in rises(played(units)))


def _seconds() -> Iterator[tuple[float, str]]:
    yield 0.2, "about 1 s"
    yield 9.4, "about 9 s"
    yield 21.0, "about 20 s"
    yield 58.0, "about 1 min"
    yield 170.0, "about 3 min"
    yield 5400.0, "about 1.5 h"
    yield 7100.0, "about 2 h"


@pytest.mark.parametrize(("seconds", "words"), [*_seconds()])
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
