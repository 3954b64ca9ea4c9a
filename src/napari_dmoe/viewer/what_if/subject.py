"""The layer that shows what a what-if changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_dmoe.inference.masks.comparison import DIFFERENCES
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.look import difference_layer, features_of
from napari_dmoe.viewer.layers.placement import LayerData, on_layer, placement

_OPACITY = 0.9
"""What changes may be a rim of single pixels between the outlines of two masks."""

if TYPE_CHECKING:
    from napari_dmoe.inference.results.segmentation import Segmentation


def placed_difference(
    source: Image,
    result: Segmentation,
    difference: Any,
    *,
    name: str,
    words: Sequence[str] = DIFFERENCES,
) -> LayerData:
    """Return where a result's labels differ from others, placed as the result is.

    Parameters
    ----------
    source : napari.layers.Image
        The image.
    result : Segmentation
        Says along which axes the labels lie, and where.
    difference : array
        Labels as :func:`napari_dmoe.inference.masks.comparison.compare_masks` gives
        them.
    name : str
        What the layer is called before the image's name.
    words : sequence of str
        What each of its labels means.
    """
    data, grid = on_layer(source, difference, axes=result.axes, grid=result.grid)
    _, look, kind = difference_layer(source, data)
    look |= {"opacity": _OPACITY, "features": features_of("difference", words)}
    record = result.provenance.model_dump(mode="json")
    look["metadata"] = {METADATA_KEY: record | {"shows": f"{name}, to the plain mask"}}
    return (
        data,
        look | placement(source, grid) | {"name": f"{name} · {source.name}"},
        kind,
    )
