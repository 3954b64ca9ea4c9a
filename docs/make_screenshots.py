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
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication, QWidget

IMAGES = Path(__file__).parent / "images"
WINDOW = (1360, 860)
NARROW = 300
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
        if make is retina:
            shoot.dock("dock-empty")
        wait(lambda dock=dock: not dock.loader.is_busy)
        if options.model:
            load(dock, options.model)
        make(viewer, dock, shoot)
        viewer.close()


def retina(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Segment the real photograph, of whose patient nothing is known."""
    shoot.dock("dock-no-image")
    viewer.open_sample("napari-dmoe", "retina-colour")
    shoot.dock("dock-ready")
    run(dock)
    settle()
    shoot.dock("dock-mixture")
    shoot.window("main")
    dock.tab.result.experts_box.setChecked(True)
    dock.tab.result.block_slider.setValue(dock.tab.result.block_slider.maximum())
    shoot.window("retina-experts")
    dock.tab.result.experts_box.setChecked(False)
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
    dock.tab.model.details.fold.expand(animate=False)
    dock.tab.advanced.expand(animate=False)
    shoot.dock("dock-unfolded")
    dock.tab.verticalScrollBar().setValue(dock.tab.verticalScrollBar().maximum())
    shoot.dock("dock-unfolded-end")
    dock.tab.model.details.fold.collapse(animate=False)
    dock.tab.advanced.collapse(animate=False)
    dock.tab.verticalScrollBar().setValue(0)
    dock.tab.result.experts_box.setChecked(True)
    shoot.window("phantom-experts")


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
    dock.tab.result.experts_box.setChecked(True)
    dock.tab.result.block_slider.setValue(3)
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


SCENES = (retina, phantom, skin, pelvis, ct)


def load(dock: QWidget, model: str) -> None:
    """Open a model and wait for it."""
    dock.tab.model.model_requested.emit(model)
    wait(lambda: not dock.loader.is_busy)


def run(dock: QWidget) -> None:
    """Click Segment and wait for the mask."""
    wait(dock.footer.button.isEnabled)
    dock.footer.button.click()
    wait(lambda: dock.footer.button.text() == "Segment")
    wait(lambda: bool(dock.tab.result.text()))


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

    def dock(self, name: str) -> None:
        """Write the dock as narrow and low as it has to work."""
        self.viewer.window.resize(WINDOW[0], LOW)
        widest = self.dock_widget.maximumWidth()
        self.dock_widget.setMaximumWidth(NARROW)
        settle()
        self.dock_widget.grab().save(str(self.folder / f"{name}.png"))
        self.dock_widget.setMaximumWidth(widest)
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
