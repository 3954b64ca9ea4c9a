"""What every dock of ours does: one work at a time, which ends when the dock goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.parts import StartButton
from napari_dmoe.viewer.ui.work import BUSY, Work


class Panel(QWidget):
    """A widget that napari docks; who makes one says when it is whole."""

    work: Work

    def __init__(self, parent: QWidget | None = None) -> None:
        self._is_whole = self._was_docked = self._is_moving = False
        super().__init__(parent)

    @property
    def is_refreshing(self) -> bool:
        """Whether a section waits to be shown anew."""
        return any(each.is_pending for each in self.findChildren(Refresh))

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Go on with the work although the dock is taken out of the window."""
        self._is_moving = True
        try:
            yield
        finally:
            self._is_moving = False

    def event(self, event: QEvent) -> bool:
        """Stop the work when the dock is taken out of the window."""
        if event.type() == QEvent.Type.ParentChange and self._is_whole:
            if self.parent() is None and self._was_docked and not self._is_moving:
                self._abandon()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def _abandon(self) -> None:
        """End what is under way: nobody sees this dock any more."""
        self.work.stop()

    def _hold_buttons(self) -> None:
        """Let nothing else be started while the dock is at work."""
        for button in self.findChildren(StartButton):
            button.hold(BUSY if self.work.is_busy else "")
