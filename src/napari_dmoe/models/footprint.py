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
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.models.architectures import ARCHITECTURES, Config
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.refusals import CheckpointError
from napari_dmoe.models.unet import UNetConfig

_BYTES_A_FEATURE = {2: 15, 3: 9}
"""Of each pixel or voxel, for each feature of the first stage: measured on a CPU with 8
and 16 features, at 1024 and 2048 pixels and at 192 and 256 voxels a side, without
gradients."""

MUCH_LARGER, MUCH = 64, 2**31
"""A patch of so many times the volume's voxels, and of so many bytes, is not the
volume's but only the card's doing."""

_GIB = 2**30

_TRANSFORMED_A_SECOND = 30e9
_CONVOLVED_A_SECOND = {2: 2.5e9, 3: 10e9}
"""Operations that one thread does in a second: measured on bundled and published shapes
(``benchmarks/busy_machine.py``). Convolutions wait for the memory. Of a U-Net only they
are counted; that of planes does as much again for its experts: with 16 features it
takes 25, 40 and 80 ms for 128, 192 and 256 pixels a side."""


def patch_bytes(config: UNetConfig, patch: Sequence[int]) -> int:
    """Return about how much memory a U-Net needs to see one patch, or one plane.

    Examples
    --------
    >>> patch_bytes(UNetConfig(), (96, 96, 96)) // 2**20
    205
    """
    planes = config.in_channels + 2 * config.n_classes + 2  # and the windows' weights
    per_voxel = _BYTES_A_FEATURE[config.dims] * config.feature_size + 4 * planes
    return per_voxel * math.prod(patch)


def pass_seconds(config: Config, n_parameters: int, size: Sequence[int] = ()) -> float:
    """Return about how long one thread of a processor takes for one input.

    Right within a factor of about 3, which is enough to tell little work from much.

    Parameters
    ----------
    config : Config
        Shape of the network.
    n_parameters : int
        Its parameters, of which a transformer uses most for each of its tokens.
    size : sequence of int, optional
        Samples along each side of what a U-Net sees; a transformer's shape tells it.
    """
    if isinstance(config, UNetConfig):
        # Counted: about 0.75 times two convolutions of the first stage's features.
        kernel = 3**config.dims
        operations = 0.75 * 2 * kernel * config.feature_size**2 * math.prod(size)
        return operations / _CONVOLVED_A_SECOND[config.dims]
    return 4 * n_parameters * config.grid**2 / _TRANSFORMED_A_SECOND


def routing_bytes(config: Config, size: Sequence[int]) -> int:
    """Return how much memory the gates take that a network returns for one input.

    Parameters
    ----------
    config : Config
        Shape of the network.
    size : sequence of int
        Samples along each side of what it sees.

    Examples
    --------
    >>> routing_bytes(UNetConfig(dims=2), (64, 64)), 4 * 8 * (32**2 + 16**2 + 84)
    (43648, 43648)
    """
    if not config.n_routers:
        return 0
    if isinstance(config, UNetConfig):
        samples = math.prod(size)
        n_tokens = sum(samples // int(step**config.dims) for step in config.token_steps)
    else:
        n_tokens = config.depth * config.grid**2
    return 4 * config.n_experts * n_tokens


def check_patch(card: ModelCard, config: Config, where: str) -> None:
    """Refuse a card of a U-Net whose input this machine could never hold.

    Raises
    ------
    CheckpointError
        When seeing one patch, or one plane, takes more memory than there is altogether.
    """
    how, there = card.preprocessing, installed_bytes()
    if how is None or not isinstance(config, UNetConfig):
        return
    is_volume = isinstance(how, VolumePreprocessing)
    size = how.patch if isinstance(how, VolumePreprocessing) else (how.side, how.side)
    needed = patch_bytes(config, size)
    if needed > there:
        what, unit = ("a patch", "voxels") if is_volume else ("an input", "pixels")
        raise CheckpointError(
            f"{where}: {what} of {shown_patch(size)} {unit}, which the card "
            f"{card.name!r} asks for, needs {needed / _GIB:.1f} GiB of memory, more "
            f"than the {there / _GIB:.1f} GiB of this machine"
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
