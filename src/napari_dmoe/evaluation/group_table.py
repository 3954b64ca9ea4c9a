"""The scores of a cohort's cases by patient group, with what does not count.

The formulas stand in :mod:`napari_dmoe.evaluation.group_metrics`, how cases are scored
in :mod:`napari_dmoe.evaluation.metrics`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_dmoe.evaluation.group_metrics import STATISTICS, Values, statistics
from napari_dmoe.evaluation.mask_pair import MetricError
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient

SMALL_GROUP = 10
"""Groups with fewer counted cases are marked: their mean says little."""


@dataclass(frozen=True)
class GroupRow:
    """One patient group.

    Parameters
    ----------
    name : str
        The attribute's value, or several joined by commas.
    n : int
        Cases.
    n_nan : int
        Cases without a score, which do not count.
    n_missed : int
        Cases of which one mask lacks what the other has.
    mean, sd : float
        Of the counted cases' scores; NaN where none counts, or for one alone.
    """

    name: str
    n: int
    n_nan: int
    n_missed: int
    mean: float
    sd: float

    @property
    def n_counted(self) -> int:
        """Cases with a score."""
        return self.n - self.n_nan

    @property
    def is_small(self) -> bool:
        """Whether fewer than :data:`SMALL_GROUP` cases count."""
        return self.n_counted < SMALL_GROUP


@dataclass(frozen=True)
class GroupTable:
    """One score of a cohort by group.

    Parameters
    ----------
    rows : tuple of GroupRow
        Groups with cases, in the order asked for.
    n, n_nan, n_missed : int
        Cases with a known group; those without a score, and the misses among them.
    n_without_group : int
        Cases that were left out because their group is not known.
    left_out : tuple of str
        Groups without a case, or without a counted one; no statistic counts them.
    worst : str or None
        Name of the worst group; None where no case counts.
    statistics : mapping of str to float
        See :func:`statistics`; all NaN where no case counts.
    notes : tuple of str
        What a reader has to know, in sentences.
    """

    rows: tuple[GroupRow, ...]
    n: int
    n_nan: int
    n_missed: int
    n_without_group: int
    left_out: tuple[str, ...]
    worst: str | None
    statistics: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def means(self) -> dict[str, float]:
        """Mean of each group with cases."""
        return {row.name: row.mean for row in self.rows}


def disaggregate(
    values: ArrayLike,
    groups: Sequence[str | None],
    *,
    higher_is_better: bool = True,
    expected: Sequence[str] = (),
    is_missed: Sequence[bool] | None = None,
) -> GroupTable:
    """Split the scores of cases by their groups.

    Parameters
    ----------
    values : (N,) array
        Scores; NaN where a case has none.
    groups : sequence of str or None
        Each case's group; None where it is not known.
    higher_is_better : bool
        Direction of the score.
    expected : sequence of str
        Groups there should be, in order; others follow by name.
    is_missed : sequence of bool, optional
        Whether each case is a miss; none by default.

    Returns
    -------
    GroupTable
        Means and statistics, which do not depend on the order of the cases.

    Raises
    ------
    MetricError
        When the arguments differ in length.

    Examples
    --------
    >>> table = disaggregate([0.9, 0.8, 0.85, 0.7, 0.6], list("AAABB"))
    >>> table.worst, round(table.statistics["es_sum"], 6)
    ('B', 0.641667)
    """
    scores = np.asarray(values, np.float64)
    missed = [False] * len(groups) if is_missed is None else list(is_missed)
    if scores.shape != (len(groups),) or len(missed) != len(groups):
        raise MetricError(
            f"{scores.shape} scores, {len(groups)} groups and {len(missed)} marks of "
            "misses: expected one of each for every case"
        )
    names = group_order(groups, expected)
    all_rows = [_row(name, scores, groups, missed) for name in names]
    rows = tuple(row for row in all_rows if row.n)
    counted = [row for row in rows if row.n_counted]
    pooled = [v for v, g in zip(scores, groups, strict=True) if g is not None]
    left_out = tuple(row.name for row in all_rows if not row.n_counted)
    n_without = sum(group is None for group in groups)
    return GroupTable(
        rows=rows,
        n=len(pooled),
        n_nan=sum(row.n_nan for row in rows),
        n_missed=sum(row.n_missed for row in rows),
        n_without_group=n_without,
        left_out=left_out,
        worst=_worst(counted, higher_is_better=higher_is_better),
        statistics=_statistics(pooled, counted, higher_is_better=higher_is_better),
        notes=_notes(rows, left_out, n_without),
    )


def group_order(
    groups: Sequence[str | None], expected: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the groups that are expected, in order, and then the others by name."""
    others = {group for group in groups if group is not None} - set(expected)
    return (*dict.fromkeys(expected), *sorted(others))


