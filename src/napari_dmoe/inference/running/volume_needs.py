"""What a run over volumes needs, told before any is read: memory, windows, time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_dmoe.estimate import in_words
from napari_dmoe.imaging.appearance import every_plane
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.intensities import VOXELS_FOR_PERCENTILES
from napari_dmoe.imaging.memory import available_bytes, refuse_beyond_memory
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import KEPT_BYTES, VOLUME_AXES, model_shape
from napari_dmoe.inference.results.routing import ALL_ROUTING, FOR_MAPS, KeptRouting
from napari_dmoe.inference.running.drivers import Priors, choose_routers
from napari_dmoe.inference.running.file_maps import NO_MAPS, FileMaps
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.shares import seconds_around_network
from napari_dmoe.inference.running.sums import VOXELS_AT_ONCE
from napari_dmoe.inference.running.windows import SlabSizes, n_windows
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.footprint import patch_bytes
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.patient import Patient

_NEARLY_ALL = 0.8
"""Of the memory that is free, a run that takes more asks for care."""

_FLOAT = 4
"""Bytes of a number."""

ROW = 64
"""Planes of a map that are written together, about."""

WHAT = "segmenting the volume needs"
REMEDY = (
    "crop the volume, give the driver's value, so that one mask is made, or keep no "
    "probabilities"
)


@dataclass(frozen=True)
class VolumeNeeds:
    """What a run over the volumes of an image needs."""

    n_bytes: int
    """Memory beyond that of the image itself, the result included."""
    n_free: int
    """Memory that can be had."""
    n_windows: int
    """Windows of all volumes."""
    seconds: float
    """About how long it takes, within a factor of 3 or so."""
    of_what: str = ""
    """What of the model that is for, where it is not all of it."""
    skips: bool = False
    """Whether empty windows are skipped, of which nobody knows before how many are."""

    @property
    def fits(self) -> bool:
        """Whether there is as much memory."""
        return self.n_bytes <= self.n_free

    @property
    def is_tight(self) -> bool:
        """Whether it takes nearly all the memory that there is, or more."""
        return self.n_bytes > _NEARLY_ALL * self.n_free

    @property
    def words(self) -> str:
        """A sentence of it.

        Examples
        --------
        >>> VolumeNeeds(1_503_238_553, 9_878_424_780, 343, 130).words
        'Needs 1.4 GiB of 9.2 GiB free, 343 windows, about 2 min.'
        """
        needed, free = (f"{n / 2**30:.1f} GiB" for n in (self.n_bytes, self.n_free))
        windows = f"{self.n_windows} window{'s' * (self.n_windows != 1)}"
        takes = in_words(self.seconds)
        if self.skips:
            windows, takes = f"up to {windows}", f"{takes} or less"
        takes += self.of_what and f" {self.of_what}"
        return f"Needs {needed} of {free} free, {windows}, {takes}."


def needs_of_volumes(
    loaded: LoadedModel,
    volumes: Frames,
    settings: InferenceSettings,
    *,
    n_values: int,
    n_masks: int | None = None,
    keep: KeptRouting | None = ALL_ROUTING,
    maps: FileMaps = NO_MAPS,
) -> VolumeNeeds:
    """Return what a run needs, from shapes alone.

    Parameters
    ----------
    loaded : LoadedModel
        A model of volumes.
    volumes : Frames
        The volumes of the image.
    settings : InferenceSettings
        How they are run.
    n_values : int
        Combinations of values that are run.
    n_masks : int, optional
        Masks that come of them; by default they are mixed to one, which is held with
        those of the values.
    keep : KeptRouting or None
        What is kept of the routing; None where the mask is written to a disk, and no
        result is held in memory.
    maps : FileMaps
        The maps that are written with it then.

    Raises
    ------
    ImageError
        For a model that is none of volumes.
    """
    image, how = volumes[0], loaded.preprocessing
    if not isinstance(how, VolumePreprocessing):
        raise ImageError("the model's card states no preprocessing of volumes")
    shape = model_shape(image, how)
    n_rows = n_values * (settings.samples if settings.noise else 1)
    windows = len(volumes) * n_windows(shape, how.patch, settings.overlap)
    run = 0
    if keep is not None:
        n_masks = n_masks or 1 + (n_values if n_values > 1 else 0)
        run = _mask_bytes(loaded, volumes, shape, settings, n_masks)
        run += len(volumes) * _routing_bytes(loaded, shape, n_values, keep)
    else:
        run = _row_bytes(volumes.frame_shape, shape, maps)
    sizes = SlabSizes.of(shape, how.patch, settings.overlap)
    run += sum_bytes(loaded, shape, how.patch, settings.overlap, n_values)
    if shape != volumes.frame_shape:  # slabs are drawn whole
        run += _FLOAT * n_values * loaded.config.n_classes * sizes.slab
    if keep is None:
        run += sizes.slab  # of the mask, until its rows are whole
    kept, read = _input_bytes(loaded, image, shape, how, sizes.slab)
    if isinstance(loaded.config, UNetConfig):
        run += patch_bytes(loaded.config, how.patch)
    passes = windows * n_rows * loaded.pass_seconds / torch.get_num_threads()
    around = seconds_around_network(
        len(volumes) * math.prod(volumes.frame_shape),
        n_restored=(
            1
            + (n_values if keep is not None and n_values > 1 else 0)
            + (settings.probabilities if keep is not None else bool(maps.at_source))
        ),
        n_classes=loaded.config.n_classes,
    )
    return VolumeNeeds(
        n_bytes=kept + max(read, run),
        n_free=available_bytes(),
        n_windows=windows,
        seconds=passes + around,
        of_what="for one value" if n_values < loaded.config.n_routers else "",
        skips=settings.skip_empty,
    )


@dataclass(frozen=True)
class RunNeeds:
    """What one run needs, with its mask in memory, or in a file alone."""

    in_memory: VolumeNeeds
    into_file: VolumeNeeds | None
    """None where nothing can be written to a file as it comes."""


def needs_of_run(
    loaded: LoadedModel,
    image: SpatialImage,
    patient: Patient,
    settings: InferenceSettings,
    priors: Priors | None = None,
    *,
    n_shown: tuple[int, int] = (0, 0),
    entropy: bool = False,
    routing: bool = False,
) -> RunNeeds:
    """Return what a run for a patient needs, from shapes alone.

    Parameters
    ----------
    loaded, image, patient, settings, priors
        As :func:`napari_dmoe.inference.running.segment.segment` takes them: a model of
        volumes.
    n_shown : (int, int)
        How often a window holds the mask besides, at most: one in memory, one in a
        file.
    entropy, routing : bool
        Maps that are written with a mask in a file.

    Raises
    ------
    ValueError
        When no such run could begin.
    """
    volumes = Frames(image, VOLUME_AXES)
    n_values = len(choose_routers(loaded, patient, settings, priors).categories)
    is_one = not volumes.axes and settings.scored_at == "source"
    voxels = len(volumes) * math.prod(volumes.frame_shape)
    has_routing = routing and loaded.config.n_routers > 0
    maps = FileMaps.of(loaded, settings, entropy=entropy, routing=has_routing)

    def needed(keep: KeptRouting | None, n_held: int) -> VolumeNeeds:
        needs = needs_of_volumes(
            loaded, volumes, settings, n_values=n_values, keep=keep, maps=maps
        )
        return replace(needs, n_bytes=needs.n_bytes + n_held * voxels, of_what="")

    return RunNeeds(
        needed(FOR_MAPS, n_shown[0]), needed(None, n_shown[1]) if is_one else None
    )


def refuse_beyond(needs: VolumeNeeds) -> None:
    """Refuse volumes whose segmentation does not fit into memory.

    Raises
    ------
    NotEnoughMemory
        When it does not.
    """
    refuse_beyond_memory(needs.n_bytes, what=WHAT, remedy=REMEDY)


def _mask_bytes(
    loaded: LoadedModel,
    volumes: Frames,
    shape: Sequence[int],
    settings: InferenceSettings,
    n_masks: int,
) -> int:
    """Return the bytes of masks and maps."""
    config = loaded.config
    a_voxel = n_masks + _FLOAT * config.n_classes * settings.probabilities
    size = volumes.frame_shape if settings.scored_at == "source" else shape
    return len(volumes) * a_voxel * math.prod(size)


def _routing_bytes(
    loaded: LoadedModel, shape: Sequence[int], n_values: int, keep: KeptRouting
) -> int:
    """Return the bytes of what is kept of a volume's routing."""
    config = loaded.config
    if not isinstance(config, UNetConfig) or not config.n_routers:
        return 0
    a_token = config.n_experts * (n_values if keep.each_value else 1)
    return sum(
        math.prod(-(-n // side) for n in shape) * a_token * np.dtype(dtype).itemsize
        for stage, side in enumerate(config.token_steps)
        if (dtype := keep.dtype_of(stage)) is not None
    )


def _row_bytes(shape: Sequence[int], seen: Sequence[int], maps: FileMaps) -> int:
    """Return the bytes of the rows of maps that wait to be written.

    Those of a mask are so few beside the rest that they are not counted.
    """
    n_maps = maps.n_sheets - 1
    axis = int(np.argmax(seen))
    held = n_maps * ROW * math.prod(shape) // shape[axis]
    if maps.routing is not None:
        n = len(maps.routing.channels)
        a_plane = math.prod(seen) // seen[axis]
        held += sum(n * ROW * a_plane // side**2 for side in maps.token_steps)
    return held


def sum_bytes(
    loaded: LoadedModel,
    shape: Sequence[int],
    patch: Sequence[int],
    overlap: float,
    n_values: int,
) -> int:
    """Return the bytes of what windows are added up in, and of drawing it."""
    config, sizes = loaded.config, SlabSizes.of(shape, patch, overlap)
    numbers, in_sums = n_values * config.n_classes, sizes.band + sizes.carried
    held = _FLOAT * numbers * in_sums
    if isinstance(config, UNetConfig) and config.n_routers:
        shares = sum(1 / side**3 for side in config.token_steps)
        held += int(_FLOAT * n_values * config.n_experts * in_sums * shares)
    return held + 2 * _FLOAT * (numbers + 2) * min(sizes.band, VOXELS_AT_ONCE)


def _input_bytes(
    loaded: LoadedModel,
    image: SpatialImage,
    shape: Sequence[int],
    how: VolumePreprocessing,
    in_slab: int,
) -> tuple[int, int]:
    """Return the bytes of what a network sees: what is kept, and to look at it."""
    n_channels, voxels = loaded.config.in_channels, math.prod(shape)
    itemsize = int(np.dtype(image.data.dtype).itemsize)
    kept = _FLOAT * n_channels * voxels
    if kept > KEPT_BYTES:
        is_resampled = tuple(shape) != model_shape(image, VolumePreprocessing())
        stored = _FLOAT if is_resampled else min(_FLOAT, itemsize)
        kept = (stored + itemsize) * n_channels * in_slab
        if loaded.card.training_images is not None:
            n_looked_at = -(-shape[0] // every_plane(shape[0]))
            kept += _FLOAT * n_channels * n_looked_at * math.prod(shape[1:])
    looking = 0
    if how.measures.are_own:
        looking = 2 * _FLOAT * min(VOXELS_FOR_PERCENTILES, n_channels * voxels)
    return kept, looking
