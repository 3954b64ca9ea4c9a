"""Intervals of how far a score changed on the same cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from napari_dmoe.evaluation.groups.paired import paired_interval


@pytest.mark.parametrize("rises", [[], [0.2]])
def test_fewer_than_two_cases_have_no_interval(rises: list[float]) -> None:
    assert all(math.isnan(end) for end in paired_interval(rises))


def test_it_is_the_interval_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random(24), rng.random(24)
    found = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert paired_interval((after - before).tolist()) == pytest.approx(tuple(found))
    narrow = paired_interval((after - before).tolist(), level=50)
    assert narrow.low > found.low


def test_equal_changes_leave_no_doubt() -> None:
    assert paired_interval([0.1] * 3) == (0.1, 0.1)


def test_many_pictures_of_few_patients_are_no_surer_than_the_patients() -> None:
    rises = [0.1, -0.05, 0.02, 0.07]
    alone = paired_interval(rises)
    copied = paired_interval(rises * 10, list("abcd") * 10)
    assert copied == pytest.approx(tuple(alone))
    unknown = paired_interval(rises * 10)
    assert unknown.low > alone.low
    one = paired_interval([0.1, 0.2, 0.3], ["a", "a", "a"])
    assert math.isnan(one.low)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    drawn = [paired_interval(rng.normal(0.03, 0.05, 12).tolist()) for _ in range(400)]
    share = np.mean([low <= 0.03 <= high for low, high in drawn])
    assert 0.93 <= share <= 0.975
