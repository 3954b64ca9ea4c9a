"""Layers that look like masks of an open image: which they are, and as labels.

napari opens a mask that is a PNG as an image. Until somebody says what such a layer is
it is no image to be segmented. Knows no Qt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_dmoe.imaging.files import image_stem, without_suffix
from napari_dmoe.imaging.mask_likeness import (
    Judgement,
    Picture,
    Values,
    judge,
    values_of,
)
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.labels_on import fits
from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.placement import LayerData, place_of, plain, samples_of

LOOKS_KEY = "napari-dmoe-looks-like"
"""Key of a layer's metadata: what a person said that it is."""

IMAGE, LABELS = "image", "labels"
"""What a layer that looks like a mask was said to be."""

_NUMBERED = re.compile(r" \[\d+\]$")

_PICTURES: WeakKeyDictionary[Layer, Picture] = WeakKeyDictionary()


def is_undecided(layer: Layer | None) -> bool:
    """Say whether an Image layer looks like a mask, and nobody said what it is.

    It is looked at once, when it is first asked for.
    """
    if not isinstance(layer, Image) or LOOKS_KEY in layer.metadata:
        return False
    return _may_be_asked(layer) and picture_of(layer).may_be_mask


def _may_be_asked(layer: Image) -> bool:
    """Say whether a layer's samples are at hand, and nobody said what they are."""
    is_ours = METADATA_KEY in layer.metadata or layer.source.sample is not None
    return not (is_ours or layer.multiscale) and isinstance(layer.data, np.ndarray)


def undecided_of(viewer: ViewerModel | None) -> list[Image]:
    """Return the layers of a viewer of which it is not known if they are masks."""
    layers = [] if viewer is None else list(viewer.layers)
    return [each for each in layers if is_undecided(each) and stays(viewer, each)]


def new_labels_of(viewer: ViewerModel | None) -> list[Labels]:
    """Return Labels layers that came from files and that nobody spoke of yet."""
    layers = [] if viewer is None else list(viewer.layers)
    return [
        each
        for each in layers
        if isinstance(each, Labels)
        and each.source.path
        and each.source.sample is None
        and not {LOOKS_KEY, METADATA_KEY} & set(each.metadata)
        and stays(viewer, each)
    ]


def decide(layer: Layer, what: str) -> None:
    """Take note in a layer what it is: :data:`IMAGE` or :data:`LABELS`."""
    layer.metadata = {**layer.metadata, LOOKS_KEY: what}


def picture_of(layer: Layer) -> Picture:
    """Return what of a layer tells whether it is a mask, as it was first seen."""
    layer = plain(layer)
    if layer not in _PICTURES:
        _PICTURES[layer] = _picture(layer)
    return _PICTURES[layer]


def _picture(layer: Layer) -> Picture:
    path, name = path_of(layer), without_suffix(_NUMBERED.sub("", str(layer.name)))
    samples = samples_of(layer)
    shape = tuple(map(int, samples.shape[: layer.ndim]))
    values = Values()
    if isinstance(samples, np.ndarray) and isinstance(layer, Image) and samples.size:
        values = values_of(samples, is_colour=bool(layer.rgb))
    if path is None:
        return Picture(name, shape, values)
    stem = without_suffix(image_stem(path))
    return Picture(stem, shape, values, folder=path.parent.name, also=name)


def path_of(layer: Layer) -> Path | None:
    """Return the file that a layer was opened from; None where that is unknown."""
    return Path(str(layer.source.path)) if layer.source.path else None


def judged(layer: Layer, images: Sequence[Image]) -> Judgement:
    """Say whether a layer is a mask, and of which of some images it may be one."""
    fitting = [i for i, image in enumerate(images) if may_lie_on(layer, image)]
    return judge(
        picture_of(layer),
        [picture_of(each) for each in images],
        fitting=fitting,
        is_labels=isinstance(layer, Labels),
    )


def may_lie_on(layer: Layer, image: Image) -> bool:
    """Say whether a layer has an image's pixels, in its place or in none of its own."""
    if is_placed(layer):
        return fits(image, layer)
    return picture_of(layer).shape == picture_of(image).shape


def is_placed(layer: Layer) -> bool:
    """Say whether a layer says where it lies: a picture's file does not."""
    units = {str(unit) for unit in layer.units}
    at_rest = np.array_equal(layer.affine.affine_matrix, np.eye(layer.ndim + 1))
    plain_scale = np.all(layer.scale == 1) and not np.any(layer.translate)
    is_turned = not np.array_equal(layer.rotate, np.eye(layer.ndim))
    return not (at_rest and plain_scale and units <= {"pixel"}) or is_turned


def as_labels(layer: Image, labels: Any, owner: Image | None) -> LayerData:
    """Return an Image layer's labels as the layer to come, under its name.

    It lies where the image lies that it belongs to, if it has no place of its own.
    """
    where = layer if owner is None or is_placed(layer) else owner
    kept = {k: v for k, v in layer.metadata.items() if k != LOOKS_KEY}
    arguments = place_of(where) | {"name": str(layer.name), "metadata": kept}
    arguments["metadata"][LOOKS_KEY] = LABELS
    return labels, arguments, "labels"
