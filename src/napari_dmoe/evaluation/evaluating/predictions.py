"""A cohort evaluated with masks of any origin: a rival's, nnU-Net's, a reader's.

No model is run and no image is needed: each case's mask is scored beside its truth, on
the truth's pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_dmoe.cohorts.case import CaseRow, CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.evaluation.evaluating.case_table import write_evaluated
from napari_dmoe.evaluation.evaluating.mask_reading import (
    Meanings,
    PairReading,
    found_meanings,
    labels_in,
    read_mask,
    spacing_of,
)
from napari_dmoe.evaluation.evaluating.prediction_files import (
    FoundPredictions,
    find_predictions,
    named,
)
from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
)
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.evaluation.scoring.metrics import METRICS, Score, measure_case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.provenance import now, versions
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.naming import unheard_of
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.purpose import reason


def evaluate_predictions(
    cohort: Cohort,
    predictions: Path | None,
    output: Path,
    *,
    classes: Sequence[str] | None = None,
    card: ModelCard | None = None,
    settings: EvaluationSettings | None = None,
    progress: ProgressHook | None = None,
) -> Evaluated:
    """Score the masks that a folder or a column holds for the cases of a cohort.

    Parameters
    ----------
    cohort : Cohort
        Cases with their truth, with images or without.
    predictions : Path or None
        A folder of masks that are called like the cases, as
        :func:`~napari_dmoe.evaluation.evaluating.prediction_files.find_predictions`
        finds them; None for those that the cohort's column ``prediction`` names.
    output : Path
        The folder for ``cases.csv`` and ``evaluation.json``.
    classes : sequence of str, optional
        Class names, background first. By default the card's, those of the cohort's
        layout, or the labels that are found, in all files.
    card : ModelCard, optional
        States classes, and bands of attributes.
    settings : EvaluationSettings, optional
        Metrics, convention and tolerances.
    progress : callable, optional
        Told of each case; may raise ``Cancelled``.

    Returns
    -------
    Evaluated
        All cases in their order, also written. A case whose mask cannot be used is
        ``failed`` and says why.

    Raises
    ------
    CohortError
        When there are no masks or no truth, when nobody can tell which file is whose
        or what the labels stand for, and when no case at all can be scored.
    OSError
        When the table cannot be written.
    """
    settings = settings or EvaluationSettings()
    if settings.scored_at == "network":
        raise CohortError(
            "masks of any origin are scored on their own pixels, which no network "
            "knows: leave out scored-at network"
        )
    tell = progress or silent
    files = _files(cohort, predictions)
    meanings = _meanings(cohort, files, classes, card, tell)
    drivers = tuple(each.name for each in card.attributes) if card else ()
    run = _Run(meanings, settings, drivers)
    cases = []
    for place, (row, path) in enumerate(zip(cohort.rows, files.of_cases, strict=True)):
        tell(Progress(place, len(cohort.rows), "scoring the masks"))
        cases.append(run.case(place, row, path))
    _refuse_nothing_scored(cases)
    facts = EvaluationFacts(
        title=predictions.name if predictions else f"{cohort.title}: prediction",
        source="predictions",
        cohort=cohort.title,
        layout=cohort.layout,
        n_cases=len(cases),
        card=card.name if card else "",
        classes=meanings.classes,
        regions=tuple(region.name for region in meanings.regions),
        metrics=run.metrics,
        attributes=card.attributes if card else (),
        convention=settings.convention,
        settings=_recorded(settings),
        notices=(*cohort.notices, *meanings.notices, *_told(cases, files), *run.told),
        versions=versions(),
        made_at=now(),
    )
    evaluated = Evaluated(tuple(cases), facts, output)
    output.mkdir(parents=True, exist_ok=True)
    write_evaluated(output, evaluated)
    tell(Progress(len(cases), len(cases), "scoring the masks"))
    return evaluated


def _recorded(settings: EvaluationSettings) -> dict[str, Any]:
    """Return the settings that say anything of masks that are only scored."""
    kept = {"convention", "nsd_mm"}
    return {k: v for k, v in settings.model_dump(mode="json").items() if k in kept}


def _files(cohort: Cohort, predictions: Path | None) -> FoundPredictions:
    """Return the masks of a folder, or those that the cohort's table names."""
    if predictions is not None:
        found = find_predictions(predictions, cohort.rows)
    else:
        found = FoundPredictions(tuple(row.prediction for row in cohort.rows), ())
        if not any(found.of_cases):
            raise CohortError(
                f"{cohort.title} has no column of predictions: give a folder of masks"
            )
    if all(row.labels is None for row in cohort.rows):
        raise CohortError(
            f"{cohort.title} has no labels: masks can only be scored beside a truth"
        )
    pairs = zip(cohort.rows, found.of_cases, strict=True)
    if any(path and row.labels and path.samefile(row.labels) for row, path in pairs):
        raise CohortError(
            "these masks are the cohort's own labels: every score would be 1. Give the "
            "folder of the predictions"
        )
    return found


