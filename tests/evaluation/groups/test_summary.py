"""One score by group: all that a table needs, and nothing that passes unsaid."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from evaluations import make_evaluated, signed

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.groupings import everybody, groupings
from napari_dmoe.evaluation.groups.intervals import bootstrap
from napari_dmoe.evaluation.groups.summary import subjects_of, summarise
from napari_dmoe.evaluation.scoring.mask_pair import MetricError


@pytest.fixture(scope="module")
def evaluated() -> Evaluated:
    return make_evaluated(120)


def test_a_summary_has_counts_means_medians_and_intervals(evaluated: Evaluated) -> None:
    (race,) = groupings(evaluated, by=["race"])
    found = summarise(evaluated, "rim", "dice", race, n_resamples=200)
    values = evaluated.values("rim", "dice")
    own = values[list(race.places("Black"))]
    row = next(row for row in found.table.rows if row.name == "Black")
    counted = own[~np.isnan(own)]
    assert (row.n, row.n_nan) == (len(own), int(np.isnan(own).sum()))
    assert row.mean == pytest.approx(counted.mean())
    assert row.median == pytest.approx(np.median(counted))
    assert row.n_missed == int(
        evaluated.is_missed("rim", "dice")[list(race.places("Black"))].sum()
    )
    assert found.table.worst == "Black"
    assert set(found.intervals.statistics) == {
        "mean",
        "worst",
        "gap",
        "ratio",
        "skewness",
        "es_sum",
        "es_std",
    }
    for each, (low, high) in found.rows:
        assert low <= each.mean <= high
    for name, (low, high) in found.intervals.statistics.items():
        assert low <= high, name
    assert found.table.statistics["ratio"] == pytest.approx(
        min(found.table.means.values()) / max(found.table.means.values())
    )


def test_lower_is_better_turns_worst_around_and_has_no_equity_scaling(
    evaluated: Evaluated,
) -> None:
    (race,) = groupings(evaluated, by=["race"])
    found = summarise(evaluated, "rim", "hd95", race, n_resamples=100)
    assert not found.higher_is_better
    assert found.table.statistics["worst"] == max(found.table.means.values())
    low, high = found.intervals.statistics["worst"]
    assert low <= found.table.statistics["worst"] <= high
    assert math.isnan(found.table.statistics["es_sum"])
    assert math.isnan(found.intervals.statistics["es_sum"].low)


def test_small_empty_and_unknown_groups_are_said(evaluated: Evaluated) -> None:
    few = Evaluated(evaluated.cases[:24], evaluated.facts)
    both = groupings(few, crossed=[("race", "sex")], by=())[0]
    found = summarise(few, "rim", "dice", both, n_resamples=50)
    said = " ".join(found.notes)
    assert "fewer than 10 cases" in said
    assert "their group is not known: 8" in said
    assert "cases without a score, not counted" in said
    assert all(row.is_small for row in found.table.rows)
    age = groupings(few, by=["age"])[0]
    assert (
        "under 20" in summarise(few, "rim", "dice", age, n_resamples=50).table.left_out
    )
    assert age.notices[0] in summarise(few, "rim", "dice", age, n_resamples=50).notes


def test_subjects_are_drawn_and_not_their_images(evaluated: Evaluated) -> None:
    cases = tuple(
        replace(case, number=4 * case.number + k, id=f"{case.id}-{k}", subject=case.id)
        for case in evaluated.cases[:40]
        for k in range(4)
    )
    many = Evaluated(cases, evaluated.facts)
    (whole,) = [everybody(many)]
    found = summarise(many, "rim", "dice", whole)
    alone = Evaluated(evaluated.cases[:40], evaluated.facts)
    once = bootstrap(
        alone.values("rim", "dice"), ["all"] * 40, seed=0, subjects=None
    ).groups["all"]
    # Four copies of each image tell no more than one.
    assert found.intervals.groups["all"] == pytest.approx(tuple(once), abs=0.004)
    as_images = bootstrap(many.values("rim", "dice"), ["all"] * 160, seed=0)
    low, high = as_images.groups["all"]
    assert high - low < 0.6 * (once.high - once.low)
    assert any("draw subjects, not cases: " in note for note in found.notes)


def test_cases_without_a_subject_are_each_another_one(evaluated: Evaluated) -> None:
    nobody = [replace(case, subject=None) for case in evaluated.cases[:5]]
    assert subjects_of(nobody) == [0, 1, 2, 3, 4]


def test_the_order_of_the_cases_changes_no_bit(evaluated: Evaluated) -> None:
    order = np.random.default_rng(0).permutation(len(evaluated))
    shuffled = Evaluated(tuple(evaluated[int(i)] for i in order), evaluated.facts)
    for metric in ("dice", "hd95"):
        one, other = (
            summarise(each, "cup", metric, groupings(each, by=["race"])[0], seed=3)
            for each in (evaluated, shuffled)
        )
        # As text, because NaN is not equal to NaN.
        assert str(one.table) == str(other.table)
        assert str(one.intervals) == str(other.intervals)
        assert one.notes == other.notes


def test_a_seed_repeats_and_another_one_differs(evaluated: Evaluated) -> None:
    (race,) = groupings(evaluated, by=["race"])
    one, same, other = (
        summarise(evaluated, "rim", "dice", race, seed=seed, n_resamples=100)
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one.intervals != other.intervals


def test_the_reference_convention_draws_cases_and_holds_the_mean(
    evaluated: Evaluated,
) -> None:
    (race,) = groupings(evaluated, by=["race"])
    ours, theirs = (
        summarise(evaluated, "rim", "dice", race, convention=convention)
        for convention in ("default", "reference")
    )
    assert set(theirs.intervals.methods.values()) == {"percentile"}
    wide, narrow = (
        each.intervals.statistics["es_sum"].high
        - each.intervals.statistics["es_sum"].low
        for each in (ours, theirs)
    )
    assert narrow < wide


def test_what_was_not_measured_is_refused(evaluated: Evaluated) -> None:
    (race,) = groupings(evaluated, by=["race"])
    with pytest.raises(MetricError, match=r"nsd of rim was not measured.*rim dice"):
        summarise(evaluated, "rim", "nsd", race)
    with pytest.raises(MetricError, match="there is no metric 'dise'"):
        summarise(evaluated, "rim", "dise", race)
    with pytest.raises(MetricError, match=r"grouping race is of 120 cases"):
        summarise(Evaluated(evaluated.cases[:5], evaluated.facts), "rim", "dice", race)


def test_a_signed_metric_has_means_and_no_worst_group(evaluated: Evaluated) -> None:
    (race,) = groupings(evaluated, by=["race"])
    found = summarise(signed(evaluated), "rim", "rvd", race, n_resamples=100)
    # Black is far too large, White far too small; neither may be called the best.
    assert found.table.means["Black"] > 0.4
    assert found.table.means["White"] < -0.4
    assert found.table.worst is None
    ranked = set(found.table.statistics) - {"mean"}
    assert all(math.isnan(found.table.statistics[name]) for name in ranked)
    assert all(math.isnan(found.intervals.statistics[name].low) for name in ranked)
    assert not ranked & set(found.intervals.methods)
    low, high = found.intervals.statistics["mean"]
    assert low <= found.table.statistics["mean"] <= high
    for row, interval in found.rows:
        assert interval.low <= row.mean <= interval.high
    assert any("no group is called the worst" in note for note in found.notes)
