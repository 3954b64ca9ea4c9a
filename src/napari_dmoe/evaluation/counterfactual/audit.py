"""Audit a cohort: every value of every driver for every case.

:func:`audit` needs no truth to tell how far the masks depend on an attribute; with one
it also tells whether the right value helps, and whom. It goes on where a killed one
stopped, and keeps images in memory only part by part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from napari_dmoe.cohorts.case import Case, CaseRow
from napari_dmoe.cohorts.classes import MOST_NOTICES
from napari_dmoe.cohorts.datasets import Cohort, rows_of, title_of
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.evaluation.counterfactual.atlas import Atlas, AtlasSums, atlas_of
from napari_dmoe.evaluation.counterfactual.audit_files import (
    FILES,
    PICTURE,
    TABLE,
    write_audited,
)
from napari_dmoe.evaluation.counterfactual.audited import (
    Audited,
    AuditedCase,
    AuditError,
    AuditFacts,
    SweptDriver,
)
from napari_dmoe.evaluation.counterfactual.choosing import (
    notices_before,
    swept_drivers,
)
from napari_dmoe.evaluation.counterfactual.parts import (
    PARTS,
    DoneCase,
    Parts,
    file_facts,
    key_of,
)
from napari_dmoe.evaluation.counterfactual.running import PartRunner, numbered_parts
from napari_dmoe.evaluation.counterfactual.settings import AuditSettings
from napari_dmoe.evaluation.counterfactual.summary import parted, summarised
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.inference.masks.regions import regions_of
from napari_dmoe.inference.results.provenance import now, versions
from napari_dmoe.inference.results.replacing import ExistingFileError
from napari_dmoe.inference.running.many import threads_of
from napari_dmoe.inference.running.threads import fixed_threads
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import ProgressHook, part_of, silent

PART = 8
"""Images of a 2D model that are done together, whatever the batch: what a killed audit
loses at most. Each of them fills several rows of a batch."""

By = Mapping[str, Sequence[float] | None]
"""What cases are grouped by, and the edges of the bands of a number."""


def audit(
    loaded: LoadedModel,
    cohort: Sequence[Case],
    output: str | Path,
    *,
    attributes: Sequence[str] | None = None,
    by: By | None = None,
    settings: AuditSettings | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: ProgressHook = silent,
    tell: Callable[[str], None] | None = None,
) -> Audited:
    """Audit a cohort, and write what is found into a folder.

    Parameters
    ----------
    loaded : LoadedModel
        The model. It must be driven by at least two values of an attribute.
    cohort : sequence of Case
        Images and patients, and the truth where it has one, such as what
        :func:`~napari_dmoe.cohorts.layouts.opening.open_cohort` returns.
    output : str or Path
        The folder: ``audit.csv``, ``audit.json``, ``atlas.csv``,
        ``atlas_divergence.csv`` and ``atlas.png`` are written into it.
    attributes : sequence of str, optional
        Drivers that are swept, each with the others kept; all of them by default.
    by : mapping of str to sequence of float or None, optional
        What cases are grouped by beside the drivers, with the edges of a number's
        bands; by default whatever the cohort records.
    settings : AuditSettings, optional
        How.
    resume : bool
        Whether to go on with what a killed audit has left of the same model, cohort
        and settings; what differs is done again.
    overwrite : bool
        Whether to replace an earlier audit.
    progress : callable
        Told of the whole; may raise ``Cancelled``, and what was done is kept.
    tell : callable, optional
        Called with what should be said before the first case is run.

    Returns
    -------
    Audited
        All cases and what they tell together.

    Raises
    ------
    AuditError
        When nothing drives the model, an attribute does not, or too few of its values
        were trained; and when no case can be audited.
    ExistingFileError
        When the folder holds an earlier audit, or one that is not finished.
    MetricError
        For groups that the cohort does not record.
    DeviceError, FolderError, OSError
        When the device is not there, or the folder cannot be written.
    """
    settings, folder = settings or AuditSettings(), Path(output)
    drivers, rows = swept_drivers(loaded, attributes), rows_of(cohort)
    if not rows:
        raise AuditError("the cohort has no case: there is nothing to audit")
    runner = PartRunner(loaded, drivers, settings)
    if tell is not None:
        for notice in notices_before(loaded, drivers):
            tell(notice)
    with claimed(folder):
        parts = Parts(folder)
        _refuse_earlier(folder, parts, resume=resume, overwrite=overwrite)
        run = _Run(runner, rows, parts, _model_key(loaded, drivers, settings))
        run.work(progress)
        facts = _facts(loaded, cohort, drivers, settings)
        audited, atlas = _told(run, facts, by)
        write_audited(folder, audited, atlas)
        _draw(folder, audited, atlas)
        parts.remove()
    return replace(audited, folder=folder)


class _Run:
    """The parts of an audit, done or kept."""

    def __init__(
        self,
        runner: PartRunner,
        rows: Sequence[Case | CaseRow],
        parts: Parts,
        key: str,
    ) -> None:
        self.runner, self.parts = runner, parts
        size = PART if runner.loaded.card.dims == 2 else 1
        self.part_rows = list(numbered_parts(rows, size))
        self.keys = [_part_key(key, own) for own in self.part_rows]

    def work(self, progress: ProgressHook) -> None:
        """Do what is not kept, in order."""
        runner = self.runner
        kept = dict(self._kept())
        known = [n_threads for _, n_threads in kept.values()]
        n_threads = known[0] if known else threads_of(runner.loaded, runner.how)
        n_todo, n_done = len(self.keys) - len(kept), 0
        n_cases = sum(map(len, self.part_rows))
        for number, rows in enumerate(self.part_rows):
            if number in kept:
                runner.reading.go_on(kept[number][0])
                continue
            which = f"{rows[0][0] + 1}"
            which += f" to {rows[-1][0] + 1}" * (len(rows) > 1)
            words = f"cases {which} of {n_cases:,}" if n_cases > len(rows) else ""
            hook = part_of(progress, n_done, n_todo, words)
            with fixed_threads(n_threads):
                done = runner.run(rows, hook)
            so_far = runner.reading.so_far()
            key = self.keys[number]
            self.parts.keep(number, key, done, reading=so_far, n_threads=n_threads)
            n_done += 1

    def _kept(self) -> Iterator[tuple[int, tuple[Mapping[str, Any], int]]]:
        """Yield what parts that are kept decide of others, and not what they hold."""
        for number, key in enumerate(self.keys):
            part = self.parts.kept(number, key)
            if part is not None:
                yield number, (part.reading, part.n_threads)

    def done(self) -> Iterator[DoneCase]:
        """Yield all cases, read from disk part by part.

        Raises
        ------
        AuditError
            When a part went away meanwhile.
        """
        for number, key in enumerate(self.keys):
            kept = self.parts.kept(number, key)
            if kept is None:
                raise AuditError(
                    f"a file in {PARTS} went away while the audit ran: run it again "
                    "with --resume"
                )
            yield from kept.cases


def _part_key(key: str, rows: Sequence[tuple[int, Case | CaseRow]]) -> str:
    return key_of(key, [(number, *_row_facts(row)) for number, row in rows])


def _row_facts(row: Case | CaseRow) -> tuple[object, ...]:
    """Return by what a row is known again, without reading its image."""
    if isinstance(row, Case):  # in memory: of this process alone
        return row.id, id(row)
    files = file_facts(row.image), file_facts(row.labels)
    if not isinstance(row, CohortRow):  # whose patient stands in its file
        return row.id, *files
    return row.id, *files, row.subject, row.patient.stated(), dict(row.further)


def _model_key(
    loaded: LoadedModel, drivers: Sequence[CardAttribute], settings: AuditSettings
) -> str:
    card = loaded.card.model_dump(mode="json")
    names = [driver.name for driver in drivers]
    # A model without a file cannot be known again: its audit is never gone on with.
    weights = loaded.sha256 or uuid4().hex
    return key_of(weights, card, names, settings.model_dump(), versions())


def _refuse_earlier(
    output: Path, parts: Parts, *, resume: bool, overwrite: bool
) -> None:
    """Refuse to replace an earlier audit, or to lose one that is not finished.

    One that was killed while it was written has both parts and files.
    """
    if parts.are_there and resume:
        return
    there = [name for name in FILES if (output / name).exists()]
    if parts.are_there and not overwrite:
        raise ExistingFileError(
            f"{output.name} holds an audit that was not finished: go on with "
            "--resume, or begin again with --overwrite"
        )
    if there and not overwrite:
        raise ExistingFileError(
            f"{output.name} holds an earlier audit, {there[0]}: replace it with "
            "--overwrite, or choose another folder"
        )
    parts.remove()


def _facts(
    loaded: LoadedModel,
    cohort: Sequence[Case],
    drivers: Sequence[CardAttribute],
    settings: AuditSettings,
) -> AuditFacts:
    card = loaded.card
    return AuditFacts(
        title=card.title,
        cohort=title_of(cohort),
        layout=cohort.layout if isinstance(cohort, Cohort) else "",
        n_cases=len(cohort),
        model=loaded.source,
        sha256=loaded.sha256,
        card=card.name,
        architecture=loaded.architecture,
        dims=card.dims,
        classes=card.classes,
        regions=tuple(region.name for region in regions_of(card.classes)),
        drivers=tuple(
            SweptDriver(
                name=driver.name,
                label=driver.label,
                values=driver.values,
                untrained=card.untrained(driver.name),
            )
            for driver in drivers
        ),
        attributes=card.attributes,
        n_blocks=loaded.config.n_blocks,
        n_experts=loaded.config.n_experts,
        settings=settings.model_dump(mode="json"),
        notices=(
            *loaded.notices,
            *([card.notice] if card.notice else ()),
            *(cohort.notices if isinstance(cohort, Cohort) else ()),
            *notices_before(loaded, drivers),
        ),
        versions=versions(),
        made_at=now(),
    )


def _told(run: _Run, facts: AuditFacts, by: By | None) -> tuple[Audited, Atlas]:
    """Put all parts together."""
    cases = tuple(done.case for done in run.done())
    failed = [case for case in cases if case.status == "failed"]
    if len(failed) == len(cases):
        raise AuditError(
            f"none of the {len(cases):,} cases can be audited; the first: "
            f"{failed[0].said}"
        )
    parts = parted(cases, facts, by)
    atlas = _atlas(run, facts, parts)
    said = [notice for part in parts for notice in part.notices]
    said += _of_cases(cases)
    facts = facts.model_copy(
        update={
            "n_audited": len(cases) - len(failed),
            "n_with_truth": sum(case.has_truth for case in cases),
            "notices": (*facts.notices, *dict.fromkeys(said)),
        }
    )
    return Audited(cases, facts, summarised(cases, facts, parts, atlas)), atlas


def _of_cases(cases: Sequence[AuditedCase]) -> list[str]:
    """Return what is said of cases, each once, with how many there are."""
    counts = Counter(case.said for case in cases if case.said)
    said = [f"{text} ({n:,} of {len(cases):,} cases)" for text, n in counts.items()]
    if len(said) > MOST_NOTICES:
        more = len(said) - MOST_NOTICES
        said[MOST_NOTICES:] = [f"and {more:,} other notices of cases: see {TABLE}"]
    return said


def _atlas(run: _Run, facts: AuditFacts, parts: Sequence[Grouping]) -> Atlas:
    card = run.runner.loaded.card
    mixed = {driver.name: card.shares(driver.name) for driver in facts.drivers}
    sums = AtlasSums(facts.drivers, mixed)
    for place, done in enumerate(run.done()):
        if done.routing is not None:
            own = {sweep.attribute: sweep.own for sweep in done.case.sweeps}
            groups = {part.name: part.of_case[place] for part in parts}
            sums.add(done.routing, own, groups)
    return atlas_of(sums, {part.name: part.values for part in parts})


def _draw(output: Path, audited: Audited, atlas: Atlas) -> None:
    # matplotlib takes a moment to import: only where it is drawn.
    from napari_dmoe.evaluation.counterfactual.pictures import save_atlas

    save_atlas(output / PICTURE, atlas, audited.facts)
