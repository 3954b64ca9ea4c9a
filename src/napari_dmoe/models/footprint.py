"""How much memory and time a network needs, told from its shape before it is run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from napari_dmoe.foreign import printable
from napari_dmoe.imaging.memory import (
    NotEnoughMemory,
    installed_bytes,
    refuse_beyond_memory,
)
from napari_dmoe.imaging.volumes import VolumePreprocessing
from napari_dmoe.models.architectures import ARCHITECTURES, Config
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.refusals import CheckpointError
from napari_dmoe.models.unet import UNetConfig

_BYTES_A_FEATURE = 9
"""Of each voxel of a patch, for each feature of the first stage: measured on a CPU with
8 and 16 features at 192 and 256 voxels a side, without gradients."""

MUCH_LARGER, MUCH = 64, 2**31
"""A patch of so many times the volume's voxels, and of so many bytes, is not the
volume's but only the card's doing."""

_GIB = 2**30

_PLANES_A_SECOND, _VOLUMES_A_SECOND = 30e9, 10e9
"""Operations that one thread does in a second: measured on bundled and published shapes
(``benchmarks/busy_machine.py``); convolutions of volumes wait for the memory."""


def patch_bytes(config: UNetConfig, patch: Sequence[int]) -> int:
    """Return about how much memory a 3D network needs to see one patch.

    Examples
    --------
    >>> patch_bytes(UNetConfig(), (96, 96, 96)) // 2**20
    205
    """
    planes = config.in_channels + 2 * config.n_classes + 2  # and the windows' weights
    per_voxel = _BYTES_A_FEATURE * config.feature_size + 4 * planes
    return per_voxel * math.prod(patch)


def pass_seconds(config: Config, n_parameters: int, patch: Sequence[int] = ()) -> float:
    """Return about how long one thread of a processor takes for one input.

    Right within a factor of about 3, which is enough to tell little work from much.

    Parameters
    ----------
    config : Config
        Shape of the network.
    n_parameters : int
        Its parameters, of which a 2D one uses most for each of its tokens.
    patch : sequence of int, optional
        Samples along each side of what a U-Net sees.
    """
    if isinstance(config, UNetConfig):
        # Counted: about 0.75 times two convolutions of the first stage's features.
        kernel = 3**config.dims
        operations = 0.75 * 2 * kernel * config.feature_size**2 * math.prod(patch)
        return operations / _VOLUMES_A_SECOND
    return 4 * n_parameters * config.grid**2 / _PLANES_A_SECOND


def check_patch(card: ModelCard, config: Config, where: str) -> None:
    """Refuse a card whose patch this machine could never hold.

    Raises
    ------
    CheckpointError
        When seeing one patch takes more memory than there is altogether.
    """
    preprocessing, there = card.preprocessing, installed_bytes()
    if not isinstance(preprocessing, VolumePreprocessing) or there is None:
        return
    if not isinstance(config, UNetConfig):
        return
    needed = patch_bytes(config, preprocessing.patch)
    if needed > there:
        raise CheckpointError(
            f"{where}: a patch of {shown_patch(preprocessing.patch)} voxels, which the "
            f"card {card.name!r} asks for, needs {needed / _GIB:.1f} GiB of memory, "
            f"more than the {there / _GIB:.1f} GiB of this machine"
        )


def refuse_patch(
    config: UNetConfig, patch: Sequence[int], shape: Sequence[int], *, on_cpu: bool
) -> None:
    """Refuse a patch that this run has no memory for, before any is taken.

    Parameters
    ----------
    config : UNetConfig
        Shape of the network.
    patch, shape : (int, int, int)
        Voxels of the card's patch, and of the volume that the network sees.
    on_cpu : bool
        Whether the network runs in the computer's memory, and not a GPU's.

    Raises
    ------
    NotEnoughMemory
        When there is not enough, or the volume is far too small to be worth it.
    """
    needed = patch_bytes(config, patch)
    what = f"the card's patch of {shown_patch(patch)} voxels needs"
    remedy = "state a smaller patch in the card"
    if needed > MUCH and math.prod(patch) > MUCH_LARGER * math.prod(shape):
        raise NotEnoughMemory(
            f"{what} {needed / _GIB:.1f} GiB of memory for a volume of "
            f"{shown_patch(shape)} voxels: {remedy}"
        )
    if on_cpu:
        refuse_beyond_memory(needed, what=what, remedy=remedy)


def shown_patch(patch: Sequence[int]) -> str:
    """Return a patch as people write it."""
    return " x ".join(map(str, patch))


def weights_bytes(architecture: str, config: Config) -> int:
    """Return how much memory the parameters of a network take, without making it.

    Raises
    ------
    CheckpointError
        When no such network can be made.
    """
    try:
        with torch.device("meta"):
            network = ARCHITECTURES[architecture].build(config)
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        why = printable(str(error))
        raise CheckpointError(
            f"no {ARCHITECTURES[architecture].title} has this shape: {why}"
        ) from error
    return 4 * sum(parameter.numel() for parameter in network.parameters())
