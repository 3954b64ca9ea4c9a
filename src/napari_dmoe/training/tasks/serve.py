"""A training in a process of its own, so that its memory comes back and Stop works.

The two processes talk in lines of JSON. The first line that the child reads is a
:class:`TrainingTask`; ``{"stop": true}`` later, or the end of its input, stops it, and
so does SIGTERM: it saves, and says so. What it writes are events, each an object with
``event``:

``start``
    The task was understood: ``folder``, ``model``.
``progress``
    ``done``, ``total``, ``message``; at most ten a second.
``epoch``
    An epoch is over: the fields of :class:`napari_dmoe.training.loop.history.Epoch`.
``done``
    ``model``, ``sha256``, ``best_epoch``, ``held_out``, ``notices``.
``stopped``
    It was stopped and can be resumed.
``error``
    ``message``, for a person; ``kind``, the name of the error.

``python -m napari_dmoe.training.tasks.serve`` is the child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import IO, Any

from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.child.stopping import Stop, stop_on_signals
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.tasks.task import Outcome, TrainingTask, run_task

Event = Mapping[str, Any]
Tell = Callable[..., None]

LAST_EVENTS = frozenset({"done", "stopped", "error"})

_SECONDS_BETWEEN = 0.1
"""Between two events of progress, which nobody could read any faster."""


class TrainingProcess:
    """A training that runs in a process of its own.

    Parameters
    ----------
    task : TrainingTask
        What to train.

    Examples
    --------
    >>> job = TrainingProcess(task)  # doctest: +SKIP
    >>> for event in job.events():  # doctest: +SKIP
    ...     print(event["event"])
    """

    def __init__(self, task: TrainingTask) -> None:
        # Closed when the events end: it lives as long as the process.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "napari_dmoe.training.tasks.serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
        )
        self._write(task.model_dump_json())

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    def events(self) -> Iterator[Event]:
        """Yield its events until it ends; the last is one of :data:`LAST_EVENTS`.

        A process that dies without one gives an ``error`` with the last line that it
        said.
        """
        ended = False
        for line in self._process.stdout or ():
            event = json.loads(line)
            ended = ended or event["event"] in LAST_EVENTS
            yield event
        code = self._process.wait()
        if not ended:
            yield {
                "event": "error",
                "kind": "ProcessEnded",
                "message": f"the training process ended with code {code}"
                f"{self._last_words()}. What was saved can be resumed",
            }
        self._close()

    def stop(self) -> None:
        """Ask it to stop at its next step and to save."""
        self._write(json.dumps({"stop": True}))

    def kill(self) -> None:
        """End it at once, without saving."""
        self._process.kill()
        self._process.wait()

    def _write(self, line: str) -> None:
        stream = self._process.stdin
        with suppress(BrokenPipeError):  # it has ended already: its events say how
            if stream is not None and not stream.closed:
                stream.write(line + "\n")
                stream.flush()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None and not stream.closed:
                with suppress(BrokenPipeError):  # a last message, no longer read
                    stream.close()


def serve(commands: IO[str], events: IO[str]) -> int:
    """Run the task that the first line states; return the process's exit code.

    Parameters
    ----------
    commands : text stream
        Lines to read.
    events : text stream
        Lines to write.
    """
    lock = threading.Lock()

    def tell(event: str, **facts: Any) -> None:
        with lock:
            events.write(json.dumps({"event": event, **facts}) + "\n")
            events.flush()

    try:
        task = TrainingTask.model_validate_json(commands.readline())
        tell("start", folder=str(task.folder), model=str(task.model_path))
        with stop_on_signals() as stop:
            listener = threading.Thread(
                target=_listen, args=(commands, stop), daemon=True
            )
            listener.start()
            outcome = run_task(
                task,
                progress=stop.obeyed_by(_sparse(tell)),
                on_epoch=lambda epoch: _tell_epoch(tell, epoch),
            )
    except (Cancelled, KeyboardInterrupt):
        tell("stopped")
        return 130
    # Whatever went wrong, the other process has to be told, and by a sentence.
    except Exception as error:  # noqa: BLE001
        message = " ".join(str(error).split()) or "no reason was given"
        tell("error", message=message, kind=type(error).__name__)
        return 2
    _tell_outcome(tell, outcome)
    return 0


def _listen(commands: IO[str], stop: Stop) -> None:
    """Wait for a line that says stop, or for the end of the other process."""
    for line in commands:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict) and message.get("stop"):
            break
    stop.ask()


def _sparse(tell: Tell) -> Callable[[Progress], None]:
    """Return a hook that tells of progress, but not more often than can be read."""
    told_at = -_SECONDS_BETWEEN

    def hook(step: Progress) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= _SECONDS_BETWEEN or step.done == step.total:
            told_at = now
            tell("progress", done=step.done, total=step.total, message=step.message)

    return hook


def _tell_epoch(tell: Tell, epoch: Epoch) -> None:
    tell("epoch", **epoch.facts())


def _tell_outcome(tell: Tell, outcome: Outcome) -> None:
    fitted = outcome.fitted
    tell(
        "done",
        model=str(outcome.path),
        sha256=outcome.sha256,
        best_epoch=fitted.best_epoch,
        held_out=fitted.held_out,
        notices=list(fitted.notices),
    )


def main() -> None:
    """Be the child: talk over the standard streams, which nobody else may write to."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.exit(serve(sys.stdin, events))


if __name__ == "__main__":
    main()
