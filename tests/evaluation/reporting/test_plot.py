"""Groups laid out for a page: where dots lie, and that no case is seen alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from napari_dmoe.evaluation.reporting.figures import GroupMark, Series
from napari_dmoe.evaluation.reporting.plot import Plot, plot_of

MARKS = (
    GroupMark("female", 40, 0.8, 0.75, 0.85, (0.1, 0.7, 0.8, 0.9, 1.0)),
    GroupMark("male", 4, 0.7, math.nan, math.nan, (0.7,)),
)
ONE = (Series("ours", MARKS, 0.78),)


def laid_out(series: tuple[Series, ...]) -> Plot:
    found = plot_of(series, score="Dice")
    assert found is not None
    return found


def test_dots_lie_where_the_axis_says() -> None:
    plot = laid_out(ONE)
    low, high = plot.ticks[0], plot.ticks[-1]
    per_pixel = (float(high.text) - float(low.text)) / (high.x - low.x)
    for dot, mark in zip(plot.dots, MARKS, strict=True):
        value = float(low.text) + (dot.x - low.x) * per_pixel
        assert value == pytest.approx(mark.mean, abs=0.001)
    assert [(label.text, label.n) for label in plot.labels] == [
        ("female", "40"),
        ("male", "4"),
    ]
    assert [dot.is_small for dot in plot.dots] == [False, True]


def test_the_middle_half_is_shown_and_no_single_case() -> None:
    plot = laid_out(ONE)
    first, second = plot.dots
    assert first.middle is not None
    assert second.middle is None
    assert first.middle[0] < first.x < first.middle[1]
    assert float(plot.ticks[0].text) > 0.1, "the worst case is nowhere"


def test_models_lie_below_each_other_within_a_group() -> None:
    plot = laid_out((*ONE, Series("theirs", MARKS[::-1], 0.8)))
    of_female = [d.y for d in plot.dots if abs(d.y - plot.labels[0].y) < 15]
    assert len(of_female) == len(set(of_female)) == 2
    assert [key.text for key in plot.keys] == ["ours", "theirs"]
    assert all(plot.top <= dot.y <= plot.bottom for dot in plot.dots)


@pytest.mark.parametrize("value", [0.0, 0.5, 1e-9, -3.0, 12345.678])
def test_equal_groups_of_any_size_have_an_axis(value: float) -> None:
    marks = tuple(replace(m, mean=value, low=math.nan, values=()) for m in MARKS)
    plot = laid_out((Series("m", marks, value),))
    assert len(plot.ticks) > 1
    assert len({tick.text for tick in plot.ticks}) == len(plot.ticks)
    assert all(plot.left <= dot.x <= plot.right for dot in plot.dots)


def test_long_names_and_many_models_stay_inside() -> None:
    marks = (replace(MARKS[0], group="x" * 300), MARKS[1])
    plot = laid_out(
        tuple(Series(f"model {'y' * 90} {i}", marks, 0.7) for i in range(9))
    )
    assert plot.left < plot.width / 2
    assert {dot.model for dot in plot.dots} == set(range(6))
    assert all(key.y < plot.top for key in plot.keys)


def test_nothing_to_draw_is_no_figure() -> None:
    assert plot_of((Series("m", ()),), score="Dice") is None
    assert plot_of((Series("m", (GroupMark("a", 0, math.nan),)),), score="Dice") is None
