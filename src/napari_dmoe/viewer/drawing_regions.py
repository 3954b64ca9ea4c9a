"""The Shapes layer in which a person draws the region that the plots are of."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_dmoe.viewer.layers.placement import PLACE
from napari_dmoe.viewer.routing.plots.region import REGION, region_layer

_EDGE_COLOUR = "#ff3df2"  # unlike any map's colours, and unlike bone and skin
_EDGE_SHARE = 0.006
"""Width of an outline as a share of the shorter displayed side."""


def draw_region(viewer: ViewerModel, image: Image) -> Shapes:
    """Let a person draw rectangles on an image, in the region layer or a new one.

    A new layer lies where the image does, in its units, so that napari need not ignore
    either's, and its outlines are thin whatever the size of a pixel.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    image : napari.layers.Image
        What is drawn on.

    Returns
    -------
    Shapes
        The layer, selected, with the tool for rectangles.
    """
    layer = region_layer(viewer)
    if layer is None:
        shape = image.data[0].shape if image.multiscale else image.data.shape
        shown = [shape[axis] for axis in range(image.ndim)][-2:]
        layer = Shapes(
            ndim=image.ndim,
            name=REGION,
            face_color="transparent",
            edge_color=_EDGE_COLOUR,
            edge_width=max(_EDGE_SHARE * min(shown), 0.2),
            **{name: getattr(image, name) for name in PLACE},
        )
        viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    return layer
