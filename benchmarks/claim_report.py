"""What the trainings of ``published_claim.py`` say: figures, tables, a page.

Nothing is judged before every training is there; until then the page says how many are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from claim_cohort import Photographs, Split
from claim_plan import ARMS, ATTRIBUTES, NAMED, Named
from claim_statistics import Difference, differences
from claim_words import first_line, page_parts
from napari_dmoe.evaluation.groups.comparing import ALPHA, holm
from napari_dmoe.evaluation.groups.table import Values, disaggregate
from napari_dmoe.imaging.disk.atomic import write_text

Run = Mapping[str, Any]
Runs = Mapping[str, Sequence[Run]]
Summary = dict[str, Any]

REPORTED = ("mean", "worst", "gap", "es_sum", "es_std")
BASELINES = ("no-moe", "single-router", "as-often", "another's", "nothing")


def report(runs: Runs, cohort: Photographs, split: Split, *, seeds: int) -> Summary:
    """Return every figure of the page.

    Parameters
    ----------
    runs : mapping of str to sequence of run
        The finished trainings of each arm.
    seeds : int
        How many there are to be of each arm.
    """
    counts = {name: len(own) for name, own in runs.items()}
    n_done, n_asked = sum(counts.values()), seeds * len(ARMS)
    compared = {name: _compared(runs, cohort, split, name) for name in ATTRIBUTES}
    found: Summary = {
        "trainings": counts,
        "n_done": n_done,
        "n_asked": n_asked,
        "n_training": len(split.training),
        "n_test": len(split.test),
        "n_test_lesions": len(set(cohort.lesions[split.test].tolist())),
        "n_left_out": cohort.n_left_out,
        "arms": {name: _facts(own) for name, own in runs.items() if own},
        "groups": {name: _by_arm(runs, cohort, split, name) for name in ATTRIBUTES},
        "named": _judged(compared, is_over=n_done == n_asked),
        "exploratory": compared,
    }
    return found | {"first_line": first_line(found)}


def _scores(runs: Sequence[Run], told: str = "told") -> Values:
    """Return the (T, N) Dice of an arm's trainings."""
    return np.array([run["dice"][told] for run in runs], np.float64) / 10_000


def _facts(runs: Sequence[Run]) -> Summary:
    seconds = [
        sum(run["seconds"][k] for k in ("training_cpu", "scoring_cpu")) for run in runs
    ]
    mean = _scores(runs).mean(1)
    return {
        "n_parameters": runs[0]["n_parameters"],
        "cpu_seconds": round(float(np.mean(seconds)), 1),
        "dice_by_training": [round(float(own), 5) for own in mean],
        "below_half": round(float((_scores(runs) < 0.5).mean()), 5),
        "versions": runs[0]["versions"],
    }


def _by_arm(runs: Runs, cohort: Photographs, split: Split, attribute: str) -> Summary:
    """Return each arm's figures by one attribute: the mean over its trainings."""
    groups = cohort.groups(attribute, split.test)
    values = ATTRIBUTES[attribute].values
    found: Summary = {}
    for name, told in _shown(attribute):
        if not runs[name]:
            continue
        tables = [
            disaggregate(own, groups, expected=values)
            for own in _scores(runs[name], told)
        ]
        key = name if told == "told" else f"{name}, {told}"
        found[key] = {
            "groups": {
                row.name: {
                    "n": row.n_counted,
                    **_spread([table.rows[place].mean for table in tables]),
                }
                for place, row in enumerate(tables[0].rows)
            },
            **{
                statistic: _spread([table.statistics[statistic] for table in tables])
                for statistic in REPORTED
            },
        }
    return found


def _shown(attribute: str) -> list[tuple[str, str]]:
    """Return the arms of an attribute's table, and what they are told."""
    plain = ("no-moe", "single-router", f"as-often-{attribute}")
    driven = f"dmoe-{attribute}"
    return [
        *((name, "told") for name in plain),
        *((driven, told) for told in ("told", "wrong", "nothing")),
    ]


def _spread(values: Sequence[float]) -> Summary:
    """Return the mean over trainings, and how far these differ."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {
        "value": round(float(np.mean(values)), 5),
        "sd": None if sd is None else round(sd, 5),
    }


def _compared(runs: Runs, cohort: Photographs, split: Split, attribute: str) -> Summary:
    """Return how dMoE by an attribute differs from each baseline, in every figure."""
    groups = cohort.groups(attribute, split.test)
    lesions = cohort.lesions[split.test].tolist()
    driven = runs[f"dmoe-{attribute}"]
    found: Summary = {}
    for baseline in BASELINES:
        paired = {"another's": "wrong", "nothing": "nothing"}.get(baseline)
        name = f"as-often-{attribute}" if baseline == "as-often" else baseline
        other = driven if paired else runs[name]
        if min(len(driven), len(other)) < 2:
            continue
        each = differences(
            _scores(driven),
            _scores(other, paired or "told"),
            groups,
            lesions,
            is_paired=bool(paired),
        )
        found[baseline] = {
            key: _rounded(own)
            for key, own in each.items()
            if key in REPORTED or key in ATTRIBUTES[attribute].values
        }
    return found


def _rounded(own: Difference) -> Summary:
    told = asdict(own) | {"value": own.value, "interval": list(own.interval)}
    return {
        key: [round(v, 6) for v in value]
        if isinstance(value, list)
        else round(value, 3 if key == "freedom" else 8)
        for key, value in told.items()
    }


def _judged(compared: Mapping[str, Summary], *, is_over: bool) -> list[Summary]:
    """Return the named comparisons, by Holm over exactly these once all is there."""
    rows = [_row(named, compared) for named in NAMED]
    if not is_over:
        return [row | {"p_holm": None, "verdict": "not finished"} for row in rows]
    corrected = holm([row["p"] for row in rows])
    return [
        row | {"p_holm": p, "verdict": _verdict(row["value"], p)}
        for row, p in zip(rows, corrected, strict=True)
    ]


def _row(named: Named, compared: Mapping[str, Summary]) -> Summary:
    own = compared[named.attribute].get(named.baseline, {}).get(named.statistic)
    return asdict(named) | (own or {"value": None, "interval": None, "p": None})


def _verdict(value: float, p: float) -> str:
    if p > ALPHA:
        return "no difference found"
    return "higher" if value > 0 else "lower"


def write_docs(found: Summary, folder: Path) -> None:
    """Write the figure, the figures as JSON, and the written parts of the page.

    Raises
    ------
    ValueError
        When the page lacks a place for one of the parts.
    """
    from claim_figure import draw

    (folder / "images").mkdir(parents=True, exist_ok=True)
    write_text(folder / "evidence.json", json.dumps(found, indent=1) + "\n")
    page = folder / "evidence.md"
    text = page.read_text("utf-8")
    for name, part in page_parts(found).items():
        text = placed(text, name, part)
    write_text(page, text)
    draw(found, folder / "images" / "evidence.png")


def placed(text: str, name: str, part: str) -> str:
    """Return a page with a part between its marks, in place of what stood there.

    Raises
    ------
    ValueError
        When the page has no such marks.
    """
    begin, end = f"<!-- {name}: written by the script -->", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the page needs one line {begin!r} and one {end!r}")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n\n{part.strip()}\n\n{end}{after}"
