"""What every scene needs: the camera, the clock, and what a person does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication, QWidget

from napari_dmoe.inference.maps.overlays import OVERLAYS
from napari_dmoe.viewer.layers.records import is_mask
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl

WINDOW = (1360, 860)
NARROW, WIDE = 300, 600
COMFORTABLE = 350
LOW = 768
PATIENCE_SECONDS = 120


class Shooter:
    """Writes pictures of the window and of the dock."""

    def __init__(self, viewer: napari.Viewer, dock: QWidget, folder: Path) -> None:
        self.viewer, self.dock_widget, self.folder = viewer, dock, folder

    def window(self, name: str) -> None:
        """Write the whole window."""
        self.dock_widget.setMinimumWidth(COMFORTABLE)
        self.dock_widget.control(SegmentControl).tab.body.verticalScrollBar().setValue(
            0
        )
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


def show_map(dock: QWidget, name: str, block: int | None = None) -> None:
    """Show a map of the routing, as a person does in the Routing tab."""
    tab = dock.control(RoutingControl).tab
    dock.tabs.setCurrentWidget(tab)
    combo = tab.maps.map_combo
    combo.setCurrentIndex(list(OVERLAYS).index(name))
    combo.activated.emit(combo.currentIndex())
    if block is not None:
        tab.block_slider.setValue(block)
    settle()


def compute_map(dock: QWidget) -> None:
    """Run what the chosen map needs, where it does."""
    if dock.control(RoutingControl).tab.maps.compute_button.isVisible():
        dock.control(RoutingControl).tab.maps.compute_button.click()
        wait(lambda: not dock.control(SegmentControl).run.is_busy)
    settle()


def hide_map(dock: QWidget) -> None:
    """Hide the map, and go back to the Segment tab."""
    dock.control(RoutingControl).tab.shown_box.click()
    dock.tabs.setCurrentWidget(dock.control(SegmentControl).tab)


def to_the_end(tab: QWidget) -> None:
    """Scroll a tab down."""
    settle()
    tab.verticalScrollBar().setValue(tab.verticalScrollBar().maximum())


def load(dock: QWidget, model: str) -> None:
    """Open a model and wait for it."""
    dock.control(SegmentControl).tab.model.model_requested.emit(model)
    wait(lambda: not dock.control(SegmentControl).loader.is_busy)


def mask_of(viewer: napari.Viewer) -> napari.layers.Labels:
    """Return the lowest mask that was made here."""
    return next(each for each in viewer.layers if is_mask(each))


def enter(dock: QWidget, attribute: str, value: str | None) -> None:
    """Pick a value of the patient; None for unknown."""
    inputs = dock.control(SegmentControl).tab.patient.inputs
    inputs[attribute].entered.emit(value, True)


def run(dock: QWidget) -> None:
    """Click Segment and wait for the mask."""
    wait(dock.footer.button.isEnabled)
    dock.footer.button.click()
    wait(lambda: dock.footer.button.text() == "Segment")
    settle()


def settle(seconds: float = 0.5) -> None:
    """Let Qt and the canvas draw everything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()


def wait(is_done: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Process events until something is so."""
    end = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > end:
            raise TimeoutError("the window did not get there")
        QApplication.processEvents()
