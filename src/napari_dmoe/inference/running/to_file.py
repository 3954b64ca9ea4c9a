"""Segment a volume of any size into a file, without holding its mask in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.disk.output_names import LONGEST, output_stem
from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.imaging.tiff.writing import mapped_mask
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.results.export import SavedFiles, sample_spacing
from napari_dmoe.inference.results.replacing import refuse_foreign
from napari_dmoe.inference.results.sidecars import new_record_path
from napari_dmoe.inference.running.controls import checked_control
from napari_dmoe.inference.running.devices import memory_told
from napari_dmoe.inference.running.drivers import Priors, choose_routers
from napari_dmoe.inference.running.recording import image_record
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.threads import on_threads, threads_for
from napari_dmoe.inference.running.volume_masks import SlabHook
from napari_dmoe.inference.running.volumes import VolumeRun
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, silent


def segment_to_file(
    folder: str | Path,
    stem: str,
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    patient: Patient | None = None,
    *,
    settings: InferenceSettings | None = None,
    progress: ProgressHook | None = None,
    experts: ExpertControl | None = None,
    priors: Priors | None = None,
    overwrite: bool = False,
    finished: SlabHook | None = None,
) -> SavedFiles:
    """Segment a volume, and write its mask slab by slab as it comes.

    The memory that it takes does not grow along the volume's longest axis. Of an
    unknown driver only the mixed mask is written; routing and probabilities are not.

    Parameters
    ----------
    folder : str or Path
        Where to; made where it does not exist.
    stem : str
        Beginning of the file names; made safe for files.
    loaded, image, patient, settings, progress, experts, priors
        As :func:`napari_dmoe.inference.running.segment.segment` takes them: a 3D model,
        one volume, and labels at the source's voxels.
    overwrite : bool
        Also replace files that are no earlier result of the same image.
    finished : callable, optional
        Called with each :class:`FinishedSlab` of the mask, once it is written.

    Returns
    -------
    SavedFiles
        Where ``<stem>.labels.tif`` is; it is not compressed, so that it can be mapped
        into memory. Its record lies beside it.

    Raises
    ------
    ImageError
        For several volumes, and a model of planes; and as ``segment`` raises it.
    ValueError
        For settings that ask for more than a mask at the source's voxels.
    ExistingFileError
        When a file is in the way that is no earlier result of the same image, or was
        painted on since; nothing is read.
    OSError
        When it cannot be written, or the disk has no room for all of it, which is found
        out before anything is read. No file is left half-written, whatever stops it.
    """
    settings, image = settings or InferenceSettings(), SpatialImage.of(image)
    axes = source_axes(image.axes)
    _refuse_more(loaded, axes, settings)
    choice = choose_routers(loaded, patient or Patient(), settings, priors)
    choice = choice.with_experts(checked_control(loaded, experts))
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / f"{output_stem(stem, LONGEST)}.labels.tif"
    record = new_record_path(path)
    refuse_foreign([path, record], image_record(image), overwrite=overwrite)
    shape = image.spatial_shape
    spacing = sample_spacing(image, axes, Grid.identity(shape))
    classes, unit = loaded.card.classes, image.unit
    with (
        mapped_mask(
            path, shape, axes=axes, classes=classes, spacing=spacing, unit=unit
        ) as mask,
        atomic_path(record) as partial,
        memory_told(),
        on_threads(threads_for(loaded.pass_seconds * settings.batch)),
    ):
        run = VolumeRun(loaded, image, choice, settings, into=mask, finished=finished)
        made = run.work(progress or silent).provenance
        write_text(partial, made.model_dump_json(indent=2) + "\n")
    return SavedFiles(path, (), None)


def _refuse_more(
    loaded: LoadedModel, axes: tuple[str, ...], settings: InferenceSettings
) -> None:
    """Refuse what is more than the mask of one volume."""
    if loaded.card.dims != 3 or set(axes) != set(VOLUME_AXES):
        raise ImageError(
            "what is segmented straight into a file is one volume with the axes z, y "
            f"and x, by a 3D model: found {', '.join(axes)}, and a model of "
            f"{loaded.card.dims}D"
        )
    if settings.probabilities or settings.scored_at != "source":
        raise ValueError(
            "what is segmented straight into a file is a mask at the source's voxels: "
            "leave out probabilities, and score at the source"
        )
