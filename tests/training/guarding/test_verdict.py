"""When it may be said that no group got worse, from what a guard scored."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from napari_dmoe.models.card import CardAttribute
from napari_dmoe.training.guarding.changes import Change, changes
from napari_dmoe.training.guarding.report import TuningReport
from napari_dmoe.training.guarding.scores import CaseScore

SEX = CardAttribute(name="sex", values=("female", "male"))
NAN = math.nan


def score(
    place: int,
    sex: str,
    dice: float,
    *,
    absent: bool = False,
    subject: int | None = None,
) -> CaseScore:
    regions = ("cup",) if absent else ()
    return CaseScore(str(place), (f"sex={sex}",), {"cup": dice}, regions, subject)


def scored(women: Sequence[float], men: Sequence[float], **known: bool) -> list:
    rows = [("female", v) for v in women] + [("male", v) for v in men]
    return [score(i, sex, v, **known) for i, (sex, v) in enumerate(rows)]


def report_of(before: list, after: list, **others: object) -> TuningReport:
    guard = changes(before, after, [SEX])
    return TuningReport(cases=(), guard=guard, guard_title="people", **others)


def row(report: TuningReport, group: str) -> Change:
    return next(c for c in report.guard if c.group == group)


def simulated(rng: np.random.Generator, *, loss: float, noise: float) -> TuningReport:
    """Return the report on 40 women, and 20 men whose Dice truly fell by `loss`."""
    before = rng.normal(0.8, 0.1, 60).clip(0, 1)
    after = before + rng.normal(0, noise, 60) - loss * (np.arange(60) >= 40)
    return report_of(scored(before[:40], before[40:]), scored(after[:40], after[40:]))


# What was measured is the truth, and said as often as it may be


def test_a_guard_without_any_change_says_that_no_group_got_worse() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        report = simulated(rng, loss=0.0, noise=0.0)
        assert report.verdict == "no group got worse"
        assert report.reasons == ()
    assert report.said == (
        "no group got worse by more than 0.01 Dice (sex=female n 40; sex=male n 20)."
    )
    nearly = [simulated(rng, loss=0.0, noise=0.005).verdict for _ in range(200)]
    assert nearly.count("no group got worse") >= 190


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.05, 0.1, 0.2])
def test_what_falls_by_chance_is_not_said_to_be_worse(noise: float) -> None:
    rng = np.random.default_rng(4)
    said = [simulated(rng, loss=0.0, noise=noise).verdict for _ in range(200)]
    assert said.count("worse") <= 20  # of three groups, 2.5 % each by chance


def test_where_nothing_was_found_before_nothing_could_be_lost() -> None:
    before = scored([0.0] * 20, [0.8] * 20)
    report = report_of(before, before)
    assert report.verdict == "not checked"
    assert report.said == (
        "not checked: too little was found before to tell a loss: sex=female, cup "
        "(n 20)."
    )


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.02, 0.05, 0.1, 0.2])
def test_a_true_loss_in_one_group_of_20_is_never_said_away(noise: float) -> None:
    rng = np.random.default_rng(1)
    said = [simulated(rng, loss=0.05, noise=noise).verdict for _ in range(200)]
    assert said.count("no group got worse") <= 2  # 20 % would be too many
    if noise <= 0.05:
        assert said.count("worse") >= 160


def test_a_loss_that_some_have_and_others_do_not_is_mostly_caught() -> None:
    rng, said = np.random.default_rng(2), []
    for _ in range(200):
        before = rng.normal(0.8, 0.1, 40).clip(0.4, 1)
        lost = np.where(rng.random(40) < 0.2, 0.25, 0) * (np.arange(40) >= 20)
        after = before - lost + rng.normal(0, 0.005, 40)
        pairs = [scored(v[:20], v[20:]) for v in (before, after)]
        said.append(report_of(*pairs).verdict)
    assert said.count("no group got worse") <= 10


# Before and after on the same cases


def test_what_has_a_score_only_before_is_in_neither_mean() -> None:
    before = scored([0.9, 0.0], [])
    after = scored([0.5, NAN], [])
    change = row(report_of(before, after), "sex=female")
    assert (change.before, change.after, change.n, change.n_nan) == (0.9, 0.5, 2, 1)
    assert change.gain == pytest.approx(-0.4)


def test_a_loss_is_not_paid_for_by_cases_that_have_no_score_any_more() -> None:
    before = scored([0.9] * 12 + [0.0] * 12, [])
    after = scored([0.5] * 12 + [NAN] * 12, [])
    report = report_of(before, after)
    assert report.verdict == "worse"
    change = row(report, "sex=female")
    assert change.vanished == 12
    assert "sex=female, cup 0.900 -> 0.500 (n 12, -0.400 to -0.400)" in report.said


def test_a_mask_drawn_where_there_is_none_is_a_loss_though_it_has_no_pair() -> None:
    before = scored([0.9] * 12 + [NAN] * 12, [])
    after = scored([0.9] * 12 + [0.0] * 12, [])
    change = row(report_of(before, after), "sex=female")
    assert (change.before, change.after, change.appeared) == (0.9, 0.9, 12)
    assert change.is_worse(0.01)
    assert report_of(before, after).verdict == "worse"
    assert (
        "drawn in 12 without any, and was not before" in report_of(before, after).said
    )


def test_a_mask_drawn_for_a_group_that_never_had_one_is_said_without_a_mean() -> None:
    before = scored([0.9] * 20, [NAN] * 12)
    after = scored([0.9] * 20, [0.0] * 12)
    report = report_of(before, after)
    assert report.verdict == "worse"  # all together
    assert "nan" not in report.said
    assert "sex=male, cup (n 0, drawn in 12 without any, and was not" in report.said


def test_cases_that_lack_the_region_do_not_thin_out_a_loss() -> None:
    there = [score(i, "male", 0.9) for i in range(12)]
    lack = [score(i, "male", 0.0, absent=True) for i in range(12, 100)]
    fallen = [score(i, "male", 0.85) for i in range(12)]
    report = report_of([*there, *lack], [*fallen, *lack])
    change = row(report, "sex=male")
    assert change.gain > -0.01  # of a hundred cases, of which 88 show nothing
    assert (change.n_checking, change.n_absent) == (12, 88)
    assert change.least == pytest.approx(-0.05)
    assert report.verdict == "worse"


# Enough of everybody


def test_a_small_group_is_not_checked_whatever_it_scored() -> None:
    before = scored([0.8] * 30, [0.8] * 9)
    report = report_of(before, before)
    assert report.verdict == "not checked"
    assert report.said == "not checked: fewer than 10 cases of sex=male (n 9)."
    fell = report_of(before, scored([0.8] * 30, [0.3] * 9))
    assert fell.verdict == "worse"  # all together fell
    alone = report_of(before, scored([0.8] * 30, [0.77] * 9))
    assert alone.verdict == "not checked"
    assert "sex=male, cup 0.800 -> 0.770 (n 9, -0.030 to -0.030)" in alone.said


def test_a_group_that_nothing_was_trained_on_is_named_where_it_is_small() -> None:
    before = scored([0.8] * 30, [0.8] * 3)
    report = report_of(before, before, required=("sex=female",))
    assert report.verdict == "no group got worse"
    assert report.said.endswith("Too few to say anything of: sex=male n 3.")
    fell = report_of(before, scored([0.8] * 30, [0.75] * 3), required=("sex=female",))
    assert fell.verdict == "not checked"
    assert "too few cases to tell whether this is a loss: sex=male" in fell.said


def test_where_every_group_is_small_nobody_was_checked() -> None:
    before = scored([0.8] * 9, [0.8] * 8)
    report = report_of(before, before, required=())
    assert report.said == (
        "not checked: fewer than 10 cases of sex=female (n 9), sex=male (n 8)."
    )


def test_a_guard_without_men_says_so() -> None:
    before = scored([0.8] * 30, [])
    missing = {"missing": ("sex=male",)}
    report = report_of(before, before, **missing)
    assert report.verdict == "not checked"
    assert report.said == "not checked: the guard has no case of sex=male."
    required = report_of(before, before, required=("sex=female", "sex=male"))
    assert required.said == report.said
    untrained = report_of(before, before, required=("sex=female",), **missing)
    assert untrained.verdict == "no group got worse"
    assert "the guard has no case of: sex=male" in untrained.said


def test_a_group_that_got_worse_and_one_that_is_missing_are_both_said() -> None:
    before, after = scored([0.8] * 30, []), scored([0.7] * 30, [])
    report = report_of(before, after, missing=("sex=male",))
    assert report.verdict == "worse"
    assert report.said.startswith("worse by more than 0.01 Dice: ")
    assert "sex=female, cup 0.800 -> 0.700 (n 30, -0.100 to -0.100)" in report.said
    assert report.said.endswith("not checked: the guard has no case of sex=male.")


def test_a_loss_that_cannot_be_excluded_is_said_with_its_interval() -> None:
    rng = np.random.default_rng(3)
    rises = rng.normal(0, 0.05, 20)
    rises -= rises.mean()
    before = scored([0.8] * 20, [0.8] * 20)
    after = scored([0.8] * 20, (0.8 + rises).tolist())
    report = report_of(before, after)
    assert report.verdict == "not checked"
    assert "a loss of more than 0.01 cannot be excluded: " in report.said
    assert "sex=male, cup 0.800 -> 0.800 (n 20, -0.0" in report.said


def test_pictures_of_one_patient_are_not_many_patients() -> None:
    before = [score(i, "male", 0.8, subject=i % 4) for i in range(40)]
    report = report_of(before, before)
    assert row(report, "sex=male").n_checking == 4
    assert report.verdict == "not checked"
    assert "fewer than 10 cases of sex=male" in report.said


def test_a_region_that_the_guard_never_shows_is_not_checked() -> None:
    before = scored([0.0] * 20, [0.0] * 20, absent=True)
    report = report_of(before, before)
    assert report.verdict == "not checked"
    assert report.said == "not checked: no case of the guard shows cup."


def test_an_older_report_without_intervals_claims_nothing() -> None:
    old = (
        Change("all", "cup", 30, 0, 0.8, 0.8),
        Change("sex=male", "cup", 30, 0, 0.8, 0.8),
    )
    assert TuningReport(cases=(), guard=old).verdict == "not checked"


def test_without_a_guard_it_says_that_there_was_none() -> None:
    report = TuningReport(cases=())
    assert report.verdict == "not checked"
    assert report.said == "not checked: there was no guard."
    given = TuningReport(cases=(), reasons=("the guard is what was trained on",))
    assert given.said == "not checked: the guard is what was trained on."


def test_of_many_losses_the_worst_has_its_numbers_and_the_others_their_names() -> None:
    def scores(cup: float, rim: float) -> list[CaseScore]:
        both = {"cup": cup, "rim": rim}
        return [
            CaseScore(str(i), (f"sex={sex}",), both)
            for i, sex in enumerate(["female"] * 20 + ["male"] * 20)
        ]

    report = report_of(scores(0.9, 0.8), scores(0.5, 0.7))
    assert report.said == (
        "worse by more than 0.01 Dice: all, cup 0.900 -> 0.500 (n 40, -0.400 to "
        "-0.400); all (rim); sex=female (cup, rim); sex=male (cup, rim)."
    )
    assert len(report.worse) == 6
