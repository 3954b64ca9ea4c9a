"""A cohort evaluated with masks of any origin: a rival's, nnU-Net's, a reader's.

No model is run and no image is needed: each case's mask is scored beside its truth, on
the truth's pixels. What is done is written down now and then, so that a run that was
killed can be gone on with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.evaluation.evaluating.case_table import write_evaluated
from napari_dmoe.evaluation.evaluating.held import held
from napari_dmoe.evaluation.evaluating.journal import (
    BatchDone,
    Journal,
    inquiry_of_masks,
)
from napari_dmoe.evaluation.evaluating.mask_reading import (
    Meanings,
    found_meanings,
    labels_in,
    read_mask,
)
from napari_dmoe.evaluation.evaluating.mask_scoring import MaskRun
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
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.inference.results.provenance import now, versions
from napari_dmoe.models.card import ModelCard
from napari_dmoe.progress import Progress, ProgressHook, silent

_TOGETHER = 8
"""Cases that are written down together: what is lost when a run is killed."""


def evaluate_predictions(
    cohort: Cohort,
    predictions: Path | None,
    output: Path,
    *,
    classes: Sequence[str] | None = None,
    card: ModelCard | None = None,
    settings: EvaluationSettings | None = None,
    progress: ProgressHook = silent,
    keep_whole: bool = True,
    overwrite: bool = False,
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
        Told of each case; may raise ``Cancelled``; what was done until then is gone on
        with later.
    keep_whole, overwrite
        As :func:`~napari_dmoe.evaluation.evaluating.evaluate.evaluate` takes them.

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
    ResumeError
        When the folder holds another evaluation.
    FolderError
        When nothing can be written to the folder, or another run writes into it.
    OSError
        When the disk is full; what was done can be gone on with.
    """
    settings = settings or EvaluationSettings()
    if settings.scored_at == "network":
        raise CohortError(
            "masks of any origin are scored on their own pixels, which no network "
            "knows: leave out scored-at network"
        )
    files = _files(cohort, predictions)
    stated = tuple(classes or (card.classes if card else ()) or cohort.classes)
    inquiry = inquiry_of_masks(
        cohort.rows,
        files.of_cases,
        (
            "/".join(stated),
            card.model_dump_json() if card else "",
            settings.model_dump_json(include={"convention", "nsd_mm", "metrics"}),
        ),
    )
    with claimed(output):
        there = held(
            output,
            inquiry,
            keep_whole=keep_whole,
            overwrite=overwrite,
            writes_masks=False,
        )
        if there is not None:
            return there
        journal = Journal(output, inquiry, n_threads=1)
        run, cases = _scored(cohort, files, stated, card, settings, journal, progress)
        title = predictions.name if predictions else f"{cohort.title}: prediction"
        facts = _facts(run, cohort, files, cases, card)
        named_so = facts.model_copy(update={"title": title, "inquiry": inquiry})
        evaluated = Evaluated(tuple(cases), named_so, output)
        write_evaluated(output, evaluated)
        journal.path.unlink(missing_ok=True)
    progress(Progress(len(cases), len(cases), "scoring the masks"))
    return evaluated


def _scored(
    cohort: Cohort,
    files: FoundPredictions,
    stated: Sequence[str],
    card: ModelCard | None,
    settings: EvaluationSettings,
    journal: Journal,
    progress: ProgressHook,
) -> tuple[MaskRun, list[ScoredCase]]:
    """Score all cases; no journal is left of masks of which none can be scored."""
    drivers = tuple(each.name for each in card.attributes) if card else ()
    try:
        meanings = _meanings(cohort, files, stated, journal, progress)
        run = MaskRun(meanings, settings, drivers)
        cases = _go_through(run, cohort, files, journal, progress)
        _refuse_nothing_scored(cases)
    except CohortError:
        journal.path.unlink(missing_ok=True)
        raise
    return run, cases


def _facts(
    run: MaskRun,
    cohort: Cohort,
    files: FoundPredictions,
    cases: Sequence[ScoredCase],
    card: ModelCard | None,
) -> EvaluationFacts:
    meanings, settings = run.meanings, run.settings
    told = (*meanings.notices, *_told(cases, files), *run.told(cases))
    return EvaluationFacts(
        title="",
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
        notices=(*cohort.notices, *told),
        versions=versions(),
        made_at=now(),
    )


def _go_through(
    run: MaskRun,
    cohort: Cohort,
    files: FoundPredictions,
    journal: Journal,
    tell: ProgressHook,
) -> list[ScoredCase]:
    """Score what is not scored yet, and write it down in batches; return all cases."""
    rows = cohort.rows
    cases = run.go_on_with(journal.done, rows, files.of_cases)
    begun = len(cases)
    for begin in range(begun, len(rows), _TOGETHER):
        batch = []
        for place in range(begin, min(begin + _TOGETHER, len(rows))):
            tell(Progress(place - begun, len(rows) - begun, "scoring the masks"))
            batch.append(run.case(place, rows[place], files.of_cases[place]))
        journal.add(run.batch(batch))
        cases += batch
    return cases


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
    cohort.refuse_without_labels(": masks can only be scored beside a truth")
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
    stated: Sequence[str],
    journal: Journal,
    progress: ProgressHook,
) -> Meanings:
    """Return what labels stand for: as stated, else as all files hold them.

    All files are read for that once; whoever goes on finds it in the journal.
    """
    if stated:
        return Meanings.stated(stated)
    if journal.done:
        first = journal.done[0].reading
        return found_meanings(first["of the truth"], first["of the masks"])
    truth: set[int] = set()
    predicted: set[int] = set()
    for place, (row, path) in enumerate(zip(cohort.rows, files.of_cases, strict=True)):
        progress(Progress(place, len(cohort.rows), "looking for the classes"))
        if path is None or row.labels is None:
            continue
        try:
            pair = labels_in(row.read_labels()), labels_in(read_mask(path))
        except (CohortError, OSError, MemoryError):
            continue  # it is told where the case is scored
        truth |= pair[0]
        predicted |= pair[1]
    meanings = found_meanings(truth, predicted)
    seen = {"of the truth": sorted(truth), "of the masks": sorted(predicted)}
    journal.done.append(BatchDone((), (), (), seen))
    journal.add(journal.done[0])
    return meanings


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
