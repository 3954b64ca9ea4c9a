"""A routing atlas: how the experts share the work, by group and by value.

Each image is routed once for every value of a driver, so that what the router makes of
a value can be told from what the pictures of a group make alone: two values on the same
images differ by their routers, two groups under the same values by their pictures.
Pure arithmetic on loads; :mod:`napari_dmoe.evaluation.counterfactual.pictures` draws.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.counterfactual.audited import SweptDriver
from napari_dmoe.evaluation.counterfactual.sweeping import CaseRouting
from napari_dmoe.inference.maps.measures import js_divergence

EVERYBODY = "all"
AS_RUN = "own"
"""Stands for the value where each case is routed by its own, or by the mixture of all
where that is not known."""

Loads = NDArray[np.float64]


@dataclass(frozen=True)
class LoadRow:
    """The mean load of the experts of one block, for one group and one value."""

    attribute: str
    """The driver that was swept."""
    value: str
    """The value that all cases were routed by; :data:`AS_RUN` for each its own."""
    grouping: str
    """What the cases are grouped by; empty for all of them."""
    group: str
    n: int
    """Cases of the group."""
    block: int
    loads: tuple[float, ...]
    """One an expert; they sum to 1."""


@dataclass(frozen=True)
class DivergenceRow:
    """How differently two values, or two groups, are routed in one block."""

    attribute: str
    grouping: str
    """What the groups are of; empty for two values on the same images."""
    first: str
    second: str
    n: tuple[int, int]
    """Cases of each."""
    block: int
    divergence: float
    """Jensen-Shannon divergence in bits, in [0, 1]. Of two values, on the mean over the
    tokens of all images; of two groups, between their mean loads as they are run."""
    same_values: float
    """Of two groups: the same where both are routed by the same values of this driver,
    on the mean over the values: what their pictures, and other drivers, make. NaN for
    two values."""


class AtlasSums:
    """Adds up the loads of cases, one after another.

    Parameters
    ----------
    drivers : sequence of SweptDriver
        What was swept; values that no training case had are left out.
    mixed : mapping of str to sequence of float
        Shares of the values of each driver, for cases whose own is not known.
    """

    def __init__(
        self, drivers: Sequence[SweptDriver], mixed: Mapping[str, Sequence[float]]
    ) -> None:
        self.drivers = {driver.name: driver for driver in drivers}
        self._mixed = {n: np.array(shares, np.float64) for n, shares in mixed.items()}
        self._sums: dict[tuple[str, str, str, str], Any] = defaultdict(float)
        self._n: Counter[tuple[str, str, str]] = Counter()
        self._apart: dict[str, Any] = defaultdict(float)

    def add(
        self,
        routing: CaseRouting,
        own: Mapping[str, str | None],
        groups: Mapping[str, str | None],
    ) -> None:
        """Add a case.

        Parameters
        ----------
        routing : CaseRouting
            Its loads.
        own : mapping of str to str or None
            Its own value of each driver, None where it is not known.
        groups : mapping of str to str or None
            Its group by each grouping; None where that is not known.
        """
        whose = [("", EVERYBODY), *((n, g) for n, g in groups.items() if g is not None)]
        for name, loads in routing.loads.items():
            driver, wide = self.drivers[name], loads.astype(np.float64)
            value = own.get(name)
            as_run = (
                np.tensordot(self._mixed[name], wide, axes=1)
                if value is None
                else wide[driver.values.index(value)]
            )
            by_value = dict(zip(driver.values, wide, strict=True)) | {AS_RUN: as_run}
            for grouping, group in whose:
                self._n[name, grouping, group] += 1
                for swept, own_loads in by_value.items():
                    self._sums[name, swept, grouping, group] += own_loads
            self._apart[name] += routing.divergence[name].astype(np.float64)

    def mean(self, attribute: str, value: str, grouping: str, group: str) -> Loads:
        """Return mean loads (L, E); zeros where there is no such case."""
        n = self._n[attribute, grouping, group]
        found = self._sums.get((attribute, value, grouping, group), 0.0)
        return np.asarray(found / max(n, 1), np.float64)

    def n(self, attribute: str, grouping: str, group: str) -> int:
        """Return how many cases a group has."""
        return self._n[attribute, grouping, group]

    def apart(self, attribute: str) -> Loads:
        """Return how differently pairs of values route an image, (P, L), in bits."""
        n = self._n[attribute, "", EVERYBODY]
        return np.asarray(self._apart.get(attribute, 0.0) / max(n, 1), np.float64)


@dataclass(frozen=True)
class Atlas:
    """The routing of a cohort."""

    loads: tuple[LoadRow, ...]
    divergence: tuple[DivergenceRow, ...]

    def load_matrix(
        self, attribute: str, value: str, grouping: str = "", group: str = EVERYBODY
    ) -> Loads:
        """Return the (L, E) mean loads of a group under a value; (0, 0) for none."""
        rows = [
            row.loads
            for row in self.loads
            if (row.attribute, row.value) == (attribute, value)
            and (row.grouping, row.group) == (grouping, group)
        ]
        return np.array(rows, np.float64).reshape(len(rows), -1)

    def table(self) -> list[dict[str, str | float]]:
        """Return the rows of ``atlas.csv``: one a block and expert."""
        return [
            {
                "attribute": row.attribute,
                "value": row.value,
                "grouping": row.grouping,
                "group": row.group,
                "n": row.n,
                "block": row.block,
                "expert": expert,
                "load": load,
            }
            for row in self.loads
            for expert, load in enumerate(row.loads)
        ]

    def divergence_table(self) -> list[dict[str, str | float]]:
        """Return the rows of ``atlas_divergence.csv``."""
        return [
            {
                "attribute": row.attribute,
                "grouping": row.grouping,
                "first": row.first,
                "second": row.second,
                "n_first": row.n[0],
                "n_second": row.n[1],
                "block": row.block,
                "divergence": row.divergence,
                "same_values": "" if math.isnan(row.same_values) else row.same_values,
            }
            for row in self.divergence
        ]


def atlas_of(sums: AtlasSums, groups: Mapping[str, Sequence[str]]) -> Atlas:
    """Return the atlas of all cases that were added.

    Parameters
    ----------
    sums : AtlasSums
        The cases.
    groups : mapping of str to sequence of str
        Groups of each grouping in their order; those without a case are left out.
    """
    loads: list[LoadRow] = []
    divergence: list[DivergenceRow] = []
    for driver in sums.drivers.values():
        own = {
            grouping: [g for g in names if sums.n(driver.name, grouping, g)]
            for grouping, names in groups.items()
        }
        for grouping, names in ({"": [EVERYBODY]} | own).items():
            for group in names:
                loads += _load_rows(sums, driver, grouping, group)
        divergence += _between_values(sums, driver)
        for grouping, names in own.items():
            for pair in combinations(names, 2):
                divergence += _between_groups(sums, driver, grouping, pair)
    return Atlas(tuple(loads), tuple(divergence))


def _load_rows(
    sums: AtlasSums, driver: SweptDriver, grouping: str, group: str
) -> list[LoadRow]:
    n = sums.n(driver.name, grouping, group)
    return [
        LoadRow(driver.name, value, grouping, group, n, block, tuple(map(float, row)))
        for value in (AS_RUN, *driver.trained)
        for block, row in enumerate(_rows(sums, driver.name, value, grouping, group))
    ]


def _rows(sums: AtlasSums, *which: str) -> Loads:
    """Return (L, E) loads; none where no case was routed."""
    found = sums.mean(*which)
    return found if found.ndim == 2 else np.zeros((0, 0))


def _between_values(sums: AtlasSums, driver: SweptDriver) -> list[DivergenceRow]:
    n = sums.n(driver.name, "", EVERYBODY)
    rows, apart = [], sums.apart(driver.name)
    for place, (one, two) in enumerate(combinations(driver.values, 2)):
        if apart.ndim == 2 and {one, two} <= set(driver.trained):
            rows += [
                DivergenceRow(
                    driver.name, "", one, two, (n, n), block, float(each), math.nan
                )
                for block, each in enumerate(apart[place])
            ]
    return rows


def _between_groups(
    sums: AtlasSums, driver: SweptDriver, grouping: str, pair: tuple[str, str]
) -> list[DivergenceRow]:
    def apart(value: str) -> Loads:
        one, two = (
            _rows(sums, driver.name, value, grouping, group).astype(np.float32)
            for group in pair
        )
        return np.asarray(js_divergence(one, two), np.float64)

    as_run = apart(AS_RUN)
    alone = np.mean([apart(value) for value in driver.trained], axis=0)
    sizes = [sums.n(driver.name, grouping, group) for group in pair]
    return [
        DivergenceRow(
            driver.name,
            grouping,
            *pair,
            (sizes[0], sizes[1]),
            block,
            float(as_run[block]),
            float(alone[block]),
        )
        for block in range(len(as_run))
    ]
