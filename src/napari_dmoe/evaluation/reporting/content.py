"""All that a report tells, gathered from evaluated cohorts; nothing is written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_dmoe.evaluation.evaluating.scored import Evaluated, EvaluationFacts
from napari_dmoe.evaluation.groups.comparing import Comparisons, compare
from napari_dmoe.evaluation.groups.groupings import Grouping, groupings
from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.evaluation.reporting.counterfactual_part import (
    CounterfactualPart,
    counterfactual_part,
)
from napari_dmoe.evaluation.reporting.measured import Measured, measure
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.privacy import (
    FEWEST,
    OTHERS,
    Cell,
    Pseudonyms,
    hidden_of,
    is_free,
    is_of_days,
    safe_sentences,
    sizes_of,
)
from napari_dmoe.evaluation.reporting.published_figures import (
    PublishedFigure,
    published_beside,
)
from napari_dmoe.evaluation.reporting.worst import WorstCase, worst_cases
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_files import CardError, card_names, read_card
from napari_dmoe.models.checkpoint import bundled_names, stated_card
from napari_dmoe.progress import ProgressHook, part_of, silent

Hidden = Mapping[str, frozenset[Cell]]
"""Cells that are not shown, by grouping; one that it lacks is shown whole."""


_TOLD = {
    "source", "cohort", "layout", "model", "sha256", "card", "classes", "drivers",
    "convention", "scored_at", "settings", "preset", "versions",
}  # fmt: skip


@dataclass(frozen=True)
class Composition:
    """How a cohort is made up by one attribute; None where a number is hidden."""

    attribute: str
    rows: tuple[tuple[str, int | None], ...]
    """Value and cases, ``"unknown"`` last."""


@dataclass(frozen=True)
class ModelContent:
    """What a report tells of one model."""

    facts: EvaluationFacts
    n_cases: int
    statuses: tuple[tuple[str, int], ...]
    n_subjects: int
    """0 where nobody says whose the images are."""
    groupings: tuple[Grouping, ...]
    """The main one first."""
    hidden: Hidden
    measured: tuple[Measured, ...]
    composition: tuple[Composition, ...]
    worst: tuple[WorstCase, ...]
    published: tuple[PublishedFigure, ...]
    card: ModelCard | None
    notices: tuple[str, ...]
    counterfactual: CounterfactualPart | None
    points: Mapping[tuple[str, str, str, str], tuple[float, ...]]
    """Scores of the cases of each group that is shown, by region, metric, grouping and
    group."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.facts.title

    @property
    def told(self) -> dict[str, Any]:
        """Return the facts that a report tells: no path and no day."""
        told = self.facts.model_dump(mode="json", include=_TOLD)
        names = {key: Path(told[key]).name for key in ("model", "cohort")}
        return told | names

    def measured_of(self, region: str, metric: str) -> Measured | None:
        """Return one metric of one region; None where it was not measured."""
        own = (m for m in self.measured if (m.region, m.metric) == (region, metric))
        return next(own, None)


@dataclass(frozen=True)
class Content:
    """What a report tells."""

    models: tuple[ModelContent, ...]
    comparisons: tuple[Comparisons, ...]
    evaluated: tuple[Evaluated, ...]
    names: Pseudonyms
    options: ReportOptions


def gather(
    evaluated: Sequence[Evaluated],
    options: ReportOptions,
    progress: ProgressHook = silent,
) -> Content:
    """Gather what a report tells of one model or several.

    Raises
    ------
    MetricError
        When there is no model, or nothing of it was scored; when an attribute to group
        by is one that no case states.
    """
    if not evaluated:
        raise MetricError("a report needs at least one evaluated cohort")
    names = Pseudonyms(evaluated, identifiers=options.identifiers)
    n = len(evaluated)
    models = tuple(
        _gather_one(each, names, options, part_of(progress, i, n, each.facts.title))
        for i, each in enumerate(evaluated)
    )
    comparisons = _compared(evaluated, models, options)
    return Content(models, comparisons, tuple(evaluated), names, options)


def main_first(
    found: Sequence[Grouping], evaluated: Evaluated, options: ReportOptions
) -> tuple[Grouping, ...]:
    """Put the main grouping first: what was asked for first, or drives the model."""
    first = None if options.by else next(iter(evaluated.facts.drivers), None)
    return tuple(sorted(found, key=lambda each: each.name != first))


def hidden_in(
    evaluated: Evaluated, found: Sequence[Grouping], options: ReportOptions
) -> Hidden:
    """Return the hidden cells of each grouping that is not shown whole.

    Published tables are written whole, and so is the grouping that a reproduced
    published test is by: their case tables hold nothing else.
    """
    if options.small_cells:
        return {}
    facts = evaluated.facts
    if facts.source == "table" and facts.convention == "reference":
        return {}
    whole = set(facts.drivers) if facts.preset else set()
    return {n: cells for n, cells in hidden_of(found).items() if n not in whole}


