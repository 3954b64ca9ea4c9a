"""What a command prints while it works, and how it ends."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from tqdm import tqdm

from napari_dmoe.cli.printing import encodable, say
from napari_dmoe.cli.signals import exit_code_of, unwound, word_of
from napari_dmoe.progress import Cancelled, Progress, ProgressHook
from napari_dmoe.validation import said

BAD_INPUT = 2
NOT_SAVED = 3
"""The work was done, or stopped, and its result could not be saved."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn what a user can cause into one line and an exit code, without traceback."""
    try:
        with unwound():
            yield
    except (KeyboardInterrupt, Cancelled):
        say(f"napari-dmoe: {word_of()}", err=True)
        raise typer.Exit(exit_code_of()) from None
    except ValidationError as error:  # of a description that nobody has put in words
        say(f"napari-dmoe: {said(error)}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    # Every error of ours is a ValueError that says what is wrong and what to do.
    except (ValueError, OSError, MemoryError) as error:
        say(f"napari-dmoe: {_in_words(error)}", err=True)
        raise typer.Exit(BAD_INPUT) from error


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" for {error.filename}" if error.filename else ""
        return f"the disk has no room{where}: make room, or choose another folder"
    return " ".join(str(error).split())


@contextmanager
def progress_bar() -> Iterator[ProgressHook]:
    """Show progress on the error stream, where that is a terminal."""
    with tqdm(disable=None, leave=False) as bar:

        def show(step: Progress) -> None:
            bar.total, bar.n = step.total, step.done
            bar.set_description(encodable(step.message), refresh=False)
            bar.refresh()

        yield show
