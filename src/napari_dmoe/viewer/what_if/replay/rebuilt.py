"""What a replay made, as layers, and whether it is what was there. Knows no Qt.

What it is made from is the business of
:mod:`napari_dmoe.viewer.what_if.replay.replaying`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers import slot
from napari_dmoe.viewer.layers.look import mask_layer, probability_layers
from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.layers.records import layer_name
from napari_dmoe.viewer.session.reopening import hide, quoted, show_alone
from napari_dmoe.viewer.what_if.noise.maps import noise_layers, vote_result
from napari_dmoe.viewer.what_if.replay.replaying import ReplaySubject

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_dmoe.inference.replaying.replay import Replay
    from napari_dmoe.viewer.session.session import Session


def rebuilt(found: Replay) -> Segmentation:
    """Return what a replay made as a result; a vote becomes its mask."""
    result = found.result
    return result if isinstance(result, Segmentation) else vote_result(result)


def rebuilt_layers(image: Image, found: Replay) -> list[LayerData]:
    """Return what a replay made, named as replayed: the mask first, and then maps."""
    made = rebuilt(found)
    data, arguments, kind = mask_layer(image, made)
    name = layer_name(image.name, made.provenance, "replayed")
    maps = [
        (data, arguments | {"name": f"{arguments['name']} replayed"}, kind)
        for data, arguments, kind in _maps(image, found)
    ]
    return [(data, arguments | {"name": name}, kind), *maps]


def counterpart(subject: ReplaySubject, made: Sequence[LayerData]) -> LayerData | None:
    """Return what a replay made of the layer that was replayed; None without it.

    A replay draws no difference and no map of a sweep or of the routing.
    """
    if not subject.is_map:
        return made[0]
    for each in made[1:]:
        if each[1]["metadata"][METADATA_KEY]["shows"] == subject.shows:
            return each
    return None


def missing_from(
    layers: Iterable[Layer], wanted: Iterable[LayerData]
) -> list[LayerData]:
    """Return those layers that are not there already, sample by sample."""
    there = list(layers)
    return [each for each in wanted if not any(_shows(layer, each) for layer in there)]


def n_changed(subject: ReplaySubject, found: Replay) -> int | None:
    """Return how many pixels of the layer are not as the replay made them.

    None where it is of another size, or a map that a replay does not draw.
    """
    first, second = subject.labels, found.result.labels
    if first is None:
        made = counterpart(subject, rebuilt_layers(subject.image, found))
        if made is None or subject.samples is None:
            return None
        first, second = subject.samples, made[0]
    return None if first.shape != second.shape else int((first != second).sum())


def verdict(subject: ReplaySubject, found: Replay, added: str = "") -> str:
    """Say in a sentence whether the layer was rebuilt.

    Parameters
    ----------
    subject : ReplaySubject
        What was replayed.
    found : Replay
        What it made.
    added : str
        Name of the layer that shows it; empty where none was added.
    """
    n = n_changed(subject, found)
    what = "map" if subject.is_map else "mask"
    see = f" The {what} of the run is “{added}”." if added else ""
    if subject.is_map and n is None:
        see = f" A replay does not draw “{subject.title}” itself."
    if found.verdict == "equal" and n == 0:
        return f"The same, bit for bit: “{subject.title}” was rebuilt from its record."
    if found.verdict == "equal" and n is not None:
        return (
            "The run was rebuilt bit for bit, but the layer was changed after it: "
            f"{n} pixels.{see}"
        )
    if found.verdict == "equal":
        return f"The run was rebuilt bit for bit.{see}"
    share = "" if found.agreement is None else f" ({found.agreement:.4%} of labels)"
    if found.verdict == "near":
        return f"The same but for near ties{share}.{see}"
    if found.verdict == "different":
        return f"Not the same{share}.{see}"
    return f"Made again, but the record is too old to say whether it is the same.{see}"


def show_replayed(
    session: Session,
    viewer: ViewerModel,
    source: Layer | None,
    subject: ReplaySubject,
    found: Replay,
) -> str:
    """Put what a replay made and is not there into the viewer, and say how it went.

    What was replayed is seen instead of the layer, where it is another one. What only
    accompanies it, such as the other maps of noise samples, is added hidden.

    Parameters
    ----------
    session : Session
        Knows the results of the image.
    viewer : napari.components.ViewerModel
        Where to.
    source : napari.layers.Layer or None
        The layer that was replayed; None where it is gone.
    subject : ReplaySubject
        The snapshot of it.
    found : Replay
        What was made.
    """
    made = rebuilt_layers(subject.image, found)
    wanted = counterpart(subject, made)
    added, hidden, others = "", "", []
    is_same = n_changed(subject, found) == 0
    for each in missing_from(viewer.layers, made):
        if each is not wanted:
            other = _put_unselected(viewer, each)
            other.visible = False
            others.append(other.name)
        elif not is_same:
            layer = _put_unselected(viewer, each)
            added = layer.name
            hidden = _instead_of(session, layer, subject.image, source)
    also = f"Added hidden: {quoted(others)}." if others else ""
    return " ".join(filter(None, (verdict(subject, found, added), hidden, also)))


def _maps(image: Image, found: Replay) -> list[LayerData]:
    """Return the maps of noise samples, or the probabilities where they were kept."""
    result = found.result
    if isinstance(result, Segmentation):
        return probability_layers(image, result)
    return noise_layers(image, result)


def _shows(layer: Layer, layer_data: LayerData) -> bool:
    data, arguments, _ = layer_data
    known, wanted = (
        _identity(each.get(METADATA_KEY))
        for each in (layer.metadata, arguments["metadata"])
    )
    return known == wanted and np.array_equal(np.asarray(layer.data), data)


def _identity(record: Any) -> tuple[Any, ...] | None:
    """Return what tells apart the runs, and the maps of a run."""
    if not isinstance(record, Mapping):
        return None
    image = record.get("image") or {}
    names = ("made_by", "labels_sha256", "shows")
    return (image.get("input_sha256"), *(record.get(name) for name in names))


def _instead_of(
    session: Session, made: Layer, image: Image, source: Layer | None
) -> str:
    if isinstance(made, Labels):
        return show_alone(session, made, image, source)
    return hide([] if source is None else [source])


def _put_unselected(viewer: ViewerModel, layer_data: LayerData) -> Layer:
    """Add a layer, and leave the selection to who paints."""
    selected = set(viewer.layers.selection)
    layer: Layer = slot.put(viewer, layer_data, None)
    viewer.layers.selection = selected
    return layer
