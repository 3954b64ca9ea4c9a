"""``napari-dmoe report``: what groups of patients got, as a page, a table and JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from napari_dmoe.cli import options
from napari_dmoe.cli.outcome import clear_errors, progress_bar
from napari_dmoe.cli.printing import say, say_json

_BETWEEN = re.compile(r",(?=\s*[^\s\d.+-])")
"""Commas between names; those before numbers stand between the edges of bands."""


def report(
    evaluated: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER|CSV...",
            help="What was evaluated, one or several models: folders of evaluate or "
            "their cases.csv, segment.csv with Dice, or published result files. Files "
            "of one folder are one model.",
        ),
    ],
    output: options.Output,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="NAME[,NAME]",
            help="Attributes and columns to group by, the main one first; a number "
            "with its bands: age:60,70. All that are recorded by default.",
        ),
    ] = None,
    cross: Annotated[
        list[str] | None,
        typer.Option(
            "--cross", metavar="NAME,NAME", help="Attributes to group by together."
        ),
    ] = None,
    card: Annotated[
        str | None,
        typer.Option(
            "--card",
            help="Names the categories of published result files: a name such as "
            "fairseg-race, or a JSON file.",
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the page.")] = "",
    convention: Annotated[
        str,
        typer.Option(
            "--convention",
            help="How intervals are found: default, or reference as in the published "
            "tables.",
        ),
    ] = "default",
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the intervals.")
    ] = 0,
    identifiers: Annotated[
        bool,
        typer.Option(
            "--identifiers", help="Call cases as the cohort does, not by number."
        ),
    ] = False,
    small_cells: Annotated[
        bool,
        typer.Option("--small-cells", help="Show groups of fewer than 5 cases, too."),
    ] = False,
    pictures: Annotated[
        bool,
        typer.Option("--pictures/--no-pictures", help="Pictures of the worst cases."),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print report.json instead of sentences.")
    ] = False,
) -> None:
    """Write report.html, report.csv and report.json of evaluated cohorts.

    Dice and equity-scaled scores with intervals, by every recorded attribute, beside
    the published figures; worst cases, comparisons, methods and caveats. Cases are
    called by number, and groups of fewer than 5 are hidden, unless asked otherwise.
    Research use only.
    """
    with clear_errors(), progress_bar() as progress:
        from pydantic import ValidationError

        from napari_dmoe.evaluation.groups.groupings import parse_by
        from napari_dmoe.evaluation.reporting.options import ReportOptions
        from napari_dmoe.evaluation.reporting.report import write_report
        from napari_dmoe.foreign import read_json
        from napari_dmoe.models.card_files import read_card
        from napari_dmoe.validation import said

        parsed = [parse_by(name) for text in by or () for name in _names(text)]
        try:
            how = ReportOptions.model_validate(
                {
                    "title": title,
                    "by": [name for name, _ in parsed] or None,
                    "bands": {name: edges for name, edges in parsed if edges},
                    "crossed": [_names(text) for text in cross or ()],
                    "convention": convention,
                    "seed": seed,
                    "identifiers": identifiers,
                    "small_cells": small_cells,
                    "pictures": pictures,
                }
            )
        except ValidationError as error:
            raise ValueError(f"an option cannot be used: {said(error)}") from None
        files = write_report(
            evaluated,
            output,
            options=how,
            card=read_card(card) if card else None,
            progress=progress,
        )
        told = read_json(files.json) if as_json else {}
    for notice in files.notices:
        say(f"notice: {notice}", err=True)
    if as_json:
        say_json(told)
        return
    for line in files.headlines:
        say(line)
    for path in (files.html, files.csv, files.json):
        say(path)


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in _BETWEEN.split(text) if name.strip()]
