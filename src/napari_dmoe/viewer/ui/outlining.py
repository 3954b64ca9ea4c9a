"""Draws the outlines of masks in turn, those of large planes after a job."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QObject

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.layers.edges import Edges
from napari_dmoe.viewer.layers.outlines import Drawing, Outlines
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.jobs import Job, JobRunner, notify_error
from napari_dmoe.viewer.ui.turns import after_repaint

AT_ONCE = 4_000_000
"""So many samples are looked through on the GUI thread, within some 20 ms."""

_ZOOM_MS = 40


class OutlineDrawing(QObject):
    """Draws what is due once events stop coming in: steps of a brush, of a slider."""

    def __init__(self, owner: QObject, viewer: ViewerModel, outlines: Outlines) -> None:
        super().__init__(owner)
        self._outlines = outlines
        self._large: list[Drawing] = []
        self._n_gone = self._n_painted = 0
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_returned)
        self._runner.failed.connect(notify_error)
        self._runner.finished.connect(self._on_finished)
        self._drawing = Refresh(self, self.draw, soon=(outlines.wanted,))
        Refresh(self, outlines.fit, soon=(outlines.zoomed,), pause_ms=_ZOOM_MS)
        Connections(self).add(viewer.layers.events.removed, self._hold)
        self._drawing.soon()

    @property
    def is_busy(self) -> bool:
        """Whether something large is looked through."""
        return self._runner.is_busy

    def draw(self) -> None:
        """Draw what is due, and look through what is large."""
        if self._n_gone != self._n_painted:
            return
        self._outlines.tend()
        due = self._outlines.due()
        for each in due:
            if each.size <= AT_ONCE:
                each.show(each.find())
        large = [each for each in due if each.size > AT_ONCE]
        if large and not self._runner.is_busy:
            self._large = large
            finding = [each.find for each in large]
            self._runner.start(Job("dMoE: outlines", partial(_find, finding)))

    def _hold(self, event: Any = None) -> None:
        """Put no layer in before the canvas was painted without one that went."""
        self._n_gone += 1
        after_repaint(self, partial(self._go_on, self._n_gone))

    def _go_on(self, n_gone: int) -> None:
        self._n_painted = n_gone
        self.draw()

    def _on_returned(self, found: list[Edges]) -> None:
        for each, edges in zip(self._large, found, strict=True):
            each.show(edges)

    def _on_finished(self) -> None:
        self._large = []
        if self._outlines.due():
            self._drawing.soon()


def _find(finding: list[Any], hook: ProgressHook) -> list[Edges]:
    return [find() for find in finding]
