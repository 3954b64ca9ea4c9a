"""What can be audited: a model, or masks that any model made. Knows no Qt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.viewer.checkpoints import is_path
from napari_dmoe.viewer.session.models import bundled_origin, model_title, title_of

if TYPE_CHECKING:
    from napari_dmoe.viewer.fairness.cohort.reading import Reading
    from napari_dmoe.viewer.session.session import Session

LOADED = "\0loaded"
"""Key of the model that is loaded in the window."""
COLUMN = "\0column"
"""Key of the predictions that the cohort's table names."""

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_LONGEST = 60


class Sort(Enum):
    """What is audited."""

    MODEL = "model"
    PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Subject:
    """One thing that is audited."""

    sort: Sort
    key: str
    """A bundled model's name, a file's or folder's path, :data:`LOADED` or
    :data:`COLUMN`."""
    title: str
    """What a person calls it."""

    @property
    def folder(self) -> str:
        """Name of the folder for its files."""
        return folder_name(self.title)


def loaded_subject(session: Session) -> Subject | None:
    """Return the model that is loaded in the window; None without one."""
    if session.model is None:
        return None
    return Subject(Sort.MODEL, LOADED, model_title(session))


def model_subject(name: str, session: Session) -> Subject:
    """Return a bundled model, or a checkpoint by its path."""
    return Subject(Sort.MODEL, name, title_of(name, session.surroundings))


def predictions_subject(folder: str) -> Subject:
    """Return the masks of a folder."""
    return Subject(Sort.PREDICTIONS, folder, f"{Path(folder).name} (masks)")


COLUMN_SUBJECT = Subject(Sort.PREDICTIONS, COLUMN, "predictions of the table")


def proposed(reading: Reading | None, session: Session) -> list[Subject]:
    """Return what a cohort is most likely to be audited with.

    That is the masks that its table names; for phantoms the bundled model that was
    made for them; in the place of a bundled one that nobody chose, the one that was
    trained on such pictures; else the model that is loaded, or the first bundled one.
    """
    if reading is not None and reading.has_predictions:
        return [COLUMN_SUBJECT]
    bundled = [name for name in session.surroundings.models if not is_path(name)]
    kind = "" if reading is None else reading.wish.phantoms
    made_for = f"{kind}-phantom"
    loaded = loaded_subject(session)
    if kind and made_for in bundled and session.model_origin != made_for:
        return [model_subject(made_for, session)]
    suited = "" if reading is None else reading.suited
    is_free = bool(bundled_origin(session)) and not session.models_chosen.stays
    is_other = suited in bundled and suited != session.model_origin
    if is_other and (loaded is None or is_free):
        return [model_subject(suited, session)]
    if loaded is not None:
        return [loaded]
    return [model_subject(name, session) for name in bundled[:1]]


def why_not(reading: Reading | None, subjects: Sequence[Subject]) -> str:
    """Say why nothing can be run; nothing where it can."""
    if reading is None:
        return "Choose a cohort first."
    if reading.cohort is None or not reading.n:
        return "The cohort cannot be read: see above."
    if not subjects:
        return "Add a model, or a folder of masks."
    is_model = any(each.sort is Sort.MODEL for each in subjects)
    if is_model and not reading.n_images:
        return "The cohort has no images to run a model on: compare masks instead."
    needs_truth = any(each.sort is Sort.PREDICTIONS for each in subjects)
    if needs_truth and not reading.n_truths:
        return "The cohort has no truth that masks could be compared with."
    return ""


def folder_name(title: str) -> str:
    """Return a title as a folder may be called, on every system.

    Examples
    --------
    >>> folder_name("Fundus (phantom-trained), driven by severity")
    'Fundus-phantom-trained-driven-by-severity'
    """
    plain = _NOT_IN_NAMES.sub("-", title).strip("-.")
    return plain[:_LONGEST].rstrip("-.") or "audit"


def in_folders(subjects: Sequence[Subject], root: Path) -> list[tuple[Subject, Path]]:
    """Return each subject with a folder of its own."""
    taken: set[str] = set()
    found = []
    for subject in subjects:
        name, number = subject.folder, 1
        while name.casefold() in taken:
            number += 1
            name = f"{subject.folder}-{number}"
        taken.add(name.casefold())
        found.append((subject, root / name))
    return found
