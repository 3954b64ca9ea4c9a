"""How long the Routing tab takes to show another block, from the slider to the screen.

Run it with ``python benchmarks/scrub.py``, under Xvfb where there is no display. A
sample is segmented through the dock's own button; then the slider is moved to one block
after another, for several maps. Each step is timed until the map's layer has its new
samples, until the tab has its new text, and until the canvas was drawn. The plots
follow when the slider rests; they are timed apart.
"""

from __future__ import annotations

import argparse
import json
import time

import napari
import numpy as np
import torch
from qtpy.QtWidgets import QApplication

from event_loop import SCENES, open_scene, wait
from napari_dmoe.inference.maps.overlays import OVERLAYS
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl

MAPS_TIMED = ("dominant", "gate", "entropy", "pair")
LONGEST_MS = 50
"""What issue 7 asks for."""


def show_map(dock: DMoEDock, name: str) -> None:
    """Choose a map, as a person does, and wait until everything rests."""
    combo = dock.control(RoutingControl).tab.maps.map_combo
    combo.setCurrentIndex(list(OVERLAYS).index(name))
    combo.activated.emit(combo.currentIndex())
    rest()


def rest(seconds: float = 0.5) -> None:
    """Let everything be drawn."""
    until = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() > until)


def scrub(viewer: napari.Viewer, dock: DMoEDock, repeats: int) -> dict[str, object]:
    """Move the slider to each block; return the times in ms."""
    slider = dock.control(RoutingControl).tab.block_slider
    steps: dict[str, list[float]] = {"layer": [], "tab": [], "drawn": []}
    for _ in range(repeats):
        for block in [*range(slider.maximum() + 1)]:
            if block == slider.value():
                continue
            began = time.perf_counter()
            slider.setValue(block)
            steps["layer"].append(time.perf_counter() - began)
            dock.control(RoutingControl).show()
            steps["tab"].append(time.perf_counter() - began)
            QApplication.processEvents()
            steps["drawn"].append(time.perf_counter() - began)
    return {name: summary(found) for name, found in steps.items()}


def summary(seconds: list[float]) -> dict[str, float]:
    """Return the middle and the ends of some times, in ms."""
    found = 1000 * np.array(seconds)
    return {
        "n": len(found),
        "median_ms": round(float(np.median(found)), 1),
        "p95_ms": round(float(np.percentile(found, 95)), 1),
        "max_ms": round(float(found.max()), 1),
    }


def canvas_alone(viewer: napari.Viewer, repeats: int = 10) -> dict[str, float]:
    """Return how long the window takes to draw an unchanged map."""
    layer = next(each for each in viewer.layers if each.visible)
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        layer.opacity = 0.9 if layer.opacity > 0.95 else 1.0
        QApplication.processEvents()
        found.append(time.perf_counter() - began)
    return summary(found)


def plots(dock: DMoEDock, repeats: int = 5) -> dict[str, float]:
    """Return how long all plots take."""
    found = []
    for block in range(repeats):
        dock.control(RoutingControl).tab.block_slider.setValue(block % 2)
        rest()
        began = time.perf_counter()
        dock.control(RoutingControl).plots.show()
        QApplication.processEvents()
        found.append(time.perf_counter() - began)
    return summary(found)


def measure(scene: str, repeats: int) -> dict[str, object]:
    """Return the figures of one scene."""
    viewer, dock = open_scene(scene)
    dock.footer.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    dock.tabs.setCurrentWidget(dock.control(RoutingControl).tab)
    rest()
    found: dict[str, object] = {"image": list(viewer.layers[0].data.shape)}
    for name in MAPS_TIMED:
        show_map(dock, name)
        scrub(viewer, dock, 1)  # draws everything once
        found[name] = scrub(viewer, dock, repeats)
    rest()
    found["canvas_alone"] = canvas_alone(viewer)
    found["plots"] = plots(dock)
    viewer.close()
    return found


def main() -> None:
    """Measure every scene and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scene", choices=SCENES, action="append")
    arguments = parser.parse_args()
    napari.Viewer(show=False).close()  # the application itself takes a moment
    scenes = arguments.scene or ["fundus, 2D", "pelvis, 3D"]
    found = {scene: measure(scene, arguments.repeats) for scene in scenes}
    about = {"torch_threads": torch.get_num_threads(), "limit_ms": LONGEST_MS}
    print(json.dumps(about | found, indent=2))


if __name__ == "__main__":
    main()
