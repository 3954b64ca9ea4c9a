"""``napari-dmoe evaluate``: a model, or masks of any origin, scored on a cohort."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dmoe.cli import options
from napari_dmoe.cli.outcome import BAD_INPUT, clear_errors, progress_bar
from napari_dmoe.cli.printing import say_above_bar
from napari_dmoe.cli.summing_up import tell_evaluated

if TYPE_CHECKING:
    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.evaluation.evaluating.scored import Evaluated
    from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
    from napari_dmoe.progress import ProgressHook

Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        "-c",
        help="The model: a .pth, .pt or .safetensors file, or a bundled name.",
    ),
]
Predictions = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        metavar="FOLDER",
        help="Masks of any model instead of one that is run: called like the cases. "
        "Without this and a checkpoint, the table's column prediction.",
    ),
]


def evaluate(
    cohort: options.Cohort,
    output: options.Output,
    checkpoint: Checkpoint = None,
    card: options.Card = None,
    predictions: Predictions = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Of --predictions: what labels 0, 1, ... are, such as "
            "background,lesion.",
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(help="auto, fairseg, ham10000, or folder: a folder with a table."),
    ] = "auto",
    list_file: Annotated[
        str | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="Which list of names (fairseg) or split (ham10000) tells the cases.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="fairseg-test|ham-test",
            help="As the published test script does: its layout, list, convention and "
            "result files.",
        ),
    ] = None,
    column: options.Column = None,
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of whom or what an image is of; one called subject, patient "
            "or lesion_id is found by itself.",
        ),
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(help="How empty masks are scored: default, or reference."),
    ] = None,
    scored_at: Annotated[
        str | None,
        typer.Option(help="source: the image's pixels; network: the network's."),
    ] = None,
    nsd_mm: Annotated[
        float | None,
        typer.Option(
            "--nsd-mm",
            help="Tolerance of the NSD in mm; five sides of a pixel by default.",
        ),
    ] = None,
    unknown: Annotated[
        str | None,
        typer.Option(help="Unknown drivers: mix their values, or refuse the case."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Images that are run at a time.")
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks/--no-masks", help="Keep the masks in OUTPUT/masks.")
    ] = True,
    skip_problems: Annotated[
        bool,
        typer.Option(
            "--skip-problems", help="Leave rows with problems out, and say which."
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Also where the output holds the whole evaluation already: show it. "
            "One that was killed is gone on with in any case.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew, whatever OUTPUT holds.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.")
    ] = False,
) -> None:
    """Score a model, or masks of any origin, on every case of a cohort.

    Writes cases.csv, one row a case and class, evaluation.json and the masks. A run
    that was killed goes on where it was. Unknown values that drive the model are mixed.
    Research use only.
    """
    given = {
        "convention": convention,
        "scored_at": scored_at,
        "nsd_mm": nsd_mm,
        "unknown": unknown,
        "device": device,
        "batch": batch,
        "keep_masks": masks,
    }
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings

        stated = {name: value for name, value in given.items() if value is not None}
        if checkpoint is not None and predictions is not None:
            raise ValueError(
                "--checkpoint runs a model and --predictions takes masks that are "
                "there: give one of them"
            )
        how = _How(
            EvaluationSettings(**stated),
            card,
            _names(classes),
            skip_problems=skip_problems,
            resume=resume,
            overwrite=overwrite,
        )
        where = {
            "layout": layout,
            "list_file": list_file,
            "subject": subject,
            "columns": options.columns_of(column),
        }
        if preset is not None:
            if checkpoint is None:
                raise ValueError("a preset runs a model: name it with --checkpoint")
            what = (preset, cohort, checkpoint)
            found = _of_preset(*what, output, where, how, stated, progress)
        elif checkpoint is not None:
            found = _of_model(cohort, checkpoint, output, where, how, progress)
        else:
            found = _of_masks(cohort, predictions, output, where, how, progress)
    tell_evaluated(found, output, how.told, as_json=as_json)
    if any(case.status == "failed" for case in found):
        raise typer.Exit(BAD_INPUT)


class _How:
    """How a cohort is evaluated, whatever with."""

    def __init__(
        self,
        settings: EvaluationSettings,
        card: str | None,
        classes: tuple[str, ...] | None,
        *,
        skip_problems: bool,
        resume: bool,
        overwrite: bool,
    ) -> None:
        self.settings, self.card, self.classes = settings, card, classes
        self.skip_problems = skip_problems
        self.resume, self.overwrite = resume, overwrite
        self.told: Collection[str] = ()
        """What was said of the cohort before it was evaluated."""


def _names(classes: str | None) -> tuple[str, ...] | None:
    return None if classes is None else tuple(c.strip() for c in classes.split(","))


def _of_model(
    path: Path,
    checkpoint: str,
    output: Path,
    where: dict[str, Any],
    how: _How,
    progress: ProgressHook,
) -> Evaluated:
    from napari_dmoe.cohorts.layouts.opening import open_cohort
    from napari_dmoe.evaluation.evaluating.evaluate import evaluate
    from napari_dmoe.models.checkpoint import load_checkpoint

    if how.classes is not None:
        raise ValueError("--classes is for --predictions: a model's card states them")
    loaded = load_checkpoint(checkpoint, how.card)
    drivers = [each.name for each in loaded.card.attributes]
    cohort = _checked(open_cohort(path, drivers=drivers, **where), output, how)
    return evaluate(
        loaded,
        cohort,
        output,
        settings=how.settings,
        progress=progress,
        keep_whole=how.resume,
        overwrite=how.overwrite,
    )


def _of_preset(
    name: str,
    path: Path,
    checkpoint: str,
    output: Path,
    where: dict[str, Any],
    how: _How,
    stated: dict[str, Any],
    progress: ProgressHook,
) -> Evaluated:
    from napari_dmoe.cohorts.layouts.opening import open_cohort
    from napari_dmoe.evaluation.evaluating import presets

    preset = presets.preset_called(name)
    settings = preset.settings(**stated)
    loaded, attribute, notices = presets.load_for(preset, checkpoint, how.card)
    for notice in notices:
        say_above_bar(f"notice: {notice}")
    where["layout"] = preset.layout
    where["list_file"] = where["list_file"] or preset.list_file
    cohort = _checked(open_cohort(path, **where), output, how)
    how.told = (*how.told, *notices)
    return presets.evaluate_preset(
        preset,
        loaded,
        attribute,
        cohort,
        output,
        settings=settings,
        notices=notices,
        progress=progress,
        keep_whole=how.resume,
        overwrite=how.overwrite,
    )


def _of_masks(
    path: Path,
    predictions: Path | None,
    output: Path,
    where: dict[str, Any],
    how: _How,
    progress: ProgressHook,
) -> Evaluated:
    from napari_dmoe.cohorts.layouts.opening import open_cohort
    from napari_dmoe.evaluation.evaluating.predictions import evaluate_predictions
    from napari_dmoe.inference.running.suited import suited_to_files
    from napari_dmoe.models.card_files import read_card

    card = None if how.card is None else read_card(how.card)
    cohort = _checked(open_cohort(path, needs_image=False, **where), output, how)
    if predictions is None and not any(row.prediction for row in cohort.rows):
        suited = suited_to_files([row.image for row in cohort.rows])
        such = f", such as {suited}, trained on pictures like these," if suited else ","
        raise ValueError(
            f"there is nothing to evaluate: give a model by --checkpoint{such} or "
            "masks by --predictions or a column prediction"
        )
    return evaluate_predictions(
        cohort,
        predictions,
        output,
        classes=how.classes,
        card=card,
        settings=how.settings,
        progress=progress,
        keep_whole=how.resume,
        overwrite=how.overwrite,
    )


def _checked(cohort: Cohort, output: Path, how: _How) -> Cohort:
    """Return a cohort without problems, its notices said."""
    from napari_dmoe.cohorts.layouts.checking import checked as look_at
    from napari_dmoe.cohorts.layouts.fairseg import LAYOUT as FAIRSEG
    from napari_dmoe.cohorts.problems import lines_told
    from napari_dmoe.evaluation.evaluating.validating import checked

    looked = cohort
    if cohort.layout == FAIRSEG:  # others were looked at as they were opened
        with progress_bar() as looking:
            looked = look_at(cohort, progress=looking)
    for line in lines_told(looked.problems):
        say_above_bar(f"problem: {line}")
    found = checked(looked, output, skip_problems=how.skip_problems)
    for notice in found.notices:
        say_above_bar(f"notice: {notice}")
    how.told = found.notices
    return found
