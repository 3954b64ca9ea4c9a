"""``napari-dmoe train`` and ``napari-dmoe fine-tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from napari_dmoe.cli.options import with_changes
from napari_dmoe.cli.outcome import INTERRUPTED, clear_errors, progress_bar
from napari_dmoe.training.settings import TrainSettings

if TYPE_CHECKING:
    from napari_dmoe.training.loop.history import Epoch

_GRACE = 1.0
"""Seconds in which torchrun has passed an interrupt on to everybody."""

Cohort = Annotated[
    Path, typer.Argument(help="Folder with cohort.csv, or such a table.")
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write into; or the model's .safetensors file, beside which a "
        "folder ending in .training holds the rest.",
    ),
]
Mode = Annotated[
    str,
    typer.Option("--mode", help="dmoe, or a baseline: single-router or no-moe."),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="Settings to begin with: adamw, published."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="JSON file of settings; options given here go before it."
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what the output holds.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what the output holds.")
]


@with_changes(TrainSettings)
def train(
    cohort: Cohort,
    output: Output,
    changes: dict[str, Any],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="fundus-phantom (the default), fundus-race-phantom, skin-phantom, "
            "pelvis-phantom, or a JSON file.",
        ),
    ] = None,
    card: Annotated[
        str | None,
        typer.Option(
            "--card",
            help="Card, instead of a recipe, to train the published network for: a "
            "name such as fairseg-race, or a JSON file.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--start", help="ImageNet weights to start from: ViT-B_16.npz."),
    ] = None,
    mode: Mode = "dmoe",
    preset: Preset = None,
    config: Config = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a new model on a cohort, from nothing or from ImageNet."""
    _run(
        changes,
        config,
        kind="train",
        cohort=cohort,
        output=output,
        recipe=recipe,
        card=card,
        start=start,
        mode=mode,
        preset=preset,
        resume=resume,
        overwrite=overwrite,
    )


@with_changes(TrainSettings)
def fine_tune(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="A checkpoint file or bundled name.")
    ],
    cohort: Cohort,
    output: Output,
    changes: dict[str, Any],
    card: Annotated[
        str | None,
        typer.Option("--card", help="Card of a checkpoint that has none."),
    ] = None,
    new_value: Annotated[
        str | None,
        typer.Option(
            "--new-value",
            metavar="ATTRIBUTE=VALUE",
            help="A value to learn; its router alone, unless --train says otherwise.",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            help="Value whose router the new one begins as; nearest = the one that "
            "fits its cases best; the mean of all by default.",
        ),
    ] = None,
    new_attribute: Annotated[
        str | None,
        typer.Option(
            "--new-attribute",
            metavar="ATTRIBUTE=VALUE,VALUE,...",
            help="An attribute that is to drive the model too.",
        ),
    ] = None,
    mode: Mode = "dmoe",
    preset: Preset = None,
    config: Config = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a model further on a cohort, all of it or parts."""
    _run(
        changes,
        config,
        kind="fine-tune",
        cohort=cohort,
        output=output,
        start=checkpoint,
        card=card,
        new_value=new_value,
        like=like,
        new_attribute=new_attribute,
        mode=mode,
        preset=preset,
        resume=resume,
        overwrite=overwrite,
    )


def _run(changes: dict[str, Any], config: Path | None, **stated: Any) -> None:
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.progress import Cancelled, silent
        from napari_dmoe.training.child.stopping import stop_on_signals
        from napari_dmoe.training.loop.teams import joined
        from napari_dmoe.training.tasks.task import (
            TrainingTask,
            read_settings,
            run_task,
        )

        settings = {} if config is None else read_settings(config)
        named = settings.pop("preset", None)
        if stated["preset"] is None:
            stated["preset"] = named
        task = TrainingTask(settings={**settings, **changes}, **stated)
        with (
            joined() as team,
            stop_on_signals(grace=0 if team.is_alone else _GRACE) as stop,
        ):
            hook = stop.obeyed_by(progress if team.is_first else silent)
            told = _tell if team.is_first else None
            try:
                outcome = run_task(task, progress=hook, on_epoch=told)
            except Cancelled:
                if team.is_first:
                    typer.echo("napari-dmoe: stopped; go on with --resume", err=True)
                raise typer.Exit(INTERRUPTED) from None
    if not team.is_first:
        return
    fitted = outcome.fitted
    for notice in fitted.notices:
        typer.echo(f"notice: {notice}", err=True)
    kept = fitted.kept
    dice = ", ".join(f"{k} {v:.3f}" for k, v in kept.dice.items()) if kept else ""
    what = "slices" if fitted.held_out == "slices" else "held-out"
    typer.echo(f"{outcome.path}: {what} Dice {dice or 'not measured'}")
    typer.echo(f"SHA-256 {outcome.sha256}")


def _tell(epoch: Epoch) -> None:
    worst = "" if epoch.worst is None else f", worst group {epoch.worst:.3f}"
    line = f"epoch {epoch.number + 1}: loss {epoch.loss:.4f}{worst}"
    tqdm.write(line, file=typer.get_text_stream("stderr"))
