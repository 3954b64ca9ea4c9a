"""``napari-dmoe phantoms`` and ``napari-dmoe train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_dmoe.cli.outcome import clear_errors, progress_bar


def phantoms(
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder to write into.")
    ],
    kind: Annotated[
        str,
        typer.Option("--kind", help="fundus, fundus-race, skin or pelvis."),
    ] = "fundus",
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="How many cases.")
    ] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed.")] = 0,
) -> None:
    """Draw a synthetic cohort: images, labels and cohort.csv with the patients."""
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.cohorts.phantoms import KINDS
        from napari_dmoe.cohorts.writing import write_cohort

        if kind not in KINDS:
            raise ValueError(f"there is no kind {kind!r}: use {', '.join(KINDS)}")
        table = write_cohort(
            output,
            KINDS[kind].cohort(number, seed=seed),
            total=number,
            notice=KINDS[kind].notice,
            progress=progress,
        )
    typer.echo(f"{number} {kind} phantoms: {table}")
    typer.echo(KINDS[kind].notice)


def train(
    cohort: Annotated[
        Path, typer.Argument(help="Folder with cohort.csv, or such a table.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .safetensors file to write.")
    ],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            help="fundus-phantom, fundus-race-phantom, skin-phantom or pelvis-phantom.",
        ),
    ] = "fundus-phantom",
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Instead of the recipe's.")
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="cpu, cuda, mps or auto.")
    ] = "cpu",
) -> None:
    """Train a new model from nothing on a cohort, as a recipe says."""
    with clear_errors(), progress_bar() as progress:
        from dataclasses import replace

        from napari_dmoe.cohorts.datasets import read_cohort
        from napari_dmoe.inference.devices import choose_device
        from napari_dmoe.models.saving import save_checkpoint
        from napari_dmoe.training.new_model import train_new
        from napari_dmoe.training.recipes import RECIPES

        if recipe not in RECIPES:
            raise ValueError(f"there is no recipe {recipe!r}: use {', '.join(RECIPES)}")
        if output.suffix != ".safetensors":
            raise ValueError(f"{output.name}: give a name that ends in .safetensors")
        chosen = RECIPES[recipe]
        changes = {"epochs": epochs, "seed": seed}
        settings = chosen.settings.model_copy(
            update={
                "device": str(choose_device(device).device),
                **{name: value for name, value in changes.items() if value is not None},
            }
        )
        cases = read_cohort(cohort)
        output.parent.mkdir(parents=True, exist_ok=True)
        fitted = train_new(replace(chosen, settings=settings), cases, progress=progress)
        sha256 = save_checkpoint(output, fitted.loaded)
    dice = ", ".join(f"{k} {v:.3f}" for k, v in fitted.history[-1].dice.items())
    typer.echo(f"{output}: held-out Dice {dice or 'not measured'}")
    typer.echo(f"SHA-256 {sha256}")
