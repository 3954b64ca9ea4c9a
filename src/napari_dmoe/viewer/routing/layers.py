"""The map of the routing on an image: put there, kept up to date, read at a point."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_dmoe.inference.maps.measures import pair_names
from napari_dmoe.viewer.layers.groups import Group, Groups
from napari_dmoe.viewer.layers.outlines import Outlines
from napari_dmoe.viewer.routing.extras import extras_of
from napari_dmoe.viewer.routing.map_layers import ShownMap, shown_map
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.session.results import Result

_LEAST_GATE = 0.005
"""Smaller gates would read 0.00."""
_LOOK = ("colormap", "contrast_limits")
_OWNER = "routing"


class RoutingLayers:
    """The layers that show routing, one an image, below the masks.

    The masks above a map are drawn as outlines.
    """

    def __init__(self, groups: Groups, outlines: Outlines) -> None:
        self._groups, self._outlines = groups, outlines
        self._seen: WeakKeyDictionary[Layer, ShownMap] = WeakKeyDictionary()

    def of(self, image: Layer) -> Layer | None:
        """Return the layer that shows an image's routing and is in the viewer."""
        return self._groups.layer(image, Group.ROUTING)

    def is_shown(self, image: Layer) -> bool:
        """Whether a map of an image's routing is seen, or is once the image is."""
        return self._groups.is_seen(image, Group.ROUTING)

    def show(self, image: Image, result: Result, overlay: Overlay) -> None:
        """Show a map of a result's routing; hide it while a run for it is missing.

        Raises
        ------
        ValueError
            When the network has no MoE, no such block or no such expert.
        """
        shown = shown_map(image, result.segmentation, overlay, extras_of(result))
        if shown is None:
            self.hide(image, result)
            return
        data, arguments, kind = shown.layer_data
        before = self.of(image)
        if before is not None and self._seen[before].look == shown.look:
            # What a person set in the colours stays.
            arguments = {k: v for k, v in arguments.items() if k not in _LOOK}
        made = data, arguments, kind
        layer = self._groups.put(
            image, Group.ROUTING, made, _OWNER, is_under_masks=True
        )
        self._seen[layer] = shown
        self._outlines.add(result.mask())

    def hide(self, image: Layer, result: Result | None) -> None:
        """Hide the map of an image's routing."""
        self._groups.hide(image, Group.ROUTING)
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
        for layer in map(self.of, self._groups.images):
            if layer is not None and layer.visible and layer in self._seen:
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
