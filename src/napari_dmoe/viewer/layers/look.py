"""Results as new layers on their source: masks, probabilities, differences.

Where they lie is the business of :mod:`napari_dmoe.viewer.layers.placement`; maps of
the routing are that of :mod:`napari_dmoe.viewer.routing.map_layers`; what happens to
layers that are already in a viewer is that of
:mod:`napari_dmoe.viewer.session.results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, DirectLabelColormap
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
from napari_dmoe.viewer.layers.placement import FILE_KEY, LayerData, on_layer, placement
from napari_dmoe.viewer.layers.records import hover_note, layer_name

_MASK_OPACITY = 0.5
_ALTERED_OPACITY = 0.9  # of an outline: see napari_dmoe.viewer.layers.outlines
MAP_OPACITY = 0.7
SEEN_THROUGH = "translucent_no_depth"  # in 3D a mask shows through what is around it


def mask_layer(source: Image, result: Segmentation) -> LayerData:
    """Return a result's mask as a Labels layer on its source."""
    data, grid = on_layer(source, result.labels, axes=result.axes, grid=result.grid)
    return (
        data.copy(),  # somebody may paint on it
        placement(source, grid)
        | mask_look(result.classes, result.provenance)
        | {
            "name": layer_name(source.name, result.provenance),
            "metadata": {
                **{k: v for k, v in source.metadata.items() if k == FILE_KEY},
                METADATA_KEY: result.provenance.model_dump(mode="json"),
            },
        },
        "labels",
    )


def mask_look(
    classes: Sequence[str], record: Provenance | None = None
) -> dict[str, Any]:
    """Return the layer arguments that give a mask its colours and class names.

    Parameters
    ----------
    classes : sequence of str
        Classes, background first.
    record : Provenance, optional
        How it was made. A mask that is not the plain model's has other colours, and
        says under the cursor what it is.
    """
    note, text = ("", "") if record is None else hover_note(record)
    features = features_of("class", classes)
    if note:
        features[note] = [text] * len(classes)
    return {
        "opacity": _ALTERED_OPACITY if note else _MASK_OPACITY,
        "blending": SEEN_THROUGH,
        "colormap": colours_of_labels(mask_colours(classes, record)),
        "features": features,
    }


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
    return on_layer(source, labels, axes=result.axes, grid=result.grid)[0]


def probability_layers(source: Image, result: Segmentation) -> list[LayerData]:
    """Return each class's probability as an Image layer; none where none were kept."""
    maps = [] if result.probabilities is None else list(result.probabilities)
    layers: list[LayerData] = []
    colours = class_colours(result.classes)
    record = result.provenance.model_dump(mode="json")
    for label, (name, values) in enumerate(zip(result.classes, maps, strict=False)):
        if label == 0:
            continue
        data, grid = on_layer(source, values, axes=result.axes, grid=result.grid)
        look = {
            "name": f"{source.name} / probability of {name}",
            "colormap": fading_in(colours[label], f"dmoe class {label}"),
            "contrast_limits": (0.0, 1.0),
            "opacity": MAP_OPACITY,
            "blending": SEEN_THROUGH,
            "rgb": False,
            "metadata": {METADATA_KEY: record | {"shows": f"probability of {name}"}},
        }
        layers.append((data, placement(source, grid) | look, "image"))
    return layers


def difference_layer(source: Image, difference: NDArray[np.uint8]) -> LayerData:
    """Return where two masks differ as a Labels layer on their source."""
    colours = dict(enumerate(DIFFERENCE_COLOURS, start=1))
    return (
        difference,
        placement(source, Grid.identity(difference.shape))
        | {
            "name": f"{source.name} / difference",
            "opacity": _MASK_OPACITY,
            "blending": SEEN_THROUGH,
            "colormap": colours_of_labels(colours),
            "features": features_of("difference", DIFFERENCES),
        },
        "labels",
    )


def features_of(name: str, texts: Iterable[str]) -> dict[str, list[Any]]:
    """Return the features of a Labels layer: a text for each label, from 0."""
    listed = list(texts)
    return {"index": list(range(len(listed))), name: listed}


def fading_in(colour: Rgb, name: str) -> Colormap:
    """Return a colormap from nothing to a colour, so that the image shows through."""
    red, green, blue = (part / 255 for part in colour)
    return Colormap([[red, green, blue, 0.0], [red, green, blue, 1.0]], name=name)


def colours_of_labels(colours: dict[int, Rgb]) -> DirectLabelColormap:
    """Return a colormap that gives some labels a colour, and the others none."""
    nothing = np.zeros(4, np.float32)
    rgba = {
        label: np.array([*colour, 255], np.float32) / 255
        for label, colour in colours.items()
    }
    # napari takes label 0 for background, unless it has a colour of its own.
    return DirectLabelColormap(color_dict={None: nothing, 0: nothing} | rgba)
