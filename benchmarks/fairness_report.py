"""What the trainings of ``fairness_phantoms.py`` say: figures, a picture, tables.

A case's Dice is the mean over the trainings of an arm, so that an interval tells how
sure a mean over such cases is; how far trainings differ stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairness_cohorts import Scenario
from napari_dmoe.cohorts.case import Case
from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.evaluation.groups.groupings import groupings
from napari_dmoe.evaluation.groups.intervals import bootstrap, bootstrap_difference
from napari_dmoe.evaluation.groups.table import disaggregate
from napari_dmoe.evaluation.scoring.mask_pair import regions_of
from napari_dmoe.imaging.disk.atomic import write_text

Run = Mapping[str, Any]
Summary = dict[str, Any]

LOOK_FOR_CAUSES = ("fundus-why", "fundus-long")
"""Scenarios that ask why: tables only, no panels of the figure."""
REPORTED = ("mean", "worst", "gap", "es_sum", "es_std")
BASELINES = ("no-moe", "single-router", "balanced")
BEGIN, END = "<!-- tables: written by the script -->", "<!-- end of tables -->"

COLOURS = {
    "no-moe": "#999999",
    "single-router": "#56B4E9",
    "dmoe": "#D55E00",
    "dmoe-two": "#0072B2",
    "dmoe-sex": "#CC79A7",
    "balanced": "#009E73",
    "dmoe-balanced": "#E69F00",
    "dmoe-language": "#CC79A7",
}
"""Okabe and Ito's, which people with any colour vision can tell apart."""


def summarise(scenario: Scenario, runs: Sequence[Run], test: Sequence[Case]) -> Summary:
    """Return every view's figures by arm, and dMoE's differences from baselines.

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
    found: Summary = {"groups": list(expected), "arms": {}, "differences": {}}
    for arm, own in scores.items():
        mean = own.mean(0)
        table = disaggregate(mean, groups, expected=expected)
        sure = bootstrap(mean, groups, seed=0)
        each = [disaggregate(one, groups, expected=expected) for one in own]
        found["arms"][arm] = {
            "groups": {
                row.name: {
                    "n": row.n_counted,
                    "dice": row.mean,
                    "interval": sure.groups[row.name],
                }
                for row in table.rows
            },
            "worst_group": table.worst,
            "not_counted": table.n_nan,
            "statistics": {
                name: {
                    "value": table.statistics[name],
                    "interval": sure.statistics[name],
                    "by_training": [one.statistics[name] for one in each],
                }
                for name in REPORTED
            },
        }
        if arm in shuffled:
            drop = bootstrap_difference(mean, shuffled[arm].mean(0), groups, seed=0)
            found["arms"][arm]["drop_when_drivers_are_shuffled"] = {
                "mean": float(np.nanmean(own - shuffled[arm])),
                "interval": drop.statistics["mean"],
            }
    for arm in (arm for arm in scores if arm not in BASELINES):
        for base in (base for base in BASELINES if base in scores):
            found["differences"][f"{arm} - {base}"] = _difference(
                scores[arm], scores[base], groups
            )
    return found


def _difference(
    first: NDArray[Any], second: NDArray[Any], groups: Sequence[str]
) -> Summary:
    """Return how two arms differ, training by training and in the mean."""
    sure = bootstrap_difference(first.mean(0), second.mean(0), groups, seed=0)
    found = {}
    whole = [disaggregate(scores.mean(0), groups) for scores in (first, second)]
    each = [
        [disaggregate(one, groups).statistics for one in pair]
        for pair in zip(first, second, strict=True)
    ]
    for name in REPORTED:
        by_training = [a[name] - b[name] for a, b in each]
        interval = sure.statistics[name]
        found[name] = {
            "value": whole[0].statistics[name] - whole[1].statistics[name],
            "interval": interval,
            "by_training": by_training,
            "verdict": _verdict(interval, by_training, sign=-1 if name == "gap" else 1),
        }
    return found


def _verdict(
    interval: tuple[float, float], by_training: Sequence[float], *, sign: int
) -> str:
    """Return gain or loss where interval and every training agree; else a tie."""
    low, high = sorted(sign * end for end in interval)
    signed = [sign * value for value in by_training]
    if low > 0 and min(signed) > 0:
        return "gain"
    return "loss" if high < 0 and max(signed) < 0 else "tie"


def write_docs(found: Mapping[str, Summary], folder: Path) -> None:
    """Write the figure, the figures as JSON, and the tables of ``evidence.md``."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    write_text(folder / "evidence.json", json.dumps(found, indent=1) + "\n")
    page = folder / "evidence.md"
    text = page.read_text("utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = "\n".join(line for one in found.values() for line in _tables(one))
    write_text(page, f"{before}{BEGIN}\n\n{tables}\n{END}{after}")
    _draw(found, folder / "images" / "evidence.png")


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
        yield _line(["model", "mean", *names, "worst", "gap", "ES (sum)", "ES (std)"])
        yield _line(["---"] * (6 + len(names)))
        for arm, own in one["arms"].items():
            cells = [_with_interval(own["groups"][n], "dice") for n in names]
            stats = [_with_interval(own["statistics"][n], "value") for n in REPORTED]
            stats[1] += f" ({own['worst_group']})"
            yield _line([titles[arm], stats[0], *cells, *stats[1:]])
        yield ""
        for arm, own in one["arms"].items():
            drop = own.get("drop_when_drivers_are_shuffled")
            if drop is not None:
                low, high = drop["interval"]
                yield (
                    f"- {titles[arm]}, told another case's attribute: mean Dice "
                    f"{-drop['mean']:+.3f} [{-high:+.3f}, {-low:+.3f}]"
                )
        yield ""
        yield _line(["difference", "mean", "worst", "gap", "ES (sum)", "ES (std)"])
        yield _line(["---"] * 6)
        for pair, differences in one["differences"].items():
            first, second = (titles[arm] for arm in pair.split(" - "))
            cells = [
                f"{differences[n]['value']:+.3f} **{differences[n]['verdict']}**"
                for n in REPORTED
            ]
            yield _line([f"{first} − {second}", *cells])
        yield ""


def _with_interval(entry: Mapping[str, Any], key: str) -> str:
    low, high = entry["interval"]
    return f"{entry[key]:.3f} [{low:.3f}, {high:.3f}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _draw(found: Mapping[str, Summary], path: Path) -> None:
    """Draw the Dice of every group and arm with its interval, one panel a view."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = [
        (one, view, figures)
        for name, one in found.items()
        for view, figures in one["views"].items()
        if len(figures["groups"]) <= 4 and name not in LOOK_FOR_CAUSES
    ]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.6 * len(panels), 4.4), squeeze=False
    )
    for panel, (one, view, figures) in zip(axes[0], panels, strict=True):
        for i, (arm, own) in enumerate(figures["arms"].items()):
            place = np.arange(len(figures["groups"])) + 0.12 * (i - 2)
            entries = [own["groups"][name] for name in figures["groups"]]
            values = np.array([entry["dice"] for entry in entries])
            ends = np.array([entry["interval"] for entry in entries]).T
            panel.errorbar(
                place,
                values,
                abs(ends - values),
                fmt="o",
                color=COLOURS[arm],
                label=one["arms"][arm]["title"],
            )
        panel.set_xticks(range(len(figures["groups"])), figures["groups"])
        panel.set_title(view, fontsize=10)
        panel.set_ylabel("Dice (95 % interval)")
        panel.grid(axis="y", alpha=0.3)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=8)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    figure.savefig(path, dpi=130)
    plt.close(figure)
