"""What Image layers may be masks, and what somebody said that they are.

napari opens a mask that is a PNG as an image. Until somebody says what such a layer is
it is no image to be segmented. Knows no Qt.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.imaging.files import image_stem, without_suffix
from napari_dmoe.imaging.mask_likeness import (
    Picture,
    Values,
    is_folder_of_masks,
    mask_base,
    values_of,
)
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.placement import plain, samples_of

LOOKS_KEY = "napari-dmoe-looks-like"
"""Key of a layer's metadata: what a person said that it is."""

IMAGE, LABELS, ASK = "image", "labels", "ask"
"""What a layer that looks like a mask was said to be; or that it is to be asked."""

NUMBERED = re.compile(r" \[\d+\]$")
"""How napari tells layers of one name apart."""

_MOST_UNREAD = 2**26
"""Samples of a layer that is not in memory, to be read for labels at all."""

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
    return not is_ours and _may_look_at(layer)


def _may_look_at(layer: Layer) -> bool:
    """Say whether a layer's samples are at hand, or few and called like a mask.

    What is read only when it is shown can take long; of that a name must say first
    that it may be a mask.
    """
    samples = samples_of(layer)
    if _is_in_memory(samples):
        return True
    path, name = path_of(layer), without_suffix(NUMBERED.sub("", str(layer.name)))
    stem, folder = (name, "") if path is None else (stem_of(path), path.parent.name)
    says = mask_base(stem) or mask_base(name) or is_folder_of_masks(folder)
    return bool(says) and math.prod(samples.shape) <= _MOST_UNREAD


def _is_in_memory(samples: Any) -> bool:
    """Say whether samples are at hand: those of a file that is mapped are not."""
    return isinstance(samples, np.ndarray) and not isinstance(samples, np.memmap)


def _plane(layer: Layer) -> NDArray[Any]:
    """Return samples in memory: of what is not, the plane in the middle."""
    samples = samples_of(layer)
    if _is_in_memory(samples):
        return np.asarray(samples)
    n_further = max(0, layer.ndim - 2)
    middle = tuple(n // 2 for n in samples.shape[:n_further])
    return np.asarray(samples[middle])


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
        if isinstance(each, Labels) and _is_new(each) and stays(viewer, each)
    ]


def _is_new(layer: Labels) -> bool:
    if LOOKS_KEY in layer.metadata or METADATA_KEY in layer.metadata:
        return bool(layer.metadata.get(LOOKS_KEY) == ASK)
    return bool(layer.source.path) and layer.source.sample is None


def dropped_results_of(viewer: ViewerModel | None) -> list[Labels]:
    """Return masks with a record that were opened as files, and not by the dock."""
    layers = [] if viewer is None else list(viewer.layers)
    return [
        each
        for each in layers
        if isinstance(each, Labels)
        and each.source.path
        and METADATA_KEY in each.metadata
        and LOOKS_KEY not in each.metadata
        and stays(viewer, each)
    ]


def decide(layer: Layer, what: str) -> None:
    """Take note in a layer what it is: :data:`IMAGE` or :data:`LABELS`."""
    layer.metadata = {**layer.metadata, LOOKS_KEY: what}


def picture_of(layer: Layer) -> Picture:
    """Return what of a layer tells whether it is a mask, as it was first seen."""
    layer = plain(layer)
    if layer not in _PICTURES:
        _PICTURES[layer] = seen(layer)
    return _PICTURES[layer]


def note_file(layer: Layer, path: Path) -> None:
    """Take note which file a layer's samples came from, where napari does not know."""
    named = replace(seen(layer), stem=stem_of(path), folder=path.parent.name)
    _PICTURES[plain(layer)] = named


def seen(layer: Layer) -> Picture:
    """Return the same as it is now."""
    path, name = path_of(layer), without_suffix(NUMBERED.sub("", str(layer.name)))
    samples = samples_of(layer)
    shape = tuple(map(int, samples.shape[: layer.ndim]))
    values = Values()
    if isinstance(layer, Image) and samples.size and _may_look_at(layer):
        values = values_of(_plane(layer), is_colour=bool(layer.rgb))
    if path is None:
        return Picture(name, shape, values)
    return Picture(stem_of(path), shape, values, folder=path.parent.name, also=name)


def stem_of(path: Path) -> str:
    """Return what a file is called, without the suffixes of images and masks."""
    return without_suffix(image_stem(path))


def path_of(layer: Layer) -> Path | None:
    """Return the file that a layer was opened from; None where that is unknown."""
    return Path(str(layer.source.path)) if layer.source.path else None
