"""Whether a window lives through hundreds of rounds of use, as JSON.

Run it with ``python benchmarks/endurance.py``, under Xvfb where there is no display;
OpenGL is the software one. A round opens a sample, segments it, changes what drives the
model, segments again, shows a map of the routing, sweeps, and goes to 3D and back; the
next one begins with the next sample in the emptied viewer.

The window runs in a process of its own, which tells of every layer that comes, goes or
changes. The control, another process, makes the same layers come, go and change in the
same order in a window of napari without the dock. A process that dies is a crash, and
the number of its signal is told with where it was: faulthandler is on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

SAMPLES = {
    "phantom-fundus": "fundus-phantom",
    "phantom-skin": "skin-phantom",
    "phantom-pelvis": "pelvis-phantom",
}
"""Samples by their key in the manifest, and the bundled model for each."""
SIDES = ("dock", "control")
PATIENCE_S = 600
LOOK_S = 0.1
"""How long everything may be painted between two acts of a person."""
N_WARM = 3
"""Rounds before the memory is measured first: everything was imported and drawn."""


class Window:
    """A window of napari, and the loop in which it lives."""

    def __init__(self) -> None:
        import napari
        from qtpy.QtCore import QTimer

        self.viewer = napari.Viewer()
        self._pulse = QTimer()  # so that waiting wakes up now and then
        self._pulse.start(10)
        self.look()

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Let the event loop run until something is so."""
        from qtpy.QtCore import QCoreApplication, QEvent, QEventLoop

        until = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > until:
                raise TimeoutError("the window did not become ready")
            flags = QEventLoop.ProcessEventsFlag.WaitForMoreEvents
            QCoreApplication.processEvents(flags)
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def look(self, seconds: float = LOOK_S) -> None:
        """Let the window be painted."""
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > until)


class Diary:
    """Notes what becomes of the layers of a viewer, a line of JSON each."""

    def __init__(self, viewer: Any, file: TextIO) -> None:
        self._viewer, self._file = viewer, file
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    def note(self, act: str, **facts: Any) -> None:
        """Write a line, and leave it to the system before anything may crash."""
        self._file.write(json.dumps({"act": act} | facts) + "\n")
        self._file.flush()

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        layer.events.data.connect(self._on_data)
        layer.events.visible.connect(self._on_visible)
        self.note("insert", index=event.index, **_like(layer))

    def _on_removed(self, event: Any) -> None:
        self.note("remove", index=event.index)

    def _on_data(self, event: Any) -> None:
        if event.source in self._viewer.layers:
            index = self._viewer.layers.index(event.source)
            self.note("data", index=index, **_like(event.source))

    def _on_visible(self, event: Any) -> None:
        if event.source in self._viewer.layers:
            index = self._viewer.layers.index(event.source)
            self.note("visible", index=index, is_so=bool(event.source.visible))

    def _on_ndisplay(self, event: Any) -> None:
        self.note("ndisplay", n=int(self._viewer.dims.ndisplay))


def _like(layer: Any) -> dict[str, Any]:
    """Return what makes a layer like another."""
    return {
        "kind": type(layer).__name__.lower(),
        "shape": list(layer.data.shape),
        "dtype": str(layer.data.dtype),
        "rgb": bool(getattr(layer, "rgb", False)),
        "scale": [float(each) for each in layer.scale],
    }


@dataclass
class Rounds:
    """Rounds of use with the dock."""

    window: Window
    samples: list[str]

    def __post_init__(self) -> None:
        from napari_dmoe.viewer.dock import DMoEDock
        from napari_dmoe.viewer.routing.control import RoutingControl
        from napari_dmoe.viewer.segment.control import SegmentControl
        from napari_dmoe.viewer.session.session import session_of
        from napari_dmoe.viewer.what_if.control import WhatIfControl

        viewer = self.window.viewer
        self.dock = DMoEDock(viewer)
        viewer.window.add_dock_widget(self.dock, name="dMoE", area="right")
        self.session = session_of(viewer)
        self.segmenting = self.dock.control(SegmentControl)
        self.routing = self.dock.control(RoutingControl)
        self.what_if = self.dock.control(WhatIfControl)
        self.window.wait(lambda: not self.segmenting.loader.is_busy)

    def play(self, number: int) -> None:
        """Play one round."""
        viewer, look = self.window.viewer, self.window.look
        viewer.dims.ndisplay = 2
        if viewer.layers:
            viewer.layers.clear()
            look()
        sample = self.samples[number % len(self.samples)]
        viewer.open_sample("napari-dmoe", sample)
        look()
        if self.session.model_origin != SAMPLES[sample]:
            self.dock.open_model(SAMPLES[sample])
        self._idle()
        self._segment()
        self._drive(number)
        self._segment()
        self._show_map(number)
        self._sweep()
        for ndisplay in (3, 2):
            viewer.dims.ndisplay = ndisplay
            look()
        self.dock.tabs.setCurrentWidget(self.segmenting.tab)
        look()

    def _idle(self) -> None:
        """Wait until the dock has nothing to do, and everything is painted."""
        self.window.wait(
            lambda: (
                not (
                    self.segmenting.loader.is_busy
                    or self.dock.work.is_busy
                    or self.dock.is_refreshing
                )
            )
        )
        self.window.look()

    def _segment(self) -> None:
        self.dock.segment()
        self._idle()
        if self.session.result_of(self.session.image) is None:
            raise RuntimeError(f"no mask: {self.dock.footer.status.text()}")

    def _drive(self, number: int) -> None:
        """Change what drives the model."""
        image, model = self.session.image, self.session.model
        driver = model.card.attributes[0]
        value = driver.values[number % len(driver.values)]
        patient = self.session.patient_of(image)
        self.session.set_patient(image, patient.with_value(driver.name, value))
        self._idle()

    def _show_map(self, number: int) -> None:
        tab = self.routing.tab
        self.dock.tabs.setCurrentWidget(tab)
        self._idle()
        if not tab.shown_box.isChecked():
            tab.shown_box.click()
        tab.block_slider.setValue(number % (tab.block_slider.maximum() + 1))
        self._idle()

    def _sweep(self) -> None:
        tab = self.what_if.tab
        self.dock.tabs.setCurrentWidget(tab)
        self._idle()
        tab.sweep.button.click()
        self._idle()
        slider = tab.sweep.found.slider
        slider.setValue(slider.maximum())
        self._idle()


