"""Intervals are the published ones where asked for, cover, and repeat themselves."""

import json
import math

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from napari_dmoe.evaluation.groups.intervals import bootstrap, bootstrap_difference
from napari_dmoe.evaluation.groups.table import STATISTICS
from napari_dmoe.evaluation.scoring.mask_pair import MetricError


@pytest.fixture(scope="module")
def published(data_folder):
    expected = json.loads((data_folder / "metrics2d.json").read_text("utf-8"))
    with np.load(data_folder / "metrics2d.npz") as file:
        scores = [file[f"dice_group{i}"] for i in range(3)]
    groups = [str(i) for i, own in enumerate(scores) for _ in own]
    return np.concatenate(scores), groups, expected


@pytest.mark.parametrize("seed", range(5))
def test_the_reference_convention_gives_the_published_ends(published, seed):
    values, groups, expected = published
    found = bootstrap(values, groups, seed=seed, convention="reference").statistics
    for name, key in (("mean", "mean"), ("es_sum", "es_mean")):
        ends = expected[f"bootstrap_{key}_lower_upper"][1:]
        assert found[name] == pytest.approx(ends, abs=0.003)


def test_ours_recomputes_the_overall_mean(published):
    values, groups, _ = published
    ours = bootstrap(values, groups, seed=0)
    theirs = bootstrap(values, groups, seed=0, convention="reference")
    # The same draws; ours are corrected for bias and skewness.
    assert ours.statistics["mean"] == pytest.approx(theirs.statistics["mean"], abs=0.01)
    for name, interval in ours.groups.items():
        assert interval == pytest.approx(theirs.groups[name], abs=0.01)
    assert ours.statistics["es_sum"] != theirs.statistics["es_sum"]
    assert (ours.n_resamples, ours.level, ours.convention) == (1000, 95.0, "default")
    assert {ours.methods[name] for name in (*ours.groups, "mean")} == {"BCa"}
    assert {ours.methods[name] for name in STATISTICS[1:]} == {"test inversion"}
    assert set(theirs.methods.values()) == {"percentile"}
    assert set(ours.methods) == {*ours.groups, *STATISTICS}


def test_ours_is_wider_than_an_interval_with_the_mean_held_fixed():
    # Groups of one mean: the fixed mean hides that all of them move together.
    rng = np.random.default_rng(3)
    values, groups = rng.normal(0.7, 0.1, 400), ["A", "B"] * 200
    ends = [
        bootstrap(values, groups, seed=0, convention=c).statistics["es_std"]
        for c in ("default", "reference")
    ]
    ours, theirs = (high - low for low, high in ends)
    assert ours > 1.2 * theirs


def compared(a, b):
    mean = np.concatenate([a, b]).mean()
    gaps = abs(mean - a.mean()) + abs(mean - b.mean())
    return a.mean(), abs(a.mean() - b.mean()), mean / (1 + gaps)


def bca_of_a_loop(rng, a, b, *, n_resamples):
    """Return ends by Efron and Tibshirani 1993, equations 14.9 to 14.15, in words."""
    drawn = [
        compared(rng.choice(a, len(a)), rng.choice(b, len(b)))
        for _ in range(n_resamples)
    ]
    bias = norm.ppf((np.array(drawn) < compared(a, b)).mean(0))
    thirds, seconds = np.zeros(3), np.zeros(3)
    for n, left in (
        (len(a), [compared(np.delete(a, i), b) for i in range(len(a))]),
        (len(b), [compared(a, np.delete(b, i)) for i in range(len(b))]),
    ):
        pull = (n - 1) * (np.mean(left, 0) - left)
        thirds += (pull**3).sum(0) / n**3
        seconds += (pull**2).sum(0) / n**2
    skewness = thirds / (6 * seconds**1.5)
    ends = []
    for z in norm.ppf([0.025, 0.975]):
        levels = norm.cdf(bias + (bias + z) / (1 - skewness * (bias + z)))
        columns = zip(np.transpose(drawn), levels, strict=True)
        ends.append([np.quantile(column, level) for column, level in columns])
    return np.transpose(ends)


def test_intervals_equal_a_loop_over_resamples():
    rng = np.random.default_rng(5)
    values, groups = rng.random(40), ["A"] * 25 + ["B"] * 15
    # Against a model that scores 0 everywhere, the difference is the first's own.
    found = bootstrap_difference(values, np.zeros(40), groups, seed=0, n_resamples=4000)
    of_a, gap, es_sum = bca_of_a_loop(rng, values[:25], values[25:], n_resamples=4000)
    assert found.groups["A"] == pytest.approx(tuple(of_a), abs=0.01)
    assert found.statistics["gap"] == pytest.approx(tuple(gap), abs=0.01)
    assert found.statistics["es_sum"] == pytest.approx(tuple(es_sum), abs=0.01)


