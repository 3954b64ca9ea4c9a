"""Make the screenshots in docs/images: the real window, driven through its widgets.

Needs a display; Xvfb will do:
``xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_screenshots.py``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from make_tuning_screenshots import fine_tune
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication, QWidget

from napari_dmoe.inference.overlays import OVERLAYS

IMAGES = Path(__file__).parent / "images"
WINDOW = (1360, 860)
NARROW, WIDE = 300, 600
COMFORTABLE = 350
LOW = 768
PATIENCE_SECONDS = 120


def main() -> None:
    """Make all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="checkpoint to use instead of the bundled one")
    parser.add_argument("--output", type=Path, default=IMAGES)
    parser.add_argument("--only", default="", help="name of one scene")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    get_settings().appearance.theme = "dark"
    # One window each: software OpenGL may crash when a Labels layer was removed.
    chosen = [make for make in SCENES if options.only in ("", make.__name__)]
    for make in chosen:
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*WINDOW)
        _, dock = viewer.window.add_plugin_dock_widget("napari-dmoe", "dMoE")
        shoot = Shooter(viewer, dock, options.output)
        if make is states:
            shoot.state("empty")
        wait(lambda dock=dock: not dock.loader.is_busy)
        if options.model:
            load(dock, options.model)
        make(viewer, dock, shoot)
        viewer.close()


