from __future__ import annotations

import pytest

from napari_dmoe.progress import Cancelled, Progress, numbered, part_of, silent


@pytest.mark.parametrize(
    ("done", "total", "fraction"), [(0, 4, 0), (1, 4, 0.25), (4, 4, 1), (0, 0, 0)]
)
def test_fraction_is_the_share_done(done: int, total: int, fraction: float) -> None:
    assert Progress(done, total).fraction == fraction


def test_silent_hook_takes_progress_and_returns() -> None:
    assert silent(Progress(1, 2, "segmenting")) is None


def test_cancelled_is_no_error_that_engines_would_catch() -> None:
    assert not issubclass(Cancelled, (ValueError, RuntimeError, OSError))


def test_a_part_is_told_in_its_place_and_in_words() -> None:
    steps: list[Progress] = []
    part_of(steps.append, 1, 4, "value 2 of 4: T2")(Progress(1, 2, "window 1 of 2"))
    part_of(steps.append, 3, 4)(Progress(1, 1, "done"))
    assert [step.fraction for step in steps] == [0.375, 1]
    assert [s.message for s in steps] == ["value 2 of 4: T2, window 1 of 2", "done"]


def test_the_only_part_keeps_its_own_steps() -> None:
    steps: list[Progress] = []
    part_of(steps.append, 0, 1)(Progress(2, 15, "image 1 of 1"))
    assert steps == [Progress(2, 15, "image 1 of 1")]


def test_runs_are_numbered_and_named() -> None:
    assert numbered("sample", 16)(2, 2) == "sample 3 of 16"
    assert numbered("sample", 16)(8, 15) == "samples 9 to 16 of 16"
    assert numbered("value", 2, ["female", "male"])(1, 1) == "value 2 of 2: male"
