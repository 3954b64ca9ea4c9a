"""What a counterfactual audit found, where one lies in the folder of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_dmoe.evaluation.counterfactual.audit_files import (
    PICTURE,
    audit_summary,
    folder_of_audit,
)
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.privacy import FEWEST, Cell, hidden_cells

_COUNTED = re.compile(r"\bn = (\d+)|\b(\d+) cases?\b")
"""How sentences tell the size of a group."""


@dataclass(frozen=True)
class CounterfactualRow:
    """One driver, region and group."""

    driver: str
    region: str
    grouping: str
    """Empty for everybody."""
    group: str
    n: int
    matters: float | None
    """Share of the cases whose mask depends on the driver."""
    change: float | None
    """Mean share of the region that the value decides."""
    yardstick: float | None
    own: float | None
    """Mean Dice with the right value; None without a truth, like the next."""
    mixture: float | None
    others: float | None


@dataclass(frozen=True)
class CounterfactualPart:
    """What a report tells of one model's audit."""

    sentences: tuple[str, ...]
    rows: tuple[CounterfactualRow, ...]
    is_hidden: bool
    """Whether groups are hidden."""
    atlas: bytes = b""
    """The routing atlas as a PNG; empty where groups are hidden, or there is none."""


def counterfactual_part(
    folder: Path | None, options: ReportOptions
) -> CounterfactualPart | None:
    """Return what the audit in an evaluation's folder found; None where there is none.

    Raises
    ------
    AuditError
        When the audit is damaged.
    """
    where = None if folder is None else folder_of_audit(folder)
    told = None if where is None else audit_summary(where)
    if told is None or where is None:
        return None
    depends = told.get("dependence", [])
    hidden = {} if options.small_cells else _hidden(depends)
    is_hidden = any(hidden.values())
    helps = {_key(each): each for each in told.get("help", [])}
    rows = tuple(
        _row(each, helps.get(_key(each), {}))
        for each in depends
        if each["group"] not in hidden.get(_where(each), ())
    )
    said = [str(sentence) for sentence in told.get("sentences", [])]
    picture = where / PICTURE
    shows = not is_hidden and options.pictures and picture.is_file()
    return CounterfactualPart(
        tuple(s for s in said if options.small_cells or not _counts_few(s)),
        rows,
        is_hidden,
        picture.read_bytes() if shows else b"",
    )


def _where(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["attribute"], entry["region"], entry["grouping"]


def _key(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return (*_where(entry), entry["group"])


def _hidden(
    depends: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str, str], frozenset[Cell]]:
    """Return the hidden groups of each driver, region and grouping."""
    sizes: dict[tuple[str, str, str], dict[Cell, int]] = {}
    everybody = {
        (each["attribute"], each["region"]): each["n"]
        for each in depends
        if not each["grouping"]
    }
    for each in depends:
        if each["grouping"]:
            own = sizes.setdefault(_where(each), {})
            own[each["group"]] = min(each["n"], each.get("n_counted", each["n"]))
    for where, own in sizes.items():
        rest = everybody.get(where[:2], 0) - sum(own.values())
        own[None] = max(0, rest)
    return {where: hidden_cells(own) for where, own in sizes.items()}


def _counts_few(sentence: str) -> bool:
    counts = (int(first or second) for first, second in _COUNTED.findall(sentence))
    return any(0 < n < FEWEST for n in counts)


def _row(depends: Mapping[str, Any], helps: Mapping[str, Any]) -> CounterfactualRow:
    dice = helps.get("dice", {}) if helps.get("n", 0) >= FEWEST else {}
    return CounterfactualRow(
        depends["attribute"],
        depends["region"],
        depends["grouping"],
        depends["group"],
        depends["n"],
        depends["matters"],
        depends["share"]["mean"],
        depends["yardstick"],
        dice.get("own"),
        dice.get("mixture"),
        dice.get("others"),
    )
