"""How commands print: nothing that a terminal or a pipe does stops the work.

What cannot be shown is shown escaped, and what nobody reads any more is not said.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from tqdm import tqdm

from napari_dmoe.foreign import printable

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.segmenting import Done

MOST_LINES = 20
"""Lines that are printed of what went wrong; the table has all of it."""


def encodable(text: str, encoding: str | None = None) -> str:
    r"""Return text in one line that neither a terminal obeys nor an encoding lacks.

    What the encoding cannot express is written as Python escapes it. The encoding is
    UTF-8 where none is stated.

    Examples
    --------
    >>> print(encodable("é.png", "ascii"))
    \xe9.png
    """
    encoding = encoding or "utf-8"
    shown = printable(text, longest=None)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def say(text: object, *, err: bool = False) -> None:
    """Print one line, whatever is in it."""
    stream = sys.stderr if err else sys.stdout
    typer.echo(encodable(str(text), getattr(stream, "encoding", None)), err=err)


def say_json(facts: Mapping[str, Any]) -> None:
    """Print a document of JSON."""
    for line in json.dumps(facts, indent=2).splitlines():
        say(line)


def say_above_bar(text: str) -> None:
    """Print one line on the error stream while a progress bar stands there."""
    stream = sys.stderr
    tqdm.write(encodable(text, getattr(stream, "encoding", None)), file=stream)


def say_failed(failed: Sequence[Done], *, is_all: bool) -> None:
    """Say of images what went wrong, each reason once and in no endless list.

    One that `is_all` there was needs no name.
    """
    from napari_dmoe.cohorts.tables.refusals import RowError, told_once

    if is_all and len(failed) == 1:
        say(f"napari-dmoe: {failed[0].outcome}", err=True)
        return
    of_rows = [each.error for each in failed if isinstance(each.error, RowError)]
    lines = [f"{of_rows[0].table}, {line}" for line in told_once(of_rows)]
    by_reason: dict[str, list[Done]] = {}
    for each in failed:
        if not isinstance(each.error, RowError):
            reason = each.outcome.removeprefix(each.file)  # alike but for the name
            by_reason.setdefault(reason, []).append(each)
    for alike in by_reason.values():
        first, n = alike[0], len(alike) - 1
        row = f"row {first.number}, " if first.number else ""
        further = f" and {n:,} further image{'s' * (n > 1)}" if n else ""
        lines.append(f"{row}{first.name}{further}: {first.outcome}")
    for line in lines[:MOST_LINES]:
        say(f"napari-dmoe: {line}", err=True)
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES
        say(f"napari-dmoe: and {rest:,} further errors: see segment.csv", err=True)


class _Lasting(io.FileIO):
    """An output to which writing never fails, though what nobody reads may be lost."""

    def write(self, data: Any, /) -> int:
        """Write, and go on where the other end of a pipe, or the disk, is gone."""
        try:
            return super().write(data) or 0
        except OSError:
            return len(memoryview(data).cast("B"))


def keep_streams() -> None:
    """Make standard output and error such that no work stops because of them.

    Streams that are closed are opened again onto nothing: else the next file that is
    opened would take their place, and what is printed would land in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
        if number:
            setattr(sys, name, _lasting(number, getattr(sys, name)))


def _lasting(number: int, stream: Any) -> Any:
    """Return a stream onto the same output that does not fail; others as they are."""
    if stream is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        return _text(_Lasting(nowhere, "w"), "utf-8", is_at_once=False)
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    # Consoles of Windows have streams of their own, and so have tests.
    if type(raw) is not io.FileIO or raw.fileno() != number:
        return stream
    stream.flush()
    is_at_once = stream.line_buffering or stream.write_through
    raw = _Lasting(number, "w", closefd=False)
    return _text(raw, stream.encoding, is_at_once=is_at_once)


def _text(raw: io.FileIO, encoding: str, *, is_at_once: bool) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=is_at_once,
    )
