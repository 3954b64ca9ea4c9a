"""What a replay made, as layers, and whether it is what was there. Knows no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer

from napari_dmoe.inference.provenance import METADATA_KEY
from napari_dmoe.inference.segmentation import Segmentation
from napari_dmoe.viewer.badges import mask_name
from napari_dmoe.viewer.layers import LayerData
from napari_dmoe.viewer.noise import noise_layers, vote_result
from napari_dmoe.viewer.output_layers import mask_layer
from napari_dmoe.viewer.replaying import ReplaySubject

if TYPE_CHECKING:
    from napari_dmoe.inference.replay import Replay


def rebuilt(found: Replay) -> Segmentation:
    """Return what a replay made as a result; a vote becomes its mask."""
    result = found.result
    return result if isinstance(result, Segmentation) else vote_result(result)


def rebuilt_layers(image: Image, found: Replay) -> list[LayerData]:
    """Return what a replay made, named as replayed: the mask, and maps of noise."""
    made = rebuilt(found)
    data, arguments, kind = mask_layer(image, made)
    name = f"{image.name} / {mask_name(made.provenance)}"
    layers = [(data, arguments | {"name": name}, kind), *_noise_maps(image, found)]
    return [
        (data, arguments | {"name": f"{arguments['name']} replayed"}, kind)
        for data, arguments, kind in layers
    ]


def _noise_maps(image: Image, found: Replay) -> list[LayerData]:
    result = found.result
    return [] if isinstance(result, Segmentation) else noise_layers(image, result)


def missing_from(
    layers: Iterable[Layer], wanted: Iterable[LayerData]
) -> list[LayerData]:
    """Return those layers that are not there already, sample by sample."""
    there = list(layers)
    return [each for each in wanted if not any(_shows(layer, each) for layer in there)]


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


def n_changed(subject: ReplaySubject, found: Replay) -> int | None:
    """Return how many pixels of the layer are not as the replay made them.

    None where the layer is neither a mask nor a map of noise samples of the same size.
    """
    if subject.labels is not None:
        pair = (subject.labels, found.result.labels)
        return _n_unlike(*pair)
    for data, arguments, _ in _noise_maps(subject.image, found):
        is_it = arguments["metadata"][METADATA_KEY]["shows"] == subject.shows
        if is_it and subject.samples is not None:
            return _n_unlike(subject.samples, data)
    return None


def _n_unlike(first: Any, second: Any) -> int | None:
    if first.shape != second.shape:
        return None
    return int(np.count_nonzero(first != second))


def verdict(subject: ReplaySubject, found: Replay) -> str:
    """Say in a sentence whether the layer was rebuilt."""
    n = n_changed(subject, found)
    if found.verdict == "equal" and n == 0:
        return f"The same, bit for bit: “{subject.title}” was rebuilt from its record."
    if found.verdict == "equal" and n is not None:
        what = "mask" if subject.labels is not None else "map"
        return (
            "The run was rebuilt bit for bit, but the layer was changed after it: "
            f"{n} pixels. The {what} of the run is a layer of its own."
        )
    if found.verdict == "equal":
        return "The run was rebuilt bit for bit; its mask is a layer of its own."
    share = "" if found.agreement is None else f" ({found.agreement:.4%} of labels)"
    if found.verdict == "near":
        return f"The same but for near ties{share}; see the layer of its own."
    if found.verdict == "different":
        return f"Not the same{share}: the mask made now is a layer of its own."
    return "Made again, but the record is too old to say whether it is the same."
