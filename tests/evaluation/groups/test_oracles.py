"""Figures by group equal those of other programs, and hold what mathematics says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from interval_coverage import KINDS as DRAWS
from interval_coverage import Scenario, coverage
from napari_dmoe.evaluation.groups.intervals import bootstrap
from napari_dmoe.evaluation.groups.table import disaggregate, statistics

CASES = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from("ABCD")), min_size=2, max_size=40
)


def scores(seed: int) -> tuple[list[float], list[str]]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 80))
    values = (rng.integers(300, 990, n) / 1000).tolist()
    return values, [f"g{i}" for i in rng.integers(0, 4, n)]


@pytest.mark.parametrize("seed", range(10))
def test_gap_worst_skewness_and_spread_equal_fairmedfm(seed: int) -> None:
    theirs = pytest.importorskip("fairmedfm")
    values, groups = scores(seed)
    ours = disaggregate(values, groups)
    given_to = {"dice": np.array(values), "sensitive_features": groups}
    found = ours.statistics
    assert found["gap"] == pytest.approx(theirs.dice_gap(**given_to))
    assert found["worst"] == pytest.approx(theirs.worst_group_dice(**given_to))
    assert found["skewness"] == pytest.approx(theirs.dice_skewness(**given_to))
    # Its equity-scaled Dice divides by 1 + the population's standard deviation.
    spread = float(np.std(list(ours.means.values())))
    assert spread == pytest.approx(theirs.dice_std(**given_to))
    scaled = theirs.equity_scaled_dice(**given_to)
    assert scaled == pytest.approx(found["mean"] / (1 + spread))


def test_fairmedfm_scales_the_named_example_to_0_7() -> None:
    theirs = pytest.importorskip("fairmedfm")
    dice = np.array([0.9, 0.8, 0.85, 0.7, 0.6])
    scaled = theirs.equity_scaled_dice(dice, sensitive_features=list("AAABB"))
    assert scaled == pytest.approx(0.7)


@pytest.mark.parametrize("seed", range(5))
def test_means_and_medians_equal_a_group_by_of_pandas(seed: int) -> None:
    pandas = pytest.importorskip("pandas")
    values, groups = scores(seed)
    frame = pandas.DataFrame({"dice": values, "group": groups}).groupby("group")["dice"]
    rows = {row.name: row for row in disaggregate(values, groups).rows}
    for name, own in frame:
        row = rows[name]
        assert row.n == len(own)
        assert (row.mean, row.sd) == pytest.approx((own.mean(), own.std()), nan_ok=True)
        assert row.median == pytest.approx(own.median())


@pytest.mark.parametrize("seed", range(3))
def test_bca_ends_of_a_large_group_equal_scipys(seed: int) -> None:
    values = np.random.default_rng(seed).beta(8, 2, 400)
    ours = bootstrap(values, ["A"] * 400, seed=0, n_resamples=4000).groups["A"]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.0015)


@given(CASES)
def test_statistics_hold_what_mathematics_says(cases: list[tuple[float, str]]) -> None:
    values, groups = map(list, zip(*cases, strict=True))
    found = disaggregate(values, groups).statistics
    assert found["es_sum"] <= found["es_std"] + 1e-12 <= found["mean"] + 2e-12
    assert -1e-12 <= found["worst"] <= found["mean"] + 1e-12
    assert 0 <= found["gap"] <= 1
    assert math.isnan(found["ratio"]) or 0 <= found["ratio"] <= 1
    assert math.isnan(found["skewness"]) or found["skewness"] >= 1


@given(CASES, st.integers(0, 3))
def test_intervals_hold_what_was_found_and_have_ends_in_order(
    cases: list[tuple[float, str]], seed: int
) -> None:
    values, groups = map(list, zip(*cases, strict=True))
    found = bootstrap(values, groups, seed=seed, n_resamples=60)
    for name, (low, high) in {**found.groups, **found.statistics}.items():
        assert math.isnan(low) == math.isnan(high), name
        assert math.isnan(low) or low <= high, name
    table = disaggregate(values, groups)
    for name in ("gap", "worst"):
        low, high = found.statistics[name]
        if not math.isnan(low):
            assert low - 1e-9 <= table.statistics[name] <= high + 1e-9
    for name in ("gap", "ratio"):
        low, high = found.statistics[name]
        assert math.isnan(low) or (low >= 0 and high <= 1 + 1e-9)


def test_equal_groups_have_no_gap_in_their_interval_unlike_resamples() -> None:
    rng = np.random.default_rng(0)
    groups = list("AB") * 60
    hits = {"ours": 0, "percentile": 0}
    for _ in range(40):
        values = rng.normal(0.8, 0.1, 120)
        ours = bootstrap(values, groups, seed=0, n_resamples=300)
        published = bootstrap(
            values, groups, seed=0, n_resamples=300, convention="reference"
        )
        hits["ours"] += ours.statistics["gap"].low <= 0
        hits["percentile"] += published.statistics["gap"].low <= 0
    assert hits["ours"] >= 35
    assert hits["percentile"] == 0


def test_one_group_has_the_interval_of_its_mean() -> None:
    values = np.random.default_rng(0).random(30)
    found = bootstrap(values, ["A"] * 30, seed=0, n_resamples=100)
    for name in ("worst", "es_sum", "es_std"):
        assert found.statistics[name] == found.statistics["mean"]
    assert tuple(found.statistics["gap"]) == (0, 0)
    assert tuple(found.statistics["ratio"]) == (1, 1)


def test_many_sets_of_means_have_one_ratio_each() -> None:
    means = np.array([[0.4, 0.0, -1.0], [0.8, 0.0, 1.0]])
    found = statistics(means.mean(0), means)["ratio"]
    assert found[0] == 0.5
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("kind", DRAWS)
def test_scenarios_have_the_means_that_they_say(kind: str) -> None:
    drawn = DRAWS[kind](np.random.default_rng(0), 200_000)
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    assert drawn.std() == pytest.approx(1, abs=0.01)


@pytest.mark.full
@pytest.mark.parametrize("apart", ["equal", "slightly apart", "clearly apart"])
@pytest.mark.parametrize("n", [20, 60, 200])
def test_intervals_cover_between_93_and_97_of_100(apart: str, n: int) -> None:
    found = coverage(Scenario("even", (n,) * 3, apart), 400, seed=n)["covered"]
    for name in ("mean", "group", "gap", "es_sum", "es_std"):
        # 400 cohorts tell a share to 0.021.
        assert 0.93 - 0.021 <= found[name] <= 0.97 + 0.021, name


def test_groups_equal_fairlearns_metric_frame_live():
    fairlearn = pytest.importorskip("fairlearn.metrics")
    rng = np.random.default_rng(21)
    scores = rng.beta(8, 2, 90)
    groups = [f"{'ABC'[r]}, {'fm'[s]}" for r, s in rng.integers(0, 2, (90, 2))]
    frame = fairlearn.MetricFrame(
        metrics=lambda y_true, y_pred: float(np.mean(y_pred)),
        y_true=np.zeros(90),
        y_pred=scores,
        sensitive_features=groups,
    )
    table = disaggregate(scores, groups)
    assert table.means == pytest.approx(frame.by_group.to_dict())
    assert table.statistics["mean"] == pytest.approx(frame.overall)
    assert table.statistics["gap"] == pytest.approx(frame.difference())
    assert table.statistics["ratio"] == pytest.approx(frame.ratio())
    assert table.statistics["worst"] == pytest.approx(frame.group_min())
