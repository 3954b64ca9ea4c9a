"""A window with its dock, and what a person does with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QWidget
from viewer_fakes import FakeSegment

from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.layers.records import is_mask
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.session.session import Session, session_of
from napari_dmoe.viewer.ui.plot import Plot
from napari_dmoe.viewer.what_if.control import WhatIfControl

IMAGE = np.zeros((12, 9), np.uint8)


@dataclass
class Desk:
    """A window with its dock, and what a person does with them."""

    viewer: ViewerModel
    dock: DMoEDock
    segment: FakeSegment
    qtbot: QtBot

    @property
    def segmenting(self) -> SegmentControl:
        return self.dock.control(SegmentControl)

    @property
    def routing(self) -> RoutingControl:
        return self.dock.control(RoutingControl)

    @property
    def what_if(self) -> WhatIfControl:
        return self.dock.control(WhatIfControl)

    @property
    def tuner(self) -> FineTuneControl:
        return self.dock.control(FineTuneControl)

    def click_segment(self) -> None:
        self.qtbot.mouseClick(self.dock.footer.button, Qt.MouseButton.LeftButton)

    def run(self) -> None:
        """Press Segment, once it is known which model the picture brings."""
        self.wait_until_idle()
        self.click_segment()
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        self.qtbot.waitUntil(
            lambda: (
                not (
                    self.segmenting.run.is_busy
                    or self.segmenting.loader.is_busy
                    or self.segmenting.suited.is_looking
                    or self.segmenting.fit.is_looking
                    or self.dock.work.is_at_files
                )
            )
        )
        self.settle()

    def settle(self) -> None:
        """Wait until every section shows what changed, and the plots that are seen."""
        self.qtbot.waitUntil(lambda: not self.dock.is_refreshing)
        plots = self.dock.findChildren(Plot)
        self.qtbot.waitUntil(
            lambda: not any(plot.is_stale and plot.isVisible() for plot in plots)
        )

    def click(self, button: QWidget) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def load(self, name: str) -> None:
        """Ask for a model by its name or path, as the model section does."""
        self.segmenting.tab.model.model_requested.emit(name)
        self.wait_until_idle()

    def choose(self, attribute: str, value: str) -> None:
        """Choose a value in a combo box with the keyboard, as it is used."""
        combo = self.segmenting.tab.patient.inputs[attribute].combo
        assert isinstance(combo, QComboBox)
        steps = combo.findText(value) - combo.currentIndex()
        key = Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up
        for _ in range(abs(steps)):
            self.qtbot.keyClick(combo, key)

    def type(self, attribute: str, text: str) -> None:
        edit = self.segmenting.tab.patient.inputs[attribute].edit
        assert edit is not None
        edit.selectAll()
        self.qtbot.keyClick(edit, Qt.Key.Key_Delete)
        self.qtbot.keyClicks(edit, text)
        self.qtbot.keyClick(edit, Qt.Key.Key_Return)

    def is_outlined(self, mask: Labels) -> bool:
        """Say whether lines go around a mask, once everything due is drawn."""
        outlines = self.session.outlines
        self.qtbot.waitUntil(lambda: not outlines.due())
        return outlines.has(mask) and outlines.is_drawn(mask)

    def is_filled(self, mask: Labels) -> bool:
        """Say whether a mask is filled, with nothing around it."""
        self.qtbot.waitUntil(lambda: not self.session.outlines.due())
        line = self.session.outlines.line_of(mask)
        return mask.opacity > 0 and (line is None or not line.visible)

    @property
    def session(self) -> Session:
        return session_of(self.viewer)

    def change_settings(self, **changes: object) -> None:
        settings = self.session.settings.model_copy(update=changes)
        self.session.set_settings(settings)

    @property
    def masks(self) -> list[Labels]:
        return [layer for layer in self.viewer.layers if is_mask(layer)]

    @property
    def reason(self) -> str:
        """What stands beside the button that segments."""
        return self.segmenting.tab.action.reason.text()

    @property
    def fit(self) -> str:
        """How image and model go together."""
        return self.segmenting.tab.image.fit.text()

    @property
    def status(self) -> str:
        return self.dock.footer.status.text()
