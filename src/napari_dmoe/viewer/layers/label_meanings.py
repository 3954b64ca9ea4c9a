"""Which class each label of a layer stands for, where a person said it.

It is kept in the layer's metadata by the classes' names, so that it holds for every
model that has them. Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari.layers import Layer

from napari_dmoe.imaging.label_values import foreground_value
from napari_dmoe.viewer.layers.look import CLASS
from napari_dmoe.viewer.layers.records import layer_record

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
        nobody spoke of are the classes of their names, and background where these are
        none; where they have no names, the classes of their number. None where nobody
        said anything that these classes know.
    """
    places = {name: place for place, name in enumerate(classes)}
    places[NOT_ANNOTATED] = NOTHING
    stated = meanings_of(layer)
    known = {k: places[name] for k, name in stated.items() if name in places}
    if not known:
        return None
    return usual_map(layer, classes) | known


def usual_map(layer: Layer, classes: Sequence[str]) -> dict[int, int]:
    """Return which class each label stands for as long as nobody says it."""
    names = stated_names(layer)
    if names and names != tuple(classes):
        return by_name(names, classes)
    return {place: place for place in range(len(classes))}


def by_name(names: Sequence[str], classes: Sequence[str]) -> dict[int, int]:
    """Return the class that each label stands for by its name; 0 where it is none."""
    places = {name: place for place, name in enumerate(classes) if place}
    return {label: places.get(name, 0) for label, name in enumerate(names)}


def stated_names(labels: Layer) -> tuple[str, ...]:
    """Return the names of a layer's labels, background first; none where it has none.

    Its record says them, or what its cursor tells of each.
    """
    record = layer_record(labels)
    if record is not None:
        return tuple(record.classes)
    features = getattr(labels, "features", None)
    if features is None or CLASS not in features or "index" not in features:
        return ()
    named = dict(zip(features["index"], features[CLASS], strict=True))
    return tuple(str(named[i]) for i in range(len(named)) if i in named)


def without_class(
    found: Mapping[int, int], classes: Sequence[str], names: Sequence[str] = ()
) -> list[int]:
    """Return the labels, of those that were counted, that stand for no class.

    Where a model has one class, 0 and one other number are a mask of it. Labels with
    `names`, background first, stand for none where no name is that of a class.

    Examples
    --------
    >>> without_class({0: 9, 255: 3}, ("background", "lesion"))
    []
    >>> without_class({0: 9, 255: 3}, ("background", "rim", "cup"))
    [255]
    >>> without_class({0: 9, 1: 3}, ("background", "lesion"), ("background", "bladder"))
    [1]
    """
    if names and tuple(names) != tuple(classes):
        is_alike = bool(set(names[1:]) & set(classes[1:]))
        return [] if is_alike else [label for label in found if label]
    if len(classes) == 2 and foreground_value(found) is not None:
        return []
    return [label for label in found if not 0 <= label < len(classes)]
