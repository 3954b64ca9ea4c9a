"""How the time of a run is shared between its phases, as far as it is known beforehand.

Only proportions count: the estimator learns how fast they are. They were measured on
one core; where the network runs on a GPU, its share turns out to be less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from napari_dmoe.imaging.lazy import BYTES_AT_ONCE
from napari_dmoe.imaging.resampling import PIXELS_AT_ONCE
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import model_shape
from napari_dmoe.inference.running.windows import n_windows
from napari_dmoe.models.architectures import Config
from napari_dmoe.models.unet import UNetConfig

PREPARING, RUNNING, RESTORING = "preparing", "running", "restoring"
"""Phases of a run: read and resampled, in the network, and back on the image."""

_PREPARED, _RESTORED = 2e-7, 2e-8
"""Seconds a voxel; and a voxel and class."""
_SEEN = 1.2e-8
"""Seconds a voxel of a window, for each pair of features of the first stage."""
_AGAIN = 0.3
"""Share of a picture that is prepared once more for a second pass."""


def shares_of_volume(
    *, voxels: int, seen: int, config: object, n_restored: int, n_classes: int
) -> Mapping[str, float]:
    """Return the shares of a volume of so many voxels, of which a network sees `seen`.

    Those of all windows count, each time; `n_restored` masks are drawn.
    """
    features = config.feature_size if isinstance(config, UNetConfig) else 1
    restored = _RESTORED * n_classes * n_restored * voxels
    return {
        PREPARING: _PREPARED * voxels,
        RUNNING: _SEEN * features**2 * seen + restored,
    }


def shares_beforehand(
    image: SpatialImage,
    preprocessing: VolumePreprocessing,
    config: Config,
    *,
    overlap: float,
    n_rows: int,
    n_restored: int,
) -> Mapping[str, float]:
    """Return the shares of a volume before anything of it is read.

    Each window is seen `n_rows` times; `n_restored` masks and maps are drawn.
    """
    patch = preprocessing.patch
    shape = model_shape(image, preprocessing)
    n_seen = n_windows(shape, patch, overlap) * math.prod(patch)
    return shares_of_volume(
        voxels=math.prod(image.spatial_shape),
        seen=n_seen * n_rows,
        config=config,
        n_restored=n_restored,
        n_classes=config.n_classes,
    )


def seconds_around_network(voxels: int, *, n_restored: int, n_classes: int) -> float:
    """Return about how long it takes to prepare a volume and to draw its masks."""
    return voxels * (_PREPARED + _RESTORED * n_classes * n_restored)


def beats_of_preparing(image: SpatialImage, shape: Sequence[int]) -> int:
    """Return about how often preparing a volume pulses, which need not be exact.

    It is read, smoothed along three axes where it is resampled to another shape, and
    its numbers are looked at, windowed and digested.
    """
    voxels = math.prod(image.spatial_shape)
    is_same = sorted(shape) == sorted(image.spatial_shape)
    resampled = 0 if is_same else math.prod(shape)
    is_lazy = not isinstance(image.data, np.ndarray)
    lazy_bytes = voxels * int(image.data.dtype.itemsize) if is_lazy else 0
    smoothed = 3 * voxels if resampled else 0
    made = smoothed + 2 * (resampled or voxels)
    return 6 + made // PIXELS_AT_ONCE + lazy_bytes // BYTES_AT_ONCE


def shares_of_planes(
    *,
    pixels: int,
    rows: int,
    pass_s: float,
    n_restored: int,
    n_classes: int,
    is_second: bool = False,
) -> Mapping[str, float]:
    """Return the shares of planes of so many pixels, of `rows` passes each.

    `pass_s` is about how many seconds one thread takes for a pass. Planes of a second
    pass are prepared in part; see :func:`shares_of_first_pass`.
    """
    return {
        PREPARING: _PREPARED * pixels * (_AGAIN if is_second else 1),
        RUNNING: pass_s * rows,
        RESTORING: _RESTORED * n_classes * n_restored * pixels,
    }


def shares_of_first_pass(*, pixels: int, pass_s: float) -> Mapping[str, float]:
    """Return the shares of looking at planes of so many pixels as wholes."""
    return {PREPARING: _PREPARED * pixels, RUNNING: pass_s}