def group_names(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute | str]
) -> tuple[str | None, ...]:
    """Return each patient's group by one attribute, or by several crossed.

    Parameters
    ----------
    patients : sequence of Patient
        The patients.
    attributes : sequence of CardAttribute or str
        A card's attribute, whose edges sort numbers into values (the edge itself
        belongs to the value above), or the name of one whose values are names.

    Returns
    -------
    tuple of str or None
        ``"Black"``, or ``"Black, female"`` for race and sex; None where any of the
        attributes is unknown.

    Raises
    ------
    PatientError
        When a card does not know a value.
    MetricError
        When no attribute is given, or a number without edges.
    """
    if not attributes:
        raise MetricError("name at least one attribute to group the patients by")
    return tuple(
        None if None in parts else ", ".join(str(part) for part in parts)
        for parts in ([_value(p, a) for a in attributes] for p in patients)
    )


def crossed(*values: Sequence[str]) -> tuple[str, ...]:
    """Return the names of all groups that attributes' values make, in order.

    Examples
    --------
    >>> crossed(("Asian", "Black"), ("female", "male"))[:2]
    ('Asian, female', 'Asian, male')
    """
    return tuple(", ".join(parts) for parts in itertools.product(*values))


def _value(patient: Patient, attribute: CardAttribute | str) -> str | None:
    if isinstance(attribute, CardAttribute):
        place = attribute.category(patient.value(attribute.name))
        return None if place is None else attribute.values[place]
    value = patient.value(attribute)
    if isinstance(value, float):
        raise MetricError(
            f"{attribute} is a number: give a card's attribute, whose edges say where "
            "one group ends and the next begins"
        )
    return value


def _row(
    name: str, scores: Values, groups: Sequence[str | None], missed: Sequence[bool]
) -> GroupRow:
    places = [i for i, group in enumerate(groups) if group == name]
    own = [float(scores[i]) for i in places if not math.isnan(scores[i])]
    mean = _mean(own)
    squares = math.fsum((value - mean) ** 2 for value in own)
    return GroupRow(
        name,
        n=len(places),
        n_nan=len(places) - len(own),
        n_missed=sum(bool(missed[i]) for i in places),
        mean=mean,
        sd=math.sqrt(squares / (len(own) - 1)) if len(own) > 1 else math.nan,
    )


def _mean(values: Sequence[float]) -> float:
    # fsum rounds once, so that the order of the cases changes no bit.
    return math.fsum(values) / len(values) if values else math.nan


def _worst(counted: Sequence[GroupRow], *, higher_is_better: bool) -> str | None:
    sign = 1 if higher_is_better else -1
    row = min(counted, key=lambda row: sign * row.mean, default=None)
    return row.name if row else None


def _statistics(
    pooled: Sequence[float], counted: Sequence[GroupRow], *, higher_is_better: bool
) -> dict[str, float]:
    if not counted:
        return dict.fromkeys(STATISTICS, math.nan)
    found = statistics(
        _mean([float(value) for value in pooled if not math.isnan(value)]),
        [row.mean for row in counted],
        higher_is_better=higher_is_better,
    )
    return {name: float(value) for name, value in found.items()}


def _notes(
    rows: Sequence[GroupRow], left_out: Sequence[str], n_without: int
) -> tuple[str, ...]:
    """Say in sentences what is easily overlooked in the numbers."""
    small = [f"{row.name} ({row.n_counted})" for row in rows if row.is_small]
    n_nan, n_missed = (sum(getattr(r, k) for r in rows) for k in ("n_nan", "n_missed"))
    said = {
        f"left out, because no case counts: {', '.join(left_out)}": left_out,
        f"fewer than {SMALL_GROUP} cases: {', '.join(small)}": small,
        f"cases without a score, not counted: {n_nan}": n_nan,
        f"misses, where one mask lacks what the other has: {n_missed}": n_missed,
        f"cases left out, because their group is not known: {n_without}": n_without,
        "only one group: there is nothing to compare": len(rows) - len(left_out) == 1,
    }
    return tuple(sentence for sentence, applies in said.items() if applies)
