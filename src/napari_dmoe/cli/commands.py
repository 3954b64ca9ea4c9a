"""All commands, put together."""

from __future__ import annotations

import typer

from napari_dmoe.cli.audit import audit
from napari_dmoe.cli.case import case
from napari_dmoe.cli.demo import demo
from napari_dmoe.cli.evaluate import evaluate
from napari_dmoe.cli.fine_tune import fine_tune
from napari_dmoe.cli.inspect import inspect
from napari_dmoe.cli.phantoms import phantoms
from napari_dmoe.cli.printing import say
from napari_dmoe.cli.replay import replay
from napari_dmoe.cli.report import report
from napari_dmoe.cli.segment import segment
from napari_dmoe.cli.sweep import sweep
from napari_dmoe.cli.train import train

app = typer.Typer(
    name="napari-dmoe",
    help="Attribute-gated medical image segmentation (dMoE). Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_FOR_EVERYBODY = demo, inspect, segment, sweep, replay, case
_FOR_COHORTS = evaluate, report, audit
_FOR_TRAINING = phantoms, train, fine_tune
for command in _FOR_EVERYBODY + _FOR_COHORTS + _FOR_TRAINING:
    app.command()(command)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Attribute-gated medical image segmentation (dMoE). Research use only."""
    if version:
        from napari_dmoe import __version__

        say(__version__)
        raise typer.Exit
