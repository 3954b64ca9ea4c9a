"""What is said and recorded of an evaluation: how it was made, and what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.evaluation.evaluating.journal import Journal
from napari_dmoe.evaluation.evaluating.scored import EvaluationFacts, ScoredCase
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.scoring.mask_pair import Region, regions_of
from napari_dmoe.evaluation.scoring.metrics import METRICS
from napari_dmoe.inference.results.provenance import now, versions
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.training_images import UNLIKE


def facts_of(
    loaded: LoadedModel,
    cohort: Cohort,
    journal: Journal,
    settings: EvaluationSettings,
    *,
    inquiry: str,
    device: str,
    read: Iterable[str] = (),
) -> EvaluationFacts:
    """Return the facts of an evaluation that is done.

    Parameters
    ----------
    loaded, settings
        The model, and how it was run.
    cohort : Cohort
        Whose cases they are.
    journal : Journal
        What became of every case.
    inquiry : str
        Digest of what was evaluated.
    device : str
        Where the network ran.
    read : iterable of str
        How labels were understood.
    """
    cases = [case for batch in journal.done for case in batch.cases]
    card = loaded.card
    said = {
        **dict.fromkeys(loaded.notices),
        **dict.fromkeys(cohort.notices),
        **dict.fromkeys(_of_many(journal, len(cases))),
        **dict.fromkeys(read),
        **dict.fromkeys(_of_status(cases)),
        **dict.fromkeys(_of_likeness(cases)),
        **dict.fromkeys(notice for batch in journal.done for notice in batch.notices),
    }
    regions = regions_of(card.classes)
    run = settings.inference.model_dump(mode="json")
    return EvaluationFacts(
        title=_title(loaded),
        source="model",
        cohort=cohort.title,
        layout=cohort.layout,
        n_cases=len(cases),
        model=loaded.source,
        sha256=loaded.sha256,
        card=card.name,
        classes=card.classes,
        regions=tuple(region.name for region in regions),
        metrics=measured_by(settings, regions),
        attributes=card.attributes,
        drivers=tuple(attribute.name for attribute in card.attributes),
        convention=settings.convention,
        scored_at=settings.scored_at,
        settings={**run, "threads": journal.n_threads, "ran_on": device},
        notices=tuple(said),
        versions=versions(),
        inquiry=inquiry,
        made_at=now(),
    )


def measured_by(
    settings: EvaluationSettings, regions: Sequence[Region]
) -> tuple[str, ...]:
    """Return the metrics; ratios of parts only where a region is part of another."""
    has_parts = any(region.whole is not None for region in regions)
    return tuple(m for m in settings.metrics if has_parts or not METRICS[m].of_parts)


def _title(loaded: LoadedModel) -> str:
    name = loaded.source.rpartition(".")[0] or loaded.source
    return name or loaded.card.title or loaded.card.name


def _of_many(journal: Journal, n: int) -> Iterator[str]:
    """Yield what was decided for cases, once, with how many there are."""
    counted: Counter[str] = Counter()
    for batch in journal.done:
        for notes in batch.notes:
            counted.update(notes)
    for note, times in counted.items():
        yield f"{note} ({times:,} of {n:,} cases)"


def _of_status(cases: Sequence[ScoredCase]) -> Iterator[str]:
    """Yield how many cases have no score, and why."""
    statuses = Counter(case.status for case in cases)
    if n := statuses["no truth"]:
        yield f"{n:,} of {len(cases):,} cases have no truth, and no score"
    if n := statuses["failed"]:
        yield f"{n:,} of {len(cases):,} cases failed, and have no score"


def _of_likeness(cases: Sequence[ScoredCase]) -> Iterator[str]:
    """Yield how many images are of another kind than those of the training."""
    if n := sum(UNLIKE in case.said for case in cases):
        many = "image is" if n == 1 else "images are"
        yield (
            f"for this model, {n:,} of {len(cases):,} {many} {UNLIKE}, as the column "
            "said tells of each"
        )
