"""A quick look at one slice of a volume, by the windows around it alone.

It is no result: its windows overlap less, those beside them have no say, and where the
card states no window of intensities, these are scaled by what lies around the slice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.imaging.lazy import part_along
from napari_dmoe.imaging.spatial import SPATIAL_AXES, ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import model_shape
from napari_dmoe.inference.running.drivers import Priors
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.windows import n_windows
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Phases, ProgressHook, part_of

_OVERLAP = 0.25
_SHARE = 1 / 8
"""Of the windows of a run, which a preview takes at most: else it is not quick."""


@dataclass(frozen=True)
class SlicePreview:
    """What a model says of one slice, by the windows around it."""

    labels: NDArray[np.uint8]
    """(*S) array: classes, with one sample along the axis that the slice cuts."""
    axes: tuple[str, ...]
    """Names of its axes: those of the image, but for channels."""
    axis: str
    """The axis that it cuts."""
    number: int
    """Its number along that axis, from 0."""


def share_of_preview(
    loaded: LoadedModel, image: SpatialImage, axis: str, settings: InferenceSettings
) -> float:
    """Return how many windows a preview takes, of those of the run.

    0 where there is none: of several volumes, of masks that are scored at the network's
    voxels, and where it would not be quick.

    Parameters
    ----------
    loaded, image, settings
        As :func:`napari_dmoe.inference.running.segment.segment` takes them.
    axis : str
        The axis that the slice lies across.
    """
    how = loaded.preprocessing
    is_one = set(SPATIAL_AXES) == set(source_axes(image.axes))
    if not isinstance(how, VolumePreprocessing) or not is_one or axis not in image.axes:
        return 0.0
    if settings.scored_at != "source":
        return 0.0
    part, _ = _around(image, how, axis, 0)
    overlap = min(_OVERLAP, settings.overlap)
    n = n_windows(model_shape(part, how), how.patch, overlap)
    share = n / n_windows(model_shape(image, how), how.patch, settings.overlap)
    return share if share <= _SHARE else 0.0


def with_preview(
    run: Callable[..., Any],
    loaded: LoadedModel,
    image: SpatialImage,
    patient: Patient,
    *,
    at: tuple[str, int],
    told: Callable[[SlicePreview], None],
    settings: InferenceSettings,
    progress: ProgressHook,
    priors: Priors | None = None,
    **how: Any,
) -> Any:
    """Look at one slice first, where that is quick, and segment the volume then.

    Parameters
    ----------
    run : callable
        Segments it: :func:`napari_dmoe.inference.running.segment.segment`, or another
        that takes the same.
    loaded, image, patient, settings, progress, priors
        As `run` takes them, with further options.
    at : (str, int)
        The axis that the slice cuts, and its number along that, from 0.
    told : callable
        Takes the preview.

    Returns
    -------
    object
        What `run` returns.
    """
    axis, number = at
    asked: dict[str, Any] = {"settings": settings}
    if priors is not None:
        asked["priors"] = priors
    share = share_of_preview(loaded, image, axis, settings)
    if share:
        phases = Phases(progress, {_PREVIEW: share, _RUN: 1.0})
        progress = phases.of(_RUN)
        first = part_of(phases.of(_PREVIEW), 0, 1, f"preview of {axis} {number}")
        made = preview_slice(
            loaded, image, patient, axis=axis, number=number, progress=first, **asked
        )
        told(made)
    return run(loaded, image, patient, progress=progress, **asked, **how)


_PREVIEW, _RUN = "preview", "run"


def preview_slice(
    loaded: LoadedModel,
    image: SpatialImage,
    patient: Patient,
    *,
    axis: str,
    number: int,
    settings: InferenceSettings,
    **how: Any,
) -> SlicePreview:
    """Segment one slice of a volume by the windows around it alone.

    Parameters
    ----------
    loaded, image, patient, settings
        As :func:`napari_dmoe.inference.running.segment.segment` takes them: a 3D model,
        and one volume. No more of it is read than the windows need.
    axis : str
        The axis that the slice lies across.
    number : int
        Its number along that axis, from 0.
    **how
        ``progress`` and ``priors``, as ``segment`` takes them.

    Raises
    ------
    ImageError
        As ``segment`` raises it.
    """
    preprocessing = loaded.preprocessing
    if not isinstance(preprocessing, VolumePreprocessing):
        raise ImageError("the model's card states no preprocessing of volumes")
    part, first = _around(image, preprocessing, axis, number)
    quick = settings.model_copy(
        update={"overlap": min(_OVERLAP, settings.overlap), "probabilities": False}
    )
    made = segment(loaded, part, patient, settings=quick, **how)
    along = made.axes.index(axis)
    labels = np.take(made.labels, [number - first], along)
    return SlicePreview(labels, made.axes, axis, number)


def _around(
    image: SpatialImage, how: VolumePreprocessing, axis: str, number: int
) -> tuple[SpatialImage, int]:
    """Return as much of a volume as one window sees across a slice, and its begin."""
    place = SPATIAL_AXES.index(axis)
    along, spatial = image.axes.index(axis), image.spatial_axes.index(axis)
    size, n = int(image.data.shape[along]), how.patch[place]
    if how.spacing is not None and image.unit == "mm":
        own = float(np.linalg.norm(image.affine[:-1, spatial]))
        n = math.floor(n * how.spacing[place] / own)
    n = min(max(n, 1), size)
    first = min(max(number - n // 2, 0), size - n)
    affine = image.affine.copy()
    affine[:-1, -1] += first * affine[:-1, spatial]
    data = part_along(image.data, along, slice(first, first + n))
    return replace(image, data=data, affine=affine), first
