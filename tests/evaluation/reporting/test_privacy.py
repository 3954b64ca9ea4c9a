"""A report that leaves the house tells nothing of few people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.reporting.privacy import (
    FEWEST,
    Pseudonyms,
    hidden_cells,
    hidden_of,
    safe_sentences,
    values_shared,
)

from evaluations import make_evaluated  # isort: skip


def grouping(name: str, groups: list[str | None]) -> Grouping:
    values = tuple(dict.fromkeys(g for g in groups if g is not None))
    return Grouping(name, tuple(name.split(" x ")), values, tuple(groups))


def test_a_single_small_cell_takes_the_next_smallest_with_it() -> None:
    assert hidden_cells({"a": 3, "b": 9, "c": 20}) == {"a", "b"}


def test_small_cells_that_are_still_few_together_take_another() -> None:
    assert hidden_cells({"a": 1, "b": 2, "c": 9, "d": 20}) == {"a", "b", "c"}


def test_cases_without_a_known_group_are_a_cell() -> None:
    assert hidden_cells({"a": 9, "b": 20, None: 2}) == {None, "a"}
    assert hidden_cells({"a": 3, "b": 20, None: 7}) == {"a", None}


def test_empty_cells_hide_nothing() -> None:
    assert hidden_cells({"a": 0, "b": 20, None: 0}) == frozenset()


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 30)))
def test_no_hidden_cell_can_be_found_from_the_total(sizes: dict[str, int]) -> None:
    hidden = hidden_cells(sizes)  # type: ignore[arg-type]
    there = {cell: n for cell, n in sizes.items() if n}
    assert {cell for cell, n in there.items() if n < FEWEST} <= hidden
    if hidden and hidden < there.keys():
        assert len(hidden) > 1
        assert sum(there[cell] for cell in hidden if cell is not None) >= FEWEST


def test_a_crossed_group_is_hidden_with_its_value() -> None:
    sex = ["f"] * 20 + ["m"] * 3 + ["x"] * 9
    site = (["a", "b"] * 16)[:32]
    both = [f"{s}, {t}" for s, t in zip(sex, site, strict=True)]
    hidden = hidden_of(
        [grouping("sex", sex), grouping("site", site), grouping("sex x site", both)]
    )
    assert hidden["sex"] == {"m", "x"}
    assert {"m, a", "m, b", "x, a", "x, b"} <= hidden["sex x site"]


def test_a_crossed_group_is_never_hidden_alone_in_its_line() -> None:
    sex = ["f"] * 30 + ["m"] * 33
    race = ["A"] * 10 + ["B"] * 10 + ["C"] * 10 + ["A"] * 3 + ["B"] * 10 + ["C"] * 20
    both = [f"{s}, {r}" for s, r in zip(sex, race, strict=True)]
    hidden = hidden_of(
        [grouping("sex", sex), grouping("race", race), grouping("sex x race", both)]
    )["sex x race"]
    assert "m, A" in hidden
    for value in ("m", "A"):
        line = {b for b in both if value in b.split(", ")}
        assert len(line & hidden) > 1


def test_cases_go_by_the_same_number_in_every_model() -> None:
    first, second = make_evaluated(12), make_evaluated(20, seed=3)
    names = Pseudonyms([first, second])
    assert names.of("case-003") == "case 004"
    assert names.of("case-019") == "case 020"
    assert Pseudonyms([first], identifiers=True).of("case-003") == "case-003"


def test_sentences_that_name_cases_or_folders_are_left_out() -> None:
    evaluated: Evaluated = make_evaluated(6)
    said, dropped = safe_sentences(
        ["all is well", "case-002: no truth", "read /home/anna/scan.png"], evaluated
    )
    assert (said, dropped) == (("all is well",), 2)


def test_of_a_case_only_what_enough_others_share_is_told() -> None:
    sex = grouping("sex", ["f"] * 6 + ["m"] * 6)
    site = grouping("site", ["a"] * 3 + ["b"] * 9)
    assert values_shared(0, [sex, site], {}) == (("sex", "f"),)
    assert values_shared(6, [sex, site], {}) == (("sex", "m"), ("site", "b"))
    assert values_shared(6, [sex, site], {"sex": frozenset("m")}) == (("site", "b"),)