def test_intervals_of_few_cases_are_wider_as_a_t_test_has_them():
    rng = np.random.default_rng(6)
    values = rng.normal(0.7, 0.1, 12)
    low, high = bootstrap(values, ["A"] * 12, seed=0, n_resamples=8000).groups["A"]
    ends = ttest_1samp(values, 0).confidence_interval()
    assert high - low == pytest.approx(ends.high - ends.low, rel=0.12)
    plain = bootstrap_difference(
        values, np.zeros(12), ["A"] * 12, seed=0, n_resamples=8000
    ).groups["A"]
    assert high - low > 1.1 * (plain.high - plain.low)


def test_percentiles_stand_where_bca_is_not_defined_and_are_called_so():
    found = bootstrap([0.5] * 4 + [0.6, 0.7, 0.9], list("AAAABBB"), seed=0)
    assert found.groups["A"] == (0.5, 0.5)
    assert (found.methods["A"], found.methods["B"]) == ("percentile", "BCa")
    assert not any(math.isnan(low) for low, _ in found.statistics.values())
    assert set(found.methods) == {"A", "B", *STATISTICS}


def test_groups_of_one_case_have_no_spread_at_all():
    found = bootstrap([0.5, 0.7], list("AB"), seed=0)
    assert set(found.groups) == {"A", "B"}
    every = [*found.groups.values(), *found.statistics.values()]
    assert all(math.isnan(end) for interval in every for end in interval)
    assert found.methods == {}


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(13)
    groups = ["A"] * 100 + ["B"] * 60
    hits = 0
    for _ in range(200):
        values = np.concatenate([rng.normal(0.8, 0.1, 100), rng.normal(0.6, 0.1, 60)])
        low, high = bootstrap(values, groups, seed=1, n_resamples=500).statistics[
            "mean"
        ]
        hits += low <= (0.8 * 100 + 0.6 * 60) / 160 <= high
    assert 0.93 <= hits / 200 <= 0.97


def test_a_seed_repeats_and_the_order_of_cases_does_not_matter():
    rng = np.random.default_rng(2)
    values, groups = rng.random(30), np.array(list("ABC") * 10)
    first = bootstrap(values, list(groups), seed=7, n_resamples=200)
    order = rng.permutation(30)
    assert (
        bootstrap(values[order], list(groups[order]), seed=7, n_resamples=200) == first
    )
    assert bootstrap(values, list(groups), seed=8, n_resamples=200) != first


@pytest.mark.parametrize("at_once", [1, 130, 777])
def test_large_cohorts_are_drawn_in_parts(monkeypatch, at_once):
    values, groups = np.random.default_rng(0).random(60), list("AAB") * 20
    whole = bootstrap(values, groups, seed=0, n_resamples=100)
    draw, sizes = np.random.default_rng, []

    class Watched:
        def __init__(self, seed):
            self.rng = draw(seed)

        def integers(self, low, high, size, dtype):
            sizes.append(size)
            return self.rng.integers(low, high, size, dtype)

    monkeypatch.setattr("numpy.random.default_rng", Watched)
    monkeypatch.setattr(
        "napari_dmoe.evaluation.groups.resampling._DRAWN_AT_ONCE", at_once
    )
    assert bootstrap(values, groups, seed=0, n_resamples=100) == whole
    # One resample of a group is the least that can be drawn: 40 cases of A, 20 of B.
    assert max(n * of for n, of in sizes) <= max(at_once, 40)


def test_a_difference_does_not_depend_on_how_it_is_drawn_either(monkeypatch):
    first, second = np.random.default_rng(0).random((2, 60))
    groups = list("AAB") * 20
    whole = bootstrap_difference(first, second, groups, seed=0, n_resamples=100)
    monkeypatch.setattr("napari_dmoe.evaluation.groups.resampling._DRAWN_AT_ONCE", 130)
    parts = bootstrap_difference(first, second, groups, seed=0, n_resamples=100)
    assert parts == whole


