"""What corrected cases and a guard score, measured as one and kept for a resume."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.atomic import write_text
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.training.tuning.scores import CaseScore, score_cases

BEFORE_FILE = "before.json"


@dataclass(frozen=True)
class Scores:
    """What the cases and the guard scored."""

    cases: tuple[CaseScore, ...]
    guard: tuple[CaseScore, ...]


def score_both(
    loaded: LoadedModel,
    *,
    cases: Sequence[Case],
    guard: Sequence[Case],
    by: Sequence[CardAttribute],
    device: str,
    progress: ProgressHook,
) -> Scores:
    """Measure the cases and the guard, counted through as one."""
    total = len(cases) + len(guard)
    rows = []
    for what, part, first in (
        ("the corrected cases", cases, 0),
        ("the guard", guard, len(cases)),
    ):

        def told(at: Progress, first: int = first) -> None:
            progress(Progress(first + at.done, total, at.message))

        rows.append(
            score_cases(
                loaded,
                part,
                attributes=by,
                device=device,
                what=f"measuring {what}",
                progress=told,
            )
        )
    return Scores(*rows)


def remember(folder: Path | None, scores: Scores) -> None:
    """Write scores into a folder, where there is one."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            name: [score.facts() for score in getattr(scores, name)]
            for name in ("cases", "guard")
        }
        write_text(folder / BEFORE_FILE, json.dumps(facts))


def remembered(folder: Path | None, is_wanted: bool) -> Scores | None:
    """Return what the model scored before it was stopped; None to measure anew."""
    if folder is None or not is_wanted or not (folder / BEFORE_FILE).is_file():
        return None
    facts = json.loads((folder / BEFORE_FILE).read_text(encoding="utf-8"))
    parts = (tuple(map(CaseScore.from_facts, facts[k])) for k in ("cases", "guard"))
    return Scores(*parts)
