"""The tables of the results: groups with their figures, and the cases behind them.

Knows no Qt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_dmoe.attributes import ATTRIBUTES
from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.evaluation.scoring.metrics import METRICS
from napari_dmoe.viewer.fairness.results.figures import Asked, Figures, Listed
from napari_dmoe.viewer.rows import Column, Line

if TYPE_CHECKING:
    from napari_dmoe.evaluation.evaluating.scored import ScoredCase
    from napari_dmoe.evaluation.groups.intervals import Interval
    from napari_dmoe.evaluation.groups.table import GroupRow
    from napari_dmoe.viewer.fairness.results.figures import ModelFigures

_DECIMALS = 3
NO_VALUE = "–"

GROUP_COLUMNS = (
    Column("group", "group"),
    Column("n", "n", "Cases of the group that have a score.", is_right=True),
    Column("mean", "mean", is_right=True, decimals=_DECIMALS),
    Column("median", "median", is_right=True, decimals=_DECIMALS),
    Column("interval", "95 % interval", "Of the mean, by bootstrap.", is_right=True),
    Column("missed", "missed", "One mask lacks what the other has.", is_right=True),
    Column("nan", "no\nscore", "Cases without a score do not count.", is_right=True),
)

_STATISTICS = {
    "mean": ("all", "The mean over all cases whose group is known."),
    "gap": ("gap", "The best group's mean and the worst group's, apart."),
    "es_sum": ("ES (sum)", "Equity-scaled: mean / (1 + sum of |mean - group's mean|)."),
    "es_std": ("ES (std)", "Equity-scaled: mean / (1 + spread of the groups' means)."),
}
"""What stands below the groups, and what it means."""


def score_name(asked: Asked, unit: str = "") -> str:
    """Name what is measured, as in ``"Dice of cup"`` or ``"HD95 of lesion (mm)"``."""
    metric = METRICS[asked.metric]
    of_unit = f" ({unit})" if metric.is_length and unit else ""
    return f"{metric.title} of {asked.region}{of_unit}"


def group_lines(figures: Figures) -> list[Line]:
    """Return the table of groups: model by model, and below what compares groups."""
    lines: list[Line] = []
    is_several = len(figures.models) > 1
    for model in figures.models:
        if is_several:
            lines.append(_heading(model.title))
        rows = {row.name: (row, interval) for row, interval in model.summary.rows}
        lines += [
            _group_line(name, *rows[name], is_worst=name == model.summary.table.worst)
            if name in rows
            else _empty_line(name)
            for name in figures.groups
        ]
        lines += _statistic_lines(model)
    return lines


def group_keys(figures: Figures) -> list[tuple[int, str] | None]:
    """Return of which model and group each line of :func:`group_lines` tells.

    None for headings and for what compares groups; the group "" is all cases.
    """
    keys: list[tuple[int, str] | None] = []
    for number, model in enumerate(figures.models):
        keys += [None] if len(figures.models) > 1 else []
        keys += [(number, name) for name in figures.groups]
        of_all = (number, "")
        keys += [of_all if k == "mean" else None for k in _shown_statistics(model)]
    return keys


def _heading(text: str) -> Line:
    return Line({"group": text}, bold=("group",), is_heading=True)


def _group_line(
    name: str, row: GroupRow, interval: Interval, *, is_worst: bool
) -> Line:
    help_ = {}
    said = []
    if row.is_small:
        said.append(f"Fewer than {SMALL_GROUP} cases: their mean says little.")
    if is_worst:
        said.append("The worst group.")
    if said:
        help_["group"] = " ".join(said)
    shown = f"({name})" if row.is_small else name
    return Line(
        {
            "group": shown,
            "n": row.n_counted,
            "mean": row.mean,
            "median": row.median,
            "interval": interval_text(interval),
            "missed": row.n_missed,
            "nan": row.n_nan,
        },
        help=help_,
        bold=("group", "mean") if is_worst else (),
    )


def _empty_line(name: str) -> Line:
    said = "No case is in this group."
    nothing = dict.fromkeys((c.key for c in GROUP_COLUMNS), NO_VALUE)
    return Line({**nothing, "group": f"{name}: empty", "n": 0}, help={"group": said})


def _shown_statistics(model: ModelFigures) -> list[str]:
    """Return what is told below the groups; ES only where higher is better."""
    found = model.summary.table.statistics
    is_one = model.summary.table.n_groups < 2
    return [
        key
        for key in _STATISTICS
        if key == "mean" or not (is_one or math.isnan(found[key]))
    ]


def _statistic_lines(model: ModelFigures) -> list[Line]:
    table, intervals = model.summary.table, model.summary.intervals
    lines = []
    for key in _shown_statistics(model):
        title, means = _STATISTICS[key]
        cells = dict.fromkeys(("n", "median", "missed", "nan"), "")
        if key == "mean":
            counts = {
                "n": table.n_counted,
                "missed": table.n_missed,
                "nan": table.n_nan,
            }
            cells |= {name: str(count) for name, count in counts.items()}
        interval = intervals.statistics.get(key)
        text = NO_VALUE if interval is None else interval_text(interval)
        value = table.statistics[key]
        line = {"group": title, "mean": value, "interval": text} | cells
        lines.append(Line(line, help={"group": means}, bold=("group",)))
    return lines


def interval_text(interval: Interval) -> str:
    """Return the ends of an interval; a dash where there is none."""
    low, high = interval.low, interval.high
    if math.isnan(low) or math.isnan(high):
        return NO_VALUE
    return f"{low:.{_DECIMALS}f}–{high:.{_DECIMALS}f}"


def case_columns(cases: Sequence[ScoredCase]) -> tuple[Column, ...]:
    """Return the columns of a list of cases: who, how well, and what is recorded."""
    stated = {name: None for case in cases for name in case.patient.stated()}
    known = [name for name in ATTRIBUTES if name in stated]
    others = [name for name in stated if name not in ATTRIBUTES]
    further = {name: None for case in cases for name in case.further}
    # Whose case it is says nothing of a group, and its id stands there already.
    whose = [n for n in further if all(c.further.get(n) == c.subject for c in cases)]
    told = {*stated, *whose}
    return (
        Column("id", "case"),
        Column("score", "score", is_right=True, decimals=_DECIMALS),
        *(Column(f"of {name}", name) for name in (*known, *others)),
        *(Column(f"table {name}", name) for name in further if name not in told),
    )


def case_line(case: ScoredCase, listed: Listed) -> Line:
    """Return the line of a case: its id, its score, and what is recorded of it."""
    score: str | float = listed.value
    if listed.is_missed and math.isnan(listed.value):
        score = "missed"
    elif math.isnan(listed.value):
        score = NO_VALUE if case.status == "scored" else case.status
    said = case.said or ("One mask lacks what the other has." * listed.is_missed)
    return Line(
        {
            "id": case.id,
            "score": score,
            **{f"of {name}": value for name, value in case.patient.stated().items()},
            **{f"table {name}": cell for name, cell in case.further.items()},
        },
        help={"score": said} if said else {},
        worse=("score",) if listed.is_missed else (),
    )
