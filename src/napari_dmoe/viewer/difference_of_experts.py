"""The layer that shows where an intervention on experts changes the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dmoe.viewer.badges import altered_words
from napari_dmoe.viewer.what_if.experts.words import difference_words
from napari_dmoe.viewer.what_if.subject import placed_difference

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_dmoe.inference.what_if.ablation import Ablation
    from napari_dmoe.viewer.layers.slot import KeptLayer


def put_difference(
    kept: KeptLayer, viewer: ViewerModel, image: Image, ablation: Ablation
) -> Labels:
    """Show the difference of an intervention, where the last one's was."""
    record = ablation.result.provenance
    layer_data = placed_difference(
        image,
        ablation.result,
        ablation.comparison.difference,
        name=f"difference, {altered_words(record)}",
        words=difference_words(record),
    )
    layer: Labels = kept.put(viewer, layer_data)
    layer.name = layer_data[1]["name"]  # it says what was done
    layer.editable, layer.visible = False, True
    return layer
