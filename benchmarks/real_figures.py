"""Figures of a model on a real set: how well, for whom, and what attributes change.

Everything is scored by the project's own ``evaluate``, so that a run that was stopped
goes on where it was, and no more images are held than are run at a time.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.evaluation.evaluating.evaluate import evaluate
from napari_dmoe.evaluation.evaluating.predictions import evaluate_predictions
from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.groups.groupings import everybody, groupings
from napari_dmoe.evaluation.groups.paired import paired_interval
from napari_dmoe.evaluation.groups.summary import subjects_of, summarise
from napari_dmoe.evaluation.scoring.mask_pair import regions_of
from napari_dmoe.imaging.files import read_labels
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.training_images import UNLIKE
from real_sets import REGIONS, known_of, told_another, told_nothing

HOW = EvaluationSettings(device="cpu", metrics=("dice",))
"""Masks are kept: what an attribute changes is counted in them."""

LOST = 0.5
"""Dice below which a mask is of no use."""


@dataclass(frozen=True)
class Measured:
    """A model that is measured, and where its runs are kept."""

    name: str
    kind: str
    """As of :class:`real_sets.RealSet`."""
    folder: Path
    loaded: LoadedModel | None = None
    masks: Path | None = None
    """Folder of masks that were made elsewhere, one folder a set; instead of a
    model."""

    @property
    def regions(self) -> tuple[str, ...]:
        """What is measured of it."""
        return REGIONS[self.kind]

    @property
    def drivers(self) -> tuple[CardAttribute, ...]:
        """Attributes that drive it."""
        return self.loaded.card.attributes if self.loaded is not None else ()

    @property
    def trained_on(self) -> str:
        """What it was trained on, as its card says, or ``training.json`` by masks."""
        if self.loaded is not None:
            return self.loaded.card.training.data or ""
        facts = (self.masks or Path()).parent / "training.json"
        said = json.loads(facts.read_text("utf-8")) if facts.is_file() else {}
        return str(said.get("trained_on", ""))

    def run(self, cohort: Cohort, set_name: str, told: str = "right") -> Evaluated:
        """Evaluate it on a cohort; what was evaluated before is read again.

        `told` names what it is told of the patients, and with the set and the number
        of cases the folder of the run.
        """
        output = self.folder / f"{set_name}-{len(cohort)}" / told.replace(" ", "-")
        if self.loaded is not None:
            return evaluate(self.loaded, cohort, output, settings=HOW)
        classes = ("background", "lesion")
        masks = (self.masks or Path()) / set_name
        return evaluate_predictions(
            cohort, masks, output, classes=classes, settings=HOW
        )


def figures(
    evaluated: Evaluated, region: str, by: Sequence[str] = ()
) -> dict[str, Any]:
    """Return how well a region is found, in all cases and by group.

    Returns
    -------
    dict
        ``n``, ``failed``, ``mean`` with ``low`` and ``high`` (95 %, images of one
        lesion drawn together), ``median``, ``lost`` (share of Dice below
        :data:`LOST`), ``unlike`` (share with that notice; NaN for masks) and
        ``groups``, by attribute.
    """
    values = evaluated.values(region, "dice")
    counted = values[~np.isnan(values)]
    whole = summarise(evaluated, region, "dice", everybody(evaluated.cases))
    interval = whole.intervals.statistics["mean"]
    is_model = evaluated.facts.source == "model"
    return {
        "n": len(counted),
        "failed": sum(case.status == "failed" for case in evaluated),
        "mean": float(counted.mean()),
        "low": interval.low,
        "high": interval.high,
        "median": float(np.median(counted)),
        "lost": float((counted < LOST).mean()),
        "unlike": unlike_share(evaluated) if is_model else math.nan,
        "groups": dict(_by_group(evaluated, region, by)),
    }


def unlike_share(cases: Sequence[ScoredCase]) -> float:
    """Return the share of images that are told to be unlike those of the training."""
    return statistics.fmean(UNLIKE in case.said for case in cases)


def _by_group(
    evaluated: Evaluated, region: str, by: Sequence[str]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each attribute that the cases state, and what its groups have."""
    known = {name for case in evaluated for name in case.patient.known()}
    wanted = [name for name in by if name in known]
    for grouping in groupings(evaluated, by=wanted) if wanted else ():
        found = summarise(evaluated, region, "dice", grouping)
        own = evaluated.values(region, "dice")
        yield (
            grouping.name,
            [
                {
                    "name": row.name,
                    "n": row.n,
                    "mean": row.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "median": row.median,
                    "lost": _lost(own[list(grouping.places(row.name))]),
                }
                for row, interval in found.rows
                if row.n
            ],
        )


