"""How a sample is first seen: at its plane, with its reference mask as an outline."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet, ref

from napari.components import ViewerModel
from napari.layers import Layer

from napari_dmoe.viewer.layers.camera import fit, show_plane
from napari_dmoe.viewer.layers.outlines import Outlines
from napari_dmoe.viewer.layers.samples import first_step, is_reference, is_sample


class Arrivals:
    """Shows each sample of a viewer once as it is meant to be seen first."""

    def __init__(self, viewer: ViewerModel, outlines: Outlines) -> None:
        self._viewer, self._outlines = ref(viewer), outlines
        self._seen: WeakSet[Layer] = WeakSet()
        # Behind napari, which goes to the middle of a viewer's first layer.
        viewer.layers.events.inserted.connect(self._on_layers, position="last")
        self._on_layers()

    def _on_layers(self, event: Any = None) -> None:
        viewer = self._viewer()
        for layer in [] if viewer is None else list(viewer.layers):
            if viewer is None or layer in self._seen:
                continue
            self._seen.add(layer)
            if is_reference(layer):
                self._outlines.add(layer)
            elif is_sample(layer):
                step = first_step(layer)
                if step is not None:
                    show_plane(viewer, layer, step)
                fit(viewer, layer)
