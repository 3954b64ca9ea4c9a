"""Children served in this process, whose input stays open as a parent's would."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import BaseModel

from napari_dmoe.training.child.process import EVENTS, TASK
from napari_dmoe.training.child.serving import Work, serve


def served(
    work: Work, folder: Path, task: BaseModel | str, *lines: str
) -> tuple[int, list[dict]]:
    """Serve a task here; return the exit status and the events."""
    text = task if isinstance(task, str) else task.model_dump_json()
    (folder / TASK).write_text(text)
    reading, writing = os.pipe()
    with os.fdopen(reading) as commands, os.fdopen(writing, "w") as said:
        said.writelines(f"{line}\n" for line in lines)
        said.flush()
        status = serve(work, folder, commands)
    events = folder / EVENTS
    read = events.read_text().splitlines() if events.exists() else []
    return status, [json.loads(line) for line in read]


def kinds(said: list) -> list[str]:
    """Return which events there were, each once."""
    return list(dict.fromkeys(event["event"] for event in said))
