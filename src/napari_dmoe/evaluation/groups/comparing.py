"""Whether one of two evaluated cohorts is better: paired by case, with Holm's p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.groups.intervals import Interval

Verdict = Literal["better", "worse", "no difference", "too few"]
"""Of the second, compared with the first."""


@dataclass(frozen=True)
class Comparison:
    """How far two evaluated cohorts differ in one number."""

    region: str
    metric: str
    grouping: str
    """Name of the grouping; ``"all"`` for the whole cohort."""
    group: str
    """The group; empty for the whole cohort, and for what compares groups."""
    statistic: str
    """``"mean"``, ``"gap"`` or ``"es_sum"``."""
    n: int
    """Cases that both have a score of."""
    first: float
    second: float
    interval: Interval
    """Of the second minus the first."""
    p: float
    """Of no difference; NaN where there are too few cases."""
    p_holm: float
    """Corrected by Holm for all comparisons that are shown."""
    verdict: Verdict

    @property
    def difference(self) -> float:
        """The second minus the first."""
        return self.second - self.first


@dataclass(frozen=True)
class Comparisons:
    """All that two evaluated cohorts are compared by."""

    titles: tuple[str, str]
    rows: tuple[Comparison, ...]
    n_pairs: int
    """Cases that both have."""
    n_only_first: int
    n_only_second: int
    sentences: tuple[str, ...]
    """What was found, one sentence a region and metric."""
    notes: tuple[str, ...] = ()


def compare(
    first: Evaluated,
    second: Evaluated,
    *,
    regions: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    groupings: Sequence[Grouping] = (),
    seed: int = 0,
) -> Comparisons:
    """Compare two evaluated cohorts case by case."""
    raise NotImplementedError
