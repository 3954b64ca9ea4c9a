"""How long the window stays still while a model runs, as JSON.

Run it with ``python benchmarks/event_loop.py``, under Xvfb where there is no display.
A sample is segmented through the dock's own button, while a timer notes when the event
loop comes round: the gaps between its beats are how long a click would have waited.
Then a run of a 3D model is stopped at several moments, each timed until the dock is
ready again.

The scene "lazy volume" segments a volume of 512 voxels a side that is mapped from a
file, so that its slabs appear while the run goes on, and stops it at several moments.

The scene "painting, 50 M voxels" runs no network: a mask made by hand lies on a large
volume and is painted on, sliders are moved and maps are chosen, first with napari alone
and then with the dock on each of its tabs. What napari needs itself is no fault of the
dock; the difference is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import napari
import numpy as np
import torch
from numpy.lib.format import open_memmap
from qtpy.QtCore import QCoreApplication, QEvent, QEventLoop, Qt, QTimer

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.what_if.steps import Swept, interleaved
from napari_dmoe.phantoms.samples import sample_pelvis
from napari_dmoe.viewer.bench import TabControl
from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.what_if.control import WhatIfControl

SCENES = {
    "fundus, 2D": ("phantom-fundus", "fundus-phantom"),
    "skin, 2D": ("phantom-skin", "skin-phantom"),
    "pelvis, 3D": ("phantom-pelvis", "pelvis-phantom"),
    "real CT, 3D": ("ct-pelvis", "pelvis-phantom"),
}
"""Name of a scene: sample in the manifest, and bundled model."""

BEAT_MS = 5
LONGEST_GAP_MS = 100
"""What issue 4 asks for, of the 95th percentile."""
STOPS_AFTER_S = (0.05, 0.3, 1.0)
STOPPED_SCENE = "real CT, 3D"
PATIENCE_S = 300


@dataclass
class Beats:
    """A timer that notes the moments at which the event loop comes round to it."""

    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        self.times.append(time.perf_counter())

    def start(self) -> None:
        """Begin anew; the first beat is now."""
        self.times = [time.perf_counter()]
        self._timer.start()

    def stop(self) -> np.ndarray:
        """Return the gaps between the beats, in ms."""
        self._timer.stop()
        return 1000 * np.diff([*self.times, time.perf_counter()])


def wait(is_so: Callable[[], bool]) -> None:
    """Let the event loop run until something is so, without keeping it busy."""
    began = time.perf_counter()
    while not is_so():
        if time.perf_counter() - began > PATIENCE_S:
            raise TimeoutError("the dock did not become ready")
        flags = QEventLoop.ProcessEventsFlag.WaitForMoreEvents
        QCoreApplication.processEvents(flags)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def is_ready(dock: DMoEDock) -> bool:
    """Whether the dock has a model and an image, and nothing to do."""
    is_idle = (
        not dock.control(SegmentControl).run.is_busy
        and not dock.control(SegmentControl).loader.is_busy
    )
    return is_idle and dock.footer.button.isEnabled()


def open_scene(scene: str) -> tuple[napari.Viewer, DMoEDock]:
    """Open a window with a scene's image and model, ready to be segmented."""
    sample, model = SCENES[scene]
    viewer = napari.Viewer(title=scene)
    viewer.open_sample("napari-dmoe", sample)
    viewer.layers.selection.active = viewer.layers[0]
    dock = open_dock(viewer)
    pulse = QTimer()  # so that waiting wakes up now and then
    pulse.start(20)
    wait(lambda: not dock.control(SegmentControl).loader.is_busy)
    dock.open_model(model)
    wait(lambda: is_ready(dock))
    dock.pulse = pulse
    return viewer, dock


def run_once(dock: DMoEDock, beats: Beats) -> dict[str, float]:
    """Segment once; return what the gaps were until the mask was shown."""
    beats.start()
    dock.footer.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    seconds = time.perf_counter() - beats.times[0]
    until = time.perf_counter() + 0.3
    wait(lambda: time.perf_counter() > until)  # the mask is drawn, the table filled
    return {"run_s": round(seconds, 2), **told(beats.stop())}


