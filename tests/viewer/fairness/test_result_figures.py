"""Figures by group, their table, their plot, and cases in the order of how bad."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from evaluations import make_evaluated, signed

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.reporting.figures import LIGHT
from napari_dmoe.progress import silent
from napari_dmoe.viewer.fairness.results.drawing import GroupPlot
from napari_dmoe.viewer.fairness.results.figures import (
    Asked,
    Choices,
    Figures,
    choices_of,
    find,
    worst_first,
)
from napari_dmoe.viewer.fairness.results.rows import (
    GROUP_COLUMNS,
    case_columns,
    case_line,
    group_keys,
    group_lines,
    score_name,
)


@pytest.fixture(scope="module")
def evaluated() -> Evaluated:
    return make_evaluated()


@pytest.fixture(scope="module")
def figures(evaluated: Evaluated) -> Figures:
    return find([evaluated], Asked("dice", "cup", "race"), silent)


def test_what_can_be_asked_is_what_all_cohorts_have(evaluated: Evaluated) -> None:
    other = make_evaluated(regions=("cup",))
    found = choices_of([evaluated, other])
    assert found.regions == ("cup",)
    assert found.metrics == ("dice", "iou", "hd95")
    assert choices_of([]) == Choices()


def test_what_is_asked_and_not_there_becomes_the_first() -> None:
    choices = Choices(("dice", "iou"), ("rim", "cup"), ("sex", "race"))
    assert choices.nearest(Asked()) == Asked("dice", "rim", "sex", "")
    asked = Asked("iou", "cup", "race", "sex")
    assert choices.nearest(asked) == asked
    assert choices.nearest(Asked("nsd", "disc", "race", "race")) == Asked(
        "dice", "rim", "race", ""
    )
    assert Choices(("dice",), ("rim",)).nearest(Asked()).by == ""


def test_every_recorded_attribute_can_be_grouped_by(figures: Figures) -> None:
    assert {"sex", "race", "age", "centre"} <= set(figures.choices.attributes)


def test_the_table_tells_groups_and_what_compares_them(figures: Figures) -> None:
    lines = group_lines(figures)
    assert [line.cells["group"] for line in lines] == [
        *figures.groups,
        "all",
        "gap",
        "ES (sum)",
        "ES (std)",
    ]
    (model,) = figures.models
    by_name = {line.cells["group"]: line for line in lines}
    worst = by_name["Black"]
    assert "mean" in worst.bold
    rows = {row.name: row for row in model.summary.table.rows}
    assert worst.cells["mean"] == rows["Black"].mean
    assert worst.cells["median"] == rows["Black"].median
    assert worst.cells["n"] == rows["Black"].n_counted
    assert worst.cells["nan"] == rows["Black"].n_nan
    assert worst.cells["interval"].count("–") == 1
    assert {c.key for c in GROUP_COLUMNS} >= set(worst.cells)
    assert group_keys(figures) == [
        *((0, name) for name in figures.groups),
        (0, ""),
        None,
        None,
        None,
    ]


def test_lengths_have_no_equity_scaled_score(evaluated: Evaluated) -> None:
    found = find([evaluated], Asked("hd95", "cup", "race"), silent)
    names = [line.cells["group"] for line in group_lines(found)]
    assert names[-2:] == ["all", "gap"]
    assert not found.higher_is_better


def test_several_models_stand_below_each_other_and_are_compared(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_evaluated(seed=1, title="another")
    found = find([evaluated, other, other], Asked("dice", "cup", "sex"), silent)
    lines, keys = group_lines(found), group_keys(found)
    assert len(lines) == len(keys)
    headings = [line.cells["group"] for line in lines if line.is_heading]
    assert headings == ["a model", "another", "another"]
    assert [keys[i] for i, line in enumerate(lines) if line.is_heading] == [None] * 3
    assert "Look at two at a time to compare them." in found.notes


def test_groups_are_crossed_and_empty_and_small_ones_are_named() -> None:
    cases = make_evaluated(15)
    found = find([cases], Asked("dice", "cup", "race", "sex"), silent)
    assert "Black, female" in found.groups
    lines = group_lines(found)
    small = next(e for e in lines if e.cells["group"] == "(White, female)")
    assert "Fewer than 10" in small.help["group"]
    gone = [c for c in cases if (c.patient.race, c.patient.sex) != ("White", "male")]
    thin = replace(cases, cases=tuple(gone))
    found = find([thin], Asked("dice", "cup", "race", "sex"), silent)
    empty = [e for e in group_lines(found) if e.cells["group"] == "White, male: empty"]
    assert empty[0].cells["n"] == 0
    plot = GroupPlot.of(found, kind="dots")
    assert [m.n for m in plot.series[0].marks if m.group == "White, male"] == [0]


def test_cases_without_attributes_are_one_group() -> None:
    bare = make_evaluated(12)
    cases = tuple(
        replace(each, patient=type(each.patient)(), further={}) for each in bare
    )
    found = find([replace(bare, cases=cases)], Asked("dice", "cup"), silent)
    assert found.asked.by == ""
    assert found.groups == ("all",)
    (model,) = found.models
    assert len(worst_first(cases, model, "all")) == 12


def test_the_lowest_overlap_is_the_worst(
    evaluated: Evaluated, figures: Figures
) -> None:
    found = worst_first(evaluated, figures.models[0], "Black")
    values = [each.value for each in found]
    known = [value for value in values if not math.isnan(value)]
    assert known == sorted(known)
    assert all(math.isnan(value) for value in values[len(known) :])
    assert all(evaluated[each.place].patient.race == "Black" for each in found)
    assert found[0].value == min(known)


def test_of_distances_the_largest_is_the_worst_and_a_miss_is_worse(
    evaluated: Evaluated,
) -> None:
    figures = find([evaluated], Asked("hd95", "cup", "race"), silent)
    found = worst_first(evaluated, figures.models[0])
    n_missed = sum(each.is_missed for each in found)
    assert n_missed == 3
    assert all(each.is_missed for each in found[:n_missed])
    known = [e.value for e in found[n_missed:] if not math.isnan(e.value)]
    assert known == sorted(known, reverse=True)
    assert len(found) == len(evaluated)
    line = case_line(evaluated[found[0].place], found[0])
    assert line.cells["score"] == "missed"
    assert line.worse == ("score",)


def test_a_volume_error_is_bad_on_either_side_and_ranks_no_group(
    evaluated: Evaluated,
) -> None:
    figures = find([signed(evaluated)], Asked("rvd", "cup", "race"), silent)
    found = worst_first(evaluated, figures.models[0])
    sizes = [abs(each.value) for each in found]
    assert sizes == sorted(sizes, reverse=True)
    assert {each.value > 0 for each in found[:20]} == {True, False}
    lines = group_lines(figures)
    assert [line.cells["group"] for line in lines][-1] == "all"
    assert not any(line.bold for line in lines[: len(figures.groups)])


def test_a_case_is_told_with_what_is_recorded(
    evaluated: Evaluated, figures: Figures
) -> None:
    listed = worst_first(evaluated, figures.models[0], "Black")[0]
    case = evaluated[listed.place]
    columns = case_columns(list(evaluated))
    assert [c.title for c in columns][:2] == ["case", "score"]
    assert {"sex", "race", "age", "centre"} <= {c.title for c in columns}
    cells = case_line(case, listed).cells
    assert set(cells) <= {c.key for c in columns}
    assert cells["id"] == case.id
    assert cells["of race"] == "Black"
    assert cells["table centre"] in ("north", "south")


def test_a_case_that_failed_says_why(figures: Figures) -> None:
    failed = replace(
        make_evaluated(1)[0], status="failed", said="the mask does not fit", scores=()
    )
    (listed,) = worst_first(
        [failed], replace(figures.models[0], values=figures.models[0].values * math.nan)
    )
    line = case_line(failed, listed)
    assert (line.cells["score"], line.help["score"]) == (
        "failed",
        "the mask does not fit",
    )


def test_a_click_is_on_the_row_of_a_group_and_the_nearest_model(
    evaluated: Evaluated, figures: Figures
) -> None:
    plot = GroupPlot.of(figures, kind="dots", marked=(0, "Black"))
    names = figures.groups
    assert plot.at(0.2) == (0, names[0])
    assert plot.at(len(names) - 0.7) == (0, names[-1])
    assert plot.at(None) is None
    assert plot.at(-3.0) is None
    two = GroupPlot.of(replace(figures, models=figures.models * 2), kind="violins")
    assert two.at(0.69) == (0, names[1])
    assert two.at(1.31) == (1, names[1])
    assert two.height > 100


@pytest.mark.parametrize("kind", ["dots", "violins"])
def test_the_plot_names_every_group(figures: Figures, kind: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    plot = GroupPlot.of(figures, kind=kind, unit="mm", marked=(0, "Black"))
    plot.paint(figure, LIGHT)
    (axes,) = figure.axes
    texts = [label.get_text() for label in axes.get_yticklabels()]
    assert [text.partition("  ")[0] for text in texts] == list(figures.groups)
    assert axes.get_xlabel() == "Dice of cup"


def test_a_length_is_named_with_its_unit() -> None:
    assert score_name(Asked("hd95", "lesion"), "mm") == "HD95 of lesion (mm)"
    assert score_name(Asked("dice", "lesion"), "mm") == "Dice of lesion"
