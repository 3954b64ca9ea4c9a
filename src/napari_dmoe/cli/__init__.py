"""The command line: ``napari-dmoe``, or ``python -m napari_dmoe.cli``.

Exit codes: 0 done, 2 bad arguments or input (one clear line), 3 the result could not be
saved, 130 interrupted, 143 terminated; and 1 from ``replay`` where it gave another
mask, and from any where something went wrong that nobody foresaw. Importing this loads
no command: how it ends is settled first.
"""

from __future__ import annotations

import sys

from napari_dmoe.cli.signals import end_if_signalled, end_on_signals

TYPE_CHECKING = False  # as in `typing`, which takes long to import

if TYPE_CHECKING:
    from typing import Any

    from napari_dmoe.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    end_on_signals()
    from napari_dmoe.cli.printing import keep_streams

    keep_streams()
    from napari_dmoe.cli.printing import say
    from napari_dmoe.faults import tell_uncaught, told

    def tell(words: str) -> None:
        say(f"napari-dmoe: {words}", err=True)

    tell_uncaught(tell)
    try:
        from napari_dmoe.cli.commands import app

        app()
    except SystemExit as ended:
        end_if_signalled(ended.code)
        raise
    except Exception as error:  # noqa: BLE001 - typer would print what it holds
        tell(told(error))
        sys.exit(1)


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from napari_dmoe.cli.commands import app

    return app
