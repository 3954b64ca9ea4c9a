"""The numbers of a report: every region by every metric, as a whole and by group.

They are those of :mod:`napari_dmoe.evaluation.groups`; here they are laid out, and what
an export may not tell is taken out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.groupings import Grouping, everybody
from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.evaluation.groups.summary import GroupSummary, summarise
from napari_dmoe.evaluation.groups.table import GroupRow
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.privacy import OTHERS, Cell, hidden_cells, is_free
from napari_dmoe.evaluation.scoring.metrics import METRICS, Metric
from napari_dmoe.progress import Progress, ProgressHook, silent


class Estimate(NamedTuple):
    """A number and its interval; NaN where there is none."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan


NONE = Estimate()


@dataclass(frozen=True)
class GroupCell:
    """One group; nothing but its name where it is hidden."""

    value: str
    n: int = 0
    """Counted cases."""
    n_no_score: int = 0
    n_missed: int = 0
    mean: Estimate = NONE
    median: float = math.nan
    is_small: bool = False
    is_hidden: bool = False


@dataclass(frozen=True)
class ByAttribute:
    """One metric of one region by one grouping."""

    attribute: str
    n: int
    """Counted cases whose group is known."""
    n_unknown: int
    """Cases whose group is not known; -1 where that is hidden."""
    mean: float
    """Over the counted cases whose group is known: what the equity-scaled scores are
    of."""
    es_sum: Estimate
    es_std: Estimate
    gap: Estimate
    ratio: float
    """As in :data:`~napari_dmoe.evaluation.groups.table.STATISTICS`; NaN where groups
    are hidden, like `skewness`."""
    skewness: float
    worst_group: str | None
    """None of no counted case, and of a signed metric."""
    cells: tuple[GroupCell, ...]
    left_out: tuple[str, ...]
    """Groups that no case, or no counted one, belongs to."""
    notes: tuple[str, ...]

    @property
    def is_hidden(self) -> bool:
        """Whether any of the groups is."""
        return any(cell.is_hidden for cell in self.cells)


@dataclass(frozen=True)
class Measured:
    """One metric of one region."""

    region: str
    metric: str
    unit: str
    """Of lengths; empty for numbers without one."""
    n: int
    """Counted cases."""
    n_no_score: int
    n_missed: int
    mean: Estimate
    median: float
    by: tuple[ByAttribute, ...]
    """The main attribute first."""

    @property
    def title(self) -> str:
        """Name of the metric for a person, with its unit."""
        title = METRICS[self.metric].title
        return f"{title} ({self.unit})" if self.unit else title


def measure(
    evaluated: Evaluated,
    groupings: Sequence[Grouping],
    hidden: Mapping[str, frozenset[Cell]],
    options: ReportOptions,
    progress: ProgressHook = silent,
) -> tuple[Measured, ...]:
    """Return every metric of every region of one model.

    Parameters
    ----------
    evaluated : Evaluated
        The cohort.
    groupings : sequence of Grouping
        How it is parted, the main attribute first.
    hidden : mapping of str to frozenset
        Cells that are not to be shown, by grouping; one that it lacks is shown whole.
    options : ReportOptions
        Seed, resamples, convention of the intervals, metrics.
    progress : callable
        Told before each region and metric.
    """
    pairs = measured_pairs(evaluated, options)
    free = {each.name for each in groupings if is_free(each, evaluated)}
    found = []
    for number, (region, metric) in enumerate(pairs):
        progress(Progress(number, len(pairs), f"{METRICS[metric].title} of {region}"))
        whole = _summary(evaluated, region, metric, everybody(evaluated), options)
        by = tuple(
            _by(
                _summary(evaluated, region, metric, grouping, options),
                hidden.get(grouping.name),
                is_free=grouping.name in free,
            )
            for grouping in groupings
        )
        row = whole.table.rows[0]
        mean = Estimate(row.mean, *whole.intervals.groups.get(EVERYBODY, NONE[1:]))
        found.append(
            Measured(
                region,
                metric,
                unit_of(evaluated, metric),
                row.n_counted,
                row.n_nan,
                row.n_missed,
                mean,
                row.median,
                by,
            )
        )
    return tuple(found)


