"""An audited cohort on disk: ``audit.csv``, ``audit.json`` and the routing atlas.

``audit.csv`` is tidy: one row a case, driver, value and region. Numbers are written
such that they are read back as they were.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from napari_dmoe.attributes import ATTRIBUTES, attribute_called
from napari_dmoe.evaluation.counterfactual.atlas import Atlas, DivergenceRow, LoadRow
from napari_dmoe.evaluation.counterfactual.audited import (
    Audited,
    AuditedCase,
    AuditedValue,
    AuditError,
    AuditFacts,
    CaseSweep,
    Dependence,
    Kind,
    RegionFound,
)
from napari_dmoe.evaluation.counterfactual.settings import EVERY_VALUE
from napari_dmoe.evaluation.counterfactual.summary import SCHEMA_VERSION
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.tables import TableError, read_table, unescaped, write_table
from napari_dmoe.inference.what_if.verdict import Says
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.validation import said

TABLE = "audit.csv"
SUMMARY = "audit.json"
ATLAS = "atlas.csv"
DIVERGENCE = "atlas_divergence.csv"
PICTURE = "atlas.png"
FILES = (TABLE, SUMMARY, ATLAS, DIVERGENCE, PICTURE)

_CASE = ("id", "subject", "status", "truth")
_VALUE = ("attribute", "own_value", "value", "kind", "trained")
_REGION = ("region", "pixels", "changed", "dice")
_DEPENDS = ("share", "first", "second", "yardstick", "says", "says_overall")
_SAID = "said"
_OURS = (*_CASE, *_VALUE, *_REGION, *_DEPENDS, _SAID)
_YES = "yes"


def write_audited(folder: Path, audited: Audited, atlas: Atlas) -> None:
    """Write an audit into a folder: the atlas, the summary, and last the table.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    write_table(folder / ATLAS, atlas.table(), _columns_of_atlas())
    write_table(folder / DIVERGENCE, atlas.divergence_table(), _columns_of_divergence())
    facts = audited.facts.model_dump(mode="json")
    whole = {"schema_version": SCHEMA_VERSION, "facts": facts, **audited.summary}
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / SUMMARY, f"{text}\n")
    rows = [row for case in audited for row in _rows(case)]
    write_table(folder / TABLE, rows, (*_OURS[:-1], *_attributes(audited), _SAID))


def _attributes(cases: Sequence[AuditedCase]) -> list[str]:
    """Return the attributes that any case states, those known by name first."""
    stated = {name: None for case in cases for name in case.patient.stated()}
    return [
        *(name for name in ATTRIBUTES if name in stated),
        *(name for name in stated if name not in ATTRIBUTES),
    ]


def _rows(case: AuditedCase) -> Iterator[dict[str, str]]:
    """Yield a row for each value and region; one for a case that was not audited."""
    stated = {k: _written(v) for k, v in case.patient.stated().items()}
    further = {
        name if name not in (*_OURS, *stated) else f"{name} (table)": cell
        for name, cell in case.further.items()
    }
    whole = {"id": case.id, "subject": case.subject or "", "status": case.status}
    whole |= {"truth": _YES if case.has_truth else "no", _SAID: case.said}
    whole |= stated | further
    if not case.sweeps:
        yield whole
    for sweep in case.sweeps:
        for value in sweep.values:
            for region in value.regions:
                yield whole | _cells(sweep, value, region)


def _cells(
    sweep: CaseSweep, value: AuditedValue, region: RegionFound
) -> dict[str, str]:
    depends = sweep.dependence(region.region)
    cells = {
        "attribute": sweep.attribute,
        "own_value": sweep.own or "",
        "value": value.name,
        "kind": value.kind,
        "trained": _YES if value.is_trained else "no",
        "region": region.region,
        "pixels": str(region.n_pixels),
        "changed": _number(region.changed),
        "dice": _number(region.dice),
        "says_overall": sweep.says,
    }
    if depends is None:
        return cells
    return cells | {
        "share": _number(depends.share),
        "first": depends.between[0],
        "second": depends.between[1],
        "yardstick": _number(depends.yardstick),
        "says": depends.says,
    }


