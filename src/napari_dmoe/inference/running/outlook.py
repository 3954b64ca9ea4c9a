"""What can be told of a run before it begins: how an image and a model go together.

The checks are the engine's own, but for what its experts say. Nothing is segmented.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from napari_dmoe.imaging.appearance import Appearance, appearance, every_plane
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.pixels import CONSTANT
from napari_dmoe.imaging.preprocessing import prepare
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import VOLUME_AXES, ModelVolume
from napari_dmoe.inference.results.routing import FOR_MAPS
from napari_dmoe.inference.running.devices import REMEDY
from napari_dmoe.inference.running.placing import preprocessing_of
from napari_dmoe.inference.running.plane_inputs import PLANE_AXES
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.volume_needs import (
    needs_of_volumes,
    refuse_beyond,
)
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress, ProgressHook, Pulse, silent

PLANES_LOOKED_AT = 3
"""Planes of a stack that are looked at, evenly through it."""

MOST_VOXELS = 2**28
"""Larger volumes are not looked at: preparing them takes as long as many a run."""

LIKE = "It looks like the images that the model was trained on."
NOT_STATED = (
    "The model's card does not say what the images that it was trained on looked like."
)
NOT_LOOKED_AT = "It is too large to be looked at before a run."


@dataclass(frozen=True)
class Outlook:
    """How an image and a model go together, before a run."""

    problem: str = ""
    """Why a run would be refused; empty where it would not."""
    cautions: tuple[str, ...] = ()
    """What asks for care, the most important first; sentences."""
    facts: tuple[str, ...] = ()
    """What else is to be known; sentences."""
    is_unlike: bool = False
    """Whether it is unlike the training images, in what a caution says."""
    seen: str = ""
    """In a word, how a picture is seen of which nothing is left out."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Everything that speaks against a run; empty where nothing does."""
        return tuple(filter(None, (self.problem, *self.cautions)))


def outlook(
    loaded: LoadedModel,
    image: SpatialImage,
    *,
    settings: InferenceSettings | None = None,
    progress: ProgressHook = silent,
) -> Outlook:
    """Look at an image as a model would see it.

    Parameters
    ----------
    loaded : LoadedModel
        The model; its network is not run.
    image : SpatialImage
        As :func:`napari_dmoe.inference.running.segment.segment` takes it. Of many
        planes a few are looked at, of many volumes the middle one.
    settings : InferenceSettings, optional
        How it would be run.
    progress : callable
        Called now and then; may raise ``Cancelled``.
    """
    pulse = partial(progress, Progress(0, 1, "looking at the image"))
    settings = settings or InferenceSettings()
    try:
        if loaded.card.dims == 3:
            return _of_volume(loaded, image, settings, pulse)
        return _of_planes(loaded, image, settings, pulse)
    except (ImageError, NotEnoughMemory) as error:
        return Outlook(problem=_sentence(str(error)))


def _of_planes(
    loaded: LoadedModel, image: SpatialImage, settings: InferenceSettings, pulse: Pulse
) -> Outlook:
    planes = Frames(image, PLANE_AXES, upright=True)
    how, n = preprocessing_of(loaded, settings), len(planes)
    size = math.prod(planes.frame_shape)
    refuse_beyond_memory(n * size, what="the result needs", remedy=REMEDY)
    seen: list[Appearance] = []
    for number in _evenly(n):
        n_channels = loaded.config.in_channels
        prepared = prepare(planes[number], how, n_channels=n_channels, pulse=pulse)
        seen.append(appearance(prepared.raw))
    unlike, facts = _likeness(loaded, seen, "plane")
    seen_how = (_sentence(prepared.placement.words),)
    is_cropped = bool(prepared.placement.unseen)
    cropped, whole = (seen_how, ()) if is_cropped else ((), seen_how)
    # What is said of one plane of many, such as that it is empty, says little.
    said = prepared.notices if n == 1 else ()
    cautions = _in_order(*unlike, *cropped, *map(_sentence, said))
    is_square = len(set(planes.frame_shape)) == 1
    word = "whole" if is_square or how.fit != "stretch" else "stretched"
    told = (*whole, *facts)
    return Outlook("", cautions, told, bool(unlike), "" if is_cropped else word)


def _of_volume(
    loaded: LoadedModel, image: SpatialImage, settings: InferenceSettings, pulse: Pulse
) -> Outlook:
    volumes = Frames(image, VOLUME_AXES)
    how, n = loaded.preprocessing, len(volumes)
    if not isinstance(how, VolumePreprocessing):
        raise ImageError("the model's card states no preprocessing of volumes")
    needed = partial(needs_of_volumes, loaded, volumes, settings, n_values=1)
    needs = needed(keep=FOR_MAPS)
    # What does not fit into memory may still be segmented into a file.
    may_be_in_file = not volumes.axes
    refuse_beyond(needed(keep=None) if may_be_in_file else needs)
    if math.prod(volumes.frame_shape) > MOST_VOXELS:
        return Outlook(facts=(needs.words, NOT_LOOKED_AT))
    n_channels = loaded.config.in_channels
    volume = ModelVolume(volumes[n // 2], how, n_channels=n_channels, pulse=pulse)
    seen = appearance(_planes_of(volume, pulse))
    unlike, facts = _likeness(loaded, [seen], "volume")
    # What is wrong with sizes and intensities comes first: it is why it looks unlike.
    cautions = _in_order(*map(_sentence, volume.notices), *unlike)
    facts = (needs.words, *facts)
    return Outlook(cautions=cautions, facts=facts, is_unlike=bool(unlike))


def _planes_of(volume: ModelVolume, pulse: Pulse) -> Tensor:
    """Return those planes (C, d, H, W) of a volume that are looked at."""
    n = volume.grid.shape[0]
    planes = []
    for i in range(0, n, every_plane(n)):
        pulse()
        planes.append(torch.from_numpy(volume.slab(0, slice(i, i + 1), pulse=pulse)))
    return torch.cat(planes, 1)


def _in_order(*sentences: str) -> tuple[str, ...]:
    """Return sentences in their order, but first that there is nothing in an image."""
    return tuple(sorted(sentences, key=lambda each: each != _sentence(CONSTANT)))


def _likeness(
    loaded: LoadedModel, seen: list[Appearance], frame: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what asks for care in how frames look, and what else is to be known."""
    trained_on = loaded.card.training_images
    if trained_on is None:
        return (), (NOT_STATED,)
    unlike = [sides for each in seen if (sides := trained_on.unlike(each))]
    if not unlike:
        return (), (LIKE,)
    counts = Counter(side for sides in unlike for side in sides)
    *first, last = (side for side, _ in counts.most_common())
    which = f"{', '.join(first)} and {last}" if first else last
    n = len(seen)
    of = "" if n == 1 else f" ({len(unlike)} of {n} {frame}s looked at)"
    return (f"Unlike the training images: {which}{of}.",), ()


def _evenly(n: int) -> list[int]:
    """Return a few of `n` frames, evenly through them."""
    k = min(n, PLANES_LOOKED_AT)
    return [(2 * i + 1) * n // (2 * k) for i in range(k)]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
