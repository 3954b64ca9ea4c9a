"""How long the first mask takes in a window, beside the same in Python, as JSON.

Run it with ``python benchmarks/first_mask.py``, under Xvfb where there is no display.
OpenGL is the software one, so that the figures do not depend on a graphics card. Each
side runs in a process of its own, in turns, several times: in the window the clock
starts when the dock is opened, beside it when the package is imported. Both open the
sample, load its model and segment; the window stops when the mask is painted.

A third side is napari alone, which opens an image and a mask of the same size without
the dock: what it needs for its first two layers is no fault of the dock. Seconds of the
processor, of all threads together, tell the sides apart where others share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

SAMPLES = {
    "phantom-fundus": ("sample_fundus", "fundus-phantom"),
    "phantom-pelvis": ("sample_pelvis", "pelvis-phantom"),
}
"""Key in the manifest; function that reads it, and the bundled model for it."""
SIDES = ("headless", "napari alone", "window")
AT_MOST = 1.5
"""How many times as long as in Python it may take in the window."""
PATIENCE_S = 300
SETTLE_S = 2.0
"""A person needs longer than that from the window to its menu."""
LONG_GAP_S = 0.1


class Marks:
    """When each part was over, in seconds since the first."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()
        self.seconds: dict[str, float] = {}

    def note(self, part: str) -> None:
        """Note that a part is over now."""
        self.seconds[part] = round(time.perf_counter() - self._began, 3)

    @property
    def cpu_s(self) -> float:
        """Seconds of the processor since the first part began."""
        return round(time.process_time() - self._cpu, 2)

    def noted(self, before: str, work: Callable[..., Any], part: str) -> Any:
        """Return a function that notes when it begins and when it is over."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.note(before)
            found = work(*arguments, **options)
            self.note(part)
            return found

        return call


def headless(sample: str) -> dict[str, Any]:
    """Return what a script does, and when it was over."""
    reader, model = SAMPLES[sample]
    marks = Marks()
    from napari_dmoe.inference.running.segment import segment
    from napari_dmoe.models.checkpoint import load_checkpoint
    from napari_dmoe.phantoms import samples

    marks.note("imported")
    case = getattr(samples, reader)()
    marks.note("sample")
    loaded = load_checkpoint(model)
    marks.note("loaded")
    found = segment(loaded, case.image, case.patient)
    marks.note("mask")
    n_labelled = int((found.labels > 0).sum())
    return {"marks_s": marks.seconds, "cpu_s": marks.cpu_s, "labelled": n_labelled}


class Window:
    """A window of napari that has come to rest, and the loop in which it lives."""

    def __init__(self) -> None:
        import napari
        from qtpy.QtCore import QTimer

        self.viewer = napari.Viewer()
        self.beats: list[float] = []
        self._pulse = QTimer()
        self._pulse.timeout.connect(lambda: self.beats.append(time.perf_counter()))
        self._pulse.start(5)
        self.rest(SETTLE_S)

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Let the event loop run until something is so."""
        from qtpy.QtCore import QCoreApplication, QEventLoop

        until = time.perf_counter() + PATIENCE_S
        while not is_so():
            if time.perf_counter() > until:
                raise TimeoutError("the window did not become ready")
            flags = QEventLoop.ProcessEventsFlag.WaitForMoreEvents
            QCoreApplication.processEvents(flags)

    def rest(self, seconds: float) -> None:
        """Let the event loop run for a while."""
        until = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() > until)

    def paint(self) -> None:
        """Let Qt paint what changed: it does so within a few milliseconds."""
        n_beats = len(self.beats)
        self.wait(lambda: len(self.beats) >= n_beats + 3)


def napari_alone(sample: str) -> dict[str, Any]:
    """Return what napari needs for the two layers by itself."""
    import numpy as np

    window = Window()
    marks = Marks()
    window.viewer.add_image(np.zeros((288, 288, 3), np.uint8))
    window.paint()
    marks.note("sample")
    window.viewer.add_labels(np.ones((288, 288), np.uint8))
    marks.note("mask")
    window.paint()
    marks.note("painted")
    window.viewer.close()
    return {"marks_s": marks.seconds, "cpu_s": marks.cpu_s}