def told(gaps: np.ndarray) -> dict[str, float]:
    """Return what there is to say of gaps in ms."""
    return {
        "beats": len(gaps),
        "median_ms": round(float(np.median(gaps)), 1),
        "p95_ms": round(float(np.percentile(gaps, 95)), 1),
        "p99_ms": round(float(np.percentile(gaps, 99)), 1),
        "max_ms": round(float(gaps.max()), 1),
        "gaps_over_100_ms": int((gaps > LONGEST_GAP_MS).sum()),
        "share_of_time_in_them": round(
            float(gaps[gaps > LONGEST_GAP_MS].sum() / gaps.sum()), 3
        ),
    }


def stop_after(dock: DMoEDock, seconds: float) -> float:
    """Begin a run and stop it; return the seconds from Stop until the dock is idle."""
    dock.footer.button.click()
    until = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() > until)
    if not dock.control(SegmentControl).run.is_busy:
        raise RuntimeError(f"the run was over within {seconds} s: nothing to stop")
    stopped = time.perf_counter()
    dock.footer.button.click()
    wait(lambda: not dock.control(SegmentControl).run.is_busy)
    return round(time.perf_counter() - stopped, 3)


def measure(scene: str, repeats: int) -> dict[str, object]:
    """Return the figures of one scene; the first run also warms torch up."""
    viewer, dock = open_scene(scene)
    beats = Beats()
    found: dict[str, object] = {
        "device": dock.footer.device_label.text(),
        "image": list(viewer.layers[0].data.shape),
        "runs": [run_once(dock, beats) for _ in range(repeats)],
    }
    if scene == STOPPED_SCENE:
        found["stop_s"] = {
            f"{seconds:g} s after the start": stop_after(dock, seconds)
            for seconds in STOPS_AFTER_S
        }
    viewer.close()
    return found


PAINTING = "painting, 50 M voxels"
SHAPE = (384, 368, 368)
TOKENS = (48, 61, 61)
"""Of the first stage, for voxels of 1 mm; each further stage has half as many."""
BETWEEN_MS = 40
STEPS = 30
"""Steps of an action at most."""
AFTERWARDS_S = 2.5
"""What was put off until everything rests begins, and ends, within so long."""


class HandMade:
    """Engines that answer with masks of the large volume, as large as real ones."""

    def segment(
        self, loaded: Any, image: Any, patient: Any, **options: Any
    ) -> Segmentation:
        """Return a ball, with a real run's record."""
        from napari_dmoe.inference.running.segment import segment

        return _enlarged(segment(loaded, _corner(image), patient), 1.0)

    def sweep(
        self, loaded: Any, image: Any, patient: Any, attributes: Any, **options: Any
    ) -> Swept:
        """Return balls of several sizes."""
        from napari_dmoe.inference.what_if.sweep import sweep

        small = sweep(loaded, _corner(image), attribute=attributes, patient=patient)
        n = len(small.values)
        values = tuple(
            replace(value, result=_enlarged(value.result, 0.6 + 0.4 * i / n))
            for i, value in enumerate(small.values)
        )
        labels = values[0].labels
        large = replace(
            small,
            values=values,
            reference=replace(small.reference, labels=labels),
            differs=np.zeros(SHAPE, np.uint8),
            entropy=np.zeros(SHAPE, np.float32),
            votes=np.zeros((len(small.classes), *SHAPE), np.uint8),
        )
        swept = interleaved(large, (), (), 0.1)
        _ = large.summary, swept.stack  # as the real engine: not where a person waits
        return swept


def _corner(image: Any) -> Any:
    """Return a small part, so that a record of a real run is there at once."""
    return replace(image, data=image.data[:32, :64, :64])


