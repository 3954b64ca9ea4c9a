"""The tab for what-ifs: other patients, other experts, other noise, old records.

Each section is one sentence, one control and one button; what it found follows below.
"""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.parts import ScrollColumn
from napari_dmoe.viewer.what_if.experts.view import ExpertsSection
from napari_dmoe.viewer.what_if.noise.view import NoiseSection
from napari_dmoe.viewer.what_if.replay.view import ReplaySection
from napari_dmoe.viewer.what_if.shares import PriorsSection
from napari_dmoe.viewer.what_if.sweep.view import SweepSection

_BETWEEN = 4  # pixels: all of it is seen at once


class WhatIfTab(ScrollColumn):
    """Holds the sections, one below the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sweep = SweepSection()
        self.experts = ExpertsSection()
        self.noise = NoiseSection()
        self.replay = ReplaySection()
        self.priors = PriorsSection()
        sections = self.sweep, self.experts, self.noise, self.replay, self.priors
        self.stack(*sections, spacing=_BETWEEN)
