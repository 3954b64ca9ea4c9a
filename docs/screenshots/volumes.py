"""The scene of a volume that is opened lazily: its slabs appear, and it is stopped."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import napari
import numpy as np
import zarr
from napari.settings import get_settings
from qtpy.QtWidgets import QWidget
from screenshots.tools import Shooter, load, settle, wait

from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.phantoms.samples import sample_pelvis
from napari_dmoe.viewer.segment.control import SegmentControl

SHAPE = (512, 512, 256)
_CHUNKS = (32, 256, 256)
_SLICE = 86
_DONE = 110
"""Slices that are finished when the pictures are taken."""


def written_scan(folder: Path) -> tuple[Any, np.ndarray]:
    """Write phantom scans one behind another, enlarged in their planes, as zarr.

    Returns the array, which is lazy, and the size of a voxel in mm, (z, y, x).
    """
    image = sample_pelvis().image
    depth, height, width = image.data.shape
    array = zarr.create_array(
        folder / "scan.zarr", shape=SHAPE, chunks=_CHUNKS, dtype=image.data.dtype
    )
    places = (
        np.arange(n) * m // n for n, m in zip(SHAPE[1:], (height, width), strict=True)
    )
    plane = np.ix_(range(depth), *places)
    for number, z in enumerate(range(0, SHAPE[0], depth)):
        scan = image.data[plane]
        array[z : z + depth] = scan[:: 1 if number % 2 == 0 else -1]
    sides = np.diag(image.affine)[:-1].copy()
    sides[1:] *= (height / SHAPE[1], width / SHAPE[2])
    return zarr.open_array(folder / "scan.zarr", mode="r"), sides


def long_scan(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment a volume that is opened lazily, look at its slabs, and stop it."""
    load(dock, "pelvis-phantom")
    with TemporaryDirectory() as folder:
        array, sides = written_scan(Path(folder))
        image = viewer.add_image(
            array,
            name="long scan",
            scale=sides,
            units=("mm",) * 3,
            axis_labels=SPATIAL_AXES,
            contrast_limits=(-200, 300),
        )
        dock._session.set_patient(image, sample_pelvis().patient)
        viewer.dims.set_current_step(0, _SLICE)
        viewer.reset_view()
        segmenting = dock.control(SegmentControl)
        wait(lambda: not segmenting.fit.is_looking and dock.footer.button.isEnabled())
        shoot.window("slabs-ready")
        dock.footer.button.click()
        wait(lambda: any("preview" in each.name for each in viewer.layers))
        shoot.window("slabs-preview")
        wait(lambda: _done(viewer) > _DONE)
        shoot.window("slabs-coming")
        _from_the_side(viewer, shoot)
        dock.footer.button.click()
        wait(lambda: not segmenting.run.is_busy)
        settle()
        shoot.window("slabs-stopped")
        viewer.layers.clear()


def _from_the_side(viewer: napari.Viewer, shoot: Shooter) -> None:
    """Look at what is there so far across the slabs, in 3D, and in the light theme."""
    step = viewer.dims.current_step
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, SHAPE[1] // 2)
    viewer.reset_view()
    shoot.window("slabs-across")
    get_settings().appearance.theme = "light"
    shoot.window("slabs-light")
    get_settings().appearance.theme = "dark"
    viewer.dims.order = (0, 1, 2)
    viewer.layers["long scan"].visible = False
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.angles = (0, 25, 70)
    shoot.window("slabs-3d")
    viewer.dims.ndisplay = 2
    viewer.layers["long scan"].visible = True
    viewer.dims.current_step = step
    viewer.reset_view()


def _done(viewer: napari.Viewer) -> int:
    """Return the last slice with something in it of a mask that is coming."""
    for layer in viewer.layers:
        if "unfinished mask" in layer.name:
            found = np.flatnonzero(layer.data[:, ::8, ::8].any((1, 2)))
            return int(found[-1]) if len(found) else 0
    return 0
