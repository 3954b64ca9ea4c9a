"""``napari-dmoe segment``: an image, a folder or a cohort, without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dmoe.cli import mask_format, options
from napari_dmoe.cli.outcome import BAD_INPUT, clear_errors, progress_bar
from napari_dmoe.cli.printing import say, say_above_bar, say_failed
from napari_dmoe.cli.straight import (
    at_level,
    is_file,
    refuse_for_files,
    segment_straight,
)
from napari_dmoe.inference.running.settings import InferenceSettings

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.segmenting import Done


@options.with_settings(InferenceSettings)
@options.with_patient
def segment(
    source: Annotated[
        Path, typer.Argument(metavar="IMAGE|FOLDER|COHORT.csv", help="What to segment.")
    ],
    output: options.OutputOrFile,
    checkpoint: options.CheckpointOrHint = None,
    card: options.Card = None,
    *,
    stated: dict[str, Any],
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Any further attribute of the card: body_site=back, bmi=31.",
        ),
    ] = None,
    column: options.Column = None,
    unlisted: Annotated[
        bool,
        typer.Option(
            "--unlisted",
            help="Of a table: also segment the images beside those of its rows that "
            "have no row, as unknown patients.",
        ),
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="FILE|FOLDER",
            help="Masks to compare with: of the image, or called like the images.",
        ),
    ] = None,
    routing: Annotated[
        bool, typer.Option("--routing", help="Also write the gates of every block.")
    ] = False,
    level: Annotated[
        int | None,
        typer.Option(
            "--level",
            min=0,
            help="Of an OME-Zarr image: which of its levels, from 0, the finest, which "
            "is meant by default.",
        ),
    ] = None,
    entropy: Annotated[
        bool,
        typer.Option(
            "--entropy",
            help="Of one volume's mask: also write how undecided the model is between "
            "the classes.",
        ),
    ] = False,
    file_format: mask_format.Format = "auto",
    series: mask_format.Series = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Keep masks that an earlier run made of the same images with the same "
            "model, patients and settings, and those corrected by hand; do the others. "
            "Of one volume's mask: go on where it was interrupted.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
    settings: InferenceSettings,
) -> None:
    """Segment for a patient; what is not given of the patient is unknown.

    In a cohort each row brings its own patient; columns that are not used are named:
    inspect shows what a table is read as. Writes the labels of each image (TIFF,
    or NIfTI for volumes), their record as JSON, and a table of sizes, segment.csv; with
    Dice where a truth is given by --truth or the cohort's labels.
    Results of an earlier run of the same images are replaced, and no other file.
    A volume of any size may go to the file of its mask, slab by slab.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.cohorts.series import segmenting
        from napari_dmoe.cohorts.series.done import dice_summary
        from napari_dmoe.cohorts.series.listing import entries_of
        from napari_dmoe.cohorts.series.truths import with_truth
        from napari_dmoe.models.checkpoint import load_checkpoint
        from napari_dmoe.models.naming import refuse_unheard_of

        if level is not None:
            source = at_level(source, level)
        patient = options.patient_of(stated, attribute)
        columns = options.columns_of(column)
        named = options.checkpoint_of(
            checkpoint,
            lambda: (e.path for e in entries_of(source, patient, columns=columns)),
        )
        loaded = load_checkpoint(named, card)
        drivers = [each.name for each in loaded.card.attributes]
        refuse_unheard_of(patient, drivers)
        if is_file(output):
            of_many: dict[str, object] = {"--truth": truth, "--unlisted": unlisted}
            of_many |= {"--column": column, "--series": series}
            of_many |= {"--format": file_format != "auto"}
            refuse_for_files(output, of_many)
            segment_straight(
                loaded,
                source,
                output,
                patient,
                settings=settings,
                progress=progress,
                resume=resume,
                overwrite=overwrite,
                entropy=entropy,
                routing=routing,
            )
            return
        if entropy:
            raise ValueError(
                "--entropy needs the mask of one volume as --output: NAME.ome.zarr or "
                "NAME.tif"
            )
        entries = entries_of(
            source,
            patient,
            drivers=drivers,
            columns=columns,
            with_unlisted=unlisted,
        )
        if truth is not None:
            entries = with_truth(entries, truth)
        for notice in entries.notices:
            say_above_bar(f"notice: {notice}")
        file_type = mask_format.chosen_format(file_format)
        mask_format.refuse_no_series(file_type, series, [each.path for each in entries])
        how = segmenting.SeriesOptions(
            settings,
            routing,
            file_type,
            dicom_series=series,
            resume=resume,
            overwrite=overwrite,
        )
        for notice in segmenting.notices_before(loaded, entries, how):
            say_above_bar(f"notice: {notice}")
        done = segmenting.segment_series(
            loaded,
            entries,
            output,
            options=how,
            progress=progress,
            tell=_tell,
        )
        for notice in done.notices:
            say_above_bar(f"notice: {notice}")
        _tell_kept(done)
        summary = dice_summary(each.row() for each in done)
    failed = [each for each in done if each.error is not None]
    if failed:
        say_failed(failed, is_all=len(failed) == len(done))
    if summary:
        say(summary)
    if failed:
        raise typer.Exit(BAD_INPUT)


def _tell(done: Done) -> None:
    if done.labels is not None and not done.is_kept:
        found = [f"{s.name} Dice {s.dice:.3f}" for s in done.scores if s.n_truth]
        said = "; ".join((done.headline, *found, done.outcome))
        say(f"{done.labels}: {said}")


def _tell_kept(done: Sequence[Done]) -> None:
    n_corrected = sum(each.status == "corrected" for each in done)
    n_kept = sum(each.is_kept for each in done)
    if n_kept:
        by_hand = f", {n_corrected} of them corrected by hand" if n_corrected else ""
        said = "masks were there already, and are kept"
        say(f"{n_kept} of {len(done)} {said}{by_hand}")
