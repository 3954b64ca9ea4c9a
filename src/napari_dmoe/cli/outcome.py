"""What a command prints while it works, and how it ends."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from tqdm import tqdm

from napari_dmoe.cli.printing import encodable, say
from napari_dmoe.cli.signals import exit_code_of, unwound, word_of
from napari_dmoe.estimate import Estimate
from napari_dmoe.faults import told
from napari_dmoe.inference.running.waiting import watched
from napari_dmoe.progress import Cancelled, Progress, ProgressHook

FAULT = 1
"""Something went wrong that nobody foresaw."""
BAD_INPUT = 2
NOT_SAVED = 3
"""The work was done, or stopped, and its result could not be saved."""

_STEPS = 1000
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn whatever goes wrong into one line and an exit code, without traceback.

    What nobody foresaw is told without its words, which may be a patient's.
    """
    try:
        with unwound():
            yield
    except (KeyboardInterrupt, Cancelled):
        say(f"napari-dmoe: {word_of()}", err=True)
        raise typer.Exit(exit_code_of()) from None
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    # Nothing is chained: causes hold what the code had in its hands.
    except (ValueError, OSError, MemoryError) as error:
        say(f"napari-dmoe: {_in_words(error)}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except Exception as error:  # noqa: BLE001 - it is told, and ends the command
        say(f"napari-dmoe: {told(error)}", err=True)
        raise typer.Exit(FAULT) from None


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" for {error.filename}" if error.filename else ""
        return f"the disk has no room{where}: make room, or choose another folder"
    return told(error)


@contextmanager
def progress_bar() -> Iterator[ProgressHook]:
    """Show progress on the error stream, where that is a terminal."""
    shape = "{desc}{percentage:3.0f}%|{bar}|{postfix}"  # desc ends in a colon
    bar = tqdm(total=_STEPS, disable=None, leave=False, bar_format=shape)
    estimate = Estimate()
    with bar, watched() as waiting:

        def show(step: Progress) -> None:
            so_far = estimate.note(step)
            bar.n = round(_STEPS * so_far.fraction)
            bar.set_description(encodable(so_far.message), refresh=False)
            bar.set_postfix_str(so_far.left, refresh=False)
            bar.refresh()

        yield show
    if waiting.words:
        say(f"notice: {waiting.words}", err=True)
