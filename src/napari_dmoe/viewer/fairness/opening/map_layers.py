"""Mean error maps by group as layers: side by side, and alone in the viewer.

They are of no patient, so that nothing of one is seen with them: the first of them
stands in for an image. Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import free_name

if TYPE_CHECKING:
    from napari_dmoe.evaluation.groups.error_maps import ErrorMaps
    from napari_dmoe.viewer.session.session import Session

FALSE_NEGATIVES, FALSE_POSITIVES = "false negatives", "false positives"

_GAP = 0.25
"""Between two maps, as a share of one: room for what they are called."""

_ABOVE = 0.03
"""Between a map and what it is called, as a share of the map."""

_COLOURS = "magma"
_TEXT_SIZE = 9


def map_data(maps: ErrorMaps, what: str) -> list[LayerData]:
    """Return mean error maps as layers: a column a group, and a row a kind of error.

    Parameters
    ----------
    maps : ErrorMaps
        The maps.
    what : str
        Of what they are, such as ``"cup, by a model"``.
    """
    height, width = maps.shape[-2:] if maps.shape else (0, 0)
    layers: list[LayerData] = []
    for column, group in enumerate(maps.groups):
        rows = (FALSE_NEGATIVES, group.missed), (FALSE_POSITIVES, group.too_much)
        for row, (kind, values) in enumerate(rows):
            corner = row * height * (1 + _GAP), column * width * (1 + _GAP)
            place = (*(0.0,) * (values.ndim - 2), *corner)
            said = f"{kind} of {what}, mean over {group.n} cases of {group.name}"
            arguments: dict[str, Any] = {
                "name": f"{kind}, {group.name} (n {group.n})",
                "translate": place,
                "colormap": _COLOURS,
                "contrast_limits": (0.0, maps.most or 1.0),
                "blending": "translucent_no_depth",
                "metadata": {METADATA_KEY: {"shows": said, "how": maps.how}},
                "rgb": False,
            }
            layers.append((values, arguments, "image"))
    return layers


class MapLayers:
    """Keeps the error maps that are in the viewer; the next ones replace them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._there: list[weakref.ref[Layer]] = []

    def show(self, maps: ErrorMaps, what: str) -> None:
        """Show mean error maps, and nothing of a patient.

        Raises
        ------
        RuntimeError
            When the viewer is gone.
        """
        session, viewer = self._session, self._session.viewer
        if viewer is None:
            raise RuntimeError("the viewer is gone")
        self._let_go()
        made = [Image(data, **own) for data, own, _ in map_data(maps, what)]
        if not made:
            return
        lead = made[0]
        session.showing.stand_in(lead)
        captions = _captions(made, maps.shape)
        for layer in (*made, captions):
            layer.name = free_name(viewer, str(layer.name))
            with pointer_away(viewer), session.showing.adding(lead):
                viewer.add_layer(layer)
            self._there.append(weakref.ref(layer))
        session.showing.show(lead)
        viewer.layers.selection.active = lead
        viewer.reset_view()

    def _let_go(self) -> None:
        viewer = self._session.viewer
        for each in self._there:
            layer = each()
            if viewer is not None and layer is not None and stays(viewer, layer):
                leaving_of(viewer).let_go(layer)
        self._there = []


def _captions(layers: Sequence[Image], shape: Sequence[int]) -> Points:
    """Return what maps are called, above each of them, in every plane of a volume."""
    above = np.stack([np.asarray(each.translate, float) for each in layers])
    above[:, -2] -= _ABOVE * shape[-2]
    planes = range(shape[0] if len(shape) > 2 else 1)
    places = np.concatenate([above] * len(planes))
    if len(shape) > 2:
        places[:, 0] = np.repeat(planes, len(above))
    return Points(
        places,
        name="what the maps show",
        text={
            "string": [_caption(str(each.name)) for each in layers] * len(planes),
            "size": _TEXT_SIZE,
            "color": "white",
            "anchor": "lower_left",
        },
        size=0.01,
        face_color="transparent",
        border_color="transparent",
    )


def _caption(name: str) -> str:
    kind, _, group = name.partition(", ")
    return f"{group}: {kind}"
