"""Makes the What-if tab work: every section gets its control."""

from __future__ import annotations

from napari_dmoe.viewer.bench import Bench, TabControl
from napari_dmoe.viewer.what_if.experts.control import ExpertsControl
from napari_dmoe.viewer.what_if.noise.control import NoiseControl
from napari_dmoe.viewer.what_if.replay.control import ReplayControl
from napari_dmoe.viewer.what_if.shares import PriorsControl
from napari_dmoe.viewer.what_if.sweep.control import SweepControl
from napari_dmoe.viewer.what_if.sweep.export import SweepExport
from napari_dmoe.viewer.what_if.tab import WhatIfTab


class WhatIfControl(TabControl):
    """Connects the sections of the What-if tab with the session."""

    title = "What if"
    tool_tip = "See what another patient would have got, and why."
    make = WhatIfTab

    def __init__(self, bench: Bench, tab: WhatIfTab) -> None:
        super().__init__(bench, tab)
        self.tab = tab
        self.sweep = SweepControl(bench, tab.sweep)
        self.sweep_export = SweepExport(bench, self.sweep, tab.sweep)
        self.priors = PriorsControl(bench, tab.priors)
        self.experts = ExpertsControl(bench, tab.experts)
        self.noise = NoiseControl(bench, tab.noise)
        self.replay = ReplayControl(bench, tab.replay)
