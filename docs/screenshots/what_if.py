"""The scenes of the What if tab."""

from __future__ import annotations

import napari
from napari.settings import get_settings
from qtpy.QtWidgets import QWidget
from screenshots.tools import (
    Shooter,
    load,
    run,
    settle,
    to_the_end,
    wait,
)

from napari_dmoe.viewer.layers.records import is_mask
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.what_if.control import WhatIfControl


def whatif_sweep(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Go through every value of a driver, and to the region that flips most."""
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    run(dock)
    viewer.reset_view()
    dock.tabs.setCurrentWidget(dock.control(WhatIfControl).tab)
    section = dock.control(WhatIfControl).tab.sweep
    section.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    section.found.slider.setValue(2)
    shoot.window("whatif-sweep")
    shoot.dock("whatif-sweep-dock")
    section.found.map_combo.setCurrentIndex(2)
    section.found.map_combo.activated.emit(2)
    shoot.window("whatif-sensitivity")


def whatif_experts(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Mute the expert that matters most, and measure what every expert does."""
    what_if = begin_what_if(viewer, dock)
    section = what_if.experts
    section.fold.unfold()
    section.effects_button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    most = int(section.effects_table.model().index(0, 0).data())
    section.mute_boxes[most].click()
    section.run_button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    show_section(what_if, section)
    shoot.window("whatif-experts")
    shoot.dock("whatif-experts-dock")
    show_section(what_if, section.effects_button)
    shoot.dock("whatif-experts-effects")
    mask = next(e for e in viewer.layers if is_mask(e) and "expert" in e.name)
    viewer.layers.selection.active = mask
    dock.tabs.setCurrentWidget(dock.control(SegmentControl).tab)
    to_the_end(dock.control(SegmentControl).tab.body)
    shoot.dock("whatif-experts-badge")
    get_settings().appearance.theme = "light"
    show_section(what_if, section)
    shoot.window("whatif-experts-light")
    get_settings().appearance.theme = "dark"


def whatif_noise(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Draw noise samples, and show where they disagree."""
    what_if = begin_what_if(viewer, dock)
    what_if.noise.run_button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    show_section(what_if, what_if.noise)
    shoot.dock("whatif-noise-dock")
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.zoom *= 2
    shoot.window("whatif-noise")


def whatif_replay(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Replay a mask, compare two records, and show what stands in the way."""
    what_if = begin_what_if(viewer, dock)
    what_if.experts.fold.unfold()
    what_if.experts.mute_boxes[3].click()
    what_if.experts.run_button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    section, layers = what_if.replay, viewer.layers
    masks = [each for each in layers if is_mask(each)]
    layers.selection = {masks[1]}
    section.replay_button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    show_section(what_if, section)
    shoot.dock("whatif-replay-dock")
    layers.selection = set(masks)
    section.compare_button.click()
    show_section(what_if, section)
    shoot.dock("whatif-replay-compare")
    layers.selection = {masks[0]}
    layers[0].data = layers[0].data[:-20]
    section.replay_button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    show_section(what_if, section)
    shoot.dock("whatif-replay-changed")


def whatif_volume(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Sweep the T stage of a volume, seen in 3D, and mute its busiest expert."""
    load(dock, "pelvis-phantom")
    viewer.open_sample("napari-dmoe", "phantom-pelvis")
    run(dock)
    dock.tabs.setCurrentWidget(dock.control(WhatIfControl).tab)
    section = dock.control(WhatIfControl).tab.sweep
    section.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    section.found.slider.setValue(0)
    settle()
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.angles = (0, 25, 65)
    camera.zoom *= 1.6
    shoot.window("whatif-volume")
    viewer.dims.ndisplay = 2
    section.found.map_combo.setCurrentIndex(2)
    section.found.map_combo.activated.emit(2)
    viewer.dims.set_current_step(1, 24)
    viewer.reset_view()
    shoot.window("whatif-volume-entropy")


def begin_what_if(viewer: napari.Viewer, dock: QWidget) -> QWidget:
    """Segment the skin phantom and go to the What if tab."""
    load(dock, "skin-phantom")
    viewer.open_sample("napari-dmoe", "phantom-skin")
    run(dock)
    viewer.reset_view()
    dock.tabs.setCurrentWidget(dock.control(WhatIfControl).tab)
    return dock.control(WhatIfControl).tab


def show_section(what_if: QWidget, section: QWidget) -> None:
    """Scroll the What if tab so that a section is at its top."""
    what_if.parentWidget().parentWidget().setCurrentWidget(what_if)
    settle()
    top = section.mapTo(what_if.widget(), section.rect().topLeft()).y()
    what_if.verticalScrollBar().setValue(top - 4)
    settle()
