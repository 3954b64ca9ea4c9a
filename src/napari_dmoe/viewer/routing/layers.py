"""The map of the routing on an image: put there, kept up to date, read at a point."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.inference.maps.measures import pair_names
from napari_dmoe.viewer.layers.outlines import Outlines
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.slot import LayerSlot
from napari_dmoe.viewer.routing.extras import extras_of
from napari_dmoe.viewer.routing.map_layers import ShownMap, shown_map
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.session.results import Result

_LEAST_GATE = 0.005
"""Smaller gates would read 0.00."""
_LOOK = ("colormap", "contrast_limits")


class RoutingLayers:
    """The layers that show routing, by image: one of experts, one of other maps.

    Only one of them is seen at a time. They are hidden, not removed, when the other
    kind of map is wanted, so that what a person set in them stays. The masks above a
    map are drawn as outlines.
    """

    def __init__(self, viewer: weakref.ref[ViewerModel], outlines: Outlines) -> None:
        self._viewer, self._outlines = viewer, outlines
        self._slots: WeakKeyDictionary[Layer, dict[str, LayerSlot]] = (
            WeakKeyDictionary()
        )
        self._seen: WeakKeyDictionary[Layer, ShownMap] = WeakKeyDictionary()

    def of(self, image: Layer) -> list[Layer]:
        """Return the layers that show an image's routing and are in the viewer."""
        viewer, slots = self._viewer(), self._slots.get(plain(image), {})
        layers = (each.within(viewer) for each in slots.values())
        return [layer for layer in layers if layer is not None]

    def is_shown(self, image: Layer) -> bool:
        """Whether a map of an image's routing can be seen."""
        return any(layer.visible for layer in self.of(image))

    def show(self, image: Image, result: Result, overlay: Overlay) -> None:
        """Show a map of a result's routing; hide it while a run for it is missing.

        Raises
        ------
        ValueError
            When the network has no MoE, no such block or no such expert.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        shown = shown_map(image, result.segmentation, overlay, extras_of(result))
        if shown is None:
            self.hide(image, result)
            return
        layer = self._put(viewer, image, shown)
        self._seen[layer] = shown
        for each in self.of(image):
            if each.visible != (each is layer):
                each.visible = each is layer
        self._outlines.add(result.mask())

    def _put(self, viewer: ViewerModel, image: Image, shown: ShownMap) -> Layer:
        """Put a map where the image's last one of its sort is, or below the masks."""
        data, arguments, kind = shown.layer_data
        slot = self._slots.setdefault(plain(image), {}).setdefault(kind, LayerSlot())
        before, selected = slot.within(viewer), set(viewer.layers.selection)
        is_there = before is not None and before.ndim == data.ndim
        if is_there and self._seen[before].look == shown.look:
            # What a person set in the colours stays.
            arguments = {k: v for k, v in arguments.items() if k not in _LOOK}
        layer: Layer = slot.put(viewer, (data, arguments, kind))
        slot.rename(viewer, arguments["name"])
        if layer is not before:
            place = viewer.layers.index(image) + 1
            viewer.layers.move(viewer.layers.index(layer), place)
            viewer.layers.selection = selected  # a painter keeps their layer
            if isinstance(layer, Labels):
                layer.editable = False
        return layer

    def hide(self, image: Layer, result: Result | None) -> None:
        """Hide the maps of an image's routing."""
        for layer in self.of(image):
            layer.visible = False
        if result is not None:
            self._outlines.discard(result.mask())

    def text_at(
        self,
        position: Sequence[float],
        view_direction: NDArray[np.float64] | None = None,
        dims_displayed: Sequence[int] = (),
    ) -> str:
        """Say which experts share the token at a point of the world.

        The point is as napari's cursor gives it; in 3D the camera looks in
        `view_direction`. Says ``"expert 3 0.71 | expert 5 0.29, block 7"``, or ``stage
        2`` in 3D, after the value of a map that shows something else; nothing where no
        map is seen.
        """
        for layer in chain.from_iterable(map(self.of, list(self._slots))):
            if layer.visible and layer in self._seen:
                token = token_at(layer, position, view_direction, dims_displayed)
                if token is not None:
                    return _text(self._seen[layer], token)
        return ""


def token_at(
    layer: Layer,
    position: Sequence[float],
    view_direction: NDArray[np.float64] | None = None,
    dims_displayed: Sequence[int] = (),
) -> tuple[int, ...] | None:
    """Return the index of a layer's sample at a point; None beside the layer.

    In 3D it is the sample in which a ray through the point enters the layer, which is
    what is seen of a map without holes.
    """
    place = np.asarray(layer.world_to_data(position), float)
    if view_direction is not None and len(dims_displayed) == 3:
        entry = _entry(layer, position, view_direction)
        if entry is None:
            return None
        # On the box itself: a hair inside it, so that rounding stays within.
        largest = np.array(layer.data.shape) - 0.5
        place = np.clip(entry, -0.5 + 1e-6, largest - 1e-6)
    index = tuple(int(i) for i in np.floor(place + 0.5))
    inside = all(0 <= i < n for i, n in zip(index, layer.data.shape, strict=True))
    return index if inside else None


def _entry(
    layer: Layer, position: Sequence[float], view: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return where a ray enters a layer's box, as an index; None where it misses it.

    napari's own ``get_ray_intersections`` takes a box that is shifted by half a
    sample, which a token shows, and misses it where a ray meets an edge.
    """
    ends = (np.asarray(position, float), np.asarray(position, float) + view)
    start, ahead = (np.asarray(layer.world_to_data(each), float) for each in ends)
    ray = ahead - start
    faces = np.array([np.full(layer.ndim, -0.5), np.array(layer.data.shape) - 0.5])
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = np.sort((faces - start) / ray, axis=0)
    enters, leaves = np.nanmax(near), np.nanmin(far)
    entry: NDArray[np.float64] = start + enters * ray
    return entry if enters <= leaves else None


def _text(shown: ShownMap, token: tuple[int, ...]) -> str:
    gates = shown.gates[token]
    order = [e for e in np.argsort(-gates, kind="stable") if gates[e] >= _LEAST_GATE]
    parts = [f"expert {expert} {gates[expert]:.2f}" for expert in order]
    text = f"{' | '.join(parts)}, {shown.unit} {shown.overlay.block}"
    return " · ".join(filter(None, (_value(shown, token, len(gates)), text)))


def _value(shown: ShownMap, token: tuple[int, ...], n_experts: int) -> str:
    """Say what a map shows at a token; nothing where the gates say it already."""
    overlay, value = shown.overlay, shown.layer_data[0][token]
    if overlay.name == "pair":
        return f"experts {pair_names(n_experts)[int(value)]}"
    if overlay.kind.limits is None or overlay.name == "gate":
        return ""
    is_of_samples = overlay.kind.needs == "samples"  # whose words are longer
    title = overlay.kind.title.lower() if is_of_samples else overlay.words
    return f"{title} {value:.2f} {overlay.kind.unit}".rstrip()
