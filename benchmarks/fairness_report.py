"""What the trainings of ``fairness_phantoms.py`` say: figures and tables, no verdict.

Three trainings of each model are too few to call anything a difference: what each of
them reached stands beside their mean, and nothing is tested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claim_report import placed
from fairness_cohorts import Scenario
from napari_dmoe.cohorts.case import Case
from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.evaluation.groups.groupings import groupings
from napari_dmoe.evaluation.groups.table import disaggregate
from napari_dmoe.evaluation.scoring.mask_pair import regions_of
from napari_dmoe.imaging.disk.atomic import write_text

Run = Mapping[str, Any]
Summary = dict[str, Any]

REPORTED: Mapping[str, str] = {
    "mean": "mean",
    "worst": "worst group",
    "gap": "gap",
    "es_sum": "ES (sum)",
    "es_std": "ES (std)",
}


def summarise(scenario: Scenario, runs: Sequence[Run], test: Sequence[Case]) -> Summary:
    """Return every view's figures, by arm and training.

    Cases that truly lack a region do not count for it, whatever a model finds there,
    so that every arm is measured on the same cases.
    """
    by_arm = {arm: [run for run in runs if run["name"] == arm] for arm in scenario.arms}
    views = {}
    for region, attributes in scenario.views:
        by = scenario.attributes(attributes)
        names = [attribute.name for attribute in by]
        crossed = [names] if len(names) > 1 else []
        shown = [
            ScoredCase(id=str(number), number=number, patient=case.patient)
            for number, case in enumerate(test)
        ]
        *_, grouping = groupings(shown, attributes=by, by=names, crossed=crossed)
        of_case, expected = grouping.of_case, list(grouping.values)
        is_there = _is_there(scenario, region, test)
        views[f"{region} by {' and '.join(attributes)}"] = _view(
            {arm: _scores(own, region, is_there) for arm, own in by_arm.items()},
            of_case,
            expected,
            shuffled={
                arm: _scores(own, region, is_there, key="dice_drivers_shuffled")
                for arm, own in by_arm.items()
                if scenario.arms[arm].drivers
            },
        )
    return {
        "title": scenario.title,
        "n_train": runs[0]["budget"]["n_train"],
        "training_shares": {k: dict(v) for k, v in scenario.shares.items()},
        "n_test": len(test),
        "arms": {arm: _facts(scenario, arm, own) for arm, own in by_arm.items()},
        "views": views,
    }


def _is_there(
    scenario: Scenario, region: str, test: Sequence[Case]
) -> NDArray[np.bool_]:
    """Return which cases truly have a region."""
    regions = {r.name: r for r in regions_of(scenario.recipe.card.classes)}
    labels = regions[region].labels
    return np.array(
        [bool(c.labels and np.isin(c.labels.data, labels).any()) for c in test]
    )


def _scores(
    runs: Sequence[Run], region: str, is_there: NDArray[np.bool_], *, key: str = "dice"
) -> NDArray[Any]:
    """Return (trainings, cases) Dice; NaN for cases that do not count."""
    found = np.array([run[key][region] for run in runs], np.float64)
    return np.where(is_there, found, np.nan)


def _facts(scenario: Scenario, arm: str, runs: Sequence[Run]) -> Summary:
    return {
        "title": scenario.arms[arm].title,
        "trainings": len(runs),
        "n_parameters": runs[0]["n_parameters"],
        "cpu_seconds": [run["cpu_seconds"] for run in runs],
        "last_loss": [run["loss"][-1] for run in runs],
        "cases_per_router": [run["cases_per_router"] for run in runs],
    }


def _view(
    scores: Mapping[str, NDArray[Any]],
    groups: Sequence[str | None],
    expected: Sequence[str],
    *,
    shuffled: Mapping[str, NDArray[Any]],
) -> Summary:
    found: Summary = {"groups": list(expected), "arms": {}}
    for arm, own in scores.items():
        each = [disaggregate(one, groups, expected=expected) for one in own]
        found["arms"][arm] = {
            "groups": {
                row.name: {
                    "n": row.n_counted,
                    "dice": float(np.mean([one.rows[place].mean for one in each])),
                }
                for place, row in enumerate(each[0].rows)
            },
            "not_counted": each[0].n_nan,
            "statistics": {
                name: [one.statistics[name] for one in each] for name in REPORTED
            },
        }
        if arm in shuffled:
            found["arms"][arm]["mean_when_drivers_are_shuffled"] = float(
                np.nanmean(shuffled[arm])
            )
    return found


def write_docs(found: Mapping[str, Summary], folder: Path) -> None:
    """Write the figures as JSON, and the tables of the page.

    Raises
    ------
    ValueError
        When the page has no place for them.
    """
    told = json.dumps(found, separators=(",", ":"))
    write_text(folder / "evidence-phantoms.json", told + "\n")
    page = folder / "evidence.md"
    tables = "\n".join(line for one in found.values() for line in _tables(one))
    write_text(page, placed(page.read_text("utf-8"), "phantoms", tables))


def _tables(found: Summary) -> Iterator[str]:
    shares = "; ".join(
        f"{name}: " + ", ".join(f"{v} {share:.0%}" for v, share in group.items())
        for name, group in found["training_shares"].items()
    )
    titles = {arm: facts["title"] for arm, facts in found["arms"].items()}
    yield f"### {found['title']}\n"
    n_train, n_test = found["n_train"], found["n_test"]
    yield f"{n_train} training cases ({shares}); {n_test} test cases.\n"
    for view, one in found["views"].items():
        names = one["groups"] if len(one["groups"]) <= 4 else []
        left_out = max(own["not_counted"] for own in one["arms"].values())
        counted = f" ({left_out} cases that have none do not count)" if left_out else ""
        yield f"**Dice of the {view}**{counted}\n"
        cells = ["model", *names, *REPORTED.values(), "told another case's attribute"]
        yield _line(cells)
        yield _line(["---"] * len(cells))
        for arm, own in one["arms"].items():
            wrong = own.get("mean_when_drivers_are_shuffled")
            yield _line(
                [
                    titles[arm],
                    *(f"{own['groups'][name]['dice']:.3f}" for name in names),
                    *(_spread(own["statistics"][name]) for name in REPORTED),
                    "-" if wrong is None else f"{wrong:.3f}",
                ]
            )
        yield ""


def _spread(values: Sequence[float]) -> str:
    """Say the mean over trainings, and the least and the most of them."""
    middle = sum(values) / len(values)
    return f"{middle:.3f} ({min(values):.3f} to {max(values):.3f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
