"""What is printed of an evaluated cohort: the scores of each class, and what failed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dmoe.cli.printing import MOST_LINES, say, say_json

if TYPE_CHECKING:
    from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase


def tell_evaluated(
    found: Evaluated, output: Path, told: Collection[str], *, as_json: bool
) -> None:
    """Print what came out, and at the end what failed."""
    if as_json:
        say_json(_facts(found, output))
    else:
        for notice in found.facts.notices:
            if notice not in told:
                say(f"notice: {notice}", err=True)
        n = sum(case.status == "scored" for case in found)
        say(f"{n:,} of {len(found):,} cases scored: {output / 'cases.csv'}")
        for each in _regions(found):
            say(_line(each))
    failed = [case for case in found if case.status == "failed"]
    lines = list(_lines_of(failed))
    for line in lines[:MOST_LINES]:
        say(f"napari-dmoe: {line}", err=True)
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES
        say(f"napari-dmoe: and {rest:,} further errors: see cases.csv", err=True)


def _regions(found: Evaluated) -> Iterator[dict[str, Any]]:
    """Yield the summary of every region and metric."""
    from napari_dmoe.evaluation.reporting.measured import unit_of

    for region in found.facts.regions:
        for metric in found.facts.metrics:
            values = [v for v in found.values(region, metric) if math.isfinite(v)]
            scores = [case.score(region, metric) for case in found]
            there = [score for score in scores if score is not None]
            if not there:
                continue
            yield {
                "region": region,
                "metric": metric,
                "unit": unit_of(found, metric),
                "n": len(values),
                "mean": statistics.fmean(values) if values else None,
                "median": float(statistics.median(values)) if values else None,
                "n_undefined": sum(math.isnan(score.value) for score in there),
                "n_missed": sum(score.presence.is_miss for score in there),
            }


def _line(each: dict[str, Any]) -> str:
    from napari_dmoe.evaluation.scoring.metrics import METRICS

    name = f"{each['region']} {METRICS[each['metric']].title}"
    name += f" ({each['unit']})" if each["unit"] else ""
    if not each["n"]:
        return f"{name}: defined in no case"
    left = [
        f"{each[key]:,} {word}"
        for key, word in (("n_undefined", "not defined"), ("n_missed", "missed"))
        if each[key]
    ]
    further = f"; {', '.join(left)}" if left else ""
    mean, median = f"mean {each['mean']:.3f}", f"median {each['median']:.3f}"
    return f"{name}: {mean}, {median} (n {each['n']:,}{further})"


def _facts(found: Evaluated, output: Path) -> dict[str, Any]:
    statuses = [case.status for case in found]
    return {
        "output": str(output),
        "evaluation": found.facts.model_dump(mode="json"),
        "n_cases": len(found),
        "statuses": {name: statuses.count(name) for name in dict.fromkeys(statuses)},
        "regions": list(_regions(found)),
        "failed": [
            {"id": case.id, "said": case.said}
            for case in found
            if case.status == "failed"
        ],
    }


def _lines_of(failed: Sequence[ScoredCase]) -> Iterator[str]:
    """Yield what went wrong, each reason once."""
    alike: dict[str, list[ScoredCase]] = {}
    for case in failed:
        alike.setdefault(case.said, []).append(case)
    for said, cases in alike.items():
        n = len(cases) - 1
        further = f" and {n:,} further case{'s' * (n > 1)}" if n else ""
        yield f"{cases[0].id}{further}: {said}"
