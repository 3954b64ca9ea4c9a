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

from napari_dmoe.viewer.maps import MAPS
from napari_dmoe.viewer.replaying import is_mask

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
    to_the_end(dock.tab)
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
    to_the_end(dock.tab)
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
    to_the_end(dock.tab)
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
    to_the_end(dock.routing)
    shoot.window("routing-region")


def routing_skin(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Compare two values of one of two drivers, and their routers."""
    load(dock, "skin-phantom")
    viewer.open_sample("napari-dmoe", "phantom-skin")
    run(dock)
    viewer.reset_view()
    show_map(dock, "divergence")
    compute_map(dock)
    dock.routing.plots.fold.unfold()
    to_the_end(dock.routing)
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


def whatif_experts(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Mute the expert that matters most, and measure what every expert does."""
    what_if = begin_what_if(viewer, dock)
    section = what_if.experts
    section.effects_button.click()
    wait(lambda: not dock.run.is_busy)
    most = int(section.effects.item(0, 0).text())
    section.mute_boxes[most].click()
    section.run_button.click()
    wait(lambda: not dock.run.is_busy)
    show_section(what_if, section)
    shoot.window("whatif-experts")
    shoot.dock("whatif-experts-dock")
    show_section(what_if, section.effects_button)
    shoot.dock("whatif-experts-effects")
    mask = next(e for e in viewer.layers if e.name.startswith("expert"))
    viewer.layers.selection.active = mask
    dock.tabs.setCurrentWidget(dock.tab)
    to_the_end(dock.tab)
    shoot.dock("whatif-experts-badge")
    get_settings().appearance.theme = "light"
    show_section(what_if, section)
    shoot.window("whatif-experts-light")
    get_settings().appearance.theme = "dark"


def whatif_noise(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Draw noise samples, and show where they disagree."""
    what_if = begin_what_if(viewer, dock)
    what_if.noise.run_button.click()
    wait(lambda: not dock.run.is_busy)
    show_section(what_if, what_if.noise)
    shoot.dock("whatif-noise-dock")
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.zoom *= 2
    shoot.window("whatif-noise")


def whatif_replay(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Replay a mask, compare two records, and show what stands in the way."""
    what_if = begin_what_if(viewer, dock)
    what_if.experts.mute_boxes[3].click()
    what_if.experts.run_button.click()
    wait(lambda: not dock.run.is_busy)
    section, layers = what_if.replay, viewer.layers
    masks = [each for each in layers if is_mask(each)]
    layers.selection = {masks[1]}
    section.replay_button.click()
    wait(lambda: not dock.run.is_busy)
    show_section(what_if, section)
    shoot.dock("whatif-replay-dock")
    layers.selection = set(masks)
    section.compare_button.click()
    show_section(what_if, section)
    shoot.dock("whatif-replay-compare")
    layers.selection = {masks[0]}
    layers[0].data = layers[0].data[:-20]
    section.replay_button.click()
    wait(lambda: not dock.run.is_busy)
    show_section(what_if, section)
    shoot.dock("whatif-replay-changed")


def whatif_sweep(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Go through every value of a driver, and to the region that flips most."""
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    run(dock)
    viewer.reset_view()
    dock.tabs.setCurrentWidget(dock.what_if)
    section = dock.what_if.sweep
    section.button.click()
    wait(lambda: not dock.run.is_busy)
    section.found.slider.setValue(2)
    shoot.window("whatif-sweep")
    shoot.dock("whatif-sweep-dock")
    section.found.map_combo.setCurrentIndex(2)
    section.found.map_combo.activated.emit(2)
    shoot.window("whatif-sensitivity")


def whatif_volume(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Sweep the T stage of a volume, seen in 3D, and mute its busiest expert."""
    load(dock, "pelvis-phantom")
    viewer.open_sample("napari-dmoe", "phantom-pelvis")
    run(dock)
    dock.tabs.setCurrentWidget(dock.what_if)
    section = dock.what_if.sweep
    section.button.click()
    wait(lambda: not dock.run.is_busy)
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
    dock.tabs.setCurrentWidget(dock.what_if)
    return dock.what_if


def show_section(what_if: QWidget, section: QWidget) -> None:
    """Scroll the What if tab so that a section is at its top."""
    what_if.parentWidget().parentWidget().setCurrentWidget(what_if)
    settle()
    top = section.mapTo(what_if.widget(), section.rect().topLeft()).y()
    what_if.verticalScrollBar().setValue(top - 4)
    settle()


SCENES = (
    *(states, retina, phantom, many, skin, pelvis, ct),
    *(routing_fundus, routing_skin, routing_pelvis),
    *(whatif_sweep, whatif_experts, whatif_noise, whatif_replay),
    whatif_volume,
    fine_tune,
)


def show_map(dock: QWidget, name: str, block: int | None = None) -> None:
    """Show a map of the routing, as a person does in the Routing tab."""
    tab = dock.routing
    dock.tabs.setCurrentWidget(tab)
    combo = tab.maps.map_combo
    combo.setCurrentIndex(list(MAPS).index(name))
    combo.activated.emit(combo.currentIndex())
    if block is not None:
        tab.block_slider.setValue(block)
    settle()


def compute_map(dock: QWidget) -> None:
    """Run what the chosen map needs, where it does."""
    if dock.routing.maps.compute_button.isVisible():
        dock.routing.maps.compute_button.click()
        wait(lambda: not dock.run.is_busy)
    settle()


def hide_map(dock: QWidget) -> None:
    """Hide the map, and go back to the Segment tab."""
    dock.routing.shown_box.click()
    dock.tabs.setCurrentWidget(dock.tab)


def to_the_end(tab: QWidget) -> None:
    """Scroll a tab down."""
    settle()
    tab.verticalScrollBar().setValue(tab.verticalScrollBar().maximum())


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
