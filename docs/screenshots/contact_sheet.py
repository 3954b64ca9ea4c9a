"""The contact sheet: every state of every tab, in two widths, two themes, two sizes.

The window is the real one, and so are the models; a gate holds the engines where work
in progress is to be seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtCore import QBuffer, QByteArray
from qtpy.QtWidgets import QWidget
from screenshots.fine_tune import paint_a_correction, wait_for_training
from screenshots.tools import (
    NARROW,
    WIDE,
    enter,
    load,
    run,
    settle,
    show_map,
    wait,
)

from napari_dmoe.progress import Progress
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.layers.records import is_mask
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.what_if.control import WhatIfControl

WINDOW = (1000, 792)  # its dock is about 700 pixels high; a large canvas takes long
NORMAL, LARGE, LARGE_WIDTH = 9, 14, 400
"""Sizes of napari's letters, in points, as they come and half as large again; and how
wide the dock is then."""
LOOKS = (
    *(("dark", NORMAL, NARROW), ("dark", NORMAL, WIDE), ("dark", LARGE, LARGE_WIDTH)),
    *(("light", NORMAL, NARROW), ("light", NORMAL, WIDE)),
)
SCALE = 0.43
COLUMNS, GAP, TITLE = 2, 8, 22
COLOURS = 32
PAPER, INK = (120, 120, 120), (255, 255, 255)
N_GUARD, ROUNDS = 12, 3


class Gate:
    """Holds engines until it is opened; they can be stopped meanwhile."""

    def __init__(self) -> None:
        self._is_open = threading.Event()
        self._is_open.set()

    def held(self, engine: Callable[..., Any]) -> Callable[..., Any]:
        """Return an engine that waits at the gate."""

        def wait_and_work(*arguments: Any, progress: Any, **options: Any) -> Any:
            while not self._is_open.wait(0.05):
                progress(Progress(3, 8, "patch 3 of 8"))
            return engine(*arguments, progress=progress, **options)

        return wait_and_work

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Hold whoever comes."""
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()