def _meanings(
    cohort: Cohort,
    files: FoundPredictions,
    classes: Sequence[str] | None,
    card: ModelCard | None,
    progress: ProgressHook,
) -> Meanings:
    """Return what labels stand for: as stated, else as all files hold them."""
    stated = classes or (card.classes if card else ()) or cohort.classes
    if stated:
        return Meanings.stated(stated)
    truth: set[int] = set()
    predicted: set[int] = set()
    for place, (row, path) in enumerate(zip(cohort.rows, files.of_cases, strict=True)):
        progress(Progress(place, len(cohort.rows), "looking for the classes"))
        if path is None or row.labels is None:
            continue
        try:
            pair = labels_in(row.read_labels()), labels_in(read_mask(path))
        except CohortError:
            continue  # it is told where the case is scored
        truth |= pair[0]
        predicted |= pair[1]
    return found_meanings(truth, predicted)


@dataclass
class _Run:
    """One cohort's masks, scored case by case."""

    meanings: Meanings
    settings: EvaluationSettings
    drivers: tuple[str, ...] = ()
    n_in_pixels: int = 0
    _reading: PairReading = field(init=False)

    def __post_init__(self) -> None:
        self._reading = PairReading(self.meanings.classes)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured; the ratio of parts only where there are parts."""
        has_parts = any(region.whole for region in self.meanings.regions)
        return tuple(
            name
            for name in self.settings.metrics
            if has_parts or not METRICS[name].of_parts
        )

    @property
    def told(self) -> Iterator[str]:
        """Yield what was understood of the labels, and of their pixels."""
        yield from self._reading.notices
        if not self.n_in_pixels:
            return
        lacking = "" if self.settings.nsd_mm is None else ", and have no NSD in mm"
        yield (
            f"{self.n_in_pixels:,} cases do not state the size of a pixel: their "
            f"lengths are in pixels{lacking}"
        )

    def case(self, place: int, row: CaseRow, path: Path | None) -> ScoredCase:
        """Return what one case scores, or why it does not."""
        # A column that nobody has heard of goes along as it stands in the table.
        unheard = unheard_of(row.patient, self.drivers)
        case = ScoredCase(
            id=row.id,
            number=place,
            subject=row.subject,
            patient=row.patient.without(set(unheard) & set(row.further)),
            further=row.further,
            image=row.image if row.image.name else None,
            labels=row.labels,
            prediction=path,
        )
        if row.labels is None:
            return replace(case, status="no truth", said="there is no truth")
        if path is None:
            said = "there is no mask of this case"
            return replace(case, status="no prediction", said=said)
        try:
            truth, mask = row.read_labels(), read_mask(path)
            scores, unit = self._scored(truth, mask, row.id)
        except (CohortError, MetricError, OSError) as error:
            return replace(case, status="failed", said=reason(error))
        return replace(case, scores=scores, unit=unit)

    def _scored(
        self, truth: SpatialImage, mask: SpatialImage, case: str
    ) -> tuple[tuple[Score, ...], str]:
        predicted, seen = self._reading.read(truth, mask, case)
        spacing, unit = spacing_of(truth)
        self.n_in_pixels += unit != "mm"
        tolerance, metrics = self.settings.nsd_mm, self.metrics
        if tolerance is not None and unit != "mm":
            tolerance, metrics = None, tuple(m for m in metrics if m != "nsd")
        scores = measure_case(
            predicted,
            seen,
            self.meanings.regions,
            metrics=metrics,
            spacing=spacing,
            convention=self.settings.convention,
            nsd_tolerance=tolerance,
        )
        return scores, unit


def _told(cases: Sequence[ScoredCase], files: FoundPredictions) -> Iterator[str]:
    """Yield how many cases have no score, and which files are of no case."""
    words: Mapping[str, str] = {
        "no truth": "have no truth",
        "no prediction": "have no mask",
        "failed": "could not be scored: the column said tells why",
    }
    for status, said in words.items():
        n = sum(case.status == status for case in cases)
        if n:
            yield f"{n:,} of {len(cases):,} cases {said}"
    if files.left_over:
        n = len(files.left_over)
        yield f"{n:,} files belong to no case: {named(files.left_over)}"


def _refuse_nothing_scored(cases: Sequence[ScoredCase]) -> None:
    if any(case.status == "scored" for case in cases):
        return
    failed = [case.said for case in cases if case.status == "failed"]
    if not failed:
        raise CohortError("no case has both a truth and a mask: nothing to score")
    raise CohortError(f"none of the masks can be scored: {failed[0]}")
