"""What an image looks like in a few numbers: brightness, colours, sharpness, layout.

Of planes also how sharp each part is (texture), and how colours vary (shades). They are
measured on what a network sees, before it is standardised, and cost next to nothing.
Models remember those of their training in their cards.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the grey values."""

_PLANES = 32
"""Planes of a volume that are looked at, evenly along z."""

_SCALES = (1, 2, 4, 8)
"""Sides of the blocks whose differences tell how sharp an image is."""

_LEAST_STEP, _LEAST_SPREAD = 1e-3, 1e-2
"""What an 8-bit image cannot show is not told apart."""

_LEAST_VARIANCE = 1e-4
"""Colours that vary by less together do not correlate."""

_CELLS = 4
"""Cells along each side of the layout, and of the texture."""

_TEXTURE_SCALES, _SHADE_SCALES = (1, 4), (1, 4, 8)
"""Likewise sides of blocks, for each cell and for colours."""

Appearance = Mapping[str, tuple[float, ...]]
"""Numbers by what they tell of: brightness, colours, sharpness, layout, and of planes
texture and shades."""


@torch.inference_mode()
def appearance(image: Tensor) -> Appearance:
    """Measure a plane (C, H, W) or a volume (C, D, H, W) with values in [0, 1].

    Colours are told of planes with three channels that differ; of a volume, planes
    evenly along its first axis.

    Examples
    --------
    >>> list(appearance(torch.zeros(1, 16, 16)))
    ['brightness', 'sharpness', 'layout', 'texture']
    """
    planes = _planes(image)
    grey = planes.mean(1, keepdim=True)
    found = {"brightness": _brightness(grey)}
    if is_colour(image):
        found["colours"] = _colours(planes)
    found["sharpness"] = _sharpness(grey)
    found["layout"] = _layout(grey)
    if image.ndim == 3:
        found["texture"] = _texture(grey)
        if "colours" in found:
            found["shades"] = _shades(planes)
    return {name: tuple(map(float, numbers)) for name, numbers in found.items()}


def is_colour(image: Tensor) -> bool:
    """Whether the channels of an image (C, *S) are three that differ."""
    return len(image) == 3 and not torch.equal(image[0], image[1])


def _planes(image: Tensor) -> Tensor:
    """Return planes (N, C, H, W) of an image (C, *S)."""
    image = image.float().clamp(0, 1)
    if image.ndim == 3:
        return image[None]
    return image[:, :: every_plane(image.shape[1])].transpose(0, 1)


def every_plane(n: int) -> int:
    """Return which of n planes of a volume are looked at: every so many from the first.

    These planes alone look like the whole volume.
    """
    return -(-n // _PLANES)


def _brightness(grey: Tensor) -> Tensor:
    flat = grey.flatten()
    every = -(-flat.numel() // 2**20)
    quantiles = torch.quantile(flat[::every], torch.tensor(QUANTILES))
    return torch.cat([torch.stack([flat.mean(), flat.std(correction=0)]), quantiles])


def _colours(planes: Tensor) -> Tensor:
    means = planes.mean((0, 2, 3))
    saturation = planes.amax(1) - planes.amin(1)
    shares = means / means.sum().clamp_min(_LEAST_SPREAD)
    spread = torch.stack([saturation.mean(), saturation.std(correction=0)])
    return torch.cat([shares, spread])


def _sharpness(grey: Tensor) -> Tensor:
    """Return how much neighbours differ at several scales, in decades.

    Along rows and columns on their own, and by how much the root of the mean square is
    above the mean: noise differs everywhere, a drawing at few edges.
    """
    numbers = []
    for scale in _SCALES:
        steps = [each.flatten() for each in _steps(grey, scale)]
        numbers += [torch.log10(each.mean() + _LEAST_STEP) for each in steps]
        both = torch.cat(steps)
        rms = both.square().mean().sqrt()
        numbers.append(torch.log10((rms + _LEAST_STEP) / (both.mean() + _LEAST_STEP)))
    return torch.stack(numbers)


def _steps(planes: Tensor, scale: int) -> list[Tensor]:
    """Return how much blocks of planes (N, C, H, W) differ from the next, down, across.

    The blocks are `scale` pixels a side. Along an axis of one block nothing differs.
    """
    blocks = F.avg_pool2d(planes, min(scale, *planes.shape[-2:]))
    steps = [blocks.diff(dim=axis).abs() for axis in (-2, -1)]
    return [each if each.numel() else torch.zeros_like(blocks) for each in steps]


def _layout(grey: Tensor) -> Tensor:
    """Return the brightness of coarse cells, whatever light and contrast are."""
    cells = F.adaptive_avg_pool2d(grey, _CELLS).mean((0, 1)).flatten()
    return (cells - cells.mean()) / cells.std(correction=0).clamp_min(_LEAST_SPREAD)


def _texture(grey: Tensor) -> Tensor:
    """Return how much neighbours differ in each coarse cell, in decades."""
    numbers = []
    for scale in _TEXTURE_SCALES:
        down, across = (
            F.adaptive_avg_pool2d(each, _CELLS) for each in _steps(grey, scale)
        )
        numbers.append(torch.log10(down + across + _LEAST_STEP).flatten())
    return torch.cat(numbers)


def _shades(planes: Tensor) -> Tensor:
    """Return how colours vary: with the light, together, and from place to place.

    Colours are red and blue, each less green: how they and the grey value correlate,
    their spreads, and how much neighbours differ in them, both in decades.
    """
    opponent = planes[:, ::2] - planes[:, 1:2]
    light = planes.mean(1, keepdim=True)
    values = torch.cat([light, opponent], 1).transpose(0, 1).flatten(1)
    covariance = torch.cov(values, correction=0)
    std = covariance.diagonal().clamp_min(_LEAST_STEP**2).sqrt()
    rows, columns = torch.triu_indices(3, 3, 1)
    pairs = covariance[rows, columns] / (std[rows] * std[columns] + _LEAST_VARIANCE)
    by_scale = [_steps(opponent, scale) for scale in _SHADE_SCALES]
    steps = [down.mean() + across.mean() for down, across in by_scale]
    return torch.cat([pairs, torch.log10(torch.stack([*std, *steps]) + _LEAST_STEP)])
