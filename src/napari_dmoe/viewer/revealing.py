"""Moves the viewer's sliders to a mask that cannot be seen where they stand."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels


def reveal(viewer: ViewerModel, mask: Labels) -> bool:
    """Show the plane in which most of a mask lies, if the one shown has nothing of it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    mask : napari.layers.Labels
        The mask.

    Returns
    -------
    bool
        Whether the sliders were moved. They are not in 3D, nor for an empty mask.
    """
    displayed = viewer.dims.displayed
    offset = viewer.dims.ndim - mask.ndim
    hidden = [axis for axis in range(mask.ndim) if axis + offset not in displayed]
    if viewer.dims.ndisplay != 2 or not hidden:
        return False
    shown = tuple(axis for axis in range(mask.ndim) if axis not in hidden)
    counts = np.count_nonzero(np.asarray(mask.data), axis=shown)
    point = np.array(viewer.dims.point)[offset:]
    here = np.round(mask.world_to_data(point)).astype(int)
    place = tuple(
        int(np.clip(here[axis], 0, mask.data.shape[axis] - 1)) for axis in hidden
    )
    if not counts.any() or counts[place]:
        return False
    best = np.unravel_index(int(counts.argmax()), counts.shape)
    target = np.array(here, float)
    target[hidden] = best
    world = np.array(mask.data_to_world(target), float)
    for axis in hidden:
        viewer.dims.set_point(axis + offset, float(world[axis]))
    return True
