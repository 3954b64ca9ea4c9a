"""A new Python that takes no module from the working folder.

Whoever unpacks a study and starts napari there would else run a ``torch.py`` that lies
in it. Knows nothing of what the new Python is for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import napari_dmoe

_OUR_PLACE = Path(napari_dmoe.__file__).parents[1]


def python_command(*arguments: str) -> list[str]:
    """Return the command of a new Python of this environment.

    ``-P`` leaves out the working folder, which ``-m`` and ``-c`` would look in first.
    """
    return [sys.executable, "-P", *arguments]


def python_environment(stated: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a new Python, and of those that it starts itself.

    ``PYTHONPATH`` loses what stands for the working folder: empty entries, which a
    colon too many makes, above all. A folder that this package runs from stays.
    """
    found = dict(os.environ if stated is None else stated)
    found["PYTHONSAFEPATH"] = "1"
    if "PYTHONPATH" in found:
        entries = found["PYTHONPATH"].split(os.pathsep)
        kept = [str(Path(e).absolute()) for e in entries if not _is_working_folder(e)]
        found["PYTHONPATH"] = os.pathsep.join(kept)
        if not kept:
            del found["PYTHONPATH"]
    return found


def _is_working_folder(entry: str) -> bool:
    place = Path(entry).resolve()  # of nothing, too: it stands for that folder
    return place == Path.cwd().resolve() and place != _OUR_PLACE.resolve()
