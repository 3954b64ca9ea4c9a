"""The checkpoint that a record names, among those at hand, and what was opened last.

What looks into checkpoints loads torch when it is called.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_config_path

from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.progress import Progress, ProgressHook

if TYPE_CHECKING:
    from napari_dmoe.inference.results.provenance import Provenance
    from napari_dmoe.models.checkpoint import LoadedModel


def find_model(
    record: Provenance, names: Sequence[str], progress: ProgressHook
) -> LoadedModel | None:
    """Load the checkpoint with the record's SHA-256; None where there is none.

    Bundled names and paths are looked at, and the progress is told before each; it may
    raise ``Cancelled``. A file of another name counts, one of other content does not.
    Where the file brings another card than the record's, a published card of that name
    is laid over it.
    """
    from napari_dmoe.models.checkpoint import bundled_names

    bundled = bundled_names()
    wanted = record.model.sha256
    # The name that the record gives is the likeliest, and bundled files are small.
    ordered = sorted(names, key=lambda name: Path(name).stem not in record.model.file)
    for number, name in enumerate(ordered if wanted else ()):
        progress(Progress(number, len(ordered), f"looking at {Path(name).name}"))
        if name in bundled or _has_hash(Path(name), wanted):
            loaded = _loaded(name, record)
            if loaded.sha256 == wanted:
                return loaded
    return None


def _has_hash(path: Path, wanted: str) -> bool:
    from napari_dmoe.models.weights import file_sha256

    try:
        return file_sha256(path) == wanted
    except OSError:
        return False  # removed or not readable: it is not at hand


def _loaded(name: str, record: Provenance) -> LoadedModel:
    from napari_dmoe.models.card_files import card_names
    from napari_dmoe.models.checkpoint import load_checkpoint

    loaded = load_checkpoint(name)
    card = record.model.card
    if loaded.sha256 == record.model.sha256 and loaded.card.name != card:
        return load_checkpoint(name, card) if card in card_names() else loaded
    return loaded


CHECKPOINT_SUFFIXES = (".safetensors", ".pth", ".pt")
"""Endings of the files that are taken for checkpoints."""

TUNED = "-tuned"
"""What the name of a tuned model's card ends in, as in
:mod:`napari_dmoe.training.guarding.guard`, which needs torch."""

GENERIC_CARD = "generic"
"""Name of the card of a file that has none."""


def is_path(name: str) -> bool:
    """Say whether a model is named by its file, and not as a bundled one."""
    return Path(name).suffix in CHECKPOINT_SUFFIXES


MOST = 8
"""Paths that are kept."""

_FILES = {"models": "recent.json", "cohorts": "recent-cohorts.json"}
"""Where the paths of each kind are kept."""


def recent_models() -> tuple[str, ...]:
    """Return the paths of the checkpoints that were opened last and still exist."""
    return tuple(path for path in _listed("models") if Path(path).is_file())


def remember_model(path: str) -> None:
    """Put a checkpoint at the head of the list; a list that cannot be kept is none."""
    _remember("models", path)


def recent_cohorts() -> tuple[str, ...]:
    """Return the paths of the cohorts that were read last and still exist."""
    return tuple(path for path in _listed("cohorts") if Path(path).exists())


def remember_cohort(path: str) -> None:
    """Put a cohort's table or folder at the head of the list, as for checkpoints."""
    _remember("cohorts", path)


def _remember(kind: str, path: str) -> None:
    absolute = str(Path(path).absolute())
    paths = [absolute, *(each for each in _listed(kind) if each != absolute)]
    file = _file(kind)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({kind: paths[:MOST]}, indent=2) + "\n")
    except OSError:
        return  # a read-only home: it is opened all the same


def _file(kind: str) -> Path:
    return Path(user_config_path("napari-dmoe", appauthor=False)) / _FILES[kind]


def _listed(kind: str) -> list[str]:
    try:
        stated = json.loads(_file(kind).read_text(encoding="utf-8"))[kind]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    paths = stated if isinstance(stated, list) else []
    return [path for path in paths if isinstance(path, str)][:MOST]
