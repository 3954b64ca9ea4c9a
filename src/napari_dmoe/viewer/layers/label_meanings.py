"""Which class each label of a layer stands for, where a person said it.

It is kept in the layer's metadata by the classes' names, so that it holds for every
model that has them. Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari.layers import Layer

from napari_dmoe.imaging.label_values import foreground_value

MEANINGS_KEY = "napari-dmoe-label-meanings"
"""Key of a layer's metadata: what each label stands for, by the label's number."""

NOT_ANNOTATED = "not annotated"
"""What stands for no class, because nobody said what is seen there."""

NOTHING = -1
"""Stands for what is not annotated, in place of a class."""


def meanings_of(layer: Layer) -> dict[int, str]:
    """Return what a person said that the labels of a layer stand for."""
    stated = layer.metadata.get(MEANINGS_KEY)
    known = stated if isinstance(stated, Mapping) else {}
    return {int(label): str(name) for label, name in known.items()}


def state_meaning(layer: Layer, label: int, name: str) -> None:
    """Take note in a layer what a label stands for: a class, or not annotated."""
    known = {str(k): v for k, v in meanings_of(layer).items()} | {str(label): name}
    layer.metadata = {**layer.metadata, MEANINGS_KEY: known}


def class_map(layer: Layer, classes: Sequence[str]) -> dict[int, int] | None:
    """Return which class each label stands for, if a person said it for these classes.

    Parameters
    ----------
    layer : Layer
        The labels.
    classes : sequence of str
        A model's classes, background first.

    Returns
    -------
    dict of int to int, or None
        By label the class, :data:`NOTHING` for what is not annotated. Labels that
        nobody spoke of are the classes of their number. None where nobody said
        anything that these classes know.
    """
    places = {name: place for place, name in enumerate(classes)}
    places[NOT_ANNOTATED] = NOTHING
    stated = meanings_of(layer)
    known = {k: places[name] for k, name in stated.items() if name in places}
    if not known:
        return None
    return {place: place for place in range(len(classes))} | known


def without_class(found: Mapping[int, int], classes: Sequence[str]) -> list[int]:
    """Return the labels, of those that were counted, that stand for no class.

    Where a model has one class, 0 and one other number are a mask of it.

    Examples
    --------
    >>> without_class({0: 9, 255: 3}, ("background", "lesion"))
    []
    >>> without_class({0: 9, 255: 3}, ("background", "rim", "cup"))
    [255]
    """
    if len(classes) == 2 and foreground_value(found) is not None:
        return []
    return [label for label in found if not 0 <= label < len(classes)]