def test_cases_that_do_not_count_are_left_out():
    values, groups = [0.5, 0.7, 0.9, 0.4], list("AAAB")
    more = ([*values, math.nan, 0.1, math.nan], [*groups, "A", None, "C"])
    found = bootstrap(*more, seed=0, n_resamples=50)
    alone = bootstrap(values, groups, seed=0, n_resamples=50)
    assert found.statistics == alone.statistics
    assert set(found.groups) == {"A", "B"}
    assert found.groups["A"] == alone.groups["A"]
    # One case has no spread to draw an interval from.
    assert math.isnan(found.groups["B"].low)


@pytest.mark.parametrize("convention", ["default", "reference"])
def test_no_counted_case_gives_no_interval(convention):
    found = bootstrap([math.nan], ["A"], seed=0, convention=convention)
    assert found.groups == {}
    assert set(found.statistics) == set(STATISTICS)
    assert all(math.isnan(interval.low) for interval in found.statistics.values())


def test_lengths_have_no_equity_scaled_interval():
    found = bootstrap(
        [3.0, 4.0, 9.0, 8.0], list("AABB"), seed=0, higher_is_better=False
    ).statistics
    assert math.isnan(found["es_sum"].low)
    # The worst group is the one with the longest, 8.5 on average.
    low, high = found["worst"]
    assert low < 8.5 < high
    assert found["gap"].high > 5


def test_a_difference_of_the_same_cases_is_surer_than_two_intervals():
    rng = np.random.default_rng(1)
    hardness, groups = rng.normal(0.7, 0.1, 80), list("ABBB") * 20
    first = hardness + 0.02 + rng.normal(0, 0.005, 80)
    difference = bootstrap_difference(first, hardness, groups, seed=0)
    assert difference.statistics["mean"].low > 0.015
    assert difference.groups["A"].high < 0.025
    low, high = difference.statistics["mean"]
    alone = bootstrap(first, groups, seed=0).statistics["mean"]
    assert high - low < 0.1 * (alone.high - alone.low)
    nothing = bootstrap_difference(hardness, hardness, groups, seed=0)
    assert all(tuple(i) == (0, 0) for i in nothing.groups.values())


def test_a_difference_leaves_out_cases_that_one_model_lacks():
    found = bootstrap_difference(
        [0.5, 0.6, math.nan, 0.9], [0.4, 0.5, 0.1, math.nan], list("AAAA"), seed=0
    )
    assert found.groups["A"] == pytest.approx((0.1, 0.1))


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(MetricError, match="for 1 groups"):
        bootstrap([0.5, 0.6], ["A"], seed=0)
    with pytest.raises(MetricError, match=r"level of 100 % from 1000 resamples"):
        bootstrap([0.5], ["A"], seed=0, level=100)
    with pytest.raises(MetricError, match="from 0 resamples"):
        bootstrap([0.5], ["A"], seed=0, n_resamples=0)


@pytest.mark.parametrize("convention", ["default", "reference"])
def test_a_group_of_one_gives_nothing_that_compares_it_an_interval(convention):
    values, groups = [0.9, 0.8, 0.85, 0.7, 0.75, 0.2], list("AAAAAB")
    found = bootstrap(values, groups, seed=0, convention=convention)
    assert math.isnan(found.groups["B"].low)
    compared = [found.statistics[name] for name in STATISTICS if name != "mean"]
    assert all(math.isnan(end) for interval in compared for end in interval)
    assert set(found.methods) == {"A", "mean"}
    (note,) = found.notes
    assert "one case" in note
    assert note.endswith(": B")
    difference = bootstrap_difference(values, [0.5] * 6, groups, seed=0)
    assert math.isnan(difference.statistics["worst"].low)
    assert not math.isnan(difference.groups["A"].low)


def test_the_interval_of_a_small_group_says_so():
    few = bootstrap([0.9, 0.8, 0.85, 0.7, 0.2], list("AAABB"), seed=0, n_resamples=50)
    assert few.notes == (
        "fewer than 5 cases, so that the interval says little: A (3), B (2)",
    )
    enough = bootstrap([0.9, 0.8, 0.85, 0.7, 0.2], list("AAAAA"), seed=0)
    assert enough.notes == ()


def test_groups_that_are_all_alike_have_intervals_and_no_warning():
    """Their factor of pulling apart is 0 / 0; warnings are errors here."""
    values = [0.0, 0.2, 0.4, 0.6] * 4
    found = bootstrap(values, ["a", "a", "a", "a", "b", "b", "b", "b"] * 2, seed=0)
    low, high = found.statistics["worst"]
    assert low < 0.3 < high + 1e-9
    assert found.statistics["gap"].low == pytest.approx(0)
