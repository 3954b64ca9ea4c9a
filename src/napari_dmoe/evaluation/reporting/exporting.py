"""A report as data: ``report.json``, and ``report.csv`` with one row a group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from napari_dmoe.evaluation.groups.comparing import Comparisons
from napari_dmoe.evaluation.reporting.content import Content, ModelContent
from napari_dmoe.evaluation.reporting.measured import (
    ByAttribute,
    Estimate,
    GroupCell,
    Measured,
)
from napari_dmoe.evaluation.reporting.methods import FORMULAS
from napari_dmoe.evaluation.reporting.published_figures import (
    CITATION,
    ES_FORM,
    PublishedFigure,
)
from napari_dmoe.evaluation.scoring.json_scores import with_null
from napari_dmoe.evaluation.scoring.metrics import METRICS

RESEARCH_USE = "Research use only, not a medical device."

_WHOLE = "(all)"
"""Stands in the table where a row is of the whole cohort."""


def as_json(content: Content, *, title: str, date: str) -> dict[str, Any]:
    """Return the report as JSON has it; what is not known or hidden is None.

    ``models`` hold ``regions``, one entry a region and metric. Its equity-scaled
    scores, worst group and gap are by the attribute in ``attribute``, those of all
    others stand in ``by``; ``groups`` are of all attributes.
    """
    options = content.options
    found = {
        "schema_version": 1,
        "title": title,
        "date": date,
        "use": RESEARCH_USE,
        "formulas": dict(FORMULAS),
        "identifiers": options.identifiers,
        "small_cells": options.small_cells,
        "intervals": {
            "level": 95,
            "n_resamples": options.n_resamples,
            "seed": options.seed,
            "convention": options.convention,
        },
        "models": [_model(each) for each in content.models],
        "comparisons": [_comparison(each) for each in content.comparisons],
        "citation": CITATION,
    }
    cleaned: dict[str, Any] = with_null(found)
    return cleaned


def _model(model: ModelContent) -> dict[str, Any]:
    return {
        "name": model.name,
        "n_cases": model.n_cases,
        "statuses": dict(model.statuses),
        **model.told,
        "regions": [_measured(each) for each in model.measured],
        "composition": [
            {
                "attribute": each.attribute,
                "values": [{"value": v, "n": n} for v, n in each.rows],
            }
            for each in model.composition
        ],
        "worst": [
            {
                "case": each.name,
                "region": each.region,
                "scores": dict(each.scores),
                "known": dict(each.values),
                "is_missed": each.is_missed,
            }
            for each in model.worst
        ],
        "published": [_published(each) for each in model.published],
        "notices": list(model.notices),
        "counterfactual": None
        if model.counterfactual is None
        else {
            "sentences": list(model.counterfactual.sentences),
            "rows": [asdict(row) for row in model.counterfactual.rows],
        },
    }


def _measured(each: Measured) -> dict[str, Any]:
    main = each.by[0] if each.by else None
    return {
        "region": each.region,
        "metric": each.metric,
        "unit": each.unit or None,
        "higher_is_better": METRICS[each.metric].higher_is_better,
        "n": each.n,
        **_estimate("mean", each.mean),
        "low": each.mean.low,
        "high": each.mean.high,
        "median": each.median,
        "n_no_score": each.n_no_score,
        "n_missed": each.n_missed,
        **(_by(main) if main else _NO_GROUPS),
        "groups": [_group(by, cell) for by in each.by for cell in by.cells],
        "by": [_by(by) for by in each.by],
    }


_NO_GROUPS: dict[str, Any] = dict.fromkeys(
    ("attribute", "es_sum", "es_std", "worst_group", "gap")
)


def _by(by: ByAttribute) -> dict[str, Any]:
    return {
        "attribute": by.attribute,
        "n_known": by.n if by.n_unknown >= 0 else None,
        "n_unknown": by.n_unknown if by.n_unknown >= 0 else None,
        "mean_known": by.mean if by.n_unknown >= 0 else None,
        **_estimate("es_sum", by.es_sum),
        **_estimate("es_std", by.es_std),
        **_estimate("gap", by.gap),
        "worst_group": by.worst_group,
        "ratio": by.ratio,
        "skewness": by.skewness,
        "left_out": list(by.left_out),
        "notes": list(by.notes),
    }


def _estimate(name: str, estimate: Estimate) -> dict[str, float]:
    if name == "mean":
        return {name: estimate.value}
    low, high = f"{name}_low", f"{name}_high"
    return {name: estimate.value, low: estimate.low, high: estimate.high}


def _group(by: ByAttribute, cell: GroupCell) -> dict[str, Any]:
    said: dict[str, Any] = {"attribute": by.attribute, "value": cell.value}
    if cell.is_hidden:
        nothing = ("n", "mean", "low", "high", "median", "n_no_score", "n_missed")
        return said | dict.fromkeys(nothing) | {"is_small": None, "is_hidden": True}
    return said | {
        "n": cell.n,
        "mean": cell.mean.value,
        "low": cell.mean.low,
        "high": cell.mean.high,
        "median": cell.median,
        "n_no_score": cell.n_no_score,
        "n_missed": cell.n_missed,
        "is_small": cell.is_small,
        "is_hidden": False,
    }


def _published(each: PublishedFigure) -> dict[str, Any]:
    return {
        "model": each.model,
        "cohort": each.cohort,
        "region": each.region,
        "dice": each.dice,
        "es_dice": each.es_dice,
        "es_form": ES_FORM,
        "groups": [{"value": v, "n": n, "mean": mean} for v, n, mean in each.groups],
        "is_second_hand": True,
    }


def _comparison(each: Comparisons) -> dict[str, Any]:
    return {
        "models": list(each.titles),
        "n_pairs": each.n_pairs,
        "n_only_first": each.n_only_first,
        "n_only_second": each.n_only_second,
        "sentences": list(each.sentences),
        "notes": list(each.notes),
        "rows": [
            {
                "region": row.region,
                "metric": row.metric,
                "grouping": row.grouping,
                "group": row.group,
                "statistic": row.statistic,
                "n": row.n,
                "first": row.first,
                "second": row.second,
                "difference": row.difference,
                "low": row.interval[0],
                "high": row.interval[1],
                "p": row.p,
                "p_holm": row.p_holm,
                "verdict": row.verdict,
            }
            for row in each.rows
        ],
    }


COLUMNS = (
    "model", "region", "metric", "unit", "attribute", "value", "n", "no_score",
    "missed", "mean", "low", "high", "median", "es_sum", "es_sum_low", "es_sum_high",
    "es_std", "gap", "worst_group", "note",
)  # fmt: skip
"""Of ``report.csv``. Rows of a whole cohort hold what compares the groups of their
attribute; rows of groups do not."""


def as_rows(content: Content) -> list[dict[str, str | float]]:
    """Return the table: of each region and metric, by each attribute, its groups."""
    return [
        {"model": model.name, **row}
        for model in content.models
        for each in model.measured
        for row in _rows(each)
    ]


def _rows(each: Measured) -> Iterator[dict[str, str | float]]:
    what: dict[str, str | float] = {
        "region": each.region,
        "metric": each.metric,
        "unit": each.unit,
    }
    whole = what | {
        "value": _WHOLE,
        "n": each.n,
        "no_score": each.n_no_score,
        "missed": each.n_missed,
        **_ends(each.mean, "mean", "low", "high"),
        "median": _cell(each.median),
    }
    if not each.by:
        yield whole
    for by in each.by:
        yield whole | {
            "attribute": by.attribute,
            **_ends(by.es_sum, "es_sum", "es_sum_low", "es_sum_high"),
            "es_std": _cell(by.es_std.value),
            "gap": _cell(by.gap.value),
            "worst_group": by.worst_group or "",
            "note": "some groups are hidden" if by.is_hidden else "",
        }
        yield from (
            what | {"attribute": by.attribute} | _group_row(c) for c in by.cells
        )


def _group_row(cell: GroupCell) -> dict[str, str | float]:
    if cell.is_hidden:
        return {"value": cell.value, "note": "hidden: few cases"}
    return {
        "value": cell.value,
        "n": cell.n,
        "no_score": cell.n_no_score,
        "missed": cell.n_missed,
        **_ends(cell.mean, "mean", "low", "high"),
        "median": _cell(cell.median),
        "note": "few cases" if cell.is_small else "",
    }


def _ends(estimate: Estimate, *names: str) -> dict[str, str | float]:
    return {n: _cell(v) for n, v in zip(names, estimate, strict=True)}


def _cell(value: float) -> str | float:
    return "" if math.isnan(value) else value


def headlines(content: Content) -> Sequence[str]:
    """Return one sentence for each model and region, of its first metric."""
    said = []
    for model in content.models:
        seen: set[str] = set()
        for each in model.measured:
            if each.region in seen:
                continue
            seen.add(each.region)
            said.append(f"{model.name}: {_headline(each)}")
    return said


def _headline(each: Measured) -> str:
    text = (
        f"{each.title} of the {each.region} {in_words(each.mean)} over {each.n:,} cases"
    )
    main = each.by[0] if each.by else None
    if main is None or main.worst_group is None:
        return text
    worst = next(cell for cell in main.cells if cell.value == main.worst_group)
    text += (
        f"; by {main.attribute.replace('_', ' ')}, worst for {worst.value} "
        f"({worst.mean.value:.3f}, n {worst.n:,})"
    )
    if not math.isnan(main.gap.value):
        text += f", gap {main.gap.value:.3f}"
    if not math.isnan(main.es_sum.value):
        text += f", ES {main.es_sum.value:.3f} in the sum form"
    return text


def in_words(estimate: Estimate, digits: int = 3) -> str:
    """Return a number with its interval, as tables have it.

    Examples
    --------
    >>> in_words(Estimate(0.8123, 0.79, 0.83)), in_words(Estimate())
    ('0.812 (0.790 to 0.830)', '–')
    """
    value, low, high = estimate
    if math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    if math.isnan(low) or math.isnan(high):
        return text
    return f"{text} ({low:.{digits}f} to {high:.{digits}f})"
