"""How long the first mask takes in a window, beside the same in Python, as JSON.

Run it with ``python benchmarks/first_mask.py``, under Xvfb where there is no display.
OpenGL is the software one, so that the figures do not depend on a graphics card. Each
side runs in a process of its own, in turns, several times: in the window the clock
starts when the dock is opened, beside it when the package is imported. Both open the
sample, load its model and segment; the window stops when the mask is painted.
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
from typing import Any

SAMPLES = {
    "phantom-fundus": ("sample_fundus", "fundus-phantom"),
    "phantom-pelvis": ("sample_pelvis", "pelvis-phantom"),
}
"""Key in the manifest; function that reads it, and the bundled model for it."""
SIDES = ("headless", "window")
AT_MOST = 1.5
"""How many times as long as in Python it may take in the window."""
PATIENCE_S = 300
SETTLE_S = 2.0
"""A person needs longer than that from the window to its menu."""
LONG_GAP_S = 0.1


class Marks:
    """When each part was over, in seconds since the first."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def note(self, part: str) -> None:
        """Note that a part is over now."""
        self.seconds[part] = round(time.perf_counter() - self._began, 3)

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
    return {"marks_s": marks.seconds, "labelled": int((found.labels > 0).sum())}


def window(sample: str) -> dict[str, Any]:
    """Return when each part was over in a window, and how long its loop stood still."""
    from dataclasses import replace

    import napari
    from qtpy.QtCore import QCoreApplication, QEventLoop, QTimer
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    beats: list[float] = []
    pulse = QTimer()
    pulse.timeout.connect(lambda: beats.append(time.perf_counter()))
    pulse.start(5)

    def wait(is_so: Callable[[], bool]) -> None:
        until = time.perf_counter() + PATIENCE_S
        while not is_so():
            if time.perf_counter() > until:
                raise TimeoutError("the window did not become ready")
            QCoreApplication.processEvents(
                QEventLoop.ProcessEventsFlag.WaitForMoreEvents
            )

    settled = time.perf_counter() + SETTLE_S
    wait(lambda: time.perf_counter() > settled)
    beats.clear()
    marks = Marks()
    began = time.perf_counter()
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
    marks.note("dock")
    viewer.open_sample("napari-dmoe", sample)
    marks.note("sample")
    button = dock.footer.button
    wait(lambda: button.isEnabled() and button.text() == "Segment")
    marks.note("ready")
    button.click()
    wait(lambda: any(map(is_mask, viewer.layers)))
    marks.note("mask")
    QApplication.processEvents()
    window = viewer.window.screenshot(canvas_only=False, flash=False)
    marks.note("painted")
    (mask,) = filter(is_mask, viewer.layers)
    gaps = [b - a for a, b in zip([began, *beats], [*beats], strict=False)]
    return {
        "marks_s": marks.seconds,
        "labelled": int((mask.data > 0).sum()),
        "longest_gap_s": round(max(gaps), 3),
        "in_gaps_s": round(sum(gap for gap in gaps if gap > LONG_GAP_S), 3),
        "screen": list(window.shape[:2]),
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
    ends = {"headless": "mask", "window": "painted"}
    took = {s: [each["marks_s"][ends[s]] for each in found[s]] for s in SIDES}
    medians = {side: statistics.median(seconds) for side, seconds in took.items()}
    ratio = medians["window"] / medians["headless"]
    return {
        "first_mask_s": {s: {"median": medians[s], "all": took[s]} for s in SIDES},
        "ratio": round(ratio, 2),
        "is_fast_enough": ratio <= AT_MOST,
        "median_marks_s": {side: _medians(found[side]) for side in SIDES},
        "gaps": [
            {key: each[key] for key in ("longest_gap_s", "in_gaps_s")}
            for each in found["window"]
        ],
        "labelled": sorted({each["labelled"] for s in SIDES for each in found[s]}),
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
        side = headless if given.side == "headless" else window
        print(json.dumps(side(given.sample)))
        return
    found = measure(given.sample, given.repeats)
    print(json.dumps({"cpus": os.cpu_count(), given.sample: found}, indent=2))


if __name__ == "__main__":
    main()