def dock_side(diary: Path, n_rounds: int, samples: list[str]) -> Iterator[None]:
    """Play rounds with the dock; yield after each."""
    window = Window()
    with diary.open("w") as file:
        noted = Diary(window.viewer, file)
        rounds = Rounds(window, samples)
        for number in range(n_rounds):
            rounds.play(number)
            noted.note("round")
            yield


def control_side(diary: Path, n_rounds: int, samples: list[str]) -> Iterator[None]:
    """Do to the layers of napari alone what was noted; yield after each round."""
    window = Window()
    for line in diary.read_text().splitlines():
        noted = json.loads(line)
        act = noted.pop("act")
        if act == "round":
            yield
            continue
        _ACTS[act](window.viewer, **noted)
        if act != "remove":  # a viewer is emptied in one turn, as its user does
            window.look(LOOK_S / 2)


def _insert(viewer: Any, index: int, **like: Any) -> None:
    from napari.layers import Image, Labels

    made = (Labels if like["kind"] == "labels" else Image)(
        _data(**like),
        scale=like["scale"],
        **({"rgb": True} if like["rgb"] else {}),
    )
    viewer.layers.insert(min(index, len(viewer.layers)), made)


def _data(
    shape: list[int], dtype: str, kind: str, **_: Any
) -> np.ndarray[Any, np.dtype[Any]]:
    """Return an array like the one that was noted: a box in a frame."""
    data = np.zeros(shape, dtype)
    data[tuple(slice(n // 4, max(1, 3 * n // 4)) for n in shape)] = 1
    return data


def _change(viewer: Any, index: int, **like: Any) -> None:
    viewer.layers[index].data = _data(**like)


def _show(viewer: Any, index: int, is_so: bool) -> None:
    viewer.layers[index].visible = is_so


def _turn(viewer: Any, n: int) -> None:
    viewer.dims.ndisplay = n


_ACTS: dict[str, Callable[..., None]] = {
    "insert": _insert,
    "remove": lambda viewer, index: viewer.layers.pop(index),
    "data": _change,
    "visible": _show,
    "ndisplay": _turn,
}


def play(side: str, diary: Path, n_rounds: int, samples: list[str]) -> None:
    """Be one side: print a line of JSON after each round."""
    import psutil

    process, began = psutil.Process(), time.monotonic()
    rounds = (dock_side if side == "dock" else control_side)(diary, n_rounds, samples)
    for number, _ in enumerate(rounds, 1):
        told = {
            "rounds": number,
            "memory_mb": round(process.memory_info().rss / 2**20, 1),
            "seconds": round(time.monotonic() - began, 1),
        }
        print(json.dumps(told), flush=True)


def in_a_process(
    side: str, diary: Path, n_rounds: int, samples: list[str]
) -> dict[str, Any]:
    """Return how far a side came in a process of its own, and how that ended."""
    given = os.environ | {"LIBGL_ALWAYS_SOFTWARE": "1", "PYTHONFAULTHANDLER": "1"}
    command = [sys.executable, __file__, "--side", side, "--diary", str(diary)]
    command += ["--rounds", str(n_rounds), "--samples", *samples]
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(
            command, env=given, stdout=subprocess.PIPE, stderr=errors, check=False
        )
        errors.seek(0)
        said = errors.read()
    rounds = [json.loads(line) for line in done.stdout.decode().splitlines()]
    memory = [each["memory_mb"] for each in rounds]
    found: dict[str, Any] = {"rounds": len(rounds), "asked": n_rounds}
    if rounds:
        found["seconds"] = rounds[-1]["seconds"]
        found["memory_mb"] = {
            "start": memory[min(N_WARM, len(memory)) - 1],
            "half": memory[len(memory) // 2],
            "end": memory[-1],
        }
    found["crashed"] = done.returncode < 0
    if done.returncode < 0:
        found["signal"] = signal.Signals(-done.returncode).name
    if done.returncode:
        found["said"] = said[-6000:]
    return found


def main() -> None:
    """Play both sides, or one; print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--samples", nargs="+", choices=SAMPLES, default=list(SAMPLES))
    parser.add_argument("--side", choices=SIDES, help="be one side, and no more")
    parser.add_argument("--diary", type=Path, help="what the dock's side notes")
    given = parser.parse_args()
    if given.side is not None:
        play(given.side, given.diary, given.rounds, given.samples)
        return
    with tempfile.TemporaryDirectory() as folder:
        diary = given.diary or Path(folder) / "diary.jsonl"
        found = {
            side: in_a_process(side, diary, given.rounds, given.samples)
            for side in SIDES
        }
    print(json.dumps({"samples": given.samples} | found, indent=2))


if __name__ == "__main__":
    main()
