"""How the window fares while a model is fine-tuned, as JSON.

Run it with ``python benchmarks/fine_tune_window.py``, under Xvfb where there is no
display. A sample is segmented, its mask is painted on, and the model is tuned through
the tab's own buttons, while a timer notes when the event loop comes round. Then Stop is
clicked, and timed until the checkpoint is there; the memory is the window's.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import napari
import numpy as np
import psutil

from event_loop import LONGEST_GAP_MS, Beats, open_scene, wait
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.segment.control import SegmentControl

SCENE = "fundus, 2D"
LONGEST_STOP_S = 2.0
QUIET_S = 3.0


def figures(gaps: np.ndarray) -> dict[str, float]:
    """Return what is asked of the gaps between beats, in ms."""
    return {
        "seconds": round(float(gaps.sum()) / 1000, 1),
        "beats": len(gaps),
        "median_ms": round(float(np.median(gaps)), 1),
        "p95_ms": round(float(np.percentile(gaps, 95)), 1),
        "p99_ms": round(float(np.percentile(gaps, 99)), 1),
        "max_ms": round(float(gaps.max()), 1),
        "gaps_over_100_ms": int((gaps > LONGEST_GAP_MS).sum()),
    }


def rss_mb() -> float:
    """Return the memory of this process, in MB."""
    return round(psutil.Process().memory_info().rss / 1e6, 1)


def child_rss_mb() -> float:
    """Return the memory of the processes that were started here, in MB."""
    children = psutil.Process().children(recursive=True)
    return round(sum(child.memory_info().rss for child in children) / 1e6, 1)


def idle(beats: Beats, seconds: float) -> np.ndarray:
    """Return the gaps while nothing goes on."""
    beats.start()
    until = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() > until)
    return beats.stop()


def prepare(viewer: napari.Viewer, dock: DMoEDock, n_guard: int) -> None:
    """Segment the sample, paint on its mask, and open the tab."""
    dock.footer.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    viewer.layers[-1].paint((60, 60), 1)
    dock.tabs.setCurrentWidget(dock.control(FineTuneControl).tab)
    dock.control(FineTuneControl).tab.tune.n_spin.setValue(n_guard)
    dock.control(FineTuneControl).tab.advanced.form.inputs["epochs"].value = 1000
    wait(dock.control(FineTuneControl).tab.foot.button.isEnabled)


def measure(rounds: int, n_guard: int) -> dict[str, object]:
    """Tune for some rounds, stop, and return all figures."""
    viewer, dock = open_scene(SCENE)
    tuning, foot, beats = (
        dock.control(FineTuneControl).tuning,
        dock.control(FineTuneControl).tab.foot,
        Beats(),
    )
    prepare(viewer, dock, n_guard)
    quiet, before = figures(idle(beats, QUIET_S)), rss_mb()
    beats.start()
    foot.button.click()
    wait(lambda: len(tuning.epochs) >= rounds or tuning.state is State.FAILED)
    gaps, during, child = beats.stop(), rss_mb(), child_rss_mb()
    if tuning.state is State.FAILED:
        raise RuntimeError(tuning.said)
    began = time.perf_counter()
    foot.button.click()
    wait(lambda: tuning.state is not State.STOPPING)
    stop_s = round(time.perf_counter() - began, 3)
    path = dock.control(FineTuneControl).tuning.folder.tuned_model()
    found = {
        "idle": quiet,
        "training": figures(gaps),
        "stop_s": stop_s,
        "stopped_as": str(tuning.state),
        "checkpoint_loads": path is not None and bool(load_checkpoint(path).sha256),
        "window_rss_mb": {"before": before, "during": during, "after": rss_mb()},
        "process_rss_mb": {"during": child, "after": child_rss_mb()},
    }
    foot.discard_button.click()
    viewer.close()
    return found


def main() -> None:
    """Measure, say whether it is as asked for, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--guard", type=int, default=3, help="phantoms of the guard")
    options = parser.parse_args()
    napari.Viewer(show=False).close()  # the application itself takes a moment
    found = measure(options.rounds, options.guard)
    asked = {
        "p95 of the gaps under 100 ms": found["training"]["p95_ms"] < LONGEST_GAP_MS,
        "stopped within 2 s": found["stop_s"] < LONGEST_STOP_S,
        "a checkpoint that loads": found["checkpoint_loads"],
    }
    machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    print(json.dumps({"machine": machine, **found, "asked": asked}, indent=2))


if __name__ == "__main__":
    main()