@dataclass
class Sheet:
    """Takes the pictures, and puts them together."""

    viewer: napari.Viewer
    dock: DMoEDock
    gate: Gate

    def __post_init__(self) -> None:
        self.strips: list[tuple[str, list[Image.Image]]] = []
        self.viewer.window.resize(*WINDOW)

    def take(self, title: str) -> None:
        """Take the pictures of a state."""
        pictures, appearance = [], get_settings().appearance
        for theme, size, width in LOOKS:
            appearance.theme, appearance.font_size = theme, size
            self.dock.setMinimumWidth(width)
            self.dock.setMaximumWidth(width)
            settle(0.25)
            pictures.append(_grabbed(self.dock))
        appearance.theme, appearance.font_size = "dark", NORMAL
        self.strips.append((title, pictures))
        print(f"{len(self.strips):3} {title}", flush=True)

    def save(self, path: Path) -> None:
        """Write all pictures in one, with few colours."""
        strips = [_strip(*each) for each in self.strips]
        width = max(each.width for each in strips) + GAP
        height = max(each.height for each in strips) + GAP
        n_rows = -(-len(strips) // COLUMNS)
        sheet = Image.new("RGB", (COLUMNS * width + GAP, n_rows * height + GAP), PAPER)
        for place, strip in enumerate(strips):
            row, column = divmod(place, COLUMNS)
            sheet.paste(strip, (GAP + column * width, GAP + row * height))
        few = sheet.quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def make_contact_sheet(viewer: napari.Viewer, path: Path) -> None:
    """Go through all states of all tabs, and write one picture of them."""
    gate, engines = Gate(), Engines()
    held = {name: gate.held(getattr(engines, name)) for name in ("segment", "sweep")}
    dock = DMoEDock(viewer, engines=replace(engines, **held))
    viewer.window.add_dock_widget(dock, name="dMoE", area="right")
    sheet = Sheet(viewer, dock, gate)
    for scene in (_segment, _routing, _what_if, _volume, _fine_tune):
        scene(sheet)
    sheet.save(path)


def _grabbed(widget: QWidget) -> Image.Image:
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    widget.grab().save(buffer, "PNG")
    return Image.open(BytesIO(content.data())).convert("RGB")


def _strip(title: str, pictures: list[Image.Image]) -> Image.Image:
    """Put the pictures of a state side by side, below its name."""
    small = [
        each.resize(
            (round(each.width * SCALE), round(each.height * SCALE)),
            Image.Resampling.LANCZOS,
        )
        for each in pictures
    ]
    width = sum(each.width + GAP for each in small)
    height = max(each.height for each in small) + TITLE
    strip, left = Image.new("RGB", (width, height), PAPER), 0
    font = ImageFont.load_default(15)
    ImageDraw.Draw(strip).text((2, 1), title, fill=INK, font=font)
    for each in small:
        strip.paste(each, (left, TITLE))
        left += each.width + GAP
    return strip


def _idle(dock: DMoEDock) -> None:
    """Wait for the dock's work, and for what follows from it."""
    wait(lambda: not dock.work.is_busy)
    settle()


def _segment(sheet: Sheet) -> None:
    viewer, dock = sheet.viewer, sheet.dock
    control = dock.control(SegmentControl)
    patient, settings = control.tab.patient, control.tab.settings
    wait(lambda: not control.loader.is_busy)
    sheet.take("Segment: empty")
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    wait(dock.footer.button.isEnabled)
    sheet.take("Segment: ready")
    with sheet.gate.shut():
        dock.footer.button.click()
        settle()
        sheet.take("Segment: running")
    _idle(dock)
    viewer.reset_view()
    sheet.take("Segment: done")
    patient.rerun_box.setChecked(False)
    enter(dock, "severity", "glaucoma")
    sheet.take("Segment: outdated")
    settings.inputs["unknown"].value = "refuse"
    enter(dock, "severity", None)
    run(dock)
    sheet.take("Segment: failed")
    settings.inputs["unknown"].value = "mix"
    enter(dock, "severity", "healthy")
    run(dock)
    mask = [each for each in viewer.layers if is_mask(each)][-1]
    for row in range(40, 70):
        mask.paint((row, 150), 1)
    settle()
    sheet.take("Segment: painted")
    noise = np.random.default_rng(1).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    viewer.add_image(noise, name="noise", rgb=True)
    run(dock)
    sheet.take("Segment: unlike")
    viewer.add_image(np.full((256, 256, 3), 40, np.uint8), name="nothing", rgb=True)
    run(dock)
    sheet.take("Segment: nothing found")
    compare = control.tab.compare
    compare.fold.unfold()
    offered = [compare.combo.itemText(n) for n in range(compare.combo.count())]
    other = next(n for n, text in enumerate(offered) if "race" in text.lower())
    compare.combo.setCurrentIndex(other)
    compare.button.click()
    _idle(dock)
    _show(dock, control.tab.body, compare)
    sheet.take("Segment: compared")
    compare.fold.unfold(False)
    load(dock, "pelvis-phantom")
    sheet.take("Segment: image and model do not fit")
    load(dock, "fundus-phantom")


def _routing(sheet: Sheet) -> None:
    viewer, dock = sheet.viewer, sheet.dock
    tab = dock.control(RoutingControl).tab
    viewer.layers.clear()
    settle()
    dock.tabs.setCurrentWidget(tab)
    sheet.take("Routing: empty")
    dock.tabs.setCurrentWidget(dock.control(SegmentControl).tab)
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    run(dock)
    show_map(dock, "dominant")
    sheet.take("Routing: dominant expert")
    show_map(dock, "divergence")
    sheet.take("Routing: divergence, needs a run")
    tab.maps.compute_button.click()
    _idle(dock)
    sheet.take("Routing: divergence")
    show_map(dock, "uncertainty")
    sheet.take("Routing: uncertainty")
    tab.shown_box.click()


def _what_if(sheet: Sheet) -> None:
    viewer, dock = sheet.viewer, sheet.dock
    tab = dock.control(WhatIfControl).tab
    dock.tabs.setCurrentWidget(tab)
    sheet.take("What if: ready")
    with sheet.gate.shut():
        tab.sweep.button.click()
        settle()
        sheet.take("What if: sweep running")
    _idle(dock)
    _show(dock, tab, tab.sweep)
    sheet.take("What if: swept")
    tab.experts.effects_button.click()
    _idle(dock)
    tab.experts.fold.unfold()
    tab.experts.mute_boxes[3].click()
    tab.experts.run_button.click()
    _idle(dock)
    _show(dock, tab, tab.experts)
    sheet.take("What if: experts")
    _show(dock, tab, tab.experts.effects)
    sheet.take("What if: effect of every expert")
    tab.noise.run_button.click()
    _idle(dock)
    _show(dock, tab, tab.noise)
    sheet.take("What if: noise")
    viewer.layers.selection = {next(each for each in viewer.layers if is_mask(each))}
    settle()
    tab.replay.replay_button.click()
    _idle(dock)
    _show(dock, tab, tab.replay)
    sheet.take("What if: replayed")
    tab.priors.fold.unfold()
    _show(dock, tab, tab.priors)
    sheet.take("What if: weights of the values")
    tab.priors.fold.unfold(False)


def _volume(sheet: Sheet) -> None:
    viewer, dock = sheet.viewer, sheet.dock
    control = dock.control(SegmentControl)
    viewer.layers.clear()
    settle()
    dock.tabs.setCurrentWidget(control.tab)
    load(dock, "pelvis-phantom")
    viewer.open_sample("napari-dmoe", "phantom-pelvis")
    run(dock)
    sheet.take("Segment: a volume")
    load(dock, "skin-phantom")
    viewer.layers.clear()
    settle()
    viewer.open_sample("napari-dmoe", "phantom-skin")
    wait(dock.footer.button.isEnabled)
    sheet.take("Segment: two drivers")
    load(dock, "fundus-phantom")
    viewer.layers.clear()
    settle()


def _fine_tune(sheet: Sheet) -> None:
    viewer, dock = sheet.viewer, sheet.dock
    control = dock.control(FineTuneControl)
    tab, tuning, foot = control.tab, control.tuning, control.tab.foot

    def reach(state: State) -> None:
        wait_for_training(lambda: tuning.state is state)
        settle()

    dock.tabs.setCurrentWidget(tab)
    sheet.take("Fine-tune: empty")
    paint_a_correction(viewer, dock)
    dock.tabs.setCurrentWidget(tab)
    wait_for_training(foot.button.isEnabled)
    sheet.take("Fine-tune: ready")
    tab.advanced.fold.unfold()
    _show(dock, tab.scroll, tab.advanced)
    sheet.take("Fine-tune: advanced")
    tab.advanced.fold.unfold(False)
    tab.tune.n_spin.setValue(N_GUARD)
    tab.advanced.form.inputs["epochs"].value = ROUNDS
    foot.button.click()
    wait_for_training(lambda: len(tuning.epochs) >= 1)
    _show(dock, tab.scroll, tab.curves)
    sheet.take("Fine-tune: training")
    if foot.button.isVisible() and foot.button.text() == "Stop":
        foot.button.click()
    wait_for_training(lambda: tuning.state in (State.STOPPED, State.DONE))
    if tuning.state is State.STOPPED:
        settle()
        sheet.take("Fine-tune: stopped")
        foot.resume_button.click()
    reach(State.DONE)
    _show(dock, tab.scroll, tab.outcome)
    sheet.take("Fine-tune: done")
    if not tab.outcome.keep_button.isEnabled():
        tab.outcome.accept_box.click()
    tab.outcome.keep_button.click()
    reach(State.KEPT)
    sheet.take("Fine-tune: kept")
    dock.tabs.setCurrentWidget(dock.control(SegmentControl).tab)
    settle()
    sheet.take("Segment: tuned and kept")


def _show(dock: DMoEDock, scroll: QWidget, part: QWidget) -> None:
    """Scroll a tab so that a part of it is at its top."""
    settle()
    top = part.mapTo(scroll.widget(), part.rect().topLeft()).y()
    scroll.verticalScrollBar().setValue(top - 4)
    settle(0.1)
