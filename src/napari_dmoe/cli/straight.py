"""``napari-dmoe segment VOLUME --output NAME.ome.zarr``: one volume into one file.

Its mask and maps are never in memory, so that a volume may be of any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.cli.printing import say, say_above_bar

if TYPE_CHECKING:
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient
    from napari_dmoe.progress import ProgressHook


def is_file(output: Path) -> bool:
    """Say whether an output is named as a mask's file, and is no folder of masks."""
    from napari_dmoe.imaging.files import TIFF_SUFFIXES, image_suffix
    from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES

    suffix = image_suffix(output)
    return suffix in ZARR_SUFFIXES or (suffix in TIFF_SUFFIXES and not output.is_dir())


def at_level(source: Path, level: int) -> Path:
    """Return a level of an OME-Zarr image, by its number.

    Raises
    ------
    ImageReadError
        When it is none, or has no such level.
    """
    from napari_dmoe.imaging.ome_zarr.reading import level_path

    return level_path(source, level)


def with_facts(patient: Patient, image: Path) -> Patient:
    """Return a patient with what an image says of whom it shows, which is told.

    What options state wins.
    """
    from napari_dmoe.cohorts.facts import facts_of, told_taken

    facts = facts_of(image)
    patient, taken = facts.complete(patient)
    if taken:
        say_above_bar(f"notice: {told_taken(taken, facts.source)}")
    return patient


def refuse_for_files(output: Path, stated: Mapping[str, object]) -> None:
    """Refuse options, by their names, that need a folder to write into.

    Raises
    ------
    ValueError
        When one of them is stated.
    """
    for name, value in stated.items():
        if value:
            raise ValueError(
                f"{name} needs a folder as --output: {output.name} is the file of one "
                "volume's mask"
            )


def segment_straight(
    loaded: LoadedModel,
    source: Path,
    output: Path,
    patient: Patient,
    *,
    settings: InferenceSettings,
    progress: ProgressHook,
    resume: bool,
    overwrite: bool,
    entropy: bool = False,
    routing: bool = False,
) -> None:
    """Segment a volume into the file of its mask, and say what was done.

    What is done of it stays where it is interrupted. Arguments and errors are those of
    :func:`napari_dmoe.inference.running.to_file.segment_to_file`.
    """
    from napari_dmoe.cohorts.series.measuring import outcome_of
    from napari_dmoe.imaging.files import is_image_folder, read_image
    from napari_dmoe.inference.results.sidecars import recorded
    from napari_dmoe.inference.running.to_file import needs_of_file, segment_to_file
    from napari_dmoe.inference.running.unfinished import UNFINISHED

    if source.is_dir() and not is_image_folder(source):
        raise ValueError(
            f"{source.name} is a folder of images, and {output.name} the file of one "
            "volume's mask: give a folder as --output"
        )
    image = read_image(source)
    patient = with_facts(patient, source)
    needs = needs_of_file(
        loaded, image, patient, settings, entropy=entropy, routing=routing
    )
    for notice in needs.notices:
        say_above_bar(f"notice: {notice}")
    say_above_bar(needs.words)
    left = output.with_name(output.name + UNFINISHED)
    try:
        saved = segment_to_file(
            output.parent,
            output.name,
            loaded,
            image,
            patient,
            settings=settings,
            progress=progress,
            resume=resume,
            overwrite=overwrite,
            keep=True,
            entropy=entropy,
            routing=routing,
        )
    except (KeyboardInterrupt, OSError):
        if left.is_dir():
            say_above_bar(f"{left} holds what is done: go on with --resume")
        raise
    record = recorded(saved.labels)
    said = "" if record is None else f": {outcome_of(record, is_corrected=False)}"
    say(f"{saved.labels}{said}")
    for path in (saved.probabilities, saved.entropy, *saved.routing):
        if path is not None:
            say(str(path))
    for path in saved.set_aside:
        say_above_bar(f"notice: {path.name} is of an earlier run")
