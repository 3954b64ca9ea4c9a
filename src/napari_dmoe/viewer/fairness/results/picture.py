"""The plot of the groups, drawn in a job: many groups take longer than a click may."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtGui import QImage
from qtpy.QtWidgets import QWidget

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.ui.jobs import Job, JobRunner, notify_error
from napari_dmoe.viewer.ui.plot import Plot, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class GroupPicture(Plot):
    """Shows what it showed before until the next figure is drawn."""

    def __init__(
        self, name: str, tooltip: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(name, tooltip, parent)
        self.drawn_key: object = None
        """The key of what is seen, which may not be the latest."""
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_drawn)
        self._runner.failed.connect(notify_error)
        self._runner.finished.connect(self._wait)

    @property
    def is_drawing(self) -> bool:
        """Whether a figure is being drawn."""
        return self._runner.is_busy

    def draw(self) -> None:
        """Draw what is to be shown, once what is being drawn is."""
        is_seen = self.width() and self.height()
        if self._paint is None or not is_seen or self._runner.is_busy:
            return
        self.is_stale = False
        size, ratio = (self.width(), self.height()), self.devicePixelRatioF()
        work = partial(_draw, self._paint, size, ratio, self._key)
        self._runner.start(Job("dMoE: drawing the groups", work))

    def _on_drawn(self, made: tuple[object, Figure, QImage]) -> None:
        self.drawn_key, figure, image = made
        self.show_picture(figure, image)


def _draw(
    paint: Callable[[Figure], None],
    size: tuple[int, int],
    ratio: float,
    key: object,
    hook: ProgressHook,
) -> tuple[object, Figure, QImage]:
    """Draw a figure; called in the job's thread."""
    return key, *drawn(paint, size, ratio)
