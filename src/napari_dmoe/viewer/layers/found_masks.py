"""Masks that were found among the layers: of which image they are, and as labels.

Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.imaging.files import read_labels
from napari_dmoe.imaging.label_values import counted, of_one_class
from napari_dmoe.imaging.mask_likeness import (
    Certainty,
    Judgement,
    judge,
    numbers_of,
)
from napari_dmoe.imaging.spatial import ImageError
from napari_dmoe.viewer.layers.labels_on import fits
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.names import layer_name
from napari_dmoe.viewer.layers.placement import LayerData, place_of, samples_of
from napari_dmoe.viewer.layers.records import is_mask
from napari_dmoe.viewer.layers.slot import free_name
from napari_dmoe.viewer.layers.undecided import (
    IMAGE,
    LABELS,
    LOOKS_KEY,
    NUMBERED,
    path_of,
    picture_of,
    seen,
    stem_of,
)


def judged(layer: Layer, images: Sequence[Image]) -> Judgement:
    """Say whether a layer is a mask, and of which of some images it may be one."""
    fitting = [i for i, image in enumerate(images) if may_lie_on(layer, image)]
    return judge(
        picture_of(layer),
        [picture_of(each) for each in images],
        fitting=fitting,
        is_labels=isinstance(layer, Labels),
    )


def raise_over(viewer: ViewerModel | None, mask: Labels, image: Image) -> None:
    """Let a mask lie over its image, which was opened after it."""
    if viewer is None or mask not in viewer.layers or image not in viewer.layers:
        return
    below, above = viewer.layers.index(mask), viewer.layers.index(image)
    if below < above:
        viewer.layers.move(below, above + 1)


def may_be_of_another(labels: Labels, images: Sequence[Image]) -> bool:
    """Say whether labels from a file may be of an image that is not the one shown.

    A run made them, or they are called like the mask of an image that is not open; and
    their name does not tell which open one they are of.
    """
    if not images or not labels.source.path or LOOKS_KEY in labels.metadata:
        return False
    judgement = judged(labels, images)
    if judgement.certainty is Certainty.CERTAIN:
        return False
    return is_mask(labels) or bool(judgement.named)


def judged_file(path: Path, mask: Labels, images: Sequence[Image]) -> Judgement:
    """Say of which of some images a mask from a file may be, not in a viewer yet."""
    picture = replace(seen(mask), stem=stem_of(path), folder=path.parent.name)
    fitting = [i for i, image in enumerate(images) if may_lie_on(mask, image)]
    pictures = [picture_of(each) for each in images]
    return judge(picture, pictures, fitting=fitting, is_labels=True)


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


@dataclass(frozen=True)
class InClasses:
    """Labels as a model has them, where that is beyond doubt."""

    labels: NDArray[Any]
    said: tuple[str, ...]
    """What was decided."""
    look: dict[str, Any]
    """Arguments of a layer in the model's colours, where each label is a class."""


def in_classes(
    values: Any, classes: Sequence[str], said: Sequence[str] = ()
) -> InClasses:
    """Return labels as a model has them; called in a job, for all are counted.

    Parameters
    ----------
    values : (*S) integer array
        Labels.
    classes : sequence of str
        The model's, background first; nothing without a model.
    said : sequence of str
        What was decided before.
    """
    found = counted(values)
    if len(classes) == 2:
        read = of_one_class(values, found, classes[1])
        if read is not None:
            values, said = read[0].astype(np.uint8), (*said, read[1])
            found = counted(values)
    is_of_model = bool(classes) and set(found) <= set(range(len(classes)))
    return InClasses(values, tuple(said), mask_look(classes) if is_of_model else {})


def as_labels(layer: Image, labels: Any, owner: Image | None) -> LayerData:
    """Return an Image layer's labels as the layer to come, not named yet.

    It lies where the image lies that it belongs to, if it has no place of its own.
    """
    where = layer if owner is None or is_placed(layer) else owner
    said = {**layer.metadata, LOOKS_KEY: LABELS}
    return labels, place_of(where) | {"metadata": said}, "labels"


def named_for(name: str, owner: Image | None) -> str:
    """Return the name of labels, another one where they are called as their image."""
    if owner is None:
        return name
    plain_name, of_owner = (NUMBERED.sub("", each) for each in (name, str(owner.name)))
    return layer_name(str(owner.name), LABELS) if plain_name == of_owner else name


def call_plainly(viewer: ViewerModel, image: Image | None) -> None:
    """Take the number from an image's name that napari gave it, where none needs it.

    Its mask came first and had the name, which would be the image's in tables, too.
    """
    if image is None:
        return
    plain_name = NUMBERED.sub("", str(image.name))
    if free_name(viewer, plain_name, besides=image) == plain_name:
        image.name = plain_name


@dataclass(frozen=True)
class SamplesOf:
    """The samples of an Image layer that is a mask, without the layer."""

    samples: Any
    """Of several scales the finest; they may not be read yet."""
    is_colour: bool
    path: Path | None
    """The file that they came from."""
    shape: tuple[int, ...]

    @classmethod
    def layer(cls, layer: Image) -> SamplesOf:
        """Return those of a layer; not copied."""
        shape = picture_of(layer).shape
        return cls(samples_of(layer), bool(layer.rgb), path_of(layer), shape)

    def labels(self) -> tuple[NDArray[Any], tuple[str, ...]]:
        """Return what labels they are, and what was understood; called in a job.

        A picture in colour is read anew: napari took the colours of its palette.

        Raises
        ------
        ValueError
            When they are no labels.
        """
        if self.is_colour and self.path is not None:
            try:
                read = read_labels(self.path)
            except (ImageError, OSError):
                read = None
            if read is not None and read.data.shape == self.shape:
                values, said = numbers_of(np.asarray(read.data))
                return values, (*read.notices, *said)
        return numbers_of(np.asarray(self.samples), is_colour=self.is_colour)


def as_it_was(layer: Image) -> dict[str, Any]:
    """Return what makes the same Image layer anew, known to be an image."""
    return {
        **place_of(layer),
        "name": str(layer.name),
        "rgb": bool(layer.rgb),
        "multiscale": bool(layer.multiscale),
        "metadata": {**layer.metadata, LOOKS_KEY: IMAGE},
    }
