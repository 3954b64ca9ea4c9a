"""The scene of the Fine-tune tab."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import napari
import numpy as np
from napari.settings import get_settings
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication, QWidget
from screenshots.tools import mask_of

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.phantoms.fundus.cohort import fundus_cohort
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.segment.control import SegmentControl

PATIENCE_SECONDS = 900
NARROW, WIDE = 300, 600
N_GUARD, ROUNDS = 30, 4


def fine_tune(viewer: napari.Viewer, dock: QWidget, shoot: object) -> None:
    """Go through the states of the Fine-tune tab, with the real model and process."""
    tab, tuning, foot = (
        dock.control(FineTuneControl).tab,
        dock.control(FineTuneControl).tuning,
        dock.control(FineTuneControl).tab.foot,
    )
    dock.tabs.setCurrentWidget(tab)
    _state(shoot, "empty")
    paint_a_correction(viewer, dock)
    dock.tabs.setCurrentWidget(tab)
    wait_for_training(foot.button.isEnabled)
    _state(shoot, "ready")
    tab.advanced.fold.unfold()
    _show(dock, tab.advanced)
    shoot.dock("tune-advanced-300")
    tab.advanced.fold.unfold(False)
    tab.tune.n_spin.setValue(N_GUARD)
    tab.advanced.form.inputs["epochs"].value = ROUNDS
    foot.button.click()
    wait_for_training(lambda: len(tuning.epochs) >= 2)
    _show(dock, tab.curves)
    _state(shoot, "training")
    _after_a_stop(viewer, dock, shoot)


def _after_a_stop(viewer: napari.Viewer, dock: QWidget, shoot: object) -> None:
    """Stop, resume, look at what changed, keep; then let another one fail."""
    tab, tuning, foot = (
        dock.control(FineTuneControl).tab,
        dock.control(FineTuneControl).tuning,
        dock.control(FineTuneControl).tab.foot,
    )
    foot.button.click()
    wait_for_training(lambda: tuning.state is State.STOPPED)
    _state(shoot, "stopped")
    foot.resume_button.click()
    wait_for_training(lambda: tuning.state is State.DONE)
    _show(dock, tab.outcome.table)  # below the verdict, which "kept" shows
    _state(shoot, "done")
    tab.outcome.changes_button.click()
    wait_for_training(lambda: not dock.work.is_busy)
    mask_of(viewer).visible = False
    _show(dock, tab.outcome)
    shoot.window("tune-changed")
    get_settings().appearance.theme = "light"
    _show(dock, tab.curves)
    shoot.dock("tune-light-300")
    get_settings().appearance.theme = "dark"
    if not tab.outcome.keep_button.isEnabled():
        tab.outcome.accept_box.click()
    tab.outcome.keep_button.click()
    wait_for_training(lambda: tuning.state is State.KEPT)
    _show(dock, tab.outcome)
    _state(shoot, "kept")
    _choose_guard_that_goes_away(dock)
    foot.button.click()
    wait_for_training(lambda: tuning.state is State.FAILED)
    _show(dock, tab.pairs)
    _state(shoot, "failed")


def _choose_guard_that_goes_away(dock: QWidget) -> None:
    """Choose a good guard; it is gone when its cases are to be measured."""
    guard = dock.control(FineTuneControl).guard
    with TemporaryDirectory() as folder:
        people = Path(folder) / "people who moved away"
        write_cohort(people, fundus_cohort(3, seed=1))
        guard.choose_cohort(str(people))
        wait_for_training(lambda: not guard.is_looking)


def paint_a_correction(viewer: napari.Viewer, dock: QWidget) -> None:
    """Segment the fundus, and paint on its mask."""
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    dock.tabs.setCurrentWidget(dock.control(SegmentControl).tab)
    wait_for_training(dock.footer.button.isEnabled)
    dock.footer.button.click()
    wait_for_training(lambda: not dock.control(SegmentControl).run.is_busy)
    mask = mask_of(viewer)
    rows, columns = np.nonzero(mask.data == 2)
    mask.brush_size = 56
    mask.paint((rows.mean(), columns.mean()), 2)
    viewer.reset_view()


def _state(shoot: object, name: str) -> None:
    shoot.dock(f"tune-{name}-{NARROW}")
    shoot.dock(f"tune-{name}-{WIDE}", width=WIDE)


def _show(dock: QWidget, part: QWidget) -> None:
    """Scroll to a part of the tab."""
    _settle()
    scroll = dock.control(FineTuneControl).tab.scroll
    place = part.mapTo(scroll.widget(), QPoint(0, 0)).y()
    scroll.verticalScrollBar().setValue(place)


def _settle(seconds: float = 0.5) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()


def wait_for_training(is_done: Callable[[], bool]) -> None:
    """Process events now and then: the training needs the processor."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        if time.monotonic() > end:
            raise TimeoutError("the window did not get there")
        QApplication.processEvents()
        time.sleep(0.02)
