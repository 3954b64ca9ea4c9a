"""How long a new attribute and a sweep take in the window, from click to layers.

Run it with ``python benchmarks/what_if_window.py``, under Xvfb where there is no
display, on a quiet machine. The skin sample is opened with its bundled model in a real
napari window with a map of the routing on the image, and the dock is used as a person
would: another age band is chosen in the patient's form, which segments again by itself;
Segment is pressed; Sweep is pressed. They take turns. Each is timed until its layers
hold the new samples, and until the canvas was drawn.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import napari
import torch
from qtpy.QtWidgets import QApplication

from event_loop import open_scene, wait
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.routing.on_images import routing_of
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.session.session import Session, session_of
from napari_dmoe.viewer.what_if.control import WhatIfControl

SCENE = "skin, 2D"
LONGEST_S = 0.3
FLOOR, GOAL = 3.5, 2.5
"""What issue 7 asks for: of a new attribute, and of a sweep of five values to a run."""

_DRIVER = "age"


class Window:
    """The open window, with what a person can do in it."""

    def __init__(self) -> None:
        self.viewer, self.dock = open_scene(SCENE)
        self.session: Session = session_of(self.viewer)
        dock = self.dock
        for _ in range(2):  # the first warms torch up, which can take seconds
            self.segment()
        dock.control(RoutingControl).tab.shown_box.click()
        self.rest()
        if not routing_of(self.session).is_shown:
            raise RuntimeError("no map of the routing is seen")
        dock.control(WhatIfControl).tab.sweep.combo.setCurrentText("Age")
        card = self.session.model.card
        (driver,) = (each for each in card.attributes if each.name == _DRIVER)
        self.bands = itertools.cycle(driver.values)
        self.n_values = len(driver.values)

    def rest(self, seconds: float = 0.5) -> None:
        """Let everything be drawn, plots included."""
        until = time.perf_counter() + seconds
        wait(lambda: time.perf_counter() > until)

    def choose_age(self) -> None:
        """Choose the next age band, and wait for its mask and its map."""
        image = self.session.image
        before = self.session.result_of(image).segmentation
        combo = self.dock.control(SegmentControl).tab.patient.inputs[_DRIVER].combo
        place = combo.findText(next(self.bands))
        combo.setCurrentIndex(place)
        combo.activated.emit(place)
        wait(lambda: not self.dock.control(SegmentControl).run.is_busy)
        if self.session.result_of(image).segmentation is before:
            raise RuntimeError("the new age gave no new result")

    def segment(self) -> None:
        """Press Segment, and wait for the mask and the map."""
        self.dock.footer.button.click()
        wait(lambda: not self.dock.control(SegmentControl).run.is_busy)

    def sweep(self) -> None:
        """Press Sweep, and wait for the masks of all values."""
        self.dock.control(WhatIfControl).tab.sweep.button.click()
        wait(lambda: not self.dock.control(SegmentControl).run.is_busy)
        if len(self.dock.control(WhatIfControl).sweep.swept[1].steps) != self.n_values:
            raise RuntimeError("the sweep is not of these values")


def timed(action: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds until the layers are there, and until they are drawn."""
    began = time.perf_counter()
    action()
    there = time.perf_counter() - began
    QApplication.processEvents()
    return there, time.perf_counter() - began


def measure(window: Window, repeats: int) -> dict[str, object]:
    """Let the actions take turns; return their medians and ratios."""
    tabs: dict[str, tuple[Callable[[], None], object]] = {
        "a new attribute": (window.choose_age, window.dock.control(SegmentControl).tab),
        "one run": (window.segment, window.dock.control(SegmentControl).tab),
        "a sweep": (window.sweep, window.dock.control(WhatIfControl).tab),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in tabs}
    for turn in range(repeats + 1):
        for name, (action, tab) in tabs.items():
            window.dock.tabs.setCurrentWidget(tab)
            window.rest()
            found = timed(action)
            window.rest()
            if turn:  # the first makes the layers and warms torch up
                times[name].append(found)
    there = {name: statistics.median(t[0] for t in e) for name, e in times.items()}
    drawn = {name: statistics.median(t[1] for t in e) for name, e in times.items()}
    ratios = [
        sweep[0] / run[0]
        for sweep, run in zip(times["a sweep"], times["one run"], strict=True)
    ]
    return {
        "to the layers, median_s": {n: round(s, 3) for n, s in there.items()},
        "to the screen, median_s": {n: round(s, 3) for n, s in drawn.items()},
        "a new attribute, longest_s": round(
            max(t[0] for t in times["a new attribute"]), 3
        ),
        "values of the sweep": window.n_values,
        "sweep / one run": round(there["a sweep"] / there["one run"], 2),
        "sweep / one run, turn by turn": [round(each, 2) for each in ratios],
        "sweep / one run, to the screen": round(drawn["a sweep"] / drawn["one run"], 2),
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    napari.Viewer(show=False).close()  # the application itself takes a moment
    window = Window()
    found = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "torch_threads": torch.get_num_threads(),
        "limit_s": LONGEST_S,
        "limit_ratio": FLOOR,
        "goal_ratio": GOAL,
        "repeats": arguments.repeats,
    }
    found |= measure(window, arguments.repeats)
    window.viewer.close()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
