"""A model evaluated on a cohort: every case segmented, and scored against its truth.

Network batches are filled with the cases of the cohort, the next ones are read
meanwhile, and no more of them are held than are run at a time. What is done is written
down batch by batch, so that a run that was killed can be gone on with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from napari_dmoe.cohorts.case import Case, CaseRow, CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.opening import cohort_of
from napari_dmoe.evaluation.evaluating.batches import Part, ReadCase, Reader
from napari_dmoe.evaluation.evaluating.case_table import (
    write_evaluated,
)
from napari_dmoe.evaluation.evaluating.drawing import Drawer, told_by
from napari_dmoe.evaluation.evaluating.held import MASKS, held
from napari_dmoe.evaluation.evaluating.journal import (
    BatchDone,
    Journal,
    inquiry_of,
)
from napari_dmoe.evaluation.evaluating.saying import facts_of
from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    ScoredCase,
)
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.evaluating.validating import checked
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED
from napari_dmoe.inference.running.devices import Batches
from napari_dmoe.inference.running.many import answered, batches_for, threads_of
from napari_dmoe.inference.running.threads import fixed_threads
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Cancelled, Progress, ProgressHook, part_of, silent

_NETWORK = 0.7
"""About which share of the time of a batch is the network's, drawing left out."""


@dataclass(frozen=True)
class Ending:
    """What is done with an evaluation before it is written.

    Until its work is done, too, a run that is killed can be gone on with.
    """

    name: str
    """Evaluations that end otherwise are others."""
    of: Callable[[Evaluated], Evaluated]
    """Returns what is written; may write further files."""


def evaluate(
    loaded: LoadedModel,
    cohort: Sequence[Case],
    output: str | Path,
    *,
    settings: EvaluationSettings | None = None,
    progress: ProgressHook = silent,
    tell: Callable[[ScoredCase], None] | None = None,
    keep_whole: bool = True,
    overwrite: bool = False,
    ending: Ending | None = None,
) -> Evaluated:
    """Segment and score every case of a cohort.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    cohort : sequence of Case
        The cases, such as what
        :func:`~napari_dmoe.cohorts.layouts.opening.open_cohort` returns: each is read
        in its turn. Cases without labels have no scores. A value that drives the model
        and is unknown, or none that it knows, is run as unknown.
    output : str or Path
        Folder to write into: ``cases.csv``, ``evaluation.json`` and, in ``masks``, the
        mask of every case.
    settings : EvaluationSettings, optional
        How the model is run, and the masks are scored.
    progress : callable
        May raise ``Cancelled``; what was done until then is gone on with later.
    tell : callable, optional
        Called with every case that is done, in order; those of an earlier run left out.
    keep_whole : bool
        Read what the folder holds where the same was evaluated already, and to its end;
        else that is refused. A run that was killed is gone on with in any case.
    overwrite : bool
        Begin anew, whatever the folder holds.
    ending : Ending, optional
        What is done with the evaluation before it is written.

    Returns
    -------
    Evaluated
        The cases in their order; those that failed say why.

    Raises
    ------
    ResumeError
        When the folder holds another evaluation, or masks of something else.
    CohortError
        When the cohort has problems, which are written to ``problems.csv`` then:
        :func:`~napari_dmoe.evaluation.evaluating.validating.checked` leaves those rows
        out. When there is no case, or all of them failed.
    FolderError
        When nothing can be written to the folder, or another run writes into it.
    DeviceError
        When the device is not there.
    OSError
        When the disk is full; what was done can be gone on with.

    Notes
    -----
    A case is scored on the pixels of its image, its lengths in mm where the image
    states a pixel's size; with ``scored_at="network"`` as published, where the network
    sees it. Label 255 is not annotated, unless it is the only class. Its mask is that
    of :func:`~napari_dmoe.inference.running.segment.segment`; as cases share batches,
    labels may differ in near ties. A run that was stopped and gone on with gives the
    same files as one that was not.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_dmoe.models.checkpoint import load_checkpoint
    >>> from napari_dmoe.phantoms.kinds import KINDS
    >>> loaded = load_checkpoint("skin-phantom")
    >>> cases = list(KINDS["skin"].cohort(2, seed=0))
    >>> with TemporaryDirectory() as folder:
    ...     found = evaluate(loaded, cases, folder)
    >>> [case.status for case in found]
    ['scored', 'scored']
    """
    settings, folder = settings or EvaluationSettings(), Path(output)
    opened = checked(cohort_of(cohort), folder)
    rows = opened.rows
    if not rows:
        raise CohortError("the cohort has no cases: there is nothing to evaluate")
    batches = batches_for(settings.inference)
    inquiry = inquiry_of(loaded, rows, settings, ending.name if ending else "")
    with claimed(folder):
        there = held(folder, inquiry, keep_whole=keep_whole, overwrite=overwrite)
        if there is not None:
            return there
        n_threads = threads_of(loaded, settings.inference)
        journal = Journal(folder, inquiry, n_threads=n_threads)
        with fixed_threads(journal.n_threads):
            run = _Run(loaded, rows, folder, settings, batches)
            _go_through(run, journal, progress, tell)
        return _written(run, journal, opened, inquiry, ending)


