"""What a table leaves out is no group of people and no score, but it is counted."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from napari_dmoe.evaluation.groups.intervals import bootstrap, bootstrap_difference
from napari_dmoe.evaluation.groups.membership import groups_of, people
from napari_dmoe.evaluation.groups.paired import paired_interval
from napari_dmoe.evaluation.groups.table import counted_mean, disaggregate, numbers
from napari_dmoe.evaluation.scoring.json_scores import with_nan, with_null
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient, is_missing, is_unknown

SEX = CardAttribute(name="sex", values=("female", "male"))


class NeitherNor:
    """What compares like pandas' NA: neither true nor false."""

    def __ne__(self, other: object) -> Any:
        return self

    def __repr__(self) -> str:
        return "NeitherNor"

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


class NeverEqual:
    """What compares like pandas' NaT."""

    def __ne__(self, other: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "NeverEqual"

    __hash__ = None  # type: ignore[assignment]


MISSING = [None, math.nan, np.float32("nan"), np.ma.masked, NeitherNor(), NeverEqual()]
NOBODY = [*MISSING, "", " ", "unknown", "Unknown", "n/a", "nan", "sex=unknown"]


@pytest.mark.parametrize("nothing", MISSING, ids=lambda each: type(each).__name__)
def test_a_missing_value_is_none(nothing: Any) -> None:
    assert is_missing(nothing)
    assert is_unknown(nothing)
    assert Patient(sex=nothing, age=nothing).known() == {}
    assert not any(map(is_missing, ["", "unknown", 0, 0.0, False, np.zeros(3)]))


@pytest.mark.parametrize("nothing", NOBODY, ids=repr)
def test_what_is_unknown_is_no_group_but_counted(nothing: Any) -> None:
    scores = [0.9, 0.8, 0.7, 0.1]
    table = disaggregate(scores, ["A", "A", "B", nothing])
    known = disaggregate(scores[:3], ["A", "A", "B"])
    assert table.rows == known.rows
    assert table.statistics == known.statistics
    assert (table.n, table.n_without_group) == (3, 1)
    assert "because their group is not known: 1" in table.notes[-1]
    groups = [*"AABBAB", nothing]
    scores = [0.9, 0.8, 0.7, 0.5, 0.85, 0.6, 0.1]
    wanted = bootstrap(scores[:6], groups[:6], seed=3)
    assert bootstrap(scores, groups, seed=3) == wanted
    others = [score - 0.1 for score in scores]
    wanted = bootstrap_difference(scores[:6], others[:6], groups[:6], seed=3)
    assert bootstrap_difference(scores, others, groups, seed=3) == wanted


@pytest.mark.parametrize("nothing", [*MISSING, "", "n/a"], ids=repr)
def test_a_missing_score_is_left_out_and_counted(nothing: Any) -> None:
    table = disaggregate([0.9, nothing, 0.7], ["A", "A", "B"])
    assert table.means == {"A": 0.9, "B": 0.7}
    assert (table.n, table.n_nan, table.n_counted, table.n_groups) == (3, 1, 2, 2)
    scores, groups = [0.9, 0.8, 0.7, 0.5], list("AABB")
    wanted = bootstrap(scores, groups, seed=3)
    assert bootstrap([*scores, nothing], [*groups, "A"], seed=3) == wanted
    assert counted_mean([0.5, nothing, 1.0]) == 0.75
    assert paired_interval([0.1, nothing, 0.3]) == paired_interval([0.1, 0.3])
    ours = paired_interval([0.1, nothing, 0.3, 0.2], ["A", "B", "A", "C"])
    assert ours == paired_interval([0.1, 0.3, 0.2], ["A", "A", "C"])


def test_scores_in_pandas_tables_count_as_those_in_lists() -> None:
    pandas = pytest.importorskip("pandas")
    scores, groups = [0.9, 0.8, 0.7, math.nan, 0.2], ["A", "A", "B", "B", None]
    wanted = disaggregate(scores, groups)
    assert (wanted.n_without_group, wanted.n_nan) == (1, 1)
    places = [9, 7, 5, 3, 1]
    for kind in ("float64", "Float64", "object"):
        column = pandas.Series(scores, index=places, dtype=kind)
        for own in ("object", "string", "category"):
            by = pandas.Series(groups, index=places[::-1], dtype=own)
            assert disaggregate(column, by) == wanted
    missed = pandas.Series([True, None, False, None, None], dtype="boolean")
    assert disaggregate(scores, groups, is_missed=missed).n_missed == 1
    assert is_missing(pandas.NA)
    assert is_missing(pandas.NaT)
    assert Patient(sex=pandas.NA, age=pandas.NA).known() == {}


@pytest.mark.parametrize("names", [(1, 2), (False, True), (1.0, 2.0)], ids=repr)
def test_numbers_as_groups_do_not_vanish_beside_an_unknown_one(names: Any) -> None:
    first, second = names
    scores = [0.9, 0.8, 0.7, 0.5, 0.6, 0.1]
    groups = [first, first, second, second, second]
    words = [str(group) for group in groups]
    table = disaggregate(scores, [*groups, None])
    assert [(row.name, row.n) for row in table.rows] == [(first, 2), (second, 3)]
    wanted = bootstrap(scores[:5], words, seed=3)
    found = bootstrap(scores, [*groups, math.nan], seed=3)
    assert [*found.groups] == [first, second]
    assert [*found.groups.values()] == [*wanted.groups.values()]
    assert found.statistics == wanted.statistics
    others = [score - 0.1 for score in scores]
    both = bootstrap_difference(scores, others, [*groups, None], seed=3)
    assert [*both.groups] == [first, second]


def test_numbers_as_groups_without_a_score_or_of_one_case_are_named() -> None:
    table = disaggregate([0.9, 0.8, math.nan], [1, 1, 2])
    assert "left out, because no case counts: 2" in table.notes
    assert (
        "has an interval: 2" in bootstrap([0.9, 0.8, 0.7], [1, 1, 2], seed=0).notes[0]
    )


def test_masked_scores_are_no_scores() -> None:
    column = np.ma.masked_array([0.9, 0.5, 0.7], [False, True, False])
    assert disaggregate(column, ["A", "A", "B"]).means == {"A": 0.9, "B": 0.7}
    np.testing.assert_array_equal(numbers(column), [0.9, math.nan, 0.7])


def test_a_score_that_is_no_number_is_refused_by_its_kind() -> None:
    with pytest.raises(MetricError, match=r"scores are numbers.*found a str") as caught:
        disaggregate(["Jane Doe", 0.5], ["A", "B"])
    assert "Doe" not in str(caught.value)


def test_groups_keep_their_names_and_numbers() -> None:
    assert people(["A", "sex=male, age=0-19", 3, 0]) == [
        "A",
        "sex=male, age=0-19",
        3,
        0,
    ]
    assert disaggregate([0.9, 0.8], ["none of them", "A"]).n_without_group == 0


def test_cases_in_no_group_of_an_attribute_are_counted() -> None:
    patients = [Patient(sex="F"), Patient(), Patient(sex="M"), Patient()]
    groups = groups_of(patients, [SEX])
    assert groups.n_unknown == {"sex": 2}
    assert groups_of(patients, []).n_unknown == {}


@pytest.mark.parametrize("nothing", MISSING, ids=lambda each: type(each).__name__)
def test_a_missing_score_is_null_in_json_and_nan_again(nothing: Any) -> None:
    scores = {
        "dice": nothing,
        "n": np.int64(3),
        "by": [np.float32(0.5), {"a": nothing}],
    }
    written = json.loads(json.dumps(with_null(scores)))
    assert written == {"dice": None, "n": 3, "by": [0.5, {"a": None}]}
    assert math.isnan(with_nan({"dice": nothing})["dice"])
