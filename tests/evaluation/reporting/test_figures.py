"""Groups drawn as dots: where they lie, and what is faint."""

from __future__ import annotations

import math

import pytest
from matplotlib.figure import Figure

from napari_dmoe.evaluation.reporting.figures import (
    LIGHT,
    GroupMark,
    Series,
    draw_groups,
    groups_drawn,
)

MARKS = (
    GroupMark("female", 40, 0.8, 0.75, 0.85, (0.7, 0.8, 0.9)),
    GroupMark("$male$", 4, 0.7, math.nan, math.nan, (0.7,)),
)
ONE = (Series("ours", MARKS, 0.78),)
TWO = (*ONE, Series("theirs", MARKS[::-1], 0.8))


@pytest.mark.parametrize("kind", ["dots", "violins"])
def test_each_group_is_a_row_that_names_it_and_its_cases(kind: str) -> None:
    axes = draw_groups(Figure(), ONE, score="Dice", kind=kind)  # type: ignore[arg-type]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["female  (n 40)", "$male$  (n 4)"]
    assert list(axes.get_yticks()) == [0, 1]
    assert axes.get_xlabel() == "Dice"


def test_a_click_on_a_row_is_on_its_group() -> None:
    axes = draw_groups(Figure(), TWO, score="Dice")
    low, high = axes.get_ylim()
    assert low > high, "the first group is at the top"
    dots = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    for line in dots:
        place = round(float(line.get_ydata()[0]))  # type: ignore[index]
        assert groups_drawn(TWO)[place] in ("female", "$male$")
    assert len(dots) == 4


def test_a_small_group_is_hollow() -> None:
    axes = draw_groups(Figure(), ONE, score="Dice")
    large, small = (line for line in axes.lines if line.get_marker() == "o")
    assert large.get_markerfacecolor() == large.get_color()
    assert small.get_markerfacecolor() == LIGHT.ground


def test_a_group_without_a_score_is_a_row_without_a_dot() -> None:
    marks = (GroupMark("a", 0, math.nan), GroupMark("b", 20, 0.5, 0.4, 0.6))
    axes = draw_groups(Figure(), (Series("m", marks),), score="Dice")
    assert len([line for line in axes.lines if line.get_marker() == "o"]) == 1
    assert len(axes.get_yticks()) == 2


def test_a_figure_is_drawn_anew() -> None:
    figure = Figure()
    draw_groups(figure, TWO, score="Dice")
    draw_groups(figure, ONE, score="IoU")
    assert len(figure.axes) == 1
