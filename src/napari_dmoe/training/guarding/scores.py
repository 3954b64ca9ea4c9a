"""The Dice of cases on their own pixels, with the groups that they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.labels import OUTSIDE, check_classes, placed_labels
from napari_dmoe.cohorts.tables.subjects import subject_key
from napari_dmoe.evaluation.groups.membership import groups_of
from napari_dmoe.evaluation.scoring.json_scores import with_nan, with_null
from napari_dmoe.evaluation.scoring.mask_pair import Presence, regions_of
from napari_dmoe.evaluation.scoring.metrics import measure_case
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.inference.results.routing import NO_ROUTING
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.naming import as_known
from napari_dmoe.progress import Progress, ProgressHook, part_of, silent
from napari_dmoe.training.cases.annotation import IGNORED

_NOT_IN_TRUTH = (Presence.ONLY_PREDICTION, Presence.NEITHER)


@dataclass(frozen=True)
class CaseScore:
    """What one case scored.

    Parameters
    ----------
    id : str
        The case.
    groups : tuple of str
        ``"severity=healthy"``: one for each attribute that is known.
    dice : mapping of str to float
        By region; NaN where neither mask has it.
    absent : tuple of str
        Regions that the truth lacks.
    subject : int, optional
        What cases of one patient share among those that were measured together; None
        where nobody says whose they are.
    """

    id: str
    groups: tuple[str, ...]
    dice: Mapping[str, float]
    absent: tuple[str, ...] = ()
    subject: int | None = None


def score_cases(
    loaded: LoadedModel,
    cases: Sequence[Case],
    *,
    attributes: Sequence[CardAttribute],
    device: str = "cpu",
    what: str = "measuring cases",
    progress: ProgressHook = silent,
) -> tuple[CaseScore, ...]:
    """Segment labelled cases as a person would, and compare on their own pixels.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    cases : sequence of Case
        With labels; pixels of the label 255 are not annotated and do not count.
    attributes : sequence of CardAttribute
        What makes up groups. A value that the model or one of them does not know
        counts as unknown.
    device : str
        Where to run.
    what : str
        What `progress` says.
    progress : callable
        Told before every case, and while one is segmented. May raise ``Cancelled``.

    Raises
    ------
    CohortError
        For labels that do not fit their image, or that the card has no class for.
    """
    settings, scores = InferenceSettings(device=device), []
    subjects: dict[str | None, int] = {}
    for number, case in enumerate(cases):
        said = f"{what}: {number + 1} of {len(cases)}"
        part = part_of(progress, number, len(cases))

        def beat(at: Progress, said: str = said, part: ProgressHook = part) -> None:
            part(Progress(at.done, at.total, said))

        beat(Progress(0, 1))
        patient = as_known(case.patient, loaded.card.attributes)
        found = segment(
            loaded,
            case.image,
            patient,
            settings=settings,
            progress=beat,
            routing=NO_ROUTING,
        )
        truth = placed_labels(case, found.axes)
        left_out = (truth == IGNORED) | (truth == OUTSIDE)
        check_classes(truth[~left_out], len(loaded.card.classes), case=case.id)
        measured = measure_case(
            np.where(left_out, 0, found.labels),
            np.where(left_out, 0, truth),
            regions_of(loaded.card.classes),
            metrics=("dice",),
        )
        dice = {score.region: score.value for score in measured}
        groups = groups_of([as_known(case.patient, attributes)], attributes)
        absent = tuple(s.region for s in measured if s.presence in _NOT_IN_TRUTH)
        key = subject_key(case.subject)
        subject = subjects.setdefault(key, len(subjects))
        whose = None if key is None else subject
        scores.append(CaseScore(case.id, groups.of_case(0), dice, absent, whose))
    progress(Progress(len(cases), max(1, len(cases)), what))
    return tuple(scores)


BEFORE_FILE = "before.json"
_VERSION = 3
"""Of that file. Another version's scores are measured anew."""


@dataclass(frozen=True)
class Scores:
    """What the cases and the guard scored, and the digest of the latter's cases."""

    cases: tuple[CaseScore, ...]
    guard: tuple[CaseScore, ...]
    of: str = ""


def remember(folder: Path | None, scores: Scores) -> None:
    """Write scores into a folder, where there is one; null where there is no number."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"schema_version": _VERSION, **asdict(scores)}
        write_text(folder / BEFORE_FILE, json.dumps(with_null(facts)))


def remembered(folder: Path | None, is_wanted: bool) -> Scores | None:
    """Return what the model scored before it was stopped; None to measure anew."""
    if folder is None or not is_wanted or not (folder / BEFORE_FILE).is_file():
        return None
    facts = json.loads((folder / BEFORE_FILE).read_text(encoding="utf-8"))
    if facts.get("schema_version") != _VERSION:
        return None
    cases, guard = (tuple(map(score_of, facts[k])) for k in ("cases", "guard"))
    return Scores(cases, guard, facts["of"])


def score_of(facts: Mapping[str, Any]) -> CaseScore:
    """Rebuild what a case scored from JSON, with null where there is no number."""
    return CaseScore(
        facts["id"],
        tuple(facts["groups"]),
        with_nan(facts["dice"]),
        tuple(facts["absent"]),
        facts["subject"],
    )