LAZY = "lazy volume, 512 a side"
SIDE = 512
LAZY_STOPS_AFTER_S = (0.1, 0.5, 1.5, 3.0, 6.0, 9.0, 12.0)


def long_scan(path: Path, shape: tuple[int, int, int]) -> tuple[np.memmap, np.ndarray]:
    """Write phantom scans one behind another, enlarged in their planes; map the file.

    Returns the volume and the size of its voxels in mm, (z, y, x).
    """
    case = sample_pelvis()
    spacing = np.diag(case.image.affine)[:-1].copy()
    depth, height, width = case.image.data.shape
    volume = open_memmap(path, "w+", case.image.data.dtype, shape)
    rows, columns = (
        np.arange(n) * m // n for n, m in ((shape[1], height), (shape[2], width))
    )
    for z in range(shape[0]):
        number, at = divmod(z, depth)
        at = at if number % 2 == 0 else depth - 1 - at
        volume[z] = case.image.data[at][np.ix_(rows, columns)]
    volume.flush()
    del volume
    spacing[1:] *= (height / shape[1], width / shape[2])
    return np.load(path, mmap_mode="r"), spacing


def measure_lazy(repeats: int) -> dict[str, object]:
    """Return the gaps while slabs appear, and how long Stop takes now and then."""
    with TemporaryDirectory() as folder:
        volume, spacing = long_scan(Path(folder) / "scan.npy", (SIDE,) * 3)
        viewer = napari.Viewer(title=LAZY)
        image = viewer.add_image(
            volume,
            name="scan",
            scale=spacing,
            units=("mm",) * 3,
            axis_labels=("z", "y", "x"),
            contrast_limits=(-200, 300),
        )
        dock = open_dock(viewer)
        dock.pulse = QTimer()
        dock.pulse.start(20)
        wait(lambda: not dock.control(SegmentControl).loader.is_busy)
        dock.open_model("pelvis-phantom")
        wait(lambda: is_ready(dock))
        patient = sample_pelvis().patient
        dock._session.set_patient(image, patient)
        wait(lambda: is_ready(dock) and not dock.control(SegmentControl).fit.is_looking)
        said = dock.footer.status.text()
        found = {"image": list(volume.shape), "said": said}
        beats = Beats()
        found["at rest"] = resting(beats)
        found["runs"] = [run_lazy(viewer, dock, beats) for _ in range(repeats)]
        found["stop_s"] = {}
        for seconds in LAZY_STOPS_AFTER_S:
            try:
                took = stop_after(dock, seconds)
            except RuntimeError:
                break  # the run was over by then
            found["stop_s"][f"{seconds:g} s after the start"] = took
        viewer.close()
    return found


def resting(beats: Beats, seconds: float = 3.0) -> dict[str, float]:
    """Return the gaps while nothing is done: others share the machine."""
    beats.start()
    until = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() > until)
    return told(beats.stop())


def run_lazy(viewer: napari.Viewer, dock: DMoEDock, beats: Beats) -> dict[str, object]:
    """Segment once, and note when the first slab and the preview were seen."""
    seen: dict[str, float] = {}

    def note(event: Any) -> None:
        what = str(event.value.name).partition(" / ")[2]
        seen[what] = round(time.perf_counter() - beats.times[0], 2)

    viewer.layers.events.inserted.connect(note)
    found = run_once(dock, beats)
    viewer.layers.events.inserted.disconnect(note)
    return {**found, "seen after, s": seen}


def ball(share: float = 1.0) -> np.ndarray:
    """Return a mask with a ball in the middle."""
    axes = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in SHAPE)
    z, y, x = np.ix_(*axes)
    return ((z + y + x) < 0.5 * share).astype(np.uint8)


