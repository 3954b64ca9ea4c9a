"""A layer whose place the next one of its sort takes. Knows no Qt."""

from __future__ import annotations

import weakref
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer

from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.session.results import free_name, put


class KeptLayer:
    """A layer that was put into a viewer, as long as nobody removes it."""

    def __init__(self) -> None:
        self._reference: weakref.ref[Layer] | None = None
        self._given = ""

    def within(self, viewer: ViewerModel | None) -> Any:
        """Return the layer; None where it is not in the viewer."""
        layer = None if self._reference is None else self._reference()
        return layer if viewer is not None and layer in viewer.layers else None

    def put(self, viewer: ViewerModel, layer_data: LayerData) -> Any:
        """Put data into the layer, or into a new one where it is gone; return it."""
        before = self.within(viewer)
        layer = put(viewer, layer_data, before)
        if before is None:
            self._given = layer.name
        self._reference = weakref.ref(layer)
        return layer

    def rename(self, viewer: ViewerModel, name: str) -> None:
        """Give the layer another name, unless a person gave it one."""
        layer = self.within(viewer)
        if layer is not None and layer.name == self._given:
            self._given = free_name(viewer, name, besides=layer)
            layer.name = self._given

    def show(self, viewer: ViewerModel | None, is_shown: bool) -> None:
        """Show or hide the layer, where it is there."""
        layer = self.within(viewer)
        if layer is not None:
            layer.visible = is_shown

    def remove(self, viewer: ViewerModel | None) -> None:
        """Take the layer out of the viewer, where it is there."""
        layer = self.within(viewer)
        if viewer is not None and layer is not None:
            viewer.layers.remove(layer)
