"""A fine-tuning that a guard watches: measured before, measured after, and told.

Beside the files of :mod:`napari_dmoe.training.loop.folder` there are then:

``before.json``
    What the model scored before, so that a training that goes on is compared with it.
``guard.json``, ``guard.csv``
    The report, for programs and for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from napari_dmoe.evaluation.scoring.json_scores import with_null
from napari_dmoe.foreign import JSONError, read_json
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Phases
from napari_dmoe.purpose import reason
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.guarding.at_work import Guarding
from napari_dmoe.training.guarding.changes import Change
from napari_dmoe.training.guarding.report import TuningReport
from napari_dmoe.training.guarding.scores import BEFORE_FILE, CaseScore, score_of
from napari_dmoe.training.loop.folder import RECORD, RunFolder
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.loop.saving import NotSaved
from napari_dmoe.training.pacing import AFTER, BEFORE
from napari_dmoe.training.tasks.chosen import Notices

REPORT, TABLE = "guard.json", "guard.csv"
GUARD_FILES = (BEFORE_FILE, REPORT, TABLE)

CANNOT_TELL = "this guard cannot tell whether a group gets worse"

OTHER_GUARD = "the guard is not that of the beginning: it was measured anew"

_VERSION = 1

Scores = tuple[CaseScore, ...]


class GuardedFolder(RunFolder):
    """The folder of a training, with what its guard scored before.

    It is written when the training begins, and not earlier: a mistake costs no file.
    See :class:`~napari_dmoe.training.loop.folder.RunFolder` for the other parameters;
    `notices` are told then, too.
    """

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool = False,
        task: str = "",
        notices: Notices | None = None,
    ) -> None:
        super().__init__(path, overwrite=overwrite, task=task)
        self.notices = Notices() if notices is None else notices
        self.before = ""
        """Those scores as JSON; none where it is empty."""

    def begin(
        self,
        *,
        resume: bool,
        held_out: Sequence[Mapping[str, str]] = (),
        columns: Sequence[str] = (),
    ) -> None:
        """Take the place of what lies here, and note what the guard scored."""
        if self.overwrite and not resume:
            for name in GUARD_FILES:
                (self.path / name).unlink(missing_ok=True)
        super().begin(resume=resume, held_out=held_out, columns=columns)
        if self.before:
            write_text(self.path / BEFORE_FILE, self.before)
        self.notices.tell()


@dataclass(frozen=True)
class Watch:
    """A guard on duty, from before a training until after it.

    Parameters
    ----------
    guarding : Guarding
        The guard, looked at.
    parent : LoadedModel
        The model before, with the routers that are new to it.
    before : tuple of CaseScore
        What it scored.
    device : str
        Where to run.
    phases : Phases
        Told of every case. May raise ``Cancelled``.
    notices : tuple of str
        What a person should know of the comparison.
    """

    guarding: Guarding
    parent: LoadedModel
    before: Scores
    device: str
    phases: Phases
    notices: tuple[str, ...] = ()

    @classmethod
    def begun(
        cls,
        guarding: Guarding,
        parent: LoadedModel,
        folder: GuardedFolder,
        *,
        resume: bool,
        device: str,
        phases: Phases,
    ) -> Watch:
        """Measure the model as it is, or take what it scored when it was stopped.

        Raises
        ------
        TrainingError
            When that has to be measured anew, and the model is not that one any more.
        """
        device = str(choose_device(device).device)
        cases = guarding.digest()
        noted = _noted(folder.path) if resume else {}
        if noted.get("cases") == cases:
            before = tuple(map(score_of, noted["scores"]))
            return cls(guarding, parent, before, device, phases)
        if resume and len(guarding.cases):
            _refuse_another_start(folder, parent)
        anew = (OTHER_GUARD,) if noted else ()
        for notice in anew:
            folder.notices.note(notice)
        if len(guarding.cases):  # which takes a while
            folder.notices.tell()
        before = guarding.score(parent, device=device, progress=phases.of(BEFORE))
        facts = {"schema_version": _VERSION, "cases": cases}
        scores = [asdict(score) for score in before]
        if before:
            folder.before = json.dumps(with_null({**facts, "scores": scores}))
        for why in guarding.report(before, before).reasons if before else ():
            folder.notices.note(f"{CANNOT_TELL}: {why}")
        return cls(guarding, parent, before, device, phases, anew)

    def report(self, fitted: Fitted, folder: Path) -> TuningReport:
        """Measure what came of it, and write what a guard told into the folder.

        Raises
        ------
        NotSaved
            When it cannot be written: the training itself is saved.
        """
        after = self.guarding.score(
            fitted.loaded, device=self.device, progress=self.phases.of(AFTER)
        )
        found = self.guarding.report(self.before, after)
        report = replace(
            found,
            n_cases=fitted.n_cases,
            parent=self.parent.sha256 or found.parent,
            notices=(*found.notices, *self.notices),
        )
        if self.guarding.guard.kind == "none":
            return report
        try:
            write_text(folder / REPORT, report.to_json() + "\n")
            write_table(folder / TABLE, [*map(_row, report.guard)], _COLUMNS)
        except OSError as error:
            why = error.strerror or reason(error)
            raise NotSaved(
                f"the training is over and saved in {folder}, but what the guard tells "
                f"cannot be saved: {why}. Make room, and resume it"
            ) from error
        return report


def _refuse_another_start(folder: RunFolder, parent: LoadedModel) -> None:
    try:
        stated = read_json(folder.path / RECORD).get("started_from")
    except (OSError, JSONError, AttributeError):
        stated = None
    if stated and parent.sha256 and stated != parent.sha256:
        raise TrainingError(
            "the checkpoint is not the one that this training started from, so that "
            "the guard cannot be measured as it was before: name that one, or train "
            "anew in another folder"
        )


def _noted(folder: Path) -> Mapping[str, Any]:
    """Return what was noted when the training began; nothing where that is damaged."""
    try:
        facts = read_json(folder / BEFORE_FILE)
        if facts["schema_version"] == _VERSION:
            _ = [*map(score_of, facts["scores"])]
            return dict(facts)
    except (OSError, JSONError, KeyError, TypeError, ValueError, AttributeError):
        pass
    return {}


_COLUMNS = ("group", "class", "n", "before", "after", "change", "low", "high")


def _row(change: Change) -> dict[str, str | float]:
    numbers = {
        "before": change.before,
        "after": change.after,
        "change": change.gain,
        "low": change.low,
        "high": change.high,
    }
    shown = {k: "" if math.isnan(v) else f"{v:.4f}" for k, v in numbers.items()}
    return {
        "group": change.group,
        "class": change.region,
        "n": str(change.n_compared),
        **shown,
    }