def _enlarged(made: Segmentation, share: float) -> Segmentation:
    """Return a run's result as that of the large volume."""
    routing = made.routing
    gates, grids = [], []
    for stage, small in enumerate(routing.gates):
        shape = tuple(max(1, n >> stage) for n in TOKENS)
        step = tuple(n / m for n, m in zip(SHAPE, shape, strict=True))
        start = tuple((each - 1) / 2 for each in step)
        tiles = [-(-n // m) for n, m in zip(shape, small.shape[1:-1], strict=True)]
        tiled = np.tile(small, (1, *tiles, 1))
        gates.append(tiled[(slice(None), *map(slice, shape))])
        grids.append(Grid(shape, start, step))
    return replace(
        made,
        labels=ball(share),
        grid=Grid.identity(SHAPE),
        routing=replace(routing, gates=tuple(gates), grids=tuple(grids)),
    )


class PaintedVolume:
    """A window with the large volume, its mask and a stack of masks of a sweep."""

    def __init__(self, *, has_dock: bool) -> None:
        self.viewer = napari.Viewer(title=PAINTING)
        volume = np.random.default_rng(0).integers(-200, 300, SHAPE, np.int16)
        self.image = self.viewer.add_image(
            volume, name="CT", contrast_limits=(-200, 300), units=("mm",) * 3
        )
        self.dock: DMoEDock | None = None
        if has_dock:
            self._open_dock()
        else:
            self.mask = self.viewer.add_labels(ball(), name="mask")
            self._stack = np.stack([ball(0.6 + 0.1 * i) for i in range(N_SWEPT)])
        self.pause(AFTERWARDS_S)

    def _open_dock(self) -> None:
        made = HandMade()
        engines = replace(Engines(), segment=made.segment, sweep=made.sweep)
        self.dock = dock = DMoEDock(self.viewer, engines=engines)
        self.viewer.window.add_dock_widget(dock, name="dMoE", area="right")
        dock.pulse = QTimer()
        dock.pulse.start(20)
        wait(lambda: not dock.control(SegmentControl).loader.is_busy)
        dock.open_model("pelvis-phantom")
        wait(lambda: is_ready(dock))
        patient = dock._session.patient_of(self.image)
        (driver,) = dock._session.model.card.attributes
        known = patient.with_value(driver.name, driver.values[0])
        dock._session.set_patient(self.image, known)
        dock.footer.button.click()
        wait(lambda: not dock.control(SegmentControl).run.is_busy)
        self.mask = dock._session.result_of(self.image).mask()

    def pause(self, seconds: float) -> None:
        """Let everything come to rest."""
        until = time.perf_counter() + seconds
        pulse = QTimer()
        pulse.start(20)
        wait(lambda: time.perf_counter() > until)

    def add_stack(self) -> None:
        """Sweep, or add a layer as a sweep does."""
        if self.dock is None:
            self.viewer.add_labels(self._stack, name="stack")
        else:
            self.dock.control(WhatIfControl).tab.sweep.button.click()
            wait(lambda: not self.dock.control(SegmentControl).run.is_busy)
        self.pause(AFTERWARDS_S)

    def see(self, kind: type[TabControl]) -> None:
        """Open a tab, and let it fill."""
        if self.dock is not None:
            self.dock.tabs.setCurrentWidget(self.dock.control(kind).tab)
            self.pause(AFTERWARDS_S)

    def paint(self) -> Iterator[None]:
        """Paint strokes of a brush."""
        self.viewer.layers.selection.active = self.mask
        self.mask.brush_size = 20
        plane = self.viewer.dims.current_step[-3]
        for number in range(30):
            self.mask.paint((plane, 60 + 3 * number, 80 + 5 * number), number % 2)
            yield

    def slide(self) -> Iterator[None]:
        """Move the slider of the planes."""
        axis = self.viewer.dims.ndim - 3
        for plane in range(100, 280, 6):
            self.viewer.dims.set_point(axis, plane)
            yield

    def sweep_slide(self) -> Iterator[None]:
        """Move the slider of the sweep."""
        for number in range(20):
            step = number % N_SWEPT
            if self.dock is None:
                self.viewer.dims.set_point(0, step)
            else:
                self.dock.control(WhatIfControl).tab.sweep.found.slider.setValue(step)
            yield

    def choose_maps(self) -> Iterator[None]:
        """Choose maps of the routing, block by block."""
        routing = self.dock.control(RoutingControl).tab
        for block in (0, 1, 2, 0, 1, 2):
            routing.block_slider.setValue(block)
            yield
        for place in (1, 0, 1, 0):
            routing.maps.map_combo.setCurrentIndex(place)
            routing.maps.map_combo.activated.emit(place)
            yield


N_SWEPT = 4


def gaps_of(window: PaintedVolume, act: Callable[[], Iterator[None]]) -> dict[str, Any]:
    """Return the gaps of the event loop while something is done, and a while after."""
    beats, steps, timer = Beats(), act(), QTimer()
    timer.timeout.connect(lambda: next(steps, None))
    timer.setInterval(BETWEEN_MS)
    beats.start()
    timer.start()
    window.pause(STEPS * BETWEEN_MS / 1000 + AFTERWARDS_S)
    timer.stop()
    gaps = beats.stop()
    return {
        "median_ms": round(float(np.median(gaps)), 1),
        "p95_ms": round(float(np.percentile(gaps, 95)), 1),
        "max_ms": round(float(gaps.max()), 1),
        "gaps_over_100_ms": int((gaps > LONGEST_GAP_MS).sum()),
    }


def measure_painting(repeats: int) -> dict[str, object]:
    """Return the gaps with napari alone and with the dock, and their difference."""
    found: dict[str, Any] = {"mask": list(SHAPE)}
    for side in ("napari alone", "with the dock"):
        window = PaintedVolume(has_dock=side != "napari alone")
        found[side] = rows = {}
        acts = [
            ("paint", SegmentControl, window.paint),
            ("slide", SegmentControl, window.slide),
        ]
        if window.dock is not None:
            acts += [
                ("paint, Fine-tune tab", FineTuneControl, window.paint),
                ("slide, Routing tab", RoutingControl, window.slide),
                ("choose maps", RoutingControl, window.choose_maps),
                ("paint, Routing tab", RoutingControl, window.paint),
            ]
        for name, kind, act in acts:
            window.see(kind)
            if name == "choose maps":
                window.dock.control(RoutingControl).tab.shown_box.click()
            rows[name] = [gaps_of(window, act) for _ in range(repeats)]
        window.add_stack()
        window.see(WhatIfControl)
        rows["slide the sweep"] = [
            gaps_of(window, window.sweep_slide) for _ in range(repeats)
        ]
        window.viewer.close()
    found["longest gap beyond napari's own, ms"] = _beyond(found)
    return found


def _beyond(found: dict[str, Any]) -> dict[str, float]:
    """Return by how much the dock's longest gaps exceed those of napari alone.

    What napari alone has no match for, such as choosing maps, is told as it is.
    """
    alone = found["napari alone"]
    return {
        name: round(_longest(rows) - _longest(alone.get(name.partition(",")[0], [])), 1)
        for name, rows in found["with the dock"].items()
    }


def _longest(rows: list[dict[str, Any]]) -> float:
    """Return the longest gap of the quietest repeat: others share the machine."""
    return min((row["max_ms"] for row in rows), default=0.0)


OTHERS = {LAZY: measure_lazy, PAINTING: measure_painting}


def main() -> None:
    """Measure every scene and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--scene", choices=[*SCENES, *OTHERS], action="append")
    arguments = parser.parse_args()
    napari.Viewer(show=False).close()  # the application itself takes a moment
    scenes = arguments.scene or [*SCENES, *OTHERS]
    found = {
        scene: OTHERS[scene](arguments.repeats)
        if scene in OTHERS
        else measure(scene, arguments.repeats)
        for scene in scenes
    }
    print(json.dumps({"torch_threads": torch.get_num_threads()} | found, indent=2))


if __name__ == "__main__":
    main()
