"""What a run gives of itself as new layers on its source.

These are its mask, its probabilities, and where masks differ. All other maps are built
by :mod:`napari_dmoe.viewer.layers.maps`, too; what happens to layers that are already
in a viewer is the business of :mod:`napari_dmoe.viewer.session.results`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.masks.comparison import DIFFERENCES
from napari_dmoe.inference.pictures.colours import (
    DIFFERENCE_COLOURS,
    Rgb,
    altered_colours,
    class_colours,
)
from napari_dmoe.inference.results.provenance import METADATA_KEY, Provenance
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers import maps, names, placement
from napari_dmoe.viewer.layers.names import layer_name
from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.layers.records import hover_note

CLASS = "class"
"""Column of a mask's features that names its labels."""

_MASK_OPACITY = 0.5
_ALTERED_OPACITY = 0.9
"""Of an outline (:mod:`napari_dmoe.viewer.layers.outlines`), which a mask that is not
the plain model's is, and of its difference to the plain one, which may be a rim of
single pixels between the outlines of both."""


def mask_layer(
    source: Image, result: Segmentation, *, own: NDArray[Any] | None = None
) -> LayerData:
    """Return a result's mask as a Labels layer on its source.

    What is shown is a copy of the labels, which somebody may paint on: `own`, where one
    was made already, in the order of their axes.
    """
    record = result.provenance
    data, arguments, kind = maps.map_layer(
        source,
        _own(result.labels) if own is None else own,
        mask_look(result.classes, record),
        axes=result.axes,
        grid=result.grid,
        name=layer_name(source.name, names.mask_words(record)),
    )
    kept = {k: v for k, v in source.metadata.items() if k == placement.FILE_KEY}
    arguments["metadata"] = kept | {METADATA_KEY: record.model_dump(mode="json")}
    if own is None and not isinstance(data, np.memmap):
        data = data.copy()
    return data, arguments, kind


def lazily(labels: Any) -> NDArray[Any]:
    """Return labels that are read from a disk when they are looked at, for a layer.

    Those that lie in chunks there, as in an OME-Zarr image, cannot be painted on; what
    numpy has is returned as it is.
    """
    if isinstance(labels, np.ndarray):
        return labels
    import dask.array  # napari needs it, too

    chunks = getattr(labels, "chunks", None) or "auto"
    from_array: Any = dask.array.from_array
    made: NDArray[Any] = from_array(labels, chunks=chunks, name=False)
    return made


def _own(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels that may be painted on where a whole file is mapped.

    Of that no more is in memory than was looked at or painted on, and the file stays as
    it is. Other labels are returned as they are.
    """
    if not isinstance(labels, np.memmap) or labels.filename is None:
        return labels
    return np.memmap(
        labels.filename, labels.dtype, "c", labels.offset, labels.shape, "C"
    )


def mask_look(
    classes: Sequence[str], record: Provenance | None = None
) -> dict[str, Any]:
    """Return the layer arguments that give a mask its colours and class names.

    The background is the first class. A mask that is not the plain model's by its
    record has other colours, and says under the cursor what it is.
    """
    note, text = ("", "") if record is None else hover_note(record)
    opacity = _ALTERED_OPACITY if note else _MASK_OPACITY
    look = maps.labels_look(CLASS, classes, mask_colours(classes, record), opacity)
    if note:
        look["features"][note] = [text] * len(classes)
    return look


def named_look(names: Sequence[str], colours: Mapping[int, Rgb]) -> dict[str, Any]:
    """Return the layer arguments of labels in colours that are not ours."""
    return maps.labels_look(CLASS, names, colours, _MASK_OPACITY)


def mask_colours(
    classes: Sequence[str], record: Provenance | None = None
) -> dict[int, Rgb]:
    """Return the colours of a mask's labels; others where it is not the plain one."""
    is_altered = record is not None and hover_note(record)[0]
    return altered_colours(classes) if is_altered else class_colours(classes)


def in_layer_order(
    source: Image, result: Segmentation, labels: NDArray[Any]
) -> NDArray[Any]:
    """Return labels of a result in the order of the source layer's axes."""
    return placement.on_layer(source, labels, axes=result.axes, grid=result.grid)[0]


def probability_layers(source: Image, result: Segmentation) -> list[LayerData]:
    """Return each class's probability as an Image layer; none where none were kept."""
    if result.probabilities is None:
        return []
    layers, colours = [], class_colours(result.classes)
    for label, name in enumerate(result.classes[1:], start=1):
        colormap = maps.fading_in(colours[label], f"dmoe class {label}")
        layer = maps.map_layer(
            source,
            result.probabilities[label],
            maps.measure_look(colormap, (0.0, 1.0)),
            axes=result.axes,
            grid=result.grid,
            name=layer_name(source.name, names.probability_of(name)),
            record=result.provenance,
            shows=names.probability_of(name),
        )
        layers.append(layer)
    return layers


def difference_layer(
    source: Image,
    difference: NDArray[np.uint8],
    *,
    what: str = names.DIFFERENCE,
    words: Sequence[str] = DIFFERENCES,
) -> LayerData:
    """Return where two masks on a source differ, in the order of its axes.

    The `words` say what each label means.
    """
    axes = placement.axis_names(source)
    return maps.map_layer(
        source,
        difference,
        _difference_look(words, _MASK_OPACITY),
        axes=axes,
        grid=Grid.identity([difference.shape[axes.index(a)] for a in ("y", "x")]),
        name=layer_name(source.name, what),
    )


def difference_to_plain(
    source: Image,
    result: Segmentation,
    difference: NDArray[np.uint8],
    *,
    what: str,
    words: Sequence[str] = DIFFERENCES,
) -> LayerData:
    """Return where a result that is not the plain model's differs from its mask.

    The labels are as :func:`napari_dmoe.inference.masks.comparison.compare_masks` gives
    them, along the axes of the result; `words` say what each means, and `what` the
    layer shows.
    """
    return maps.map_layer(
        source,
        difference,
        _difference_look(words, _ALTERED_OPACITY),
        axes=result.axes,
        grid=result.grid,
        name=layer_name(source.name, what),
        record=result.provenance,
        shows=f"{what}, to the unchanged mask",
    )


def _difference_look(words: Sequence[str], opacity: float) -> dict[str, Any]:
    colours = dict(enumerate(DIFFERENCE_COLOURS, start=1))
    return maps.labels_look("difference", words, colours, opacity)
