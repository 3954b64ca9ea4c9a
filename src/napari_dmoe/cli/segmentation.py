"""``napari-dmoe segment``: an image, a folder or a cohort, without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli.options import (
    Age,
    Card,
    Checkpoint,
    Format,
    Further,
    Output,
    Race,
    Severity,
    Sex,
    chosen_format,
    patient_of,
    with_settings,
)
from napari_dmoe.cli.outcome import BAD_INPUT, clear_errors, progress_bar
from napari_dmoe.inference.running.settings import InferenceSettings

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series import Done


@with_settings(InferenceSettings)
def segment(
    source: Annotated[
        Path, typer.Argument(metavar="IMAGE|FOLDER|COHORT.csv", help="What to segment.")
    ],
    checkpoint: Checkpoint,
    output: Output,
    card: Card = None,
    sex: Sex = None,
    race: Race = None,
    age: Age = None,
    severity: Severity = None,
    attribute: Further = None,
    routing: Annotated[
        bool, typer.Option("--routing", help="Also write the gates of every block.")
    ] = False,
    file_format: Format = "auto",
    *,
    settings: InferenceSettings,
) -> None:
    """Segment for a patient; what is not given of the patient is unknown.

    In a cohort each row brings its own patient. Writes the labels of each image (TIFF,
    or NIfTI for volumes), their record as JSON, and a table of sizes, segment.csv.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.cohorts.series import (
            SeriesOptions,
            entries_of,
            segment_series,
        )
        from napari_dmoe.models.checkpoint import load_checkpoint

        patient = patient_of(
            sex=sex, race=race, age=age, severity=severity, further=attribute
        )
        entries = entries_of(source, patient)
        loaded = load_checkpoint(checkpoint, card)
        done = segment_series(
            loaded,
            entries,
            output,
            options=SeriesOptions(settings, routing, chosen_format(file_format)),
            progress=progress,
            tell=_tell,
        )
        if len(done) == 1 and done[0].error is not None:
            raise done[0].error
    for each in done:
        if each.error is not None:
            typer.echo(f"napari-dmoe: {each.name}: {each.outcome}", err=True)
    if any(each.error is not None for each in done):
        raise typer.Exit(BAD_INPUT)


def _tell(done: Done) -> None:
    if done.labels is not None:
        typer.echo(f"{done.labels}: {done.outcome}")
