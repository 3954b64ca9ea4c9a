"""All commands, put together."""

from __future__ import annotations

import typer

from napari_dmoe.cli.audit import audit
from napari_dmoe.cli.case import case
from napari_dmoe.cli.demo import demo
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
_FOR_EVERYBODY = demo, inspect, segment, sweep, replay, case, report