def with_dock(sample: str) -> dict[str, Any]:
    """Return when each part was over in a window, and how long its loop stood still."""
    window = Window()
    viewer = window.viewer
    window.beats.clear()
    marks, began = Marks(), time.perf_counter()
    from dataclasses import replace

    from napari_dmoe.viewer.dock import DMoEDock
    from napari_dmoe.viewer.engines import Engines
    from napari_dmoe.viewer.layers.records import is_mask

    engines = Engines()
    engines = replace(
        engines,
        look_around=marks.noted("looking", engines.look_around, "looked around"),
        load_checkpoint=marks.noted("loading", engines.load_checkpoint, "loaded"),
        segment=marks.noted("segmenting", engines.segment, "segmented"),
    )
    dock = DMoEDock(viewer, engines=engines)
    viewer.window.add_dock_widget(dock, name="dMoE", area="right")
    window.paint()
    marks.note("dock")
    viewer.open_sample("napari-dmoe", sample)
    window.paint()
    marks.note("sample")
    button = dock.footer.button
    window.wait(lambda: button.isEnabled() and button.text() == "Segment")
    marks.note("ready")
    button.click()
    window.wait(lambda: any(map(is_mask, viewer.layers)))
    marks.note("mask")
    window.paint()
    marks.note("painted")
    cpu_s = marks.cpu_s
    (mask,) = filter(is_mask, viewer.layers)
    n_labelled = int((mask.data > 0).sum())
    gaps = [b - a for a, b in pairwise([began, *window.beats])]
    viewer.close()
    return {
        "marks_s": marks.seconds,
        "cpu_s": cpu_s,
        "labelled": n_labelled,
        "longest_gap_s": round(max(gaps), 3),
        "in_gaps_s": round(sum(gap for gap in gaps if gap > LONG_GAP_S), 3),
    }


def in_a_process(side: str, sample: str) -> dict[str, Any]:
    """Return what a side found in a process of its own."""
    given = {"LIBGL_ALWAYS_SOFTWARE": "1", "QT_QUICK_BACKEND": "software"}
    command = [sys.executable, __file__, "--side", side, "--sample", sample]
    done = subprocess.run(
        command, env=os.environ | given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{side} ended with {done.returncode}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(sample: str, repeats: int) -> dict[str, Any]:
    """Return the medians of both sides, and how they compare."""
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side in SIDES:
            found[side].append(in_a_process(side, sample))
    took = {s: [max(each["marks_s"].values()) for each in found[s]] for s in SIDES}
    cpu = {s: [each["cpu_s"] for each in found[s]] for s in SIDES}
    ratio = _ratios(took)["window"]
    return {
        "first_mask_s": took,
        "as_long_as_headless": _ratios(took),
        "is_fast_enough": ratio <= AT_MOST,
        "cpu_s": cpu,
        "as_much_cpu_as_headless": _ratios(cpu),
        "median_marks_s": {side: _medians(found[side]) for side in SIDES},
        "gaps": [
            {key: each[key] for key in ("longest_gap_s", "in_gaps_s")}
            for each in found["window"]
        ],
        "labelled": sorted(
            {each["labelled"] for s in SIDES for each in found[s] if "labelled" in each}
        ),
    }


def _ratios(found: dict[str, list[float]]) -> dict[str, float]:
    """Return how the window, with and without what napari needs, compares."""
    headless, alone, window = (statistics.median(found[side]) for side in SIDES)
    return {
        "window": round(window / headless, 2),
        "window beyond napari alone": round((window - alone) / headless, 2),
    }


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    names = runs[0]["marks_s"]
    medians = {n: statistics.median(each["marks_s"][n] for each in runs) for n in names}
    return dict(sorted(medians.items(), key=lambda item: item[1]))


def main() -> None:
    """Measure, or be one of the sides; print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sample", choices=SAMPLES, default="phantom-fundus")
    parser.add_argument("--side", choices=SIDES, help="be one side, and no more")
    given = parser.parse_args()
    if given.side is not None:
        sides = (headless, napari_alone, with_dock)
        print(
            json.dumps(dict(zip(SIDES, sides, strict=True))[given.side](given.sample))
        )
        return
    found = measure(given.sample, given.repeats)
    print(json.dumps({"cpus": os.cpu_count(), given.sample: found}, indent=2))


if __name__ == "__main__":
    main()