def read_audited(path: str | Path) -> Audited:
    """Read what an audit wrote: its folder, or one of ``audit.csv`` and ``audit.json``.

    Raises
    ------
    AuditError
        When there is no such audit, or something in it cannot be understood; the
        message names the file, and the row where it is one.
    OSError
        When it cannot be read.
    """
    source = Path(path)
    folder = source if source.is_dir() else source.parent
    stated = _summary(folder / SUMMARY)
    try:
        facts = AuditFacts.model_validate(stated.pop("facts", None))
    except ValidationError as error:
        raise AuditError(f"{SUMMARY}: {said(error, whole='facts')}") from error
    stated.pop("schema_version")
    own = [attribute_called(each.name) for each in facts.attributes]
    by_case = groupby(_table(folder / TABLE), key=lambda row: row["id"])
    cases = [_case(n, list(rows), own) for n, (_, rows) in enumerate(by_case)]
    return Audited(tuple(cases), facts, stated, folder)


def audit_summary(folder: str | Path) -> dict[str, Any] | None:
    """Return what ``audit.json`` of a folder tells; None where there is no audit.

    For reports: it needs neither a model nor the table of cases.

    Parameters
    ----------
    folder : str or Path
        Where an audit was written to, such as the folder of an evaluation.

    Returns
    -------
    dict or None
        ``facts``: as :class:`~napari_dmoe.evaluation.counterfactual.audited.AuditFacts`
        has them. ``sentences``: what was found, the last two that it is the model's
        behaviour and no biology, and for research only; show all of them. ``told``: the
        same by driver and region; older audits lack it.
        ``groupings``: names and sizes of groups. ``dependence`` and ``help``: one entry
        a driver, region and group; ``grouping`` is empty for everybody, and groups that
        ``is_small`` say little. ``divergence``: how differently values and groups are
        routed, in bits. The atlas is drawn by
        :func:`~napari_dmoe.evaluation.counterfactual.pictures.draw_atlas` from
        :func:`read_atlas`, and lies there as ``atlas.png``. Nothing in it tells of a
        single case, but a group of one does: cells are to be suppressed as elsewhere.

    Raises
    ------
    AuditError
        When it is damaged, or of a later version.
    """
    path = Path(folder) / SUMMARY
    return _summary(path) if path.is_file() else None


def folder_of_audit(folder: str | Path) -> Path | None:
    """Return where the audit of an evaluation lies; None where there is none.

    That is its own folder, where the command was told to write into it, or the one
    below, where the fairness dock writes.
    """
    own = Path(folder)
    places = (own / EVERY_VALUE, own)
    return next((each for each in places if (each / SUMMARY).is_file()), None)


def read_atlas(folder: str | Path) -> Atlas:
    """Read the routing atlas of an audit's folder.

    Raises
    ------
    AuditError
        When a row of it cannot be understood.
    OSError
        When it cannot be read.
    """
    where = Path(folder)
    try:
        by_row = groupby(
            _table(where / ATLAS),
            key=lambda r: tuple(r[name] for name in _columns_of_atlas()[:6]),
        )
        loads = tuple(
            LoadRow(a, v, grouping, g, int(n), int(block), tuple(_loads(rows)))
            for (a, v, grouping, g, n, block), rows in by_row
        )
        apart = tuple(map(_apart, _table(where / DIVERGENCE)))
    except (KeyError, ValueError) as error:
        if isinstance(error, AuditError):
            raise
        raise AuditError(
            f"{ATLAS} or {DIVERGENCE}: a cell cannot be understood; run the audit again"
        ) from error
    return Atlas(loads, apart)


def _loads(rows: Iterator[Mapping[str, str]]) -> list[float]:
    return [float(row["load"]) for row in rows]


def _apart(row: Mapping[str, str]) -> DivergenceRow:
    alone = row["same_values"]
    return DivergenceRow(
        row["attribute"],
        row["grouping"],
        row["first"],
        row["second"],
        (int(row["n_first"]), int(row["n_second"])),
        int(row["block"]),
        float(row["divergence"]),
        float(alone) if alone else math.nan,
    )


