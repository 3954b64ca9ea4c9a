"""How often and how much masks depend on an attribute, counted over made-up cases."""

from __future__ import annotations

import math
from typing import cast

import pytest
from audits import FACTS, SEVERITY, case_of

from napari_dmoe.evaluation.counterfactual.audited import AuditedCase
from napari_dmoe.evaluation.counterfactual.dependence import dependences, sentences
from napari_dmoe.evaluation.counterfactual.summary import parted
from napari_dmoe.inference.what_if.verdict import Says

DICE = dict.fromkeys(SEVERITY.values, 0.8)
SAID = ["matters"] * 6 + ["alike"] * 2 + ["hardly"] + ["none"] + ["absent", "unsure"]


def cases() -> list[AuditedCase]:
    shares = {"matters": 0.5, "alike": 0.15, "hardly": 0.05, "none": 0.0}
    return [
        case_of(
            number,
            SEVERITY.values[number % 3],
            DICE,
            says=cast("Says", word),
            share=shares.get(word, math.nan),
            yardstick=0.1,
            sex="female" if number < 6 else "male",
        )
        for number, word in enumerate(SAID)
    ]


def test_verdicts_are_counted_and_untold_cases_do_not_count() -> None:
    (whole,) = dependences(cases(), (SEVERITY,), ("lesion",), ())
    assert whole.counts == {
        "matters": 6,
        "alike": 2,
        "hardly": 1,
        "none": 1,
        "absent": 1,
        "unsure": 1,
    }
    assert (whole.n, whole.n_counted) == (12, 10)
    assert whole.matters == pytest.approx(0.6)
    assert whole.median == pytest.approx(0.5)
    assert whole.mean == pytest.approx((6 * 0.5 + 2 * 0.15 + 0.05) / 10)
    assert whole.yardstick == pytest.approx(0.1)


def test_groups_are_those_of_own_values_and_of_other_attributes() -> None:
    found = dependences(cases(), (SEVERITY,), ("lesion",), parted(cases(), FACTS))
    by_group = {(each.grouping, each.group): each for each in found}
    assert by_group["sex", "female"].matters == 1
    assert by_group["sex", "male"].matters == 0
    assert sum(by_group["severity", v].n for v in SEVERITY.values) == 12
    assert by_group["severity", "healthy"].is_small


def test_the_sentence_tells_how_often_how_much_and_what_a_shift_does() -> None:
    found = dependences(cases(), (SEVERITY,), ("lesion",), ())
    (said,) = sentences(found, SEVERITY)
    assert said == (
        "Severity matters for the lesion in 6 of 10 cases (60 %) (2 further cannot be "
        "told); in the median case 50 % of it changes between two values, where a "
        "shift by one pixel alone changes 10 %."
    )


def test_an_attribute_that_decides_nothing_is_said_to_change_nothing() -> None:
    alike = [
        case_of(number, "healthy", DICE, says="none", share=0.0) for number in range(5)
    ]
    (said,) = sentences(dependences(alike, (SEVERITY,), ("lesion",), ()), SEVERITY)
    assert said == (
        "Severity never changes the lesion: all values give the same mask in 5 cases."
    )


def test_nothing_is_said_where_nothing_is_found() -> None:
    empty = [
        case_of(number, "healthy", DICE, says="absent", share=math.nan)
        for number in range(5)
    ]
    (said,) = sentences(dependences(empty, (SEVERITY,), ("lesion",), ()), SEVERITY)
    assert "cannot be told" in said


def test_values_that_no_case_had_are_named() -> None:
    driver = SEVERITY.model_copy(update={"untrained": ("glaucoma",)})
    said = sentences(dependences(cases(), (driver,), ("lesion",), ()), driver)
    assert said[-1] == "No training case had glaucoma: it counts for nothing here."
