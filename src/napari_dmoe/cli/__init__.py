"""The command line: ``napari-dmoe``, or ``python -m napari_dmoe.cli``.

Exit codes: 0 done, 2 bad arguments or input (one clear line), 130 interrupted; and 1
from ``replay`` where it gave another mask.
"""

from __future__ import annotations

import typer

from napari_dmoe.cli.demonstrate import demo
from napari_dmoe.cli.inspection import inspect
from napari_dmoe.cli.phantoms import phantoms
from napari_dmoe.cli.replaying import case, replay
from napari_dmoe.cli.segmentation import segment
from napari_dmoe.cli.training import fine_tune, train
from napari_dmoe.cli.what_if import sweep

__all__ = ["app", "main"]

app = typer.Typer(
    name="napari-dmoe",
    help="Attribute-gated medical image segmentation (dMoE). Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    *(demo, inspect, segment, sweep, replay, case),
    *(phantoms, train, fine_tune),
):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Attribute-gated medical image segmentation (dMoE). Research use only."""
    if version:
        from napari_dmoe import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    app()
