"""``napari-dmoe sweep``: what each value of an attribute would have given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_dmoe.cli import mask_format, options
from napari_dmoe.cli.outcome import clear_errors, progress_bar
from napari_dmoe.cli.printing import say, say_above_bar
from napari_dmoe.cli.straight import with_facts
from napari_dmoe.inference.running.settings import InferenceSettings


@options.with_settings(InferenceSettings)
@options.with_patient
def sweep(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image.")],
    output: options.Output,
    swept: Annotated[
        str,
        typer.Option(
            "--attribute",
            metavar="NAME[=VALUE]",
            help="What shall vary: a driver of the model. VALUE is the patient's own.",
        ),
    ],
    second: Annotated[
        str | None,
        typer.Option(
            "--attribute2", metavar="NAME[=VALUE]", help="A second one, for all pairs."
        ),
    ] = None,
    checkpoint: options.CheckpointOrHint = None,
    card: options.Card = None,
    *,
    stated: dict[str, Any],
    further: Annotated[
        list[str] | None,
        typer.Option(
            "--further", metavar="NAME=VALUE", help="Any further attribute of the card."
        ),
    ] = None,
    file_format: mask_format.Format = "auto",
    overwrite: options.Overwrite = False,
    settings: InferenceSettings,
) -> None:
    """Segment an image for every value of one driver, or every pair of two.

    Writes the mask of each value with its record, where they differ (sensitivity), a
    table, a picture of all masks, and a record of the whole. It shows how the model
    behaves, not biology.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.imaging.disk.claims import claimed
        from napari_dmoe.imaging.disk.output_names import output_stem
        from napari_dmoe.imaging.files import image_stem, read_image
        from napari_dmoe.inference.results.replacing import refuse_foreign
        from napari_dmoe.inference.results.routing import NO_ROUTING
        from napari_dmoe.inference.running.recording import image_record
        from napari_dmoe.inference.what_if.files import room_for_sweep, save_sweep
        from napari_dmoe.inference.what_if.sweep import notices_before
        from napari_dmoe.inference.what_if.sweep import sweep as run
        from napari_dmoe.models.checkpoint import load_checkpoint
        from napari_dmoe.models.naming import refuse_unheard_of
        from napari_dmoe.patient import attribute_called

        file_type = mask_format.chosen_format(file_format)
        if file_type == "dicom-seg":
            raise ValueError("dicom-seg is for one mask: sweep writes several")
        given = [text for text in (swept, second) if text is not None]
        own = [text for text in given if "=" in text]
        patient = options.patient_of(
            stated, [*(further or ()), *own], option="--further"
        )
        name = options.checkpoint_of(checkpoint, lambda: [image])
        loaded = load_checkpoint(name, card)
        refuse_unheard_of(patient, [a.name for a in loaded.card.attributes])
        source, stem = read_image(image), output_stem(image_stem(image))
        patient = with_facts(patient, image)
        own_names = {attribute_called(a.name): a.name for a in loaded.card.attributes}
        named = [text.partition("=")[0].strip() for text in given]
        names = tuple(own_names.get(attribute_called(name), name) for name in named)
        of_card = [a for a in loaded.card.attributes if a.name in names]
        n_values = math.prod(len(attribute.values) for attribute in of_card)
        with claimed(output, needs_bytes=room_for_sweep(source, n_values)):
            whole = [output / f"{stem}.sweep.{end}" for end in ("json", "csv", "png")]
            refuse_foreign(whole, image_record(source), overwrite=overwrite)
            whose: dict[str, Any] = {
                "attribute": names,
                "patient": patient,
                "settings": settings,
            }
            for notice in notices_before(loaded, **whose):
                say_above_bar(f"notice: {notice}")
            whose |= {"progress": progress, "routing": NO_ROUTING}
            found = run(loaded, source, **whose)
            saved = save_sweep(
                output, stem, found, source, file_format=file_type, overwrite=overwrite
            )
    say(found.headline)
    say(found.background)
    for path in (saved.picture, saved.table, saved.sensitivity, *saved.labels):
        say(path)
