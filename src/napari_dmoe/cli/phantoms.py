"""``napari-dmoe phantoms``: synthetic cohorts to train on and to try things out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_dmoe.cli.outcome import clear_errors, progress_bar
from napari_dmoe.cli.printing import say


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
    layout: Annotated[
        str,
        typer.Option(
            "--layout",
            help="folder: images, labels and cohort.csv; fairseg (fundi) or ham10000 "
            "(skin): as these are published, with lists for training and tests.",
        ),
    ] = "folder",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed.")] = 0,
) -> None:
    """Draw a synthetic cohort: images, labels and a table with the patients."""
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.phantoms.kinds import KINDS
        from napari_dmoe.phantoms.layouts import write_phantoms

        if kind not in KINDS:
            raise ValueError(f"there is no kind {kind!r}: use {', '.join(KINDS)}")
        table = write_phantoms(
            output, kind, number, layout=layout, seed=seed, progress=progress
        )
    say(f"{number} {kind} phantoms: {table}")
    say(KINDS[kind].notice)
