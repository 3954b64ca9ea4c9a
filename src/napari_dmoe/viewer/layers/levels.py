"""The levels of a multiscale image: the finest is meant, or one that somebody chooses.

Another level than the finest is a layer of its own, which is read as lazily and lies
where napari shows it: its first voxel on the first one of the finest level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Image

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.viewer.layers.placement import LEVEL_KEY, LayerData, placement, plain


@dataclass(frozen=True)
class Level:
    """What the metadata of a layer say that is a level of another one."""

    image: ref[Image]
    number: int
    said: str
    """What a person should know."""


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
    level = _stated(layer)
    return 0 if level is None else level.number


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
        own = _stated(other)
        if own is not None and own.image() is image and own.number == number:
            return other
    return _layer_data(image, number)


def _stated(layer: Image) -> Level | None:
    level = layer.metadata.get(LEVEL_KEY)
    return level if isinstance(level, Level) else None


def _whole(layer: Image) -> Image | None:
    """Return the multiscale image that a layer is, or is a level of; None for others.

    None, too, for a level whose image is gone.
    """
    if layer.multiscale:
        whole: Image = plain(layer)
        return whole
    level = _stated(layer)
    return None if level is None else level.image()


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
        "metadata": {**image.metadata, LEVEL_KEY: Level(ref(image), number, said)},
        **placement(image, grid),
    }
    if not image.rgb:
        look |= {
            "colormap": image.colormap,
            "contrast_limits": tuple(map(float, np.asarray(image.contrast_limits))),
        }
    return image.data[number], look, "image"
