"""The scenes of the Routing tab."""

from __future__ import annotations

import napari
import numpy as np
from napari.settings import get_settings
from qtpy.QtWidgets import QWidget
from screenshots.tools import (
    Shooter,
    compute_map,
    load,
    run,
    show_map,
    to_the_end,
)

from napari_dmoe.viewer.routing.control import RoutingControl


def routing_fundus(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Go through the maps of the fundus, and draw a region."""
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    run(dock)
    viewer.reset_view()
    show_map(dock, "pair")
    shoot.window("routing-pair")
    for name in ("divergence", "uncertainty", "chance"):
        show_map(dock, name)
        compute_map(dock)
        shoot.window(f"routing-{name}")
    shoot.dock("routing-chance-narrow")
    show_map(dock, "agreement")
    shoot.window("routing-agreement")
    show_map(dock, "dominant", block=0)
    image = viewer.layers["phantom fundus"]
    around = np.array([[40, 120], [40, 215], [130, 215], [130, 120]])
    viewer.add_shapes(
        [around],
        shape_type="ellipse",
        face_color="transparent",
        edge_color="white",
        edge_width=2,
        scale=image.scale,
        units=image.units,
        name="region",
    )
    to_the_end(dock.control(RoutingControl).tab)
    shoot.window("routing-region")


def routing_skin(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Compare two values of one of two drivers, and their routers."""
    load(dock, "skin-phantom")
    viewer.open_sample("napari-dmoe", "phantom-skin")
    run(dock)
    viewer.reset_view()
    show_map(dock, "divergence")
    compute_map(dock)
    dock.control(RoutingControl).tab.plots.fold.unfold()
    to_the_end(dock.control(RoutingControl).tab)
    shoot.window("routing-similarity")
    get_settings().appearance.theme = "light"
    shoot.dock("routing-light")
    get_settings().appearance.theme = "dark"


def routing_pelvis(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Show which stage of the 3D network gives which blocks to one expert."""
    load(dock, "pelvis-phantom")
    viewer.open_sample("napari-dmoe", "phantom-pelvis")
    run(dock)
    viewer.dims.set_current_step(0, 24)
    viewer.reset_view()
    show_map(dock, "pair", block=3)
    shoot.window("routing-pelvis")
