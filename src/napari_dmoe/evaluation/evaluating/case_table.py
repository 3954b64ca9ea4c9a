"""An evaluated cohort on disk: ``cases.csv``, one row a case and class, and its facts.

The table is tidy, so that any program can go on with it. Numbers are written such that
they are read back as they were.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import ValidationError

from napari_dmoe.attributes import ATTRIBUTES, attribute_called, name_key
from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
    Status,
)
from napari_dmoe.evaluation.scoring.mask_pair import MetricError, Presence
from napari_dmoe.evaluation.scoring.metrics import METRICS, Score
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.tables import TableError, read_table, unescaped, write_table
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.validation import said

CASES = "cases.csv"
FACTS = "evaluation.json"

_HEAD = ("id", "subject", "class", "status")
_TAIL = ("unit", "presence")
_FILES = ("image", "labels", "prediction")
_SAID = "said"
_STATUSES: Mapping[str, Status] = {
    "scored": "scored",
    "no truth": "no truth",
    "no prediction": "no prediction",
    "failed": "failed",
}


def write_evaluated(folder: Path, evaluated: Evaluated) -> None:
    """Write an evaluated cohort into a folder: its facts, and last its table.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    facts = evaluated.facts.model_dump(mode="json")
    write_text(folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    metrics = evaluated.facts.metrics
    attributes = _attributes(evaluated)
    columns = (*_HEAD, *metrics, *_TAIL, *attributes, *_FILES, _SAID)
    rows = [row for case in evaluated for row in _rows(case, metrics, columns, folder)]
    write_table(folder / CASES, rows, columns)


def _attributes(evaluated: Iterable[ScoredCase]) -> list[str]:
    """Return the attributes that any case states, those known by name first."""
    stated = {name: None for case in evaluated for name in case.patient.stated()}
    return [
        *(name for name in ATTRIBUTES if name in stated),
        *(name for name in stated if name not in ATTRIBUTES),
    ]


def _rows(
    case: ScoredCase, metrics: Sequence[str], taken: Sequence[str], folder: Path
) -> Iterator[dict[str, str]]:
    """Yield a row for each region; one for a case that has no score."""
    stated = {k: _written(v) for k, v in case.patient.stated().items()}
    files = {
        name: _path(path, folder)
        for name, path in zip(
            _FILES, (case.image, case.labels, case.prediction), strict=True
        )
    }
    further = {
        name if name not in taken else f"{name} (table)": cell
        for name, cell in case.further.items()
    }
    whole = {"id": case.id, "subject": case.subject or "", "status": case.status}
    whole |= {"unit": case.unit, _SAID: case.said, **stated, **files, **further}
    regions = list(dict.fromkeys(score.region for score in case.scores))
    for region in regions or [""]:
        own = {s.metric: s for s in case.scores if s.region == region}
        cells = {m: _number(own[m].value) for m in metrics if m in own}
        presence = case.presence(region)
        yield (
            whole
            | cells
            | {
                "class": region,
                "presence": "" if presence is None else str(presence),
            }
        )


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


def _path(path: Path | None, folder: Path) -> str:
    """Return a path as the table tells it: from its folder on where it lies below."""
    if path is None or path == Path():  # of an open image no file is known
        return ""
    whole, below = path.absolute(), folder.absolute()
    return str(whole.relative_to(below) if whole.is_relative_to(below) else whole)


def read_evaluated(path: str | Path) -> Evaluated:
    """Read what :func:`write_evaluated` wrote: its folder, or the table itself.

    A table without its facts is read, too: what it does not tell is not known.

    Raises
    ------
    MetricError
        When it is no such table, or one of its cells cannot be understood; the message
        names the row, counting the header as row 1.
    OSError
        When it cannot be read.
    """
    source = Path(path)
    table = source / CASES if source.is_dir() else source
    folder = table.parent
    try:
        lines = read_table(table, "class")
        header = [unescaped(name.strip()) for name in next(lines, [])]
        rows = [
            {n: unescaped(c) for n, c in zip(header, cells, strict=False)}
            | {"": str(number)}
            for number, cells in enumerate(lines, start=2)
            if any(cells)
        ]
    except TableError as error:
        raise MetricError(f"{table.name} {error}") from error
    if not {"id", "class"} <= set(header):
        raise MetricError(
            f"{table.name} is no table of evaluated cases: expected the columns id and "
            "class, and one a metric, as evaluate writes them"
        )
    facts = _facts(folder / FACTS, table, header)
    cases = [
        _case(number, list(own), facts.metrics, folder, table.name)
        for number, (_, own) in enumerate(groupby(rows, key=lambda row: row["id"]))
    ]
    regions = {score.region: None for case in cases for score in case.scores}
    known = {
        "regions": facts.regions or tuple(regions),
        "n_cases": facts.n_cases or len(cases),
    }
    return Evaluated(tuple(cases), facts.model_copy(update=known), folder)


def _facts(path: Path, table: Path, header: Sequence[str]) -> EvaluationFacts:
    if not path.is_file():
        metrics = tuple(name for name in METRICS if name in header)
        title = table.parent.name if table.name == CASES else table.stem
        return EvaluationFacts(title=title, source="table", metrics=metrics)
    try:
        return EvaluationFacts.model_validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        raise MetricError(f"{path.name}: {said(error)}") from error


def _case(
    number: int,
    rows: Sequence[Mapping[str, str]],
    metrics: Sequence[str],
    folder: Path,
    table: str,
) -> ScoredCase:
    first = rows[0]
    ours = {*_HEAD, *metrics, *_TAIL, *_FILES, _SAID, ""}
    stated = {n: c for n, c in first.items() if n not in ours and _is_attribute(n)}
    further = {
        n.removesuffix(" (table)"): c
        for n, c in first.items()
        if n not in ours and n not in stated
    }
    try:
        patient = Patient.from_values(stated)
        scores = tuple(s for row in rows for s in _scores(row, metrics))
        status = _STATUSES[first.get("status", "scored") or "scored"]
    except (PatientError, ValueError, KeyError) as error:
        raise MetricError(
            f"{table}, row {first['']}: a cell cannot be understood ({error})"
        ) from error
    image, labels, prediction = (
        (folder / cell) if (cell := first.get(name, "")) else None for name in _FILES
    )
    return ScoredCase(
        id=first["id"],
        number=number,
        status=status,
        said=first.get(_SAID, ""),
        subject=first.get("subject") or None,
        patient=patient,
        further=further,
        scores=scores,
        unit=first.get("unit") or "px",
        image=image,
        labels=labels,
        prediction=prediction,
    )


def _is_attribute(column: str) -> bool:
    names = {name_key(name) for name in ATTRIBUTES}
    return name_key(attribute_called(column)) in names


def _scores(row: Mapping[str, str], metrics: Sequence[str]) -> Iterator[Score]:
    region = row["class"]
    if not region:
        return
    presence = Presence(row.get("presence") or Presence.BOTH)
    for metric in metrics:
        cell = row.get(metric)
        # A cell that no row of this class fills was not measured.
        if cell is not None and (cell or not METRICS[metric].of_parts):
            yield Score(region, metric, float(cell) if cell else math.nan, presence)
