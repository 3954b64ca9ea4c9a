"""What an evaluation has done so far, so that one that was killed can be gone on with.

A file beside the results, one line a batch, each written when its batch is done. The
last line of a killed run may be torn: it is ignored, and its batch is done again. Where
the results are whole, the journal is gone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_dmoe.cohorts.case import CaseRow, CohortError
from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.scoring.json_scores import with_null
from napari_dmoe.evaluation.scoring.mask_pair import Presence
from napari_dmoe.evaluation.scoring.metrics import Score
from napari_dmoe.inference.results.provenance import pixels_sha256
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient

JOURNAL = "evaluation.journal"

_VERSION = 1


class ResumeError(ValueError):
    """A folder holds something else than what is to be gone on with."""


@dataclass(frozen=True)
class BatchDone:
    """What became of the cases of one batch."""

    cases: tuple[ScoredCase, ...]
    notes: tuple[tuple[str, ...], ...]
    """Of each case, what is said of many: of values that are mixed, for example."""
    understood: tuple[tuple[str, ...], ...]
    """Of each case, how its labels were read."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """What its labels decide of further ones; see ``LabelReading.so_far``."""
    notices: tuple[str, ...] = ()
    """What happened to the device."""


class Journal:
    """The batches that are done, in order.

    Parameters
    ----------
    folder : Path
        Where the results are to be.
    inquiry : str
        What :func:`inquiry_of` returns; another one's journal is refused.
    n_threads : int
        Threads of the network. Whoever goes on takes as many as the journal says, as
        other numbers of threads may decide the last bits.

    Raises
    ------
    ResumeError
        When the folder holds an evaluation of something else that was not finished.
    """

    def __init__(self, folder: Path, inquiry: str, *, n_threads: int) -> None:
        self.path = folder / JOURNAL
        self.n_threads = n_threads
        self.done: list[BatchDone] = []
        """Batches that an earlier run did."""
        lines, n_bytes = _whole_lines(self.path)
        if not lines:
            self.path.unlink(missing_ok=True)
            begin = {"version": _VERSION, "inquiry": inquiry, "threads": n_threads}
            self._append(begin)
            return
        head = lines[0]
        if head.get("version") != _VERSION or head.get("inquiry") != inquiry:
            raise ResumeError(
                "the folder holds an evaluation that was not finished, of another "
                "cohort, model or settings: give those to go on with it, choose "
                "another folder, or begin anew with --overwrite"
            )
        self.n_threads = int(head["threads"])
        os.truncate(self.path, n_bytes)
        self.done = [_read(line, folder) for line in lines[1:]]

    def add(self, batch: BatchDone) -> None:
        """Write a batch down; it is on the disk when this returns.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        self._append(_written(batch, self.path.parent))

    def _append(self, line: Mapping[str, Any]) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the lines that are whole, and where they end."""
    lines: list[dict[str, Any]] = []
    n_bytes = 0
    if not path.is_file():
        return lines, n_bytes
    with path.open("rb") as file:
        for line in file:
            try:
                found = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                found = None
            if not isinstance(found, dict):
                break
            lines.append(found)
            n_bytes += len(line)
    return lines, n_bytes


def _written(batch: BatchDone, folder: Path) -> dict[str, Any]:
    return {
        "cases": [_case_facts(case, folder) for case in batch.cases],
        "notes": batch.notes,
        "understood": batch.understood,
        "reading": batch.reading,
        "notices": batch.notices,
    }


def _case_facts(case: ScoredCase, folder: Path) -> dict[str, Any]:
    return {
        "id": case.id,
        "number": case.number,
        "status": case.status,
        "said": case.said,
        "subject": case.subject,
        "patient": case.patient.stated(),
        "further": dict(case.further),
        "scores": [
            [s.region, s.metric, with_null(s.value), str(s.presence)]
            for s in case.scores
        ],
        "unit": case.unit,
        **{name: _text(getattr(case, name), folder) for name in _FILES},
    }


_FILES = ("image", "labels", "prediction")


def _text(path: Path | None, folder: Path) -> str | None:
    """Return a path that means the same to whoever goes on, from wherever."""
    if path is None or path == Path():
        return None if path is None else str(path)
    whole, below = path.absolute(), folder.absolute()
    return str(whole.relative_to(below) if whole.is_relative_to(below) else whole)


def _read(line: Mapping[str, Any], folder: Path) -> BatchDone:
    return BatchDone(
        tuple(_case_of(facts, folder) for facts in line["cases"]),
        tuple(map(tuple, line["notes"])),
        tuple(map(tuple, line["understood"])),
        line["reading"],
        tuple(line["notices"]),
    )


def _case_of(facts: Mapping[str, Any], folder: Path) -> ScoredCase:
    scores = tuple(
        Score(region, metric, math.nan if value is None else value, Presence(presence))
        for region, metric, value, presence in facts["scores"]
    )
    files: dict[str, Any] = {
        name: None if facts[name] is None else folder / facts[name] for name in _FILES
    }
    patient = Patient.from_values(facts["patient"])
    plain = {name: facts[name] for name in _PLAIN}
    return ScoredCase(**plain, patient=patient, scores=scores, **files)


_PLAIN = ("id", "number", "status", "said", "subject", "further", "unit")


def inquiry_of(
    loaded: LoadedModel,
    rows: Sequence[CaseRow],
    settings: EvaluationSettings,
    ending: str = "",
) -> str:
    """Return the digest of what is evaluated: model, cases, settings, and how it ends.

    Files of cases go into it with their names, sizes and dates, so that none is read;
    images that are open already with their pixels.
    """
    card = loaded.card.model_dump_json()
    parts = (loaded.sha256, card, settings.model_dump_json(), ending)
    return _digest(parts, rows, ())


def inquiry_of_masks(
    rows: Sequence[CaseRow], masks: Sequence[Path | None], parts: Sequence[str]
) -> str:
    """Return the digest of masks that are scored: of cases and files, as above.

    The `parts` are what else decides the scores: classes, card and settings.
    """
    return _digest(("masks", *parts), rows, masks)


def _digest(
    parts: Sequence[str], rows: Sequence[CaseRow], masks: Sequence[Path | None]
) -> str:
    digest = hashlib.sha256()
    of_rows = (part for row in rows for part in _told(row))
    for part in (str(_VERSION), *parts, *of_rows, *_files_told(masks)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _told(row: CaseRow) -> Iterator[str]:
    yield row.id
    # Where an archive holds all of a case, its patient is not read for this.
    if row.labels is None or row.labels != row.image or row.image == Path():
        yield json.dumps(row.patient.stated())
    yield from _files_told(tuple(dict.fromkeys((row.image, row.labels))))
    if row.image == Path() and row.labels is None:
        try:
            case = row.read()
        except CohortError:  # neither a file nor open
            return
        for image in (case.image, case.labels):
            yield "" if image is None else f"{pixels_sha256(image.data)}"


def _files_told(paths: Sequence[Path | None]) -> Iterator[str]:
    for path in paths:
        if path is None or path == Path():
            yield ""
            continue
        yield path.name
        with suppress(OSError):
            found = path.stat()
            yield f"{found.st_size} {found.st_mtime_ns}"
