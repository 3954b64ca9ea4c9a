"""One case of an audit: which runs it needs, and what they tell together.

Runs nothing itself. Every driver is swept with the other drivers kept as the patient
has them, unknown ones mixed; what two drivers' runs have in common is asked for once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.counterfactual.audited import (
    MIXED,
    AuditedValue,
    CaseSweep,
    Dependence,
    Kind,
    RegionFound,
)
from napari_dmoe.inference.maps.measures import load_matrix
from napari_dmoe.inference.maps.router_similarity import gate_divergence
from napari_dmoe.inference.masks.regions import Region, regions_of
from napari_dmoe.inference.masks.truth import score
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import RouterChoice, choose_routers
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.verdict import (
    Verdict,
    Yardstick,
    judge,
    pair_shares,
)
from napari_dmoe.inference.what_if.yardstick import yardstick_of
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient

Mask = NDArray[np.uint8]


class CasePlan:
    """The runs of one case, each of them once.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    drivers : sequence of CardAttribute
        What is swept, one after another.
    patient : Patient
        Whom the image shows.
    settings : InferenceSettings
        How it is run.
    with_mixture : bool
        Whether the mixture of each driver is run, too.

    Raises
    ------
    PatientError
        When the model does not know the value of one of its drivers.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        drivers: Sequence[CardAttribute],
        patient: Patient,
        settings: InferenceSettings,
        *,
        with_mixture: bool,
    ) -> None:
        self.loaded, self.drivers, self.patient = loaded, tuple(drivers), patient
        self.with_mixture = with_mixture
        self.choices: list[RouterChoice] = []
        self.places: dict[str, tuple[int, ...]] = {}
        """Which of the runs are each driver's: one a value, and last the mixture."""
        # Also where it is not swept: what nobody knows is no value to be kept.
        choose_routers(loaded, patient, settings)
        for driver in self.drivers:
            n = len(driver.values)
            asked = [
                choose_routers(loaded, patient, settings, fixed={driver.name: place})
                for place in range(n)
            ]
            if with_mixture:
                unknown = patient.without([driver.name])
                asked.append(choose_routers(loaded, unknown, settings))
            self.places[driver.name] = tuple(map(self._place_of, asked))

    def _place_of(self, choice: RouterChoice) -> int:
        """Return where a run stands; one with the same routers is the same."""
        for place, known in enumerate(self.choices):
            if (known.categories, known.weights) == (choice.categories, choice.weights):
                return place
        self.choices.append(choice)
        return len(self.choices) - 1

    def place_of_yardstick(self, driver: CardAttribute) -> int:
        """Return the run that reruns belong to: the own value's, or the mixture's."""
        places, own = self.places[driver.name], driver.category_of(self.patient)
        if own is not None:
            return places[own]
        return places[-1] if self.with_mixture else places[0]


@dataclass(frozen=True)
class CaseRouting:
    """How the experts were used, for each driver that was swept."""

    loads: Mapping[str, NDArray[np.float32]]
    """(V, L, E) float32 array by driver: load of each expert in each block."""
    divergence: Mapping[str, NDArray[np.float32]]
    """(P, L) float32 array by driver: how differently the P pairs of values route the
    image, in bits, on the mean over its tokens; pairs as ``combinations`` has them."""


def case_sweeps(
    plan: CasePlan,
    results: Sequence[Segmentation],
    *,
    truth: NDArray[Any] | None,
    moved: Mapping[str, Sequence[Mask]],
) -> tuple[CaseSweep, ...]:
    """Return what each driver's values did to the masks.

    Parameters
    ----------
    plan : CasePlan
        What was run.
    results : sequence of Segmentation
        One for each of its choices.
    truth : (*S) integer array, optional
        The truth as classes, along the axes of the masks.
    moved : mapping of str to sequence of (*S) uint8 array
        By driver, masks on the image moved by one pixel; none where it was not rerun.
    """
    return tuple(
        _OneSweep(plan, driver, results, moved.get(driver.name, ())).told(truth)
        for driver in plan.drivers
    )


def case_routing(plan: CasePlan, results: Sequence[Segmentation]) -> CaseRouting:
    """Return the experts' loads, and how differently values route the image."""
    loads, divergence = {}, {}
    for driver in plan.drivers:
        own = plan.places[driver.name][: len(driver.values)]
        maps = [m for place in own if (m := results[place].routing) is not None]
        if not maps:
            continue
        pairs = list(combinations(range(len(maps)), 2))
        loads[driver.name] = np.stack([load_matrix(each) for each in maps])
        found = [gate_divergence(maps, block) for block in range(maps[0].n_blocks)]
        rows = [[each[pair] for each in found] for pair in pairs]
        shape = len(pairs), len(found)
        divergence[driver.name] = np.array(rows, np.float32).reshape(shape)
    return CaseRouting(loads, divergence)