def states(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Go through the states of the Segment tab, at both widths."""
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    shoot.state("ready")
    run(dock)
    viewer.reset_view()
    shoot.state("finished")
    dock.tab.patient.rerun_box.click()
    dock.tab.patient.inputs["severity"].entered.emit("glaucoma")
    shoot.state("outdated")
    dock.tab.settings.inputs["unknown"].value = "refuse"
    dock.tab.patient.inputs["severity"].entered.emit(None)
    run(dock)
    shoot.state("failed")
    dock.tab.settings.inputs["unknown"].value = "mix"
    dock.tab.patient.inputs["severity"].entered.emit("healthy")
    mask = viewer.layers["phantom fundus / mask"]
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
    wait(lambda: not dock.run.is_busy)


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
    folds = (dock.tab.model.details.fold, dock.tab.advanced)
    folds[0].unfold()
    dock.tab.verticalScrollBar().setValue(0)
    shoot.dock("dock-card")
    folds[0].unfold(False)
    folds[1].unfold()
    to_the_end(dock)
    shoot.dock("dock-advanced")
    folds[1].unfold(False)
    show_map(dock, "gate")
    shoot.dock("dock-routing")
    shoot.window("phantom-gate")
    show_map(dock, "entropy")
    shoot.window("phantom-entropy")
    hide_map(dock)
    dock.tab.compare.fold.unfold()
    combo = dock.tab.compare.combo
    combo.setCurrentIndex(combo.findText("fundus-race-phantom"))
    dock.tab.compare.button.click()
    wait(lambda: not dock.run.is_busy)
    settle()
    to_the_end(dock)
    shoot.dock("dock-compare")
    shoot.window("compare")
    dock.tab.compare.fold.unfold(False)
    dock.tab.result.record_button.click()
    shoot.window("about")


def many(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment several layers, one of which does not fit."""
    for severity in ("healthy", "suspect", "glaucoma"):
        image = viewer.open_sample("napari-dmoe", "phantom-fundus")[0]
        image.name = f"fundus of a {severity} eye"
        dock.tab.patient.inputs["severity"].entered.emit(severity)
    viewer.add_image(np.zeros((3, 64, 64)), name="stack without names")
    viewer.layers.selection = set(viewer.layers)
    dock.tab.series.fold.unfold()
    dock.tab.series.layers_button.click()
    wait(lambda: "segmented" in dock.tab.series.summary.text())
    settle()
    to_the_end(dock)
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
    mask = viewer.layers["phantom pelvis / mask"]
    viewer.dims.set_current_step(0, int((mask.data > 0).sum((1, 2)).argmax()))
    viewer.reset_view()
    shoot.dock("dock-volume")
    shoot.window("pelvis-mask")
    show_map(dock, "dominant", block=3)
    shoot.window("pelvis-experts")
    viewer.dims.ndisplay = 3
    viewer.layers["phantom pelvis"].visible = False
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.angles = (0, 25, 70)
    camera.zoom *= 0.8
    mask.opacity = 1
    shoot.window("pelvis-3d")


def ct(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment the real CT, beside its labels."""
    load(dock, "pelvis-phantom")
    viewer.open_sample("napari-dmoe", "ct-pelvis")
    dock.tab.patient.inputs["severity"].entered.emit("T4")
    run(dock)
    mask = viewer.layers["CT / mask"]
    viewer.dims.set_current_step(0, int((mask.data > 0).sum((1, 2)).argmax()))
    viewer.layers["CT prostate, bladder"].visible = True
    viewer.reset_view()
    shoot.window("ct-mask")


SCENES = (states, retina, phantom, many, skin, pelvis, ct, fine_tune)


def show_map(dock: QWidget, name: str, block: int | None = None) -> None:
    """Show a map of the routing, as a person does in the Routing tab."""
    tab = dock.routing
    dock.tabs.setCurrentWidget(tab)
    tab.kinds.button(list(OVERLAYS).index(name)).click()
    if block is not None:
        tab.block_slider.setValue(block)
    settle()


def hide_map(dock: QWidget) -> None:
    """Hide the map, and go back to the Segment tab."""
    dock.routing.shown_box.click()
    dock.tabs.setCurrentWidget(dock.tab)


def to_the_end(dock: QWidget) -> None:
    """Scroll the Segment tab down."""
    settle()
    dock.tab.verticalScrollBar().setValue(dock.tab.verticalScrollBar().maximum())


def load(dock: QWidget, model: str) -> None:
    """Open a model and wait for it."""
    dock.tab.model.model_requested.emit(model)
    wait(lambda: not dock.loader.is_busy)


def run(dock: QWidget) -> None:
    """Click Segment and wait for the mask."""
    wait(dock.footer.button.isEnabled)
    dock.footer.button.click()
    wait(lambda: dock.footer.button.text() == "Segment")
    settle()


class Shooter:
    """Writes pictures of the window and of the dock."""

    def __init__(self, viewer: napari.Viewer, dock: QWidget, folder: Path) -> None:
        self.viewer, self.dock_widget, self.folder = viewer, dock, folder

    def window(self, name: str) -> None:
        """Write the whole window."""
        self.dock_widget.setMinimumWidth(COMFORTABLE)
        self.dock_widget.tab.verticalScrollBar().setValue(0)
        settle()
        self.dock_widget.setMinimumWidth(NARROW)
        self.viewer.window.screenshot(
            str(self.folder / f"{name}.png"), canvas_only=False, flash=False
        )

    def state(self, name: str) -> None:
        """Write the dock in one state, narrow and wide."""
        self.dock(f"state-{name}-{NARROW}")
        self.dock(f"state-{name}-{WIDE}", width=WIDE)

    def dock(self, name: str, width: int = NARROW) -> None:
        """Write the dock as low as it has to work; by default as narrow, too."""
        self.viewer.window.resize(WINDOW[0], LOW)
        widest = self.dock_widget.maximumWidth()
        self.dock_widget.setMaximumWidth(width)
        self.dock_widget.setMinimumWidth(width)
        settle()
        self.dock_widget.grab().save(str(self.folder / f"{name}.png"))
        self.dock_widget.setMaximumWidth(widest)
        self.dock_widget.setMinimumWidth(NARROW)
        self.viewer.window.resize(*WINDOW)


def settle(seconds: float = 0.5) -> None:
    """Let Qt and the canvas draw everything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()


def wait(is_done: Callable[[], bool]) -> None:
    """Process events until something is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        if time.monotonic() > end:
            raise TimeoutError("the window did not get there")
        QApplication.processEvents()


if __name__ == "__main__":
    main()
