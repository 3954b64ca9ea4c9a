"""A dock whose plots of the routing can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from desk import Desk


def in_sight(
    desk: Desk, image: np.ndarray, *, severity: str = "suspect", **options: Any
) -> Desk:
    """Segment an image, and show the dock in a window of its own."""
    desk.viewer.add_image(image, name="retina", **options)
    if severity:
        desk.choose("severity", severity)
    desk.run()
    desk.dock.tabs.setCurrentWidget(desk.routing.tab)
    desk.dock.resize(300, 768)
    desk.dock.show()
    desk.qtbot.waitExposed(desk.dock)
    desk.qtbot.waitUntil(lambda: desk.routing.tab.plots.load_plot.figure is not None)
    desk.settle()
    return desk