def measured_pairs(
    evaluated: Evaluated, options: ReportOptions
) -> tuple[tuple[str, str], ...]:
    """Return the regions and metrics that there are scores of, in order."""
    there = {(s.region, s.metric) for case in evaluated for s in case.scores}
    wanted = options.metrics or evaluated.facts.metrics
    return tuple(
        (region, metric)
        for region in evaluated.facts.regions
        for metric in wanted
        if (region, metric) in there
    )


def unit_of(evaluated: Evaluated, metric: str) -> str:
    """Return the unit of a length or size; of cases in mm and px both are named."""
    own = METRICS[metric]
    if not (own.is_length or own.is_size):
        return ""
    units = sorted({case.unit for case in evaluated if case.scores})
    if own.is_size:
        units = ["mm² or mm³" if unit == "mm" else unit for unit in units]
    return " and ".join(units)


def _summary(
    evaluated: Evaluated,
    region: str,
    metric: str,
    grouping: Grouping,
    options: ReportOptions,
) -> GroupSummary:
    return summarise(
        evaluated,
        region,
        metric,
        grouping,
        seed=options.seed,
        n_resamples=options.n_resamples,
        convention=options.convention,
    )


def _by(
    summary: GroupSummary, hidden: frozenset[Cell] | None, *, is_free: bool
) -> ByAttribute:
    table, intervals = summary.table, summary.intervals
    if hidden is None:
        hidden = frozenset()
    else:
        # A metric may count fewer cases of a group than it has.
        sizes: dict[Cell, int] = {row.name: row.n_counted for row in table.rows}
        hidden |= hidden_cells(sizes | {None: table.n_without_group})
    cells = tuple(_cell(row, summary, row.name in hidden) for row in table.rows)
    left_out = table.left_out
    if is_free and any(cell.is_hidden for cell in cells):
        cells = (
            *(c for c in cells if not c.is_hidden),
            GroupCell(OTHERS, is_hidden=True),
        )
        left_out = ()
    estimates = {
        name: Estimate(table.statistics[name], *intervals.statistics[name])
        for name in ("es_sum", "es_std", "gap")
    }
    shown = [cell for cell in cells if not cell.is_hidden and cell.n]
    is_whole = not any(cell.is_hidden for cell in cells)
    further = {name: table.statistics[name] for name in ("ratio", "skewness")}
    if not is_whole:
        means = [cell.mean.value for cell in shown]
        is_compared = bool(means[1:]) and not METRICS[summary.metric].is_signed
        estimates["gap"] = Estimate(
            max(means) - min(means) if is_compared else math.nan
        )
        further = dict.fromkeys(further, math.nan)
    return ByAttribute(
        attribute=summary.grouping.name,
        n=table.n_counted,
        n_unknown=-1 if None in hidden else table.n_without_group,
        mean=table.statistics["mean"],
        es_sum=estimates["es_sum"],
        es_std=estimates["es_std"],
        gap=estimates["gap"],
        ratio=further["ratio"],
        skewness=further["skewness"],
        # One that is shown alone is not known to be the worst.
        worst_group=_worst(shown, METRICS[summary.metric])
        if is_whole or shown[1:]
        else None,
        cells=cells,
        left_out=left_out,
        notes=summary.notes if is_whole else _without_counts(summary),
    )


def _without_counts(summary: GroupSummary) -> tuple[str, ...]:
    """Return the notes that count no group: those of bands, and what is hidden."""
    said = (
        "groups of fewer than 5 cases, and those that would give them away, are "
        "hidden; gap and worst group are of the groups shown, the equity-scaled "
        "scores of all"
    )
    return (*summary.grouping.notices, said)


def _cell(row: GroupRow, summary: GroupSummary, is_hidden: bool) -> GroupCell:
    if is_hidden:
        return GroupCell(row.name, is_hidden=True)
    ends = summary.intervals.groups.get(row.name, NONE[1:])
    return GroupCell(
        row.name,
        row.n_counted,
        row.n_nan,
        row.n_missed,
        Estimate(row.mean, *ends),
        row.median,
        row.is_small,
    )


def _worst(cells: Sequence[GroupCell], metric: Metric) -> str | None:
    def badness(cell: GroupCell) -> float:
        mean = cell.mean.value
        return -mean if metric.higher_is_better else mean

    if metric.is_signed:
        return None
    # Of equals the first, in the order of the groups.
    found = max(cells, key=badness, default=None)
    return None if found is None else found.value
