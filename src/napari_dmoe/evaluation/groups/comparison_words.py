"""What came of a comparison of two evaluated cohorts, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.evaluation.scoring.metrics import METRICS

if TYPE_CHECKING:
    from napari_dmoe.evaluation.groups.comparing import Comparison

_STATISTICS = {"gap": "the gap", "es_sum": "the equity-scaled score (sum)"}
_NAMED = 5
"""Groups that a sentence names; more are counted."""


def sentences_of(
    titles: tuple[str, str], rows: Sequence[Comparison]
) -> tuple[str, ...]:
    """Return one sentence for each region and metric."""
    kinds = dict.fromkeys((row.region, row.metric) for row in rows)
    return tuple(
        _sentence(titles, [r for r in rows if (r.region, r.metric) == kind])
        for kind in kinds
    )


def _sentence(titles: tuple[str, str], rows: Sequence[Comparison]) -> str:
    whole = next(row for row in rows if row.grouping == EVERYBODY)
    first, second = titles
    metric = METRICS[whole.metric]
    sign = ", without its sign," if metric.is_signed else ""
    what = f"{metric.title}{sign} of {whole.region}"
    if whole.verdict == "too few":
        return f"{what}: too few cases to compare {second} with {first} ({whole.n})."
    measured = f"{what} {_apart(whole)}"
    if whole.verdict == "no difference":
        begin = f"No difference was found between {first} and {second}"
        if any(row.verdict in ("better", "worse") for row in rows):
            begin = (
                f"Over all cases no difference was found between {first} and {second}"
            )
        begin = f"{begin}: {measured}"
    else:
        begin = f"{second} is {whole.verdict} than {first}: {measured}"
    return f"{begin}; {_of_groups(rows)}."


def _apart(row: Comparison) -> str:
    """Say by how much, how sure that is, and of how many cases."""
    by, (low, high), way = row.difference, row.interval, "higher"
    if by < 0:
        by, low, high, way = -by, -high, -low, "lower"
    said = f"{_number(by)} {way}" if _number(by) != _number(0) else "the same"
    ends = "" if math.isnan(low) else f" ({_number(low)} to {_number(high)})"
    return f"{said}{ends}, {p_in_words(row.p_holm)} after Holm, {row.n} cases"


def _of_groups(rows: Sequence[Comparison]) -> str:
    groups = [row for row in rows if row.group]
    if not groups:
        return "no groups were compared"
    said = []
    for verdict in ("worse", "better"):
        own = [row for row in groups if row.verdict == verdict]
        if own:
            said.append(f"{verdict} in {_listed(own)}")
    if not any(row.verdict == "worse" for row in groups):
        said.append("no group was found to be worse")
    said += [
        f"{_STATISTICS[row.statistic]} by {row.grouping} is {_apart(row)}"
        for row in rows
        if row.statistic in _STATISTICS and row.verdict in ("better", "worse")
    ]
    few = sum(row.verdict == "too few" for row in groups)
    if few:
        said.append(f"{few} of {len(groups)} groups are too small to tell")
    return "; ".join(said)


def _listed(rows: Sequence[Comparison]) -> str:
    names = [f"{row.group} ({row.grouping})" for row in rows[:_NAMED]]
    more = len(rows) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _number(value: float) -> str:
    return f"{value + 0.0:.3f}"


def p_in_words(p: float) -> str:
    """Return p as papers write it.

    Examples
    --------
    >>> p_in_words(0.0004), p_in_words(0.0312), p_in_words(0.76)
    ('p < 0.001', 'p = 0.031', 'p = 0.76')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def notes_of(
    titles: tuple[str, str],
    first: Evaluated,
    second: Evaluated,
    counts: tuple[int, int, int],
) -> tuple[str, ...]:
    """Say which cases were not compared, and how the two were scored otherwise."""
    n_pairs, *alone = counts
    only = [f"{n} only in {title}" for n, title in zip(alone, titles, strict=True) if n]
    notes = [f"{n_pairs} cases are in both"]
    if only:
        notes.append(
            f"not compared, because one of the two lacks them: {'; '.join(only)}"
        )
    for field, said in (
        ("convention", "empty masks are scored by different conventions"),
        ("scored_at", "masks are scored at different sizes"),
    ):
        ours, theirs = (getattr(each.facts, field) for each in (first, second))
        if ours != theirs:
            notes.append(f"{said} ({ours} and {theirs}), which may be all that differs")
    return tuple(notes)
