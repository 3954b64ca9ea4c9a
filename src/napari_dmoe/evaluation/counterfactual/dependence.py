"""How often, and how much, masks depend on a driver: over a cohort and by group.

Needs no truth. A case says *matters* where two values differ by at least
:data:`~napari_dmoe.inference.what_if.verdict.CLEARLY` times what changes without any
reason, as a sweep of one image does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dmoe.evaluation.counterfactual.audited import AuditedCase, SweptDriver
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.inference.what_if.verdict import Says
from napari_dmoe.inference.what_if.verdict_words import percent

SAID: tuple[Says, ...] = ("matters", "alike", "hardly", "none")
"""What can be said of a case in which something is found, the most first."""

UNTOLD: tuple[Says, ...] = ("unsure", "absent", "untold")
"""Where it cannot be told; these cases are counted apart."""

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class GroupDependence:
    """How far one region depends on one driver in one group of cases."""

    attribute: str
    region: str
    grouping: str
    """Empty for all cases."""
    group: str
    counts: dict[str, int]
    """Cases by what is said of them."""
    shares: tuple[float, ...]
    """Of the region, what changes between the values farthest apart: the 5th, 25th,
    50th, 75th and 95th percentile of the cases that count; NaN without any."""
    mean: float
    """The mean of the same."""
    yardstick: float
    """The median of what changes without any reason; NaN without any case."""

    @property
    def n_counted(self) -> int:
        """Cases of which it can be told."""
        return sum(self.counts.get(each, 0) for each in SAID)

    @property
    def n(self) -> int:
        """All cases of the group that were audited."""
        return sum(self.counts.values())

    @property
    def matters(self) -> float:
        """Of the cases that count, the share in which it matters; NaN without any."""
        n = self.n_counted
        return self.counts.get("matters", 0) / n if n else math.nan

    @property
    def median(self) -> float:
        """The median share of the region that changes."""
        return self.shares[2]

    @property
    def is_small(self) -> bool:
        """Whether too few cases count for the figures to say much."""
        return self.n_counted < SMALL_GROUP

    def facts(self) -> dict[str, Any]:
        """Return what goes into ``audit.json``."""
        names = ("p05", "p25", "median", "p75", "p95")
        quantiles = zip(names, self.shares, strict=True)
        return {
            "attribute": self.attribute,
            "region": self.region,
            "grouping": self.grouping,
            "group": self.group,
            "n": self.n,
            "n_counted": self.n_counted,
            "is_small": self.is_small,
            "counts": {each: self.counts.get(each, 0) for each in (*SAID, *UNTOLD)},
            "matters": known(self.matters),
            "share": {"mean": known(self.mean)}
            | {name: known(value) for name, value in quantiles},
            "yardstick": known(self.yardstick),
        }


def dependences(
    cases: Sequence[AuditedCase],
    drivers: Sequence[SweptDriver],
    regions: Sequence[str],
    groupings: Sequence[Grouping],
) -> tuple[GroupDependence, ...]:
    """Return how far each region depends on each driver, for everybody and by group.

    Parameters
    ----------
    cases : sequence of AuditedCase
        All cases, in the order of the groupings.
    drivers : sequence of SweptDriver
        What was swept.
    regions : sequence of str
        What was measured.
    groupings : sequence of Grouping
        How cases are parted. Empty groups are left out.
    """
    found = []
    for driver in drivers:
        for region in regions:
            found.append(_of(cases, driver.name, region, "", "all"))
            for grouping in groupings:
                for value in grouping.values:
                    own = [
                        case
                        for case, group in zip(cases, grouping.of_case, strict=True)
                        if group == value
                    ]
                    each = _of(own, driver.name, region, grouping.name, value)
                    found += [each] * bool(each.n)
    return tuple(found)


def _of(
    cases: Sequence[AuditedCase], attribute: str, region: str, grouping: str, group: str
) -> GroupDependence:
    sweeps = (case.sweep(attribute) for case in cases)
    asked = (each.dependence(region) for each in sweeps if each is not None)
    found = [each for each in asked if each is not None]
    counted = [each for each in found if each.says in SAID]
    shares = np.array([each.share for each in counted])
    nothing = (math.nan,) * len(_QUANTILES)
    return GroupDependence(
        attribute=attribute,
        region=region,
        grouping=grouping,
        group=group,
        counts=dict(Counter(str(each.says) for each in found)),
        shares=tuple(map(float, np.quantile(shares, _QUANTILES)))
        if len(shares)
        else nothing,
        mean=float(shares.mean()) if len(shares) else math.nan,
        yardstick=float(np.median([each.yardstick for each in counted]))
        if counted
        else math.nan,
    )


def sentences(found: Sequence[GroupDependence], driver: SweptDriver) -> list[str]:
    """Say in plain sentences how far the masks depend on a driver, region by region."""
    whole = [e for e in found if e.attribute == driver.name and not e.grouping]
    said = [_sentence(each, driver) for each in whole]
    if driver.untrained:
        listed = ", ".join(driver.untrained)
        said.append(f"No training case had {listed}: it counts for nothing here.")
    return said


def _sentence(found: GroupDependence, driver: SweptDriver) -> str:
    what, n = driver.label, found.n_counted
    if not n:
        return (
            f"{what} and the {found.region}: it cannot be told, as in no case enough "
            "of it is found."
        )
    n_matters, n_none = found.counts.get("matters", 0), found.counts.get("none", 0)
    cases = f"{n:,} case{'s' * (n != 1)}"
    if n_none == n:
        return (
            f"{what} never changes the {found.region}: all values give the same mask "
            f"in {cases}."
        )
    untold = found.n - n
    apart = f" ({untold:,} further cannot be told)" if untold else ""
    return (
        f"{what} matters for the {found.region} in {n_matters:,} of {cases} "
        f"({percent(found.matters)}){apart}; in the median case "
        f"{percent(found.median)} of it changes between two values, where a shift by "
        f"one pixel alone changes {percent(found.yardstick)}."
    )


def known(value: float) -> float | None:
    """Return a number as JSON can hold it: None for NaN and what is not finite."""
    return float(value) if math.isfinite(value) else None
