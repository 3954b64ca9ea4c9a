"""What a run leaves in a viewer, and what the next run may do with it.

A mask that somebody painted on is theirs: it is never overwritten. An untouched one is
replaced where it stands, so that its name, opacity and order stay as they are.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.inference.segmentation import Segmentation
from napari_dmoe.viewer.layers import (
    PLACE,
    LayerData,
    experts_layer,
    mask_layer,
    plain,
)


@dataclass(eq=False)
class Result:
    """One run's outcome in a viewer.

    Parameters
    ----------
    segmentation : Segmentation
        What the engine returned.
    request : hashable
        What it was asked for; a result of another request is outdated.
    seconds : float
        How long it took.
    mask : weak reference to a Labels layer
        The mask.
    original : array
        The mask as it was put into that layer.
    experts : weak reference to a Labels layer, or None
        The dominant experts; None for a network without its MoE.
    block : int
        Block whose experts are shown.
    """

    segmentation: Segmentation
    request: Hashable
    seconds: float
    mask: weakref.ref[Labels]
    original: NDArray[Any]
    experts: weakref.ref[Labels] | None
    block: int

    @property
    def is_edited(self) -> bool:
        """Whether somebody changed the mask since the run."""
        mask = self.mask()
        return mask is not None and not np.array_equal(mask.data, self.original)

    @property
    def n_blocks(self) -> int:
        """Number of blocks whose experts can be shown."""
        routing = self.segmentation.routing
        return 0 if routing is None else routing.n_blocks

    def show_block(self, source: Image, block: int) -> None:
        """Show the experts of another block in the layer that is there."""
        layer = None if self.experts is None else self.experts()
        if layer is None:
            return
        self.block = block
        _replace(layer, experts_layer(source, self.segmentation, block))


def show(
    viewer: ViewerModel,
    source: Image,
    segmentation: Segmentation,
    *,
    request: Hashable,
    seconds: float,
    previous: Result | None = None,
    show_experts: bool = False,
) -> Result:
    """Put a run's mask and experts into a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where to.
    source : napari.layers.Image
        The image that was segmented.
    segmentation : Segmentation
        What the engine returned.
    request : hashable
        What it was asked for.
    seconds : float
        How long it took.
    previous : Result, optional
        The image's result so far. Its layers are replaced where they are still there
        and the mask was not painted on; otherwise new layers are added.
    show_experts : bool
        Whether a new layer of experts is visible.
    """
    routing = segmentation.routing
    n_blocks = 0 if routing is None else routing.n_blocks
    block = min(previous.block if previous else n_blocks - 1, n_blocks - 1)
    experts = None
    if n_blocks:
        experts = _put(
            viewer,
            experts_layer(source, segmentation, max(block, 0)),
            _still_there(viewer, previous.experts if previous else None),
        )
        if previous is None:
            experts.visible = show_experts
        experts.editable = False
    elif previous is not None:
        _remove(viewer, previous.experts)
    mask = _put(
        viewer, mask_layer(source, segmentation), _reusable_mask(viewer, previous)
    )
    return Result(
        segmentation=segmentation,
        request=request,
        seconds=seconds,
        mask=weakref.ref(mask),
        original=np.array(mask.data),
        experts=None if experts is None else weakref.ref(experts),
        block=max(block, 0),
    )


def _reusable_mask(viewer: ViewerModel, previous: Result | None) -> Labels | None:
    if previous is None or previous.is_edited:
        return None
    return _still_there(viewer, previous.mask)


def _still_there(
    viewer: ViewerModel, reference: weakref.ref[Labels] | None
) -> Labels | None:
    layer = None if reference is None else reference()
    return layer if layer is not None and layer in viewer.layers else None


def _remove(viewer: ViewerModel, reference: weakref.ref[Labels] | None) -> None:
    layer = _still_there(viewer, reference)
    if layer is not None:
        viewer.layers.remove(layer)


def _put(viewer: ViewerModel, layer_data: LayerData, existing: Labels | None) -> Labels:
    if existing is not None and existing.data.ndim == layer_data[0].ndim:
        _replace(existing, layer_data)
        return existing
    data, arguments, _ = layer_data
    name = _free_name(viewer, arguments["name"])
    added: Labels = plain(viewer.add_labels(data, **(arguments | {"name": name})))
    return added


def _replace(layer: Labels, layer_data: LayerData) -> None:
    """Change a layer's samples and place, but nothing that a person may have set."""
    data, arguments, _ = layer_data
    layer.data = data
    for name in (*PLACE, "colormap", "features", "metadata"):
        setattr(layer, name, arguments[name])


def _free_name(viewer: ViewerModel, name: str) -> str:
    taken = {layer.name for layer in viewer.layers}
    free, number = name, 2
    while free in taken:
        free, number = f"{name} [{number}]", number + 1
    return free
