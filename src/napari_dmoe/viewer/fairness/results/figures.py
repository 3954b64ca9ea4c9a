"""What is asked of evaluated cohorts, and the figures that answer it, found in a job.

Knows no Qt. What finds the figures imports torch, so it is imported when it is called.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dmoe.evaluation.scoring.metrics import METRICS
from napari_dmoe.progress import Progress, ProgressHook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase
    from napari_dmoe.evaluation.groups.groupings import Grouping
    from napari_dmoe.evaluation.groups.summary import GroupSummary

_MOST_DRAWN = 401
"""Scores of a group that are drawn: one more than are drawn one by one."""

NOBODY = ""
"""Stands for no attribute: all cases are one group."""


@dataclass(frozen=True)
class Asked:
    """What is to be shown of the evaluated cohorts that are looked at."""

    metric: str = ""
    """A key of METRICS."""
    region: str = ""
    by: str = NOBODY
    """Attribute or column whose values are the groups."""
    crossed: str = NOBODY
    """A second one; nothing where groups are not crossed."""


@dataclass(frozen=True)
class Choices:
    """What can be asked."""

    metrics: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    """Those that every one of the cohorts records, in order."""

    def nearest(self, asked: Asked) -> Asked:
        """Return what is asked, as far as it can be; else the first of each."""
        by = _among(asked.by, self.attributes)
        others = tuple(name for name in self.attributes if name != by)
        return Asked(
            _among(asked.metric, self.metrics),
            _among(asked.region, self.regions),
            by,
            asked.crossed if asked.crossed in others else NOBODY,
        )


def _among(name: str, names: Sequence[str]) -> str:
    return name if name in names else next(iter(names), "")


@dataclass(frozen=True)
class ModelFigures:
    """One model's figures."""

    title: str
    summary: GroupSummary
    values: NDArray[np.float64]
    """(N,) scores of its cases; NaN where a case has none."""
    is_missed: NDArray[np.bool_]
    """(N,) where one of the masks lacks what the other has."""

    def values_of(self, group: str) -> tuple[float, ...]:
        """Return the scores of a group's cases, those without one left out.

        Of many cases so many that are spread alike: no person waits for a drawing.
        """
        own = self.values[list(self.summary.grouping.places(group))]
        own = own[~np.isnan(own)]
        if len(own) > _MOST_DRAWN:
            own = np.quantile(own, np.linspace(0, 1, _MOST_DRAWN))
        return tuple(own.tolist())


@dataclass(frozen=True)
class Figures:
    """What is shown of evaluated cohorts, for one metric, region and grouping."""

    asked: Asked
    choices: Choices
    models: tuple[ModelFigures, ...] = ()
    sentences: tuple[str, ...] = ()
    """How the second compares with the first, where two are looked at."""
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups there should be, in order, whether or not a case is in them."""
        return tuple(
            dict.fromkeys(g for m in self.models for g in m.summary.grouping.values)
        )

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return METRICS[self.asked.metric].higher_is_better


def choices_of(evaluated: Sequence[Evaluated]) -> Choices:
    """Return what can be asked of evaluated cohorts, but for attributes; fast."""
    facts = [each.facts for each in evaluated]
    return Choices(
        metrics=_common([f.metrics for f in facts]),
        regions=_common([f.regions for f in facts]),
    )


def _common(names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    first = names[0] if names else ()
    return tuple(name for name in first if all(name in each for each in names))


def find(
    evaluated: Sequence[Evaluated], asked: Asked, progress: ProgressHook
) -> Figures:
    """Return the figures of evaluated cohorts; called in a job.

    What is asked and is not there is replaced by what is: see :class:`Choices`.

    Raises
    ------
    MetricError
        When a cohort cannot be grouped so.
    """
    from napari_dmoe.evaluation.groups.groupings import groupings

    n_steps = len(evaluated) + 2
    progress(Progress(0, n_steps, "reading the groups"))
    single = [groupings(each) for each in evaluated]
    names = _common([[g.name for g in each] for each in single])
    choices = replace(choices_of(evaluated), attributes=names)
    asked = choices.nearest(asked)
    if not (asked.metric and asked.region):
        return Figures(asked, choices)
    models = []
    for number, (each, own) in enumerate(zip(evaluated, single, strict=True)):
        progress(Progress(number + 1, n_steps, "measuring the groups"))
        models.append(_figures(each, asked, _grouping(each, own, asked)))
    progress(Progress(n_steps - 1, n_steps, "comparing"))
    sentences, notes = _compared(evaluated, asked, models)
    own_notes = dict.fromkeys(note for m in models for note in m.summary.notes)
    _get_ready_to_draw()
    return Figures(asked, choices, tuple(models), sentences, (*own_notes, *notes))


def _grouping(
    evaluated: Evaluated, single: Sequence[Grouping], asked: Asked
) -> Grouping:
    from napari_dmoe.evaluation.groups.groupings import everybody, groupings

    if not asked.by:
        return everybody(evaluated)
    if not asked.crossed:
        return next(each for each in single if each.name == asked.by)
    pair = (asked.by, asked.crossed)
    return groupings(evaluated, by=(), crossed=[pair])[-1]


def _figures(evaluated: Evaluated, asked: Asked, grouping: Grouping) -> ModelFigures:
    from napari_dmoe.evaluation.groups.summary import summarise

    return ModelFigures(
        evaluated.facts.title,
        summarise(evaluated, asked.region, asked.metric, grouping),
        evaluated.values(asked.region, asked.metric),
        evaluated.is_missed(asked.region, asked.metric),
    )


def _compared(
    evaluated: Sequence[Evaluated], asked: Asked, models: Sequence[ModelFigures]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say how the second compares with the first; nothing of one alone."""
    if len(evaluated) != 2:
        more = len(evaluated) > 2
        return (), ("Look at two at a time to compare them.",) if more else ()
    from napari_dmoe.evaluation.groups.comparing import compare

    found = compare(
        *evaluated,
        regions=[asked.region],
        metrics=[asked.metric],
        groupings=[models[0].summary.grouping],
    )
    return found.sentences, found.notes


def _get_ready_to_draw() -> None:
    """Import what draws, here and not where a person waits."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


@dataclass(frozen=True)
class Listed:
    """A case of a group, as a list of cases tells it."""

    place: int
    """Among the cases of its evaluated cohort."""
    value: float
    is_missed: bool


def worst_first(
    cases: Sequence[ScoredCase], figures: ModelFigures, group: str | None = None
) -> tuple[Listed, ...]:
    """Return the cases of a group, the worst first; those without a score come last.

    Parameters
    ----------
    cases : sequence of ScoredCase
        Those of the figures.
    figures : ModelFigures
        Their scores.
    group : str, optional
        Which group; all cases by default.

    Notes
    -----
    A miss for which a length is not defined is worse than any that has one. Equal
    scores stand in the order of the cohort.
    """
    summary, n = figures.summary, len(cases)
    own = range(n) if group is None else summary.grouping.places(group)
    places = np.array(own, np.int64)
    values, is_missed = figures.values[places], figures.is_missed[places]
    is_unknown = np.isnan(values)
    rank = np.where(is_unknown, np.where(is_missed, 0, 2), 1)
    errors = METRICS[summary.metric].compared(values)
    badness = np.where(is_unknown, 0.0, errors if summary.higher_is_better else -errors)
    order = np.lexsort((places, badness, rank))
    told = (places[order], values[order], is_missed[order])
    columns = (each.tolist() for each in told)
    return tuple(itertools.starmap(Listed, zip(*columns, strict=True)))
