"""``napari-dmoe audit``: what every value of a driver would give every case."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli import options
from napari_dmoe.cli.outcome import BAD_INPUT, clear_errors, progress_bar
from napari_dmoe.cli.printing import MOST_LINES, say, say_above_bar, say_json
from napari_dmoe.evaluation.counterfactual.settings import AuditSettings

if TYPE_CHECKING:
    from napari_dmoe.evaluation.counterfactual.audited import Audited


@options.with_settings(AuditSettings)
def audit(
    cohort: options.Cohort,
    output: options.Output,
    checkpoint: options.CheckpointOrHint = None,
    card: options.Card = None,
    *,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            metavar="NAME",
            help="What shall vary: a driver of the model; all of them by default, each "
            "with the others kept.",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="NAME[:EDGES]",
            help="Also group the cases by this; a number by bands: age:60,70. By "
            "default by whatever the cohort records.",
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option("--layout", help="auto, fairseg, ham10000 or folder."),
    ] = "auto",
    list_file: Annotated[
        Path | None,
        typer.Option("--list", metavar="FILE", help="The list of the cases to audit."),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject", metavar="COLUMN", help="Column of whom an image is of."
        ),
    ] = None,
    column: options.Column = None,
    skip_problems: Annotated[
        bool,
        typer.Option(
            "--skip-problems", help="Leave out rows that cannot be used, and say so."
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with an audit that was not finished."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier audit.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print audit.json instead of sentences.")
    ] = False,
    settings: AuditSettings,
) -> None:
    """Run every value of an attribute for every case, and tell what that changes.

    Needs no truth: how often and how much the masks depend on the attribute, by group,
    and how the experts share the work. Where the cohort has labels: whether the right
    value helps, and whom. Writes audit.csv, audit.json, atlas.csv,
    atlas_divergence.csv and atlas.png. It shows how the model behaves, not biology.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.cohorts.layouts.opening import open_cohort
        from napari_dmoe.cohorts.problems import lines_told
        from napari_dmoe.evaluation.counterfactual.audit import audit as run
        from napari_dmoe.evaluation.evaluating.validating import checked
        from napari_dmoe.evaluation.groups.groupings import parse_by
        from napari_dmoe.models.checkpoint import load_checkpoint

        groups = dict(map(parse_by, by)) if by else None
        opening = partial(
            open_cohort,
            cohort,
            layout=layout,
            list_file=list_file,
            subject=subject,
            columns=options.columns_of(column),
        )
        named = options.checkpoint_of(
            checkpoint, lambda: (row.image for row in opening().rows)
        )
        loaded = load_checkpoint(named, card)
        opened = opening(drivers=[each.name for each in loaded.card.attributes])
        for line in lines_told(opened.problems):
            say_above_bar(f"problem: {line}")
        opened = checked(opened, output, skip_problems=skip_problems)
        for notice in opened.notices:
            say_above_bar(f"notice: {notice}")
        found = run(
            loaded,
            opened,
            output,
            attributes=attribute,
            by=groups,
            settings=settings,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
            tell=lambda notice: say_above_bar(f"notice: {notice}"),
        )
    _tell(found, output, as_json=as_json)


def _tell(found: Audited, output: Path, *, as_json: bool) -> None:
    from napari_dmoe.evaluation.counterfactual.audit_files import (
        FILES,
        audit_summary,
    )

    failed = [case for case in found if case.status == "failed"]
    if as_json:
        say_json(audit_summary(output) or {})
    else:
        for sentence in found.sentences:
            say(sentence)
        for name in FILES:
            say(output / name)
    for case in failed[:MOST_LINES]:
        say(f"napari-dmoe: {case.id} was not audited: {case.said}", err=True)
    if len(failed) > MOST_LINES:
        say(f"napari-dmoe: and {len(failed) - MOST_LINES:,} further cases", err=True)
    if failed:
        raise typer.Exit(BAD_INPUT)
