"""Moves the viewer's sliders to a mask that cannot be seen where they stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_dmoe.viewer.layers import axis_names


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


def centre_on(
    viewer: ViewerModel, image: Image, axes: Sequence[str], place: Sequence[float]
) -> None:
    """Move the sliders and the camera to a place in an image.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    image : napari.layers.Image
        The image.
    axes : sequence of str
        Names of the axes of `place`; further ones of the image stay where they are.
    place : sequence of float
        The place in the image's pixels.
    """
    named = dict(zip(axes, place, strict=True))
    n_spatial = 3 if "z" in named else 2
    offset = viewer.dims.ndim - image.ndim
    here = np.array(image.world_to_data(np.array(viewer.dims.point)[offset:]), float)
    names = axis_names(image, n_spatial)
    target = [named.get(name, at) for name, at in zip(names, here, strict=True)]
    world = np.array(image.data_to_world(target), float)
    for axis in range(image.ndim):
        if axis + offset not in viewer.dims.displayed:
            viewer.dims.set_point(axis + offset, float(world[axis]))
    centre = [
        float(world[axis - offset]) for axis in viewer.dims.displayed if axis >= offset
    ]
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.center = tuple(centre[-3:]) if len(centre) > 2 else (0.0, *centre)
