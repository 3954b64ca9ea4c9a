"""Groups are compared as the formulas say, and nothing drops out unnoticed."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.evaluation.groups.groupings import groupings
from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.evaluation.groups.table import (
    disaggregate,
    es_std,
    es_sum,
    statistics,
)
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient

VALUES, GROUPS = [0.9, 0.8, 0.85, 0.7, 0.6], list("AAABB")
RACE = CardAttribute(name="race", values=("Asian", "Black", "White"))
SEX = CardAttribute(name="sex", values=("female", "male"))


def test_both_es_forms_and_a_third_of_another_program():
    found = disaggregate(VALUES, GROUPS).statistics
    assert found["mean"] == pytest.approx(0.77)
    assert found["es_sum"] == pytest.approx(0.641667, abs=1e-6)
    assert found["es_std"] == pytest.approx(0.674598, abs=1e-6)
    # fairmedfm 0.4.2 divides by 1 + the population's standard deviation.
    assert 0.77 / (1 + np.std([0.85, 0.65])) == pytest.approx(0.7)


def test_es_equals_the_published_figures(data_folder):
    expected = json.loads((data_folder / "metrics2d.json").read_text("utf-8"))
    with np.load(data_folder / "metrics2d.npz") as file:
        scores = [file[f"dice_group{i}"] for i in range(3)]
    groups = [str(i) for i, own in enumerate(scores) for _ in own]
    table = disaggregate(np.concatenate(scores), groups)
    assert list(table.means.values()) == pytest.approx(expected["group_means"])
    assert table.statistics["mean"] == pytest.approx(expected["overall"])
    assert table.statistics["es_sum"] == pytest.approx(expected["es_sum_of_gaps"])
    assert table.statistics["es_std"] == pytest.approx(expected["es_std"])


def test_equal_groups_and_a_single_one_leave_the_mean():
    for groups in ("AABB", "AAAA"):
        table = disaggregate([0.5, 0.7, 0.5, 0.7], list(groups))
        for name in ("es_sum", "es_std", "worst"):
            assert table.statistics[name] == pytest.approx(0.6)
        assert table.statistics["gap"] == pytest.approx(0)
        assert any("only one group" in n for n in table.notes) == (groups == "AAAA")


def test_empty_groups_are_left_out_and_named():
    table = disaggregate(VALUES, GROUPS, expected=("C", "B", "A"))
    assert [row.name for row in table.rows] == ["B", "A"]
    assert table.left_out == ("C",)
    assert table.statistics == disaggregate(VALUES, GROUPS).statistics
    assert "left out, because no case counts: C" in table.notes


def test_cases_without_a_score_are_skipped_and_counted():
    table = disaggregate(
        [*VALUES, math.nan, math.nan],
        [*GROUPS, "A", None],
        is_missed=[False] * 5 + [True] * 2,
    )
    assert table.statistics == disaggregate(VALUES, GROUPS).statistics
    assert (table.n, table.n_nan, table.n_missed, table.n_without_group) == (6, 1, 1, 1)
    row = table.rows[0]
    assert (row.n, row.n_counted, row.n_nan, row.n_missed) == (4, 3, 1, 1)
    assert "cases without a score, not counted: 1" in table.notes
    assert "misses, where one mask lacks what the other has: 1" in table.notes
    assert "cases left out, because their group is not known: 1" in table.notes


def test_a_group_without_any_score_is_nan_and_not_zero():
    table = disaggregate([0.5, 0.7, math.nan], list("AAB"))
    assert math.isnan(table.means["B"])
    assert table.left_out == ("B",)
    assert table.worst == "A"
    nothing = disaggregate([math.nan, math.nan], list("AB"))
    assert nothing.worst is None
    assert all(math.isnan(value) for value in nothing.statistics.values())


def test_the_order_of_the_cases_changes_no_bit():
    rng = np.random.default_rng(9)
    values, groups = rng.random(50), rng.choice(list("ABCD"), 50)
    table = disaggregate(values, list(groups))
    for _ in range(20):
        order = rng.permutation(50)
        assert disaggregate(values[order], list(groups[order])) == table


SCORES = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from("ABCD")), min_size=1, max_size=30
)


@given(SCORES)
def test_es_is_never_above_the_mean(cases):
    table = disaggregate([v for v, _ in cases], [g for _, g in cases])
    found = table.statistics
    assert found["es_sum"] <= found["mean"] + 1e-12
    assert found["es_std"] <= found["mean"] + 1e-12
    assert found["worst"] <= found["mean"] + 1e-12
    assert found["gap"] >= 0
    assert found["worst"] == min(row.mean for row in table.rows)


def test_gap_worst_and_skewness_equal_fairmedfm():
    table = disaggregate(VALUES, GROUPS).statistics
    assert (table["gap"], table["worst"]) == pytest.approx((0.2, 0.65))
    assert table["skewness"] == pytest.approx(2.333333333333)
    # fairmedfm 0.4.2 on the same 60 scores
    rng = np.random.default_rng(11)
    values, groups = rng.integers(400, 950, 60) / 1000, rng.integers(0, 4, 60)
    found = disaggregate(values, [str(g) for g in groups]).statistics
    assert found["gap"] == pytest.approx(0.06240476190476196)
    assert found["worst"] == pytest.approx(0.6686428571428572)
    assert found["skewness"] == pytest.approx(1.2320290368271958)
    perfect = disaggregate([1.0, 0.5], ["A", "B"]).statistics
    assert math.isnan(perfect["skewness"])


def test_race_and_sex_crossed_equal_fairlearn_and_a_plain_group_by():
    rng = np.random.default_rng(12)
    values, race = rng.integers(400, 950, 60) / 1000, rng.integers(0, 3, 60)
    sex = rng.integers(0, 2, 60)
    patients = [
        Patient(race=RACE.values[r], sex=("female", "male")[s])
        for r, s in zip(race, sex, strict=True)
    ]
    cases = [ScoredCase(str(i), i, patient=own) for i, own in enumerate(patients)]
    *_, crossed = groupings(
        cases, attributes=(RACE, SEX), by=(), crossed=[("race", "sex")]
    )
    expected_names, groups = crossed.values, crossed.of_case
    assert len(expected_names) == 6
    table = disaggregate(values, groups, expected=expected_names)
    # fairlearn 0.15.0, MetricFrame.by_group, .difference() and .group_min()
    frame = [0.7003333333, 0.6541111111, 0.6786666667, 0.7572, 0.6462222222, 0.70547368]
    assert list(table.means) == list(expected_names)
    assert list(table.means.values()) == pytest.approx(frame, abs=1e-6)
    assert table.statistics["gap"] == pytest.approx(0.1109777778)
    assert table.statistics["worst"] == pytest.approx(0.6462222222)
    assert table.worst == "White, female"
    for (r, s), name in zip(
        itertools.product(range(3), range(2)), groups, strict=False
    ):
        of_group = values[(race == r) & (sex == s)]
        name = expected_names[2 * r + s]
        row = next(row for row in table.rows if row.name == name)
        assert (row.n, row.mean, row.sd) == pytest.approx(
            (len(of_group), of_group.mean(), of_group.std(ddof=1))
        )


def test_small_groups_are_marked():
    n = SMALL_GROUP
    table = disaggregate([0.5] * (2 * n - 1), ["A"] * n + ["B"] * (n - 1))
    assert [row.is_small for row in table.rows] == [False, True]
    assert "fewer than 10 cases: B (9)" in table.notes
    hidden = disaggregate([*[0.5] * (n - 1), math.nan], ["A"] * n)
    assert hidden.rows[0].is_small


def test_the_worst_group_has_the_largest_distance():
    table = disaggregate([4.0, 6.0, 1.0], list("ABB"), higher_is_better=False)
    assert table.worst == "A"
    assert table.statistics["worst"] == 4
    assert table.statistics["gap"] == 0.5
    assert table.statistics["skewness"] == pytest.approx(4 / 3.5)
    # Dividing a distance by the gaps would reward them.
    assert math.isnan(table.statistics["es_sum"])
    assert math.isnan(table.statistics["es_std"])


def test_many_sets_of_means_are_compared_at_once():
    rng = np.random.default_rng(0)
    overall, means = rng.random(7), rng.random((3, 7))
    found = statistics(overall, means)
    for i in range(7):
        for name, value in statistics(overall[i], means[:, i]).items():
            assert found[name][i] == pytest.approx(float(value))
    assert es_sum(overall, means).shape == es_std(overall, means).shape == (7,)


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(MetricError, match="expected one of each for every case"):
        disaggregate([0.5], ["A", "B"])
    with pytest.raises(MetricError, match="1 marks of"):
        disaggregate([0.5, 0.6], ["A", "B"], is_missed=[True])
