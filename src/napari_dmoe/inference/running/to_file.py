"""Segment a volume of any size into a file, without holding its mask in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import nn

from napari_dmoe.imaging.frames import Frames, source_axes
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.results.export import SavedFiles
from napari_dmoe.inference.results.provenance import versions
from napari_dmoe.inference.running.controls import checked_control
from napari_dmoe.inference.running.devices import memory_told
from napari_dmoe.inference.running.drivers import (
    Priors,
    RouterChoice,
    choose_routers,
)
from napari_dmoe.inference.running.file_maps import (
    ENTROPY,
    PROBABILITIES,
    FileMaps,
)
from napari_dmoe.inference.running.mask_files import MaskFile, Written
from napari_dmoe.inference.running.recording import control_record, image_record
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.targets import OpenTarget, Target
from napari_dmoe.inference.running.threads import on_threads, threads_for
from napari_dmoe.inference.running.unfinished import Unfinished
from napari_dmoe.inference.running.volume_masks import SlabHook, teller
from napari_dmoe.inference.running.volume_needs import (
    VolumeNeeds,
    needs_of_volumes,
    refuse_beyond,
)
from napari_dmoe.inference.running.volumes import VolumeRun
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook, silent


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
    resume: bool = False,
    keep: bool = False,
    entropy: bool = False,
    routing: bool = False,
) -> SavedFiles:
    """Segment a volume, and write its mask slab by slab as it comes.

    The memory that it takes does not grow along the volume's longest axis. Of an
    unknown driver only the mixed mask is written. Maps are written with it where they
    are asked for, each number as a byte (uint8) that the file says how to read: of the
    classes' probabilities (where `settings` ask for them) and their entropy, on the
    mask's voxels; and of the gates of each stage, on its tokens.

    Parameters
    ----------
    folder : str or Path
        Where to; made where it does not exist.
    stem : str
        Beginning of the file names; made safe for files. One that ends in ``.zarr``,
        ``.ome.zarr``, ``.tif`` or ``.tiff`` is the name of the mask itself, and says
        what it is.
    loaded, image, patient, settings, progress, experts, priors
        As :func:`napari_dmoe.inference.running.segment.segment` takes them: a 3D model,
        one volume, and labels at the source's voxels.
    overwrite : bool
        Also replace files that are no earlier result of the same image, and begin again
        what an interrupted run has left.
    finished : callable, optional
        Called with each :class:`FinishedSlab` of the mask, once it is written; first
        with those of the run that is gone on with.
    resume : bool
        Go on with what an interrupted run of the same volume, model, patient and
        settings has left, if there is any.
    keep : bool
        Leave what is done where this run is interrupted, to be gone on with; so does
        one that resumes. It is in the folder ``NAME.unfinished``, ``NAME`` being the
        mask's name.
    entropy : bool
        Also write how undecided the model is between the classes, in bits.
    routing : bool
        Also write the gates of each stage, averaged over the values that are mixed.

    Returns
    -------
    SavedFiles
        Where ``<stem>.labels.tif``, or the mask of the name given, is. A TIFF is not
        compressed, so that it can be mapped into memory; an OME-Zarr image of labels
        has chunks of 64 voxels a side, and coarser levels. The record lies beside it.
        Maps are further images in the OME-Zarr store, ``probabilities``,
        ``class-entropy``, ``routing-0`` and so on, with a channel for each class or
        expert; or TIFFs beside the mask's, ``<stem>.probabilities.tif`` and so on.

    Raises
    ------
    ImageError
        For several volumes, and a model of planes; and as ``segment`` raises it. For an
        OME-Zarr image where zarr is not installed.
    ValueError
        For labels at the network's voxels, and the routing of a network without any.
    ExistingFileError
        When a file is in the way that is no earlier result of the same image, or was
        painted on since; and for what an interrupted run has left that is not to be
        gone on with, or cannot be: that of other pixels once they are read.
    FolderError
        When another run makes the same file, or nothing can be written there.
    OSError
        When it cannot be written. Of a TIFF, that the disk has no room for it is found
        out before anything is read. No file is left half-written, whatever stops it.
    """
    settings, image = settings or InferenceSettings(), SpatialImage.of(image)
    _refuse_more(loaded, source_axes(image.axes), settings)
    choice = choose_routers(loaded, patient or Patient(), settings, priors)
    choice = choice.with_experts(checked_control(loaded, experts))
    maps = FileMaps.of(loaded, settings, entropy=entropy, routing=routing)
    Path(folder).mkdir(parents=True, exist_ok=True)
    target = Target.of(Path(folder), stem, image, loaded.card.classes, maps)
    target.refuse_foreign(overwrite=overwrite)
    run = _run_of(loaded, image, choice, settings)
    run |= {"maps": list(maps.names)} if maps.names else {}
    unfinished = Unfinished(target.path, run, keep=keep or resume, parts=target.beside)
    n_threads = threads_for(loaded.pass_seconds * settings.batch)
    with unfinished.claimed(), memory_told(), on_threads(n_threads):
        is_begun = unfinished.begin(resume=resume, overwrite=overwrite)
        store = target.store(unfinished.mask, is_begun=is_begun)
        shape = Frames(image, VOLUME_AXES).frame_shape
        places, told = OpenTarget(target, unfinished, store), _written(image, finished)
        mask = MaskFile(places, shape, unfinished, maps=maps, written=told)
        volumes = VolumeRun(loaded, image, [choice], settings, into=mask)
        hook = progress or silent
        made = volumes.to_disk(hook)
        finishing = partial(hook, Progress(1, 1, "finishing the file"))
        left = target.put_in_place(unfinished, store, made, finishing)
    return _saved(target, left)


def _saved(target: Target, left: tuple[Path, ...]) -> SavedFiles:
    """Return where everything is."""
    inside = {name: target.path / name for name in target.maps.names}
    at = inside if target.is_zarr else target.beside
    return SavedFiles(
        target.path,
        tuple(at[stage] for stage in target.maps.stages),
        at.get(PROBABILITIES),
        left,
        entropy=at.get(ENTROPY),
    )


@dataclass(frozen=True)
class FileNeeds(VolumeNeeds):
    """What a run into a file needs, and what is to be said of it before it begins."""

    notices: tuple[str, ...] = ()


def needs_of_file(
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    patient: Patient | None = None,
    settings: InferenceSettings | None = None,
    *,
    entropy: bool = False,
    routing: bool = False,
) -> FileNeeds:
    """Return what :func:`segment_to_file` needs, of which its arguments are.

    Nothing is read. Errors are those that it raises before it reads anything.
    """
    settings, image = settings or InferenceSettings(), SpatialImage.of(image)
    _refuse_more(loaded, source_axes(image.axes), settings)
    choice = choose_routers(loaded, patient or Patient(), settings)
    needs = needs_of_volumes(
        loaded,
        Frames(image, VOLUME_AXES),
        settings,
        n_values=len(choice.categories),
        keep=None,
        maps=FileMaps.of(loaded, settings, entropy=entropy, routing=routing),
    )
    refuse_beyond(needs)
    return FileNeeds(**vars(needs), notices=choice.notices)


def _written(image: SpatialImage, finished: SlabHook | None) -> Written | None:
    """Return what tells of rows of the mask as they lie in the result."""
    if finished is None:
        return None
    tell = teller(Frames(image, VOLUME_AXES), finished)
    return lambda place, labels: tell(0, place, labels)


def _run_of(
    loaded: LoadedModel,
    image: SpatialImage,
    choice: RouterChoice,
    settings: InferenceSettings,
) -> dict[str, Any]:
    """Return what decides a mask, by what a person calls it."""
    control = control_record(*choice.experts[:1])
    model = loaded.sha256 or _sha256_of(loaded.module)
    return {
        "model": [model, loaded.card.model_dump(mode="json")],
        "patient": [driver.model_dump(mode="json") for driver in choice.drivers],
        "experts": control.model_dump(mode="json") if control else None,
        "settings": settings.model_dump(mode="json"),
        "image": image_record(image).model_dump(mode="json"),
        "versions of the programs": versions(),
    }


def _sha256_of(module: nn.Module) -> str:
    """Return the SHA-256 of a network's numbers, of which there is no file."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().data)
    return digest.hexdigest()


def _refuse_more(
    loaded: LoadedModel, axes: tuple[str, ...], settings: InferenceSettings
) -> None:
    """Refuse what is not the mask of one volume."""
    if loaded.card.dims != 3 or set(axes) != set(VOLUME_AXES):
        raise ImageError(
            "what is segmented straight into a file is one volume with the axes z, y "
            f"and x, by a 3D model: found {', '.join(axes)}, and a model of "
            f"{loaded.card.dims}D"
        )
    if settings.scored_at != "source":
        raise ValueError(
            "what is segmented straight into a file is a mask at the source's voxels: "
            "score at the source"
        )
