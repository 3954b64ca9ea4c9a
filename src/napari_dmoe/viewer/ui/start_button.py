"""A button that begins work, and waits while the dock is at work already."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QWidget

from napari_dmoe.viewer.ui.work import BUSY


class StartButton(QPushButton):
    """Begins something that takes its turn with the dock's other work.

    While it is held it is disabled and says why, whatever its section asks of it
    meanwhile; that is taken up afterwards.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._is_held, self._is_allowed, self._tooltip = False, True, ""

    def setEnabled(self, is_enabled: bool) -> None:
        """Enable it, now or when it is no longer held."""
        self._is_allowed = is_enabled
        super().setEnabled(is_enabled and not self._is_held)

    def setToolTip(self, text: str | None) -> None:
        """Set what is said while it is not held."""
        self._tooltip = text or ""
        super().setToolTip(BUSY if self._is_held else self._tooltip)

    def hold(self, is_held: bool) -> None:
        """Let nobody press it from now on, or let them again."""
        self._is_held = is_held
        self.setEnabled(self._is_allowed)
        self.setToolTip(self._tooltip)