def _gather_one(
    evaluated: Evaluated,
    names: Pseudonyms,
    options: ReportOptions,
    progress: ProgressHook,
) -> ModelContent:
    facts = evaluated.facts
    if not any(case.scores for case in evaluated):
        raise MetricError(
            f"{facts.title}: no case has a score, so that there is nothing to report: "
            "does the cohort have true masks?"
        )
    own = groupings(
        evaluated, bands=options.bands, crossed=options.crossed, by=options.by
    )
    days = [each.name for each in own if options.by is None and is_of_days(each)]
    own = tuple(each for each in own if each.name not in days)
    own = main_first(own, evaluated, options)
    hidden = hidden_in(evaluated, own, options)
    card = _card_of(facts)
    measured = measure(evaluated, own, hidden, options, progress)
    subjects = {case.subject for case in evaluated if case.subject is not None}
    statuses = Counter(case.status for case in evaluated)
    notices, n_dropped = safe_sentences(facts.notices, evaluated)
    if n_dropped and not options.identifiers:
        notices += (f"{n_dropped} notices that name cases or files are left out here",)
    if days:
        notices += ("columns of days are left out here, unless --by names them",)
    return ModelContent(
        facts=facts,
        n_cases=len(evaluated),
        statuses=tuple(sorted(statuses.items())),
        n_subjects=len(subjects),
        groupings=own,
        hidden=hidden,
        measured=measured,
        composition=tuple(
            _composition(each, hidden.get(each.name), is_free=is_free(each, evaluated))
            for each in own
        ),
        worst=worst_cases(evaluated, own, hidden, names, options, crop=_crop(card)),
        published=published_beside(facts.regions, layout=facts.layout, card=facts.card),
        card=card,
        notices=facts.notices if options.identifiers else notices,
        counterfactual=counterfactual_part(evaluated.folder, options),
        points=_points(evaluated, measured, own),
    )


def _composition(
    grouping: Grouping, hidden: frozenset[Cell] | None, *, is_free: bool
) -> Composition:
    rows = [
        ("unknown" if value is None else value, None if value in (hidden or ()) else n)
        for value, n in sizes_of(grouping).items()
        if n or value is not None
    ]
    if is_free and any(n is None for _, n in rows):
        rows = [*((value, n) for value, n in rows if n is not None), (OTHERS, None)]
    return Composition(grouping.name, tuple(rows))


def _points(
    evaluated: Evaluated, measured: Sequence[Measured], own: Sequence[Grouping]
) -> dict[tuple[str, str, str, str], tuple[float, ...]]:
    found = {}
    for each in measured:
        values = evaluated.values(each.region, each.metric)
        for by, grouping in zip(each.by, own, strict=True):
            for cell in by.cells:
                if not cell.is_hidden:
                    places = list(grouping.places(cell.value))
                    key = each.region, each.metric, by.attribute, cell.value
                    # In order of size, which tells no case's place in the cohort.
                    found[key] = tuple(sorted(float(v) for v in values[places]))
    return found


def _card_of(facts: EvaluationFacts) -> ModelCard | None:
    """Return the card of the model that was run, where it can be found again."""
    bundled = facts.model.removesuffix(".safetensors")
    if bundled in bundled_names():
        return stated_card(bundled)
    if facts.card in card_names():
        try:
            return read_card(facts.card)
        except CardError:
            return None
    return stated_card(facts.model) if Path(facts.model).is_file() else None


def _crop(card: ModelCard | None) -> int | None:
    """Return the pixels of an image that a model sees, along each side."""
    return getattr(None if card is None else card.preprocessing, "crop", None)


def _compared(
    evaluated: Sequence[Evaluated],
    models: Sequence[ModelContent],
    options: ReportOptions,
) -> tuple[Comparisons, ...]:
    """Compare each further model with the first, on the cases that both have."""
    if len(evaluated) < 2:
        return ()
    first, found = evaluated[0], []
    own = {case.id for case in first}
    for second in evaluated[1:]:
        regions = [r for r in first.facts.regions if r in second.facts.regions]
        metrics = [m for m in ("dice",) if m in first.facts.metrics]
        metrics = [m for m in metrics if m in second.facts.metrics]
        if not regions or not metrics or not own & {case.id for case in second}:
            continue
        found.append(_compared_with(first, second, models[0], regions, options))
    return tuple(found)


def _compared_with(
    first: Evaluated,
    second: Evaluated,
    told: ModelContent,
    regions: Sequence[str],
    options: ReportOptions,
) -> Comparisons:
    """Compare two models by the groupings whose groups may all be told."""
    shown = [each for each in told.groupings if not told.hidden.get(each.name)]
    while True:
        found = compare(
            first,
            second,
            regions=regions,
            metrics=("dice",),
            groupings=shown,
            seed=options.seed,
        )
        few = _with_few(found) & told.hidden.keys()
        if not few:
            break
        # All anew: what is left out is not corrected for.
        shown = [each for each in shown if each.name not in few]
    left_out = [each.name for each in told.groupings if each not in shown]
    if not left_out:
        return found
    names = ", ".join(name.replace("_", " ") for name in left_out)
    note = (
        f"by {names} they are not compared here, as some of these groups have fewer "
        f"than {FEWEST} cases that both have"
    )
    return replace(found, notes=(*found.notes, note))


def _with_few(comparisons: Comparisons) -> set[str]:
    """Return the groupings of which a group, or what is in none, is of few cases."""
    sizes: dict[tuple[str, str], list[int]] = {}
    everybody = {}
    for row in comparisons.rows:
        if row.grouping == EVERYBODY:
            everybody[row.region] = row.n
        elif row.group:
            sizes.setdefault((row.grouping, row.region), []).append(row.n)
    return {
        grouping
        for (grouping, region), own in sizes.items()
        if any(0 < n < FEWEST for n in (*own, everybody[region] - sum(own)))
    }
