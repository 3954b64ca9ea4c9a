"""The tab for what-ifs: other patients, other experts, other noise, old records."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_dmoe.viewer.what_if.experts.view import ExpertsSection
from napari_dmoe.viewer.what_if.noise.view import NoiseSection
from napari_dmoe.viewer.what_if.replay.view import ReplaySection
from napari_dmoe.viewer.what_if.shares import PriorsSection
from napari_dmoe.viewer.what_if.sweep.view import SweepSection

_MARGIN = 4
_BETWEEN_SECTIONS = 12


class WhatIfTab(QScrollArea):
    """Holds the sections; scrolls where the dock is too low for them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sweep = SweepSection()
        self.priors = PriorsSection()
        self.experts = ExpertsSection()
        self.noise = NoiseSection()
        self.replay = ReplaySection()
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(_BETWEEN_SECTIONS)
        for section in (self.sweep, self.priors, self.experts, self.noise, self.replay):
            layout.addWidget(section)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
