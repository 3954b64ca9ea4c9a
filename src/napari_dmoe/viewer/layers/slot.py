"""A layer whose place the next one of its sort takes. Knows no Qt."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from napari_dmoe.viewer.layers.placement import PLACE, LayerData, plain
from napari_dmoe.viewer.layers.pointer import pointer_away

_SHOWN = ("colormap", "features", "metadata", "contrast_limits")
"""What of a layer goes with its samples, and is no person's to set for good."""


class LayerSlot:
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
        if layer is not before:
            self._given = layer.name
        self._reference = weakref.ref(layer)
        return layer

    def take(self, layer: Layer) -> None:
        """Know a layer that was put into the viewer by somebody else."""
        self._reference, self._given = weakref.ref(layer), layer.name

    def rename(self, viewer: ViewerModel, name: str) -> None:
        """Give the layer another name, unless a person gave it one."""
        layer = self.within(viewer)
        if layer is not None and layer.name == self._given:
            self._given = _free_name(viewer, name, besides=layer)
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


@contextmanager
def selection_kept(viewer: ViewerModel | None) -> Iterator[None]:
    """Let the same layers be selected afterwards: nobody who paints loses theirs."""
    selected = set() if viewer is None else set(viewer.layers.selection)
    yield
    if viewer is not None:
        viewer.layers.selection = selected


def put(viewer: ViewerModel, layer_data: LayerData, existing: Layer | None) -> Any:
    """Put data into a layer that is there, or add one under a free name; return it.

    What a person may have set in one that is there stays: its name, opacity and whether
    it is seen; so does what `layer_data` does not state.
    """
    data, arguments, kind = layer_data
    if existing is not None and existing.ndim == data.ndim:
        _replace(existing, data, arguments)
        return existing
    name = _free_name(viewer, str(arguments["name"]))
    add = viewer.add_labels if kind == "labels" else viewer.add_image
    with pointer_away(viewer):
        return plain(add(data, **(arguments | {"name": name})))


def _replace(layer: Layer, data: Any, arguments: dict[str, Any]) -> None:
    """Change a layer's samples and place; only what differs, for each is drawn."""
    layer.data = data
    for name in (each for each in (*PLACE, *_SHOWN) if each in arguments):
        if name in _SHOWN or not _is(getattr(layer, name), arguments[name]):
            setattr(layer, name, arguments[name])


def _is(now: Any, wanted: Any) -> bool:
    """Whether a layer's place is as wanted: an affine, an array or a tuple."""
    matrix = getattr(now, "affine_matrix", now)
    is_array = isinstance(matrix, np.ndarray)
    return bool(np.array_equal(matrix, wanted) if is_array else matrix == wanted)


def _free_name(viewer: ViewerModel, name: str, besides: Layer | None = None) -> str:
    """Return a name, or the next that no layer has besides one."""
    taken = {layer.name for layer in viewer.layers if layer is not besides}
    free, number = name, 2
    while free in taken:
        free, number = f"{name} [{number}]", number + 1
    return free
