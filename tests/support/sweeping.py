"""What a person does with sweeps in the What if tab."""

from __future__ import annotations

import numpy as np
from desk import Desk
from napari.layers import Labels

from napari_dmoe.viewer.what_if.sweep.view import SweepSection

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)


def section_of(desk: Desk) -> SweepSection:
    return desk.what_if.tab.sweep


def sweep(desk: Desk, driver: str = "Severity") -> SweepSection:
    desk.wait_until_idle()
    section = section_of(desk)
    section.combo.setCurrentIndex(section.combo.findText(driver))
    desk.click(section.button)
    # A volume takes a few seconds on a busy machine.
    desk.qtbot.waitUntil(lambda: not desk.segmenting.run.is_busy, timeout=60_000)
    desk.settle()
    return section


def stack_of(desk: Desk) -> Labels:
    return next(layer for layer in desk.viewer.layers if "/ sweep of" in layer.name)


def look_at_region(section: SweepSection, place: int = 0) -> None:
    """Double-click a region."""
    regions = section.found.regions
    regions.setCurrentRow(place)
    regions.activated.emit(regions.model().index(place, 0))


def choose_map(section: SweepSection, place: int) -> None:
    section.found.map_combo.setCurrentIndex(place)
    section.found.map_combo.activated.emit(place)
