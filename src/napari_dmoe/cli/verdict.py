"""What a training has come to, as a person reads it and as one JSON document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_dmoe.cli.printing import say, say_json

if TYPE_CHECKING:
    from napari_dmoe.training.guarding.changes import Change
    from napari_dmoe.training.guarding.report import TuningReport
    from napari_dmoe.training.tasks.task import Outcome

_COLUMNS = ("group", "class", "n", "before", "after", "change")


def say_verdict(report: TuningReport) -> None:
    """Print what a guard measured, and what may be said of the groups."""
    for line in table_of(report.guard):
        say(line)
    say(f"Groups: {report.said}")
    if report.said_of_cases:
        say(f"Trained on: {report.said_of_cases}")


def table_of(rows: Sequence[Change]) -> Iterator[str]:
    """Yield the lines of a table of changes; none without any."""
    if not rows:
        return
    cells = [_COLUMNS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        words = zip(row, widths, range(len(row)), strict=True)
        # Words begin, and numbers end, below each other; the last one may be of words.
        yield "  ".join(
            word.rjust(width) if 2 <= place < 5 else word.ljust(width)
            for word, width, place in words
        ).rstrip()


def _cells(row: Change) -> tuple[str, ...]:
    change = _number(row.gain, "+.3f")
    if not math.isnan(row.low):
        change += f" ({row.low:+.3f} to {row.high:+.3f})"
    means = (_number(mean, ".3f") for mean in (row.before, row.after))
    return (row.group, row.region, str(row.n_compared), *means, change)


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def say_as_json(outcome: Outcome) -> None:
    """Print all of it as one JSON document, and nothing else."""
    say_json(_facts(outcome))


def _facts(outcome: Outcome) -> Mapping[str, Any]:
    from napari_dmoe.evaluation.scoring.json_scores import with_null

    fitted, report = outcome.fitted, outcome.report
    is_apart = fitted.held_out in ("cases", "slices")
    measured = fitted.kept if is_apart else None
    facts: dict[str, Any] = {
        "schema_version": 1,
        "checkpoint": str(outcome.path),
        "sha256": outcome.sha256,
        "held_out": {
            "of": fitted.held_out if is_apart else "none",
            "n": measured.n if measured else 0,
            "dice": with_null(dict(measured.dice)) if measured else {},
        },
        "notices": list(fitted.notices),
        "report": None,
    }
    if report is not None:
        facts["report"] = json.loads(report.to_json())
        facts |= {"verdict": report.verdict, "said": report.said}
        facts["said_of_cases"] = report.said_of_cases
    return facts
