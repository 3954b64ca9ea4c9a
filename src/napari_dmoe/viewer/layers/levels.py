"""The levels of a multiscale image: the finest is meant, or one that somebody chooses.

Another level than the finest is a layer of its own, which is read as lazily and lies
where napari shows it: its first voxel on the first one of the finest level.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from napari.layers import Image, Layer

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.viewer.layers.placement import LEVEL_KEY, LayerData, placement, plain

_levels: WeakKeyDictionary[Layer, tuple[ref[Image], int]] = WeakKeyDictionary()
"""Layers that are a level of another one, and which."""


def level_titles(layer: Image) -> tuple[str, ...]:
    """Return what the levels of an image are called; nothing where it has one alone.

    Of a layer that is a level itself they are those of its image.
    """
    image = _whole(layer)
    if image is None:
        return ()
    sizes = [" × ".join(map(str, _shape(image, i))) for i in range(len(image.data))]
    return tuple(
        f"level {number}: {size}" if number else f"finest: {size}"
        for number, size in enumerate(sizes)
    )


def level_of(layer: Image) -> int:
    """Return which level of an image a layer stands for; 0 for a whole image."""
    return _levels[plain(layer)][1] if plain(layer) in _levels else 0


def at_level(layer: Image, number: int, others: list[Image]) -> Image | LayerData:
    """Return another level of a layer's image: a layer, or what makes one.

    Parameters
    ----------
    layer : napari.layers.Image
        A multiscale image, or a level of one.
    number : int
        The level, 0 being the finest.
    others : list of Image
        Layers that are there; one of them may be that level.

    Raises
    ------
    ValueError
        When there is no such level.
    """
    image = _whole(layer)
    if image is None or not 0 <= number < len(image.data):
        n = 1 if image is None else len(image.data)
        raise ValueError(f"the image has no level {number}: it has {n}, from 0")
    if number == 0:
        return image
    for other in others:
        source, own = _levels.get(plain(other), (None, 0))
        if source is not None and source() is image and own == number:
            return other
    return _layer_data(image, number)


def note_level(layer: Image, source: Image, number: int) -> None:
    """Take note that a layer is a level of an image."""
    whole = _whole(source)
    if whole is not None:
        _levels[plain(layer)] = (ref(whole), number)


def _whole(layer: Image) -> Image | None:
    """Return the multiscale image that a layer is, or is a level of; None for others.

    None, too, for a level whose image is gone.
    """
    layer = plain(layer)
    if layer.multiscale:
        return layer
    return _levels[layer][0]() if layer in _levels else None


def _shape(image: Image, number: int) -> tuple[int, ...]:
    return tuple(map(int, image.data[number].shape[: image.ndim]))


def _layer_data(image: Image, number: int) -> LayerData:
    """Return a level as a layer that looks like its image."""
    finest, shape = _shape(image, 0), _shape(image, number)
    step = tuple(n / m for n, m in zip(finest, shape, strict=True))
    grid = Grid(shape, (0.0,) * len(shape), step)
    said = (
        f"level {number} of {len(image.data)} of a multiscale image was used, 0 being "
        f"the finest: its voxels are {' × '.join(f'{d:.4g}' for d in step)} as large"
    )
    look: dict[str, Any] = {
        "name": f"{image.name} level {number}",
        "rgb": image.rgb,
        "metadata": {**image.metadata, LEVEL_KEY: said},
        **placement(image, grid),
    }
    if not image.rgb:
        look |= {
            "colormap": image.colormap,
            "contrast_limits": tuple(map(float, np.asarray(image.contrast_limits))),
        }
    return image.data[number], look, "image"