def _columns_of_atlas() -> tuple[str, ...]:
    return "attribute", "value", "grouping", "group", "n", "block", "expert", "load"


def _columns_of_divergence() -> tuple[str, ...]:
    names = "attribute grouping first second n_first n_second block divergence"
    return (*names.split(), "same_values")


def _summary(path: Path) -> dict[str, Any]:
    try:
        stated = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise AuditError(
            f"{path.parent.name or path} holds no audit: expected {SUMMARY} and "
            f"{TABLE}, as napari-dmoe audit writes them"
        ) from error
    except ValueError as error:
        raise AuditError(f"{SUMMARY} is no JSON: run the audit again") from error
    version = stated.get("schema_version") if isinstance(stated, dict) else None
    if version != SCHEMA_VERSION:
        raise AuditError(
            f"{SUMMARY} has the version {version!r}, where {SCHEMA_VERSION} is read: "
            "open it with the version of this program that wrote it"
        )
    return cast("dict[str, Any]", stated)


def _table(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column, with their number under an empty name."""
    try:
        lines = read_table(path, "attribute")
        header = [unescaped(name.strip()) for name in next(lines, [])]
        for number, cells in enumerate(lines, start=2):
            if any(cells):
                row = dict(zip(header, map(unescaped, cells), strict=False))
                yield row | {"": str(number)}
    except TableError as error:
        raise AuditError(f"{path.name} {error}") from error


def _case(
    number: int, rows: Sequence[Mapping[str, str]], own: Sequence[str]
) -> AuditedCase:
    first = rows[0]
    beside = {n: c for n, c in first.items() if n and n not in _OURS}
    stated = {n: c for n, c in beside.items() if _is_attribute(n, own) and c}
    further = {
        n.removesuffix(" (table)"): c
        for n, c in beside.items()
        if not _is_attribute(n, own)
    }
    try:
        patient = Patient.from_values(stated)
        swept = groupby(
            (row for row in rows if row["attribute"]), key=lambda row: row["attribute"]
        )
        return AuditedCase(
            id=first["id"],
            number=number,
            status="failed" if first["status"] == "failed" else "audited",
            said=first.get(_SAID, ""),
            subject=first["subject"] or None,
            patient=patient,
            further=further,
            has_truth=first["truth"] == _YES,
            sweeps=tuple(_sweep(name, list(each)) for name, each in swept),
        )
    except (PatientError, ValueError, KeyError) as error:
        raise AuditError(
            f"{TABLE}, row {first['']}: a cell cannot be understood; run the audit "
            "again"
        ) from error


def _is_attribute(column: str, own: Sequence[str]) -> bool:
    name = attribute_called(column)
    return name in ATTRIBUTES or name in own


def _sweep(attribute: str, rows: Sequence[Mapping[str, str]]) -> CaseSweep:
    first = rows[0]
    by_value = [(n, list(own)) for n, own in groupby(rows, key=lambda r: r["value"])]
    regions = tuple(
        Dependence(
            row["region"],
            _read(row["share"]),
            (row["first"], row["second"]),
            _read(row["yardstick"]),
            _says(row["says"]),
        )
        for row in by_value[0][1]
    )
    values = tuple(
        AuditedValue(
            name=name,
            kind=_kind(own[0]["kind"]),
            is_trained=own[0]["trained"] == _YES,
            regions=tuple(
                RegionFound(
                    row["region"],
                    int(row["pixels"]),
                    _read(row["changed"]),
                    _read(row["dice"]),
                )
                for row in own
            ),
        )
        for name, own in by_value
    )
    own_value = first["own_value"] or None
    return CaseSweep(
        attribute, own_value, _says(first["says_overall"]), regions, values
    )


def _says(text: str) -> Says:
    if text not in get_args(Says):
        raise ValueError(text)
    return cast("Says", text)


def _kind(text: str) -> Kind:
    if text not in get_args(Kind):
        raise ValueError(text)
    return cast("Kind", text)


def _read(cell: str) -> float:
    return float(cell) if cell else math.nan


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"
