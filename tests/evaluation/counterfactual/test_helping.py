"""Does the right value help, and whom: on made-up cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from audits import FACTS, SEVERITY, case_of, helped_cases

from napari_dmoe.evaluation.counterfactual import help_words
from napari_dmoe.evaluation.counterfactual.audited import AuditedCase
from napari_dmoe.evaluation.counterfactual.helping import GroupHelp, helps
from napari_dmoe.evaluation.counterfactual.summary import parted
from napari_dmoe.evaluation.groups.paired import paired_interval


def found_of(cases: list[AuditedCase]) -> dict[tuple[str, str], GroupHelp]:
    found = helps(cases, (SEVERITY,), ("lesion",), parted(cases, FACTS))
    return {(each.grouping, each.group): each for each in found}


def test_who_is_helped_is_told_by_group() -> None:
    cases = helped_cases(90, {"glaucoma": 0.1, "suspect": -0.1})
    found = found_of(cases)
    says = {v: found["severity", v].compared[0].says for v in SEVERITY.values}
    assert says == {
        "healthy": "no difference shown",
        "suspect": "hurts",
        "glaucoma": "helps",
    }
    assert found["severity", "glaucoma"].compared[0].mean == pytest.approx(
        0.1, abs=0.02
    )
    said = help_words.sentences([*found.values()], SEVERITY)
    by_severity = next(e for e in said if "by severity, against the unknown" in e)
    assert "it helps glaucoma (+0.09" in by_severity
    assert "it hurts suspect (-0.09" in by_severity
    assert "no difference is shown for healthy" in by_severity


def test_the_comparison_is_paired_and_clustered_by_subject() -> None:
    subjects = [f"person-{number // 3}" for number in range(30)]
    cases = helped_cases(30, {"healthy": 0.05}, subjects=subjects)
    whole = found_of(cases)["", "all"]
    sweeps = [case.sweeps[0] for case in cases]
    rises = [
        s.value("own").regions[0].dice - s.value("mixture").regions[0].dice
        for s in sweeps
    ]
    assert whole.n_subjects == 10
    assert whole.compared[0].interval == paired_interval(rises, subjects)
    assert whole.compared[0].mean == pytest.approx(np.mean(rises))


def test_p_and_interval_agree() -> None:
    for seed in range(20):
        whole = found_of(helped_cases(40, {"healthy": 0.02}, seed=seed))["", "all"]
        for each in whole.compared:
            is_outside = not each.interval.low <= 0 <= each.interval.high
            assert (each.p < 0.05) == is_outside


def test_under_the_null_few_audits_find_a_difference() -> None:
    n, wrong = 100, 0
    for seed in range(n):
        found = found_of(helped_cases(36, {}, seed=seed))
        own = [each for (grouping, _), each in found.items() if grouping == "severity"]
        wrong += any(c.says in ("helps", "hurts") for g in own for c in g.compared)
    assert wrong <= 10  # 5 % is expected at most; 10 of 100 has p < 0.03


def test_cases_without_truth_or_right_value_do_not_count() -> None:
    dice = dict.fromkeys(SEVERITY.values, 0.8)
    cases = helped_cases(12, {})
    cases += [case_of(12, None, dice), case_of(13, "healthy", dice, has_truth=False)]
    nothing = dict.fromkeys(SEVERITY.values, math.nan)
    cases.append(case_of(14, "healthy", nothing))
    assert found_of(cases)["", "all"].n == 12


def test_a_value_that_no_training_case_had_is_no_right_value() -> None:
    driver = SEVERITY.model_copy(update={"untrained": ("glaucoma",)})
    dice = {"healthy": 0.9, "suspect": 0.8, "glaucoma": 1.0}
    cases = [
        case_of(number, SEVERITY.values[number % 3], dice, driver=driver)
        for number in range(30)
    ]
    whole = helps(cases, (driver,), ("lesion",), ())[0]
    assert whole.n == 20
    assert set(whole.by_value) == {"healthy", "suspect"}
    assert whole.best == pytest.approx(0.9)


def test_the_best_value_is_chosen_case_by_case_and_ties_are_shared() -> None:
    dice = {"healthy": 0.9, "suspect": 0.9, "glaucoma": 0.5}
    cases = [case_of(number, "healthy", dice) for number in range(10)]
    whole = helps(cases, (SEVERITY,), ("lesion",), ())[0]
    assert (whole.best, whole.own_is_best) == (pytest.approx(0.9), pytest.approx(0.5))
    assert whole.others == pytest.approx(0.7)


def test_finding_nothing_is_right_where_the_truth_has_nothing() -> None:
    dice = {"healthy": math.nan, "suspect": 0.0, "glaucoma": 0.0}
    whole = helps([case_of(0, "healthy", dice)], (SEVERITY,), ("lesion",), ())[0]
    assert (whole.own, whole.others) == (1.0, 0.0)


def test_few_cases_say_nothing() -> None:
    cases = helped_cases(6, {"healthy": 0.3})
    found = found_of(cases)
    assert {c.says for each in found.values() for c in each.compared} == {"untold"}
    (said,) = help_words.sentences([*found.values()], SEVERITY)
    assert said == (
        "Whether the right severity helps the lesion cannot be told: only 6 cases have "
        "a truth and a known severity."
    )
