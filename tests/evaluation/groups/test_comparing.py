"""Two evaluated cohorts are compared case by case, and no chance is called a find."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from evaluations import LEANINGS, make_evaluated, signed
from scipy import stats

from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase
from napari_dmoe.evaluation.groups.comparing import compare, holm
from napari_dmoe.evaluation.groups.groupings import groupings
from napari_dmoe.evaluation.groups.paired import paired_p
from napari_dmoe.evaluation.groups.resampling import strata_of
from napari_dmoe.evaluation.groups.swapping import swapped_p
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from null_audits import KINDS, audit, called

FEW = 50


def raised(
    evaluated: Evaluated, by: float, *, only: str | None = None, title: str = "B"
) -> Evaluated:
    """Return the cohort with its Dice raised, of one race or of all, and some noise."""
    rng = np.random.default_rng(1)
    cases = []
    for case in evaluated:
        own = by * (only is None or case.patient.race == only) + rng.normal(0, 0.01)
        scores = tuple(
            replace(s, value=s.value + own) if s.metric == "dice" else s
            for s in case.scores
        )
        cases.append(replace(case, scores=scores))
    facts = evaluated.facts.model_copy(update={"title": title})
    return Evaluated(tuple(cases), facts)


@pytest.fixture(scope="module")
def first() -> Evaluated:
    made = make_evaluated(90, title="A", regions=("cup",))
    return Evaluated(
        tuple(replace(case, subject=None) for case in made.cases), made.facts
    )


def test_a_better_model_is_said_to_be_better(first: Evaluated) -> None:
    race = groupings(first, by=["race"])
    found = compare(
        first,
        raised(first, 0.02),
        metrics=["dice"],
        groupings=race,
        n_resamples=FEW,
    )
    whole = found.rows[0]
    assert whole.verdict == "better"
    assert whole.difference == pytest.approx(0.02, abs=0.005)
    assert whole.interval.low < whole.difference < whole.interval.high
    (said,) = found.sentences
    assert said.startswith("B is better than A: Dice of cup 0.0")
    assert "p < 0.001 after Holm" in said
    assert "better in Asian (race), Black (race), White (race)" in said
    assert "no group was found to be worse" in said
    # Scores that rise everywhere raise their equity-scaled mean, and leave the gap.
    assert "the equity-scaled score (sum) by race is" in said
    assert found.notes == ("90 cases are in both",)
    gap = next(row for row in found.rows if row.statistic == "gap")
    assert gap.verdict == "no difference"
    backwards = compare(
        raised(first, 0.02), first, metrics=["dice"], groupings=race, n_resamples=FEW
    )
    assert backwards.rows[0].verdict == "worse"
    assert backwards.rows[0].p == whole.p
    assert "A is worse than B" in backwards.sentences[0]


def test_a_group_that_got_worse_is_named_and_so_is_the_gap(first: Evaluated) -> None:
    race = groupings(first, by=["race"])
    found = compare(
        first,
        raised(first, -0.2, only="Black"),
        metrics=["dice"],
        groupings=race,
        n_resamples=FEW,
    )
    (said,) = found.sentences
    assert "worse in Black (race)" in said
    assert "no group was found" not in said
    assert "the gap by race is" in said
    gap = next(row for row in found.rows if row.statistic == "gap")
    assert gap.verdict == "worse"
    assert gap.rise < 0 < gap.difference
    assert gap.interval.low > 0


def test_models_that_differ_need_not_differ_in_their_gaps() -> None:
    kind = KINDS["60 cases"]._replace(n=600)
    drawn, _ = audit(kind, np.random.default_rng(5), 0.0)
    sexes = np.array([case.patient.value("sex") for case in drawn])
    dice = drawn.values("lesion", "dice")
    # Of the first model women have 0.03 more, of the second 0.05 less.
    lead = dice[sexes == "female"].mean() - dice[sexes == "male"].mean()
    before = np.where(sexes == "female", 0.03 - lead, 0.0)
    noise = np.random.default_rng(6).normal(0, 0.03, len(drawn))
    after = before + np.where(sexes == "female", -0.06, 0.02) + noise
    first, second = (
        Evaluated(
            tuple(
                replace(case, scores=(replace(case.scores[0], value=float(value)),))
                for case, value in zip(drawn, dice + by, strict=True)
            ),
            drawn.facts,
        )
        for by in (before, after)
    )
    sex = groupings(first, by=["sex"])
    found = compare(first, second, metrics=["dice"], groupings=sex, n_resamples=300)
    between = [row for row in found.rows if row.statistic != "mean"]
    unsure = [row for row in between if row.interval.low <= 0 <= row.interval.high]
    assert min(row.p_holm for row in unsure) < 0.01
    assert {row.verdict for row in unsure} == {"no difference"}
    assert "worse in female (sex); better in male (sex)" in found.sentences[0]


def test_equal_cohorts_show_no_difference(first: Evaluated) -> None:
    found = compare(first, first, n_resamples=FEW)
    assert not found.any_difference
    assert found.titles == ("A (first)", "A (second)")
    assert all(row.p == 1 for row in found.rows if not math.isnan(row.p))
    assert found.sentences[0].startswith(
        "No difference was found between A (first) and A (second): Dice of cup the same"
    )


def test_cases_of_one_alone_are_counted_and_said(first: Evaluated) -> None:
    other = Evaluated(
        (
            *raised(first, 0).cases[10:],
            ScoredCase("another", 100, scores=first[0].scores),
        ),
        first.facts.model_copy(update={"title": "B", "convention": "reference"}),
    )
    found = compare(first, other, groupings=(), n_resamples=FEW)
    assert (found.n_pairs, found.n_only_first, found.n_only_second) == (80, 10, 1)
    assert found.notes[:2] == (
        "80 cases are in both",
        "not compared, because one of the two lacks them: 10 only in A; 1 only in B",
    )
    assert "different conventions (default and reference)" in found.notes[2]
    assert "another" not in " ".join((*found.notes, *found.sentences))


def test_a_case_that_one_missed_has_no_distance_and_that_is_said(
    first: Evaluated,
) -> None:
    scores = tuple(
        replace(s, value=math.nan) if s.metric == "hd95" else s for s in first[0].scores
    )
    other = Evaluated(
        (replace(first[0], scores=scores), *first.cases[1:]),
        first.facts.model_copy(update={"title": "B"}),
    )
    found = compare(first, other, metrics=["hd95"], groupings=(), n_resamples=FEW)
    assert found.notes[-1] == (
        "cup, HD95: 1 cases have a score of one of the two alone, and are not compared"
    )


def test_shorter_distances_are_better(first: Evaluated) -> None:
    cases = tuple(
        replace(
            case,
            scores=tuple(
                replace(s, value=s.value - 1 - 0.01 * case.number) for s in case.scores
            ),
        )
        for case in first
    )
    nearer = Evaluated(cases, first.facts.model_copy(update={"title": "B"}))
    found = compare(first, nearer, metrics=["hd95"], groupings=(), n_resamples=FEW)
    assert found.rows[0].verdict == "better"
    assert found.rows[0].difference < 0 < found.rows[0].rise
    assert " lower (" in found.sentences[0]
    by_race = compare(
        first,
        nearer,
        metrics=["hd95"],
        groupings=groupings(first, by=["race"]),
        n_resamples=FEW,
    )
    assert {row.statistic for row in by_race.rows} == {"mean", "gap"}


def test_p_is_that_of_a_paired_t_test_of_subjects(first: Evaluated) -> None:
    other = raised(first, 0.003)
    found = compare(first, other, metrics=["dice"], groupings=(), n_resamples=FEW)
    ours, theirs = (each.values("cup", "dice") for each in (first, other))
    counts = ~np.isnan(ours)
    wanted = stats.ttest_rel(theirs[counts], ours[counts])
    assert found.rows[0].p == pytest.approx(wanted.pvalue)
    assert found.rows[0].interval == pytest.approx(tuple(wanted.confidence_interval()))
    changes = [0.1, -0.02, 0.05, 0.03]
    assert paired_p(changes * 8, list("abcd") * 8) == pytest.approx(
        paired_p(changes), rel=1e-9
    )
    assert paired_p([0.1] * 3) == 0.25
    assert math.isnan(paired_p([0.1]))


def test_swaps_of_few_subjects_give_the_exact_p() -> None:
    values = np.array([[0.9, 0.8, 0.7, 0.6], [0.7, 0.75, 0.68, 0.66]])
    strata = [*strata_of(values, list("AABB")).values()]
    first, second, p = swapped_p(strata, ["gap"], True, 0)["gap"]
    assert (first, second) == pytest.approx((0.2, 0.055))
    found = abs(second - first)
    reached = 0
    for signs in np.ndindex(2, 2, 2, 2):
        swap = np.array(signs, bool)
        ours = np.where(swap, values[1], values[0])
        theirs = np.where(swap, values[0], values[1])
        gaps = [abs(each[:2].mean() - each[2:].mean()) for each in (ours, theirs)]
        reached += abs(gaps[0] - gaps[1]) >= found - 1e-12
    assert p == pytest.approx(reached / 16, abs=0.03)


def test_holm_steps_down_as_its_paper_says() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    ours = holm([0.5, math.nan, 0.001])
    assert (ours[0], ours[2]) == pytest.approx((0.5, 0.002))
    assert math.isnan(ours[1])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_group_of_one_subject_is_too_few(first: Evaluated) -> None:
    one = Evaluated(first.cases[:4], first.facts)
    found = compare(
        one,
        raised(one, 0.1),
        metrics=["dice"],
        groupings=groupings(one, by=["race"]),
        n_resamples=FEW,
    )
    assert "too few" in {row.verdict for row in found.rows}
    assert "too small to tell" in found.sentences[0]


def test_what_cannot_be_compared_is_refused(first: Evaluated) -> None:
    other = Evaluated((replace(first[0], id="x"),), first.facts)
    with pytest.raises(MetricError, match="no case in common"):
        compare(first, other)
    with pytest.raises(MetricError, match=r"nsd is not measured of both.*cup dice"):
        compare(first, first, metrics=["nsd"])
    few = groupings(first.cases[:5], by=["race"])
    with pytest.raises(MetricError, match=r"grouping race is of 5 cases"):
        compare(first, first, groupings=few)


def test_the_order_of_the_cases_changes_nothing(first: Evaluated) -> None:
    backwards = Evaluated(raised(first, 0.01).cases[::-1], first.facts)
    race = groupings(first, by=["race"])
    one, other = (
        compare(first, each, metrics=["dice"], groupings=race, n_resamples=FEW)
        for each in (backwards, Evaluated(backwards.cases[::-1], backwards.facts))
    )
    assert str(one) == str(other)


def test_nothing_is_called_a_difference_where_there_is_none() -> None:
    found = called(KINDS["60 cases"], 20, seed=3, better=0.0)
    assert found["called_a_difference"] <= 3
    better = called(KINDS["200 cases, misses"], 3, seed=3, better=0.1)
    assert better["called_a_difference"] == 3


@pytest.mark.full
def test_at_most_5_of_100_null_audits_call_a_difference() -> None:
    found = called(KINDS["60 cases"], 400, seed=0, better=0.0)
    assert found["share"] <= 0.05
    assert audit(KINDS["60 cases"], np.random.default_rng(0), 0.0)[0].facts.title


def test_volume_errors_are_compared_by_how_large_they_are(first: Evaluated) -> None:
    race = groupings(first, by=["race"])
    best = signed(first, dict.fromkeys(LEANINGS, 0.0), title="A")
    small = signed(first, dict.fromkeys(LEANINGS, -0.5), title="B")
    found = compare(best, small, metrics=["rvd"], groupings=race, n_resamples=FEW)
    # Too small by half is no improvement on about right, though the number is lower.
    assert found.rows[0].verdict == "worse"
    assert found.rows[0].second == pytest.approx(0.5, abs=0.02)
    assert "Relative volume difference, without its sign, of cup" in found.sentences[0]
