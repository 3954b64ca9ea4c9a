"""The checkpoints that were opened last, kept between sessions as a list of paths."""

from __future__ import annotations

import json
from pathlib import Path

from platformdirs import user_config_path

from napari_dmoe.imaging.atomic import write_text

MOST = 8
"""Paths that are kept."""


def recent_models() -> tuple[str, ...]:
    """Return the paths of the checkpoints that were opened last and still exist."""
    return tuple(path for path in _listed() if Path(path).is_file())


def remember_model(path: str) -> None:
    """Put a checkpoint at the head of the list; a list that cannot be kept is none."""
    absolute = str(Path(path).absolute())
    paths = [absolute, *(each for each in _listed() if each != absolute)]
    file = _file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"models": paths[:MOST]}, indent=2) + "\n")
    except OSError:
        return  # a read-only home: the model is loaded all the same


def _file() -> Path:
    return Path(user_config_path("napari-dmoe", appauthor=False)) / "recent.json"


def _listed() -> list[str]:
    try:
        stated = json.loads(_file().read_text(encoding="utf-8"))["models"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    paths = stated if isinstance(stated, list) else []
    return [path for path in paths if isinstance(path, str)][:MOST]
