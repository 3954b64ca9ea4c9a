"""Which image files of a folder are phantoms: a list of their hashes beside them.

Phantoms say so wherever their files lie below that list, under any name, and no other
picture that is put among them does. The list also says which labels and patients were
drawn with them: others make a phantom an altered one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from napari_dmoe.foreign import JSONError, read_json
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.patient import Patient, PatientError

DRAWN = "phantoms.json"
"""Name of the list, which stands in the folder of the images or the one above."""

_ALTERED = "others than were drawn"
"""In place of a hash, of labels that are no phantom's own."""

_logger = logging.getLogger(__name__)

Kind = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w-]+$")]


class Drawn(BaseModel, frozen=True, extra="forbid"):
    """The list: what was drawn, by the SHA-256 of image files."""

    schema_version: Literal[1] = 1
    images: Mapping[str, Kind] = {}
    """Kinds of phantom."""
    labels: Mapping[str, str] = {}
    """SHA-256 of the labels that were drawn with them."""
    patients: Mapping[str, Mapping[str, str | float]] = {}
    """What is known of the patients that were drawn with them."""


@dataclass(frozen=True)
class DrawnFiles:
    """The files of a phantom, and whom it shows."""

    image: Path
    labels: Path | None
    kind: str
    patient: Patient
    is_altered: bool = False
    """Whether labels or patient are others than were drawn."""


def phantom_kind(image: Path) -> str | None:
    """Return what kind of phantom an image file is; None where no list names it.

    Examples
    --------
    >>> phantom_kind(Path("photograph.png")) is None
    True
    """
    return as_drawn(image, None, Patient())[0]


def as_drawn(
    image: Path, labels: Path | None, patient: Patient
) -> tuple[str | None, bool]:
    """Return what kind of phantom an image file is, and whether it was altered since.

    It was where its labels are another file's, or where the patient has another value
    than was drawn. A value that is not stated, or was not drawn, alters nothing.
    """
    for folder in (image.parent, image.parent.parent):
        drawn = _listed(folder / DRAWN)
        if not drawn.images:
            continue
        key = file_sha256(image)
        if key in drawn.images:
            is_altered = _is_altered(drawn, key, labels, patient)
            return drawn.images[key], is_altered
    return None, False


def _is_altered(drawn: Drawn, key: str, labels: Path | None, patient: Patient) -> bool:
    """Say whether labels or patient are others than a list says of an image."""
    wanted = drawn.labels.get(key)
    if labels and wanted and file_sha256(labels) != wanted:
        return True
    try:
        own = Patient.from_values(drawn.patients.get(key, {})).known()
    except PatientError:
        return True
    stated = patient.known()
    return any(f"{stated[name]}" != f"{own[name]}" for name in own.keys() & stated)


def write_drawn(folder: Path, files: Sequence[DrawnFiles]) -> None:
    """State in a folder which of its image files are phantoms, and what was drawn."""
    images: dict[str, str] = {}
    labels: dict[str, str] = {}
    patients: dict[str, dict[str, str | float]] = {}
    for each in files:
        key = file_sha256(each.image)
        images[key], patients[key] = each.kind, each.patient.known()
        if each.labels is not None:
            labels[key] = _ALTERED if each.is_altered else file_sha256(each.labels)
    drawn = Drawn(images=images, labels=labels, patients=patients)
    write_text(folder / DRAWN, drawn.model_dump_json(indent=1) + "\n")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(path: Path) -> Drawn:
    """Return what a list says; nothing where there is none that can be read."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return Drawn()
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int, _size: int) -> Drawn:
    """Read a list once for all of its images, and again where it was changed."""
    try:
        return Drawn.model_validate(read_json(path))
    except (OSError, ValueError, JSONError, ValidationError):
        _logger.warning(
            "%s beside the images is no list of phantoms: none of them is taken for "
            "one",
            path.name,
        )
        return Drawn()