def _lost(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    counted = values[~np.isnan(values)]
    return float((counted < LOST).mean()) if counted.size else math.nan


def sensitivity(
    model: Measured, cohort: Cohort, set_name: str
) -> Iterator[dict[str, Any]]:
    """Yield what each driver, and all of them together, change.

    Cases of whom the driver is known are run with a wrong value and with none, and held
    against their runs with the right one; the other drivers stay as they are.
    """
    whole = model.run(cohort, set_name)
    lots = [(driver,) for driver in model.drivers]
    if len(lots) > 1:
        lots.append(model.drivers)
    for drivers in lots:
        known = known_of(cohort, drivers)
        if len(known) < 2:
            continue
        name = " and ".join(driver.name for driver in drivers)
        label = name.replace(" ", "-")
        right = _of(whole, known)
        wrong = model.run(told_another(known, drivers), set_name, f"wrong-{label}")
        none = model.run(told_nothing(known, drivers), set_name, f"unknown-{label}")
        for region in model.regions:
            yield {
                "driver": name,
                "region": region,
                "n": len(known),
                "right": _mean(right, region),
                "wrong": _compared(right, wrong, region),
                "unknown": _compared(right, none, region),
            }


def _of(evaluated: Evaluated, cohort: Cohort) -> Evaluated:
    """Return the cases that a part of the cohort has."""
    ids = {row.id for row in cohort.rows}
    cases = tuple(case for case in evaluated if case.id in ids)
    return replace(evaluated, cases=cases)


def _mean(evaluated: Evaluated, region: str) -> float:
    return float(np.nanmean(evaluated.values(region, "dice")))


def _compared(right: Evaluated, other: Evaluated, region: str) -> dict[str, Any]:
    """Return how runs that were told otherwise differ from those told rightly.

    Returns
    -------
    dict
        ``mean`` of the Dice, ``loss`` of it against the right value with its paired
        95 % interval, ``pixels`` (mean share of the image's pixels that change), and
        ``of_mask`` (mean share of the pixels which either mask gives the region that
        only one of them does).
    """
    change = right.values(region, "dice") - other.values(region, "dice")
    subjects = subjects_of(right.cases)
    interval = paired_interval(change.tolist(), subjects)
    parts = {each.name: each.labels for each in regions_of(right.facts.classes)}
    pairs = zip(right, other, strict=True)
    changed = [changed_pixels(a, b, parts[region]) for a, b in pairs]
    return {
        "mean": _mean(other, region),
        "loss": float(np.nanmean(change)),
        "low": interval.low,
        "high": interval.high,
        "pixels": _mean_of([pixels for pixels, _ in changed]),
        "of_mask": _mean_of([share for _, share in changed]),
    }


def _mean_of(shares: Sequence[float]) -> float:
    counted = [share for share in shares if not math.isnan(share)]
    return statistics.fmean(counted) if counted else math.nan


def changed_pixels(
    a: ScoredCase, b: ScoredCase, labels: Sequence[int]
) -> tuple[float, float]:
    """Return how far a region, which is some labels together, differs in two masks.

    Returns
    -------
    tuple of float
        The share of the image's pixels, and of the pixels that either mask gives the
        region; NaN where there is no mask, or neither has it.
    """
    if a.prediction is None or b.prediction is None:
        return math.nan, math.nan
    paths = a.prediction, b.prediction
    one, other = (np.isin(np.asarray(read_labels(p).data), labels) for p in paths)
    n_changed, n_either = int((one ^ other).sum()), int((one | other).sum())
    return n_changed / one.size, n_changed / n_either if n_either else math.nan
