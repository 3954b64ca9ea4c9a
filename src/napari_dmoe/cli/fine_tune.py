"""``napari-dmoe fine-tune``: train an existing model further."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from napari_dmoe.cli import options
from napari_dmoe.cli.train import run_training
from napari_dmoe.training.settings import TrainSettings


@options.with_changes(TrainSettings)
@options.with_run
def fine_tune(
    checkpoint: options.BundledOrFile,
    cohort: options.Cohort,
    output: options.ModelOutput,
    card: Annotated[
        str | None, typer.Option(help="Card of a checkpoint that has none.")
    ] = None,
    new_value: Annotated[
        str | None,
        typer.Option(
            metavar="ATTRIBUTE=VALUE",
            help="A value to learn; its router alone, unless --train says otherwise.",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            help="Value whose router the new one begins as; nearest = the one that "
            "fits its cases best; the mean of all by default."
        ),
    ] = None,
    new_attribute: Annotated[
        str | None,
        typer.Option(
            metavar="ATTRIBUTE=VALUE,VALUE,...",
            help="An attribute that is to drive the model too.",
        ),
    ] = None,
    *,
    run: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    """Train a model further on a cohort, all of it or parts."""
    new = {"new_value": new_value, "like": like, "new_attribute": new_attribute}
    task = {"kind": "fine-tune", "cohort": cohort, "output": output, "card": card}
    run_training(changes, **run, **task, **new, start=checkpoint)
