"""The plots of the Routing tab as files."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QObject

from napari_dmoe.viewer.routing.plots.control import PlotsControl
from napari_dmoe.viewer.routing.plots.files import plot_path, save_plots
from napari_dmoe.viewer.routing.plots.view import PlotsSection
from napari_dmoe.viewer.ui.asking import ask_where, may_write, not_saved
from napari_dmoe.viewer.ui.work import Work

KINDS = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf);;Numbers as CSV (*.csv)"


class PlotsExport(QObject):
    """Saves the plots that can be seen.

    Parameters
    ----------
    plots : PlotsControl
        Knows what is shown.
    work : Work
        Says how it went.
    section : PlotsSection
        Where it is asked for; owns this object.
    """

    def __init__(self, plots: PlotsControl, work: Work, section: PlotsSection) -> None:
        super().__init__(section)
        self._plots, self._work, self._section = plots, work, section
        section.save_requested.connect(self._on_save)

    def _on_save(self) -> None:
        shown = self._plots.shown
        if shown is None:
            return
        seen = self._section.seen()
        plots = {key: plot for key, plot in shown.plots.items() if key in seen}
        chosen, kind = ask_where(
            self._section, "Save the plots", f"{shown.name}.png", KINDS
        )
        if chosen is None:
            return
        try:
            target = plot_path(chosen, kind)
        except ValueError as error:
            self._work.fail(error)
            return
        if not may_write(self._section, chosen, target):
            return
        try:
            save_plots(target, replace(shown, plots=plots))
        except OSError as error:
            self._work.fail(not_saved(target, error))
        else:
            self._work.say(f"Saved {target.name}.")
