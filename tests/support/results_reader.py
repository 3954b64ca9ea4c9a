"""A fairness dock with results, and what a person does with them."""

from __future__ import annotations

import numpy as np
from fairness_desk import FairnessDesk
from napari.layers import Image, Labels
from qtpy.QtCore import QPoint, Qt

from napari_dmoe.viewer.fairness.results.control import ResultsControl
from napari_dmoe.viewer.fairness.results.view import ResultsSection
from napari_dmoe.viewer.fairness.shelf import Audit

LONG = 30_000
"""Milliseconds: the first job imports torch."""


class Reader:
    """A dock with results, and what a person does with them."""

    def __init__(self, desk: FairnessDesk) -> None:
        self.desk, self.dock, self.viewer = desk, desk.dock, desk.viewer
        self.section: ResultsSection = desk.dock.results
        self.control: ResultsControl = desk.dock.results_control
        self.qtbot = desk.qtbot

    def see(self) -> Reader:
        self.dock.resize(1500, 420)
        self.dock.show()
        self.qtbot.waitExposed(self.dock)
        return self

    def put(self, *audits: Audit) -> Reader:
        for number, audit in enumerate(audits):
            self.dock.audits.put(audit, beside=number > 0)
            self.wait()
        return self

    def wait(self) -> None:
        self.qtbot.waitUntil(
            lambda: (
                not (
                    self.control.is_busy
                    or self.dock.work.is_at_files
                    or self.is_at_work
                )
            ),
            timeout=LONG,
        )
        n = len(self.control.listed)
        model = self.section.cases.table.model()
        self.qtbot.waitUntil(lambda: model.rowCount() == n)
        plot = self.section.plot.plot
        self.qtbot.waitUntil(
            lambda: not (plot.is_drawing or (plot.is_stale and plot.isVisible())),
            timeout=LONG,
        )

    @property
    def is_at_work(self) -> bool:
        return bool(self.dock.work.is_busy)

    def choose(self, **what: str) -> None:
        """Choose in the boxes: ``by="sex"``."""
        for name, key in what.items():
            combo = getattr(self.section.pickers, f"{name}_combo")
            combo.setCurrentIndex(combo.findData(key))
            combo.activated.emit(combo.currentIndex())
        self.wait()

    def click_in_plot(self, row: int) -> None:
        plot = self.section.plot.plot
        axes = plot.figure.axes[0]
        x, y = axes.transData.transform((np.mean(axes.get_xlim()), row))
        ratio = plot.devicePixelRatioF()
        place = QPoint(round(x / ratio), round(plot.height() - y / ratio))
        self.qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=place)
        self.wait()

    def click_group(self, name: str) -> None:
        table = self.section.groups.table
        rows = [line.cells["group"] for line in table.model().lines]
        rect = table.visualRect(table.model().index(rows.index(name), 0))
        left = Qt.MouseButton.LeftButton
        self.qtbot.mouseClick(table.viewport(), left, pos=rect.center())
        self.wait()

    def double_click_case(self, row: int) -> None:
        table = self.section.cases.table
        place = table.visualRect(table.model().index(row, 0)).center()
        left = Qt.MouseButton.LeftButton
        self.qtbot.mouseClick(table.viewport(), left, pos=place)
        self.qtbot.mouseDClick(table.viewport(), left, pos=place)
        self.wait()

    @property
    def cases(self) -> list[str]:
        return [line.cells["id"] for line in self.section.cases.table.model().lines]

    @property
    def seen(self) -> set[str]:
        kinds = Image, Labels
        layers = [e for e in self.viewer.layers if isinstance(e, kinds)]
        return {e.name for e in layers if e.visible}
