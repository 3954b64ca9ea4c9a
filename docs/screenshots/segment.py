"""The scenes of the Segment tab."""

from __future__ import annotations

import napari
import numpy as np
from napari.layers import Labels
from napari.settings import get_settings
from qtpy.QtWidgets import QWidget
from screenshots.tools import (
    Shooter,
    enter,
    hide_map,
    load,
    mask_of,
    run,
    settle,
    show_map,
    to_the_end,
    wait,
)

from napari_dmoe.viewer.segment.control import SegmentControl


def states(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Go through the states of the Segment tab, at both widths."""
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    shoot.state("ready")
    run(dock)
    viewer.reset_view()
    shoot.state("finished")
    dock.control(SegmentControl).tab.patient.rerun_box.click()
    enter(dock, "severity", "glaucoma")
    shoot.state("outdated")
    dock.control(SegmentControl).tab.settings.inputs["unknown"].value = "refuse"
    enter(dock, "severity", None)
    run(dock)
    shoot.state("failed")
    dock.control(SegmentControl).tab.settings.inputs["unknown"].value = "mix"
    enter(dock, "severity", "healthy")
    mask = mask_of(viewer)
    for row in range(40, 70):
        mask.paint((row, 150), 1)
    settle()
    shoot.state("edited")
    load(dock, "pelvis-phantom")
    viewer.layers.clear()
    viewer.open_sample("napari-dmoe", "ct-pelvis")
    wait(dock.footer.button.isEnabled)
    dock.footer.button.click()
    settle(1.5)
    shoot.state("running")
    dock.footer.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)


def retina(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment the real photograph, of whose patient nothing is known."""
    viewer.open_sample("napari-dmoe", "retina-colour")
    run(dock)
    settle()
    shoot.dock("dock-mixture")
    shoot.window("main")
    show_map(dock, "dominant")
    shoot.window("retina-experts")
    hide_map(dock)
    get_settings().appearance.theme = "light"
    shoot.window("retina-mask-light")
    shoot.dock("dock-light")
    get_settings().appearance.theme = "dark"


def phantom(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment the phantom, whose patient the sample brings."""
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    run(dock)
    viewer.reset_view()
    shoot.dock("dock-driver")
    shoot.window("phantom-mask")
    folds = (
        dock.control(SegmentControl).tab.model.details.fold,
        dock.control(SegmentControl).tab.advanced,
    )
    folds[0].unfold()
    dock.control(SegmentControl).tab.body.verticalScrollBar().setValue(0)
    shoot.dock("dock-card")
    folds[0].unfold(False)
    folds[1].unfold()
    to_the_end(dock.control(SegmentControl).tab.body)
    shoot.dock("dock-advanced")
    folds[1].unfold(False)
    show_map(dock, "gate")
    shoot.dock("dock-routing")
    shoot.window("phantom-gate")
    show_map(dock, "entropy")
    shoot.window("phantom-entropy")
    hide_map(dock)
    dock.control(SegmentControl).tab.compare.fold.unfold()
    combo = dock.control(SegmentControl).tab.compare.combo
    offered = [combo.itemText(place) for place in range(combo.count())]
    other = next(place for place, text in enumerate(offered) if "race" in text)
    combo.setCurrentIndex(other)
    dock.control(SegmentControl).tab.compare.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    settle()
    to_the_end(dock.control(SegmentControl).tab.body)
    shoot.dock("dock-compare")
    shoot.window("compare")
    dock.control(SegmentControl).tab.compare.fold.unfold(False)
    dock.control(SegmentControl).tab.result.record_button.click()
    shoot.window("about")


def many(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment several layers, one of which does not fit."""
    for severity in ("healthy", "suspect", "glaucoma"):
        image = viewer.open_sample("napari-dmoe", "phantom-fundus")[0]
        image.name = f"fundus of a {severity} eye"
        enter(dock, "severity", severity)
    viewer.add_image(np.zeros((3, 64, 64)), name="stack without names")
    viewer.layers.selection = set(viewer.layers)
    dock.control(SegmentControl).tab.series.fold.unfold()
    dock.control(SegmentControl).tab.series.layers_button.click()
    series = dock.control(SegmentControl).tab.series
    wait(lambda: "3 segmented" in series.results.summary)
    settle()
    to_the_end(dock.control(SegmentControl).tab.body)
    shoot.dock("dock-many")


def skin(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment the skin phantom: two attributes drive its model."""
    load(dock, "skin-phantom")
    viewer.open_sample("napari-dmoe", "phantom-skin")
    run(dock)
    viewer.reset_view()
    shoot.dock("dock-two-drivers")
    shoot.window("skin-mask")


def pelvis(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment the pelvis phantom, in slices and in 3D."""
    load(dock, "pelvis-phantom")
    viewer.open_sample("napari-dmoe", "phantom-pelvis")
    run(dock)
    mask = mask_of(viewer)
    viewer.dims.set_current_step(0, int((mask.data > 0).sum((1, 2)).argmax()))
    viewer.reset_view()
    shoot.dock("dock-volume")
    shoot.window("pelvis-mask")
    _sagittal(viewer, mask)
    shoot.window("pelvis-sagittal")
    _axial(viewer)
    show_map(dock, "dominant", block=3)
    shoot.window("pelvis-experts")
    viewer.dims.ndisplay = 3
    viewer.layers["phantom pelvis"].visible = False
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.angles = (0, 25, 70)
    camera.zoom *= 0.8
    mask.opacity = 1
    shoot.window("pelvis-3d")


def _sagittal(viewer: napari.Viewer, mask: Labels) -> None:
    """Look from the patient's side, the head up, at the largest plane of a mask."""
    viewer.dims.order = (2, 0, 1)
    viewer.dims.set_current_step(2, int((mask.data > 0).sum((0, 1)).argmax()))
    viewer.camera.orientation2d = ("up", "right")
    viewer.reset_view()


def _axial(viewer: napari.Viewer) -> None:
    """Look along the patient again."""
    viewer.dims.order = (0, 1, 2)
    viewer.camera.orientation2d = ("down", "right")
    viewer.reset_view()


def ct(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment the real CT, beside its labels."""
    load(dock, "pelvis-phantom")
    viewer.open_sample("napari-dmoe", "ct-pelvis")
    enter(dock, "severity", "T4")
    run(dock)
    mask = mask_of(viewer)
    viewer.dims.set_current_step(0, int((mask.data > 0).sum((1, 2)).argmax()))
    viewer.reset_view()
    shoot.window("ct-mask")
