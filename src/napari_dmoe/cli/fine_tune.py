"""``napari-dmoe fine-tune``: train an existing model further, and what that changed."""

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
    guard: Annotated[
        str | None,
        typer.Option(
            metavar="COHORT",
            help="Labelled cases that nothing is trained on, measured before and "
            "after: without any it is not checked whether a group got worse. For a "
            "model of phantoms also phantoms, or phantoms:60.",
        ),
    ] = None,
    guard_column: Annotated[
        list[str] | None,
        typer.Option(
            "--guard-column",
            metavar="NAME=MEANING",
            help="What a column of the guard's table means, as --column, which holds "
            "for both tables where both have it.",
        ),
    ] = None,
    card: Annotated[
        str | None, typer.Option(help="Card of a checkpoint that has none.")
    ] = None,
    new_value: Annotated[
        str | None,
        typer.Option(
            metavar="ATTRIBUTE=VALUE",
            help="A value to learn, of which the cohort needs cases; its router alone, "
            "unless --train says otherwise.",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            help="With --new-value: the value whose router it begins as, or nearest; "
            "the mean of all by default."
        ),
    ] = None,
    new_attribute: Annotated[
        str | None,
        typer.Option(
            metavar="ATTRIBUTE=VALUE,VALUE,...",
            help="An attribute that is to drive the model too: a column of the cohort, "
            "with cases of each value.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print model, held-out Dice, report and notices as JSON."
        ),
    ] = False,
    *,
    run: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    """Train a model further on a cohort, all of it or parts."""
    task: dict[str, Any] = {"cohort": cohort, "output": output, "card": card}
    task |= {"new_value": new_value, "like": like, "new_attribute": new_attribute}
    task |= {"guard": guard, "kind": "fine-tune", "start": checkpoint}
    task |= {"guard_column": guard_column}
    run_training(changes, as_json=as_json, **run, **task)