class _Run:
    """What the batches of one run share."""

    def __init__(
        self,
        loaded: LoadedModel,
        rows: Sequence[CaseRow],
        folder: Path,
        settings: EvaluationSettings,
        batches: Batches,
    ) -> None:
        self.loaded, self.rows, self.folder = loaded, rows, folder
        self.settings, self.batches = settings, batches
        self.reading = LabelReading(
            loaded.card.classes, unlabelled=NOT_ANNOTATED, is_stated=False
        )
        masks = folder / MASKS if settings.keep_masks else None
        self.drawer = Drawer(loaded, rows, masks, settings)

    def go_on_with(self, done: list[BatchDone]) -> None:
        """Know again what the batches of an earlier run decided."""
        for place, batch in enumerate(done):
            for case, notices in zip(batch.cases, batch.understood, strict=True):
                self.reading.note(notices, case.id)
            cases = (told_by(case, self.rows[case.number]) for case in batch.cases)
            done[place] = replace(batch, cases=tuple(cases))
        if done:
            self.reading.go_on(done[-1].reading)


def _go_through(
    run: _Run,
    journal: Journal,
    progress: ProgressHook,
    tell: Callable[[ScoredCase], None] | None,
) -> None:
    """Do the batches that are not done yet."""
    run.go_on_with(journal.done)
    first = sum(len(batch.cases) for batch in journal.done)
    n, begun = len(run.rows), first
    done: list[tuple[ScoredCase, ReadCase]] = []
    with _read_ahead(run, first) as parts:
        progress(Progress(0, 1, f"case {first + 1} of {n}" if first < n else ""))
        for part in parts:
            at = first + len(done)
            width = len(part.cases)
            hook = part_of(progress, at - begun, n - begun, width=width)
            said = f"cases {at + 1} to {at + width} of {n}"
            done += _done(run, part, hook, said)
            if part.reading is None:
                continue
            journal.done.append(_batch(run, done, part))
            journal.add(journal.done[-1])
            _tell_of(done, tell)
            first, done = first + len(done), []
    progress(Progress(1, 1, "done"))


def _tell_of(
    done: list[tuple[ScoredCase, ReadCase]], tell: Callable[[ScoredCase], None] | None
) -> None:
    """Tell of each case; a pipe that was closed stops no work."""
    if tell is None:
        return
    for case, _ in done:
        with suppress(OSError, ValueError):
            tell(case)


def _done(
    run: _Run, part: Part, progress: ProgressHook, said: str
) -> list[tuple[ScoredCase, ReadCase]]:
    """Run, score and write the cases of a part."""
    n = len(part.cases)

    def in_network(step: Progress) -> None:
        progress(Progress(round(1000 * _NETWORK * step.fraction), 1000, said))

    ready = [case.joined for case in part.cases if case.joined is not None]
    in_network(Progress(0, 1))
    answers = iter(
        answered(run.loaded, ready, run.settings.inference, run.batches, in_network)
    )
    found = []
    for number, case in enumerate(part.cases):
        own = next(answers) if case.joined is not None else None
        share = 1000 * (_NETWORK + (1 - _NETWORK) * number / n)

        def drawn(step: Progress, share: float = share) -> None:
            further = 1000 * (1 - _NETWORK) / n * step.fraction
            progress(Progress(round(share + further), 1000, said))

        drawn(Progress(0, 1))
        scored = run.drawer.case(case, own, run.batches, drawn)
        found.append((scored, case))
        # Nothing of it is needed any more: its memory is the next one's.
        case.joined = case.case = case.truth = None
    return found


def _batch(
    run: _Run, done: Sequence[tuple[ScoredCase, ReadCase]], part: Part
) -> BatchDone:
    return BatchDone(
        tuple(case for case, _ in done),
        tuple(read.notes for _, read in done),
        tuple(read.understood for _, read in done),
        part.reading or {},
        tuple(run.batches.notices),
    )


@contextmanager
def _read_ahead(run: _Run, first: int) -> Iterator[Iterator[Part]]:
    """Read cases in a thread of their own, one part ahead."""
    stopped = threading.Event()

    def pulse() -> None:
        if stopped.is_set():
            raise Cancelled

    reader = Reader(run.loaded, run.settings, run.reading)
    parts = reader.parts(run.rows, first=first, pulse=pulse)

    def ahead() -> Iterator[Part]:
        waiting = pool.submit(next, parts, None)
        while (part := waiting.result()) is not None:
            waiting = pool.submit(next, parts, None)
            yield part

    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        try:
            yield ahead()
        finally:
            stopped.set()


def _written(
    run: _Run,
    journal: Journal,
    cohort: Cohort,
    inquiry: str,
    ending: Ending | None,
) -> Evaluated:
    """Write the table and the facts, and take the journal away."""
    cases = tuple(case for batch in journal.done for case in batch.cases)
    facts = facts_of(
        run.loaded,
        cohort,
        journal,
        run.settings,
        inquiry=inquiry,
        device=str(run.batches.device),
        read=run.reading.notices,
    )
    evaluated = Evaluated(cases, facts, run.folder)
    if all(case.status == "failed" for case in cases):
        journal.path.unlink(missing_ok=True)
        raise CohortError(f"every case failed, such as case 1: {cases[0].said}")
    if ending is not None:
        evaluated = ending.of(evaluated)
    write_evaluated(run.folder, evaluated)
    journal.path.unlink(missing_ok=True)
    return evaluated
