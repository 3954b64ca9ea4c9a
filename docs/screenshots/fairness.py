"""The fairness dock: phantoms audited, and the worst case of the worst group opened."""

from __future__ import annotations

import tempfile
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QWidget
from screenshots.tools import WINDOW, Shooter, settle, wait

from napari_dmoe.viewer.coming_up import open_fairness_dock
from napari_dmoe.viewer.fairness.dock import FairnessDock

WIDE = 1900, 1000
NARROW = 900, 760


def fairness(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Audit phantoms, and look at their worst case, wide and narrow."""
    own = open_fairness_dock(viewer)
    dock.parent().hide()
    viewer.window.resize(*WIDE)
    with tempfile.TemporaryDirectory() as folder:
        _audit(own, Path(folder))
        _take(viewer, shoot, "fairness")
        viewer.window.resize(*NARROW)
        _take(viewer, shoot, "fairness-narrow")
    viewer.window.remove_dock_widget(own)
    dock.parent().show()
    viewer.window.resize(*WINDOW)


def _audit(own: FairnessDock, folder: Path) -> None:
    """Run the audit as a person does, and open the worst case."""
    results = own.results_control
    wait(lambda: not own.looking.is_busy)
    own.cohort.phantoms_button.click()
    wait(lambda: not own.work.is_at_files)
    own.compared_control.write_into(folder / "fundus-audit")
    own.foot.button.click()
    wait(lambda: not own.work.is_busy, seconds=600)
    wait(lambda: results.figures is not None and not results.is_busy)
    figures = results.figures
    (model,) = figures.models
    means = {each: np.nanmean(model.values_of(each)) for each in figures.groups}
    results.choose((0, min(means, key=means.get)))
    settle()
    results.open_listed(0)
    wait(lambda: not results.is_busy and not own.work.is_at_files)


def _take(viewer: napari.Viewer, shoot: Shooter, name: str) -> None:
    settle(1)
    path = shoot.folder / f"{name}.png"
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)