class _OneSweep:
    """One driver's masks, held against each other and the truth."""

    def __init__(
        self,
        plan: CasePlan,
        driver: CardAttribute,
        results: Sequence[Segmentation],
        moved: Sequence[Mask],
    ) -> None:
        self.driver, self.moved = driver, moved
        places = plan.places[driver.name]
        self.masks = [results[place].labels for place in places]
        self.chosen = results[plan.place_of_yardstick(driver)]
        self.classes = self.chosen.classes
        self.own = driver.category_of(plan.patient)
        untrained = plan.loaded.card.untrained(driver.name)
        self.names = [*driver.values, *[MIXED] * plan.with_mixture]
        self.is_trained = [name not in untrained for name in self.names]
        self.regions = regions_of(self.classes)
        self.reference = self.own
        if self.own is None and plan.with_mixture:
            self.reference = len(driver.values)

    def told(self, truth: NDArray[Any] | None) -> CaseSweep:
        """Return the sweep with the scores of every value."""
        found = [self._region(region) for region in self.regions]
        dice = [self._dice(mask, truth) for mask in self.masks]
        values = tuple(
            AuditedValue(
                name=name,
                kind=self._kind(place),
                is_trained=self.is_trained[place],
                regions=tuple(
                    RegionFound(
                        region.name,
                        int(sizes[place]),
                        float(changed[place]),
                        dice[place].get(region.name, math.nan),
                    )
                    for region, (_, sizes, changed) in zip(
                        self.regions, found, strict=True
                    )
                ),
            )
            for place, name in enumerate(self.names)
        )
        return CaseSweep(
            attribute=self.driver.name,
            own=None if self.own is None else self.driver.values[self.own],
            says=self._verdict(self.masks, self.classes).says,
            regions=tuple(dependence for dependence, _, _ in found),
            values=values,
        )

    def _kind(self, place: int) -> Kind:
        if place == self.own:
            return "own"
        return "mixture" if place == len(self.driver.values) else "other"

    def _region(
        self, region: Region
    ) -> tuple[Dependence, NDArray[np.int64], NDArray[np.float64]]:
        """Return how far a region depends, its sizes and how far each value changes it.

        A region of several classes is looked at as one.
        """
        masks = [np.isin(m, region.labels).astype(np.uint8) for m in self.masks]
        verdict = self._verdict(masks, ("background", region.name))
        shares, sizes = pair_shares(masks, 2)
        changed = np.full(len(masks), math.nan)
        if self.reference is not None:
            changed = shares[0][self.reference]
        if len(verdict.values) < 2:
            nothing = math.nan
            told = Dependence(region.name, nothing, ("", ""), nothing, "untold")
            return told, sizes[0], changed
        (found,) = verdict.structures
        told = Dependence(
            region=region.name,
            share=found.share,
            between=("", "") if math.isnan(found.share) else found.between,
            yardstick=found.yardstick,
            says=found.says,
        )
        return told, sizes[0], changed

    def _verdict(self, masks: Sequence[Mask], classes: tuple[str, ...]) -> Verdict:
        n = len(self.driver.values)
        masks, chosen = masks[:n], self.chosen
        moved: Sequence[Mask] = self.moved
        if classes != self.classes:
            region = next(r for r in self.regions if r.name == classes[1])
            of_region = np.isin(chosen.labels, region.labels).astype(np.uint8)
            chosen = replace(chosen, labels=of_region, classes=classes)
            moved = [np.isin(m, region.labels).astype(np.uint8) for m in moved]
        counted = [
            m
            for m, is_trained in zip(masks, self.is_trained, strict=False)
            if is_trained
        ]
        name = self.names[self.reference or 0]
        yardstick = yardstick_of(name, chosen, moved, counted or [chosen.labels])
        if not moved:  # then nothing was run, which is not the same as no change
            yardstick = replace(yardstick, rerun=(), n_reruns=0)
        return _judged(masks, self.names, self.is_trained, classes, yardstick)

    def _dice(self, mask: Mask, truth: NDArray[Any] | None) -> dict[str, float]:
        if truth is None:
            return {}
        return {each.name: each.dice for each in score(mask, truth, self.classes)}


def _judged(
    masks: Sequence[Mask],
    names: Sequence[str],
    is_trained: Sequence[bool],
    classes: tuple[str, ...],
    yardstick: Yardstick,
) -> Verdict:
    pairs = list(zip(names, masks, strict=False))
    return judge(
        pairs,
        classes=classes,
        dice_own=[(math.nan,) * (len(classes) - 1)] * len(pairs),
        untrained=[n for n, known in zip(names, is_trained, strict=True) if not known],
        yardstick=yardstick,
    )
