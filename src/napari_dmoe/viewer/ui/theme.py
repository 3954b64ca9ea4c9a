"""The few colours that the dock takes from napari's theme, in whichever there is.

The style sheet of napari's window does the rest. Colours never tell anything alone:
what they tell stands beside them in words and signs.
"""

from __future__ import annotations

from typing import Literal

from napari.components import ViewerModel
from napari.utils.theme import get_theme
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.connections import Connections

PRIMARY = "dmoe-primary"
"""Object name of the one button that a tab is for."""

Tone = Literal["", "good", "caution"]

_TONES = {
    "dark": {"good": "#56c596", "caution": "#f0b429"},
    "light": {"good": "#00664d", "caution": "#8a4500"},
}
"""Bluish green and orange, apart for the colour-blind; at least 4.5 : 1 on the dock."""

_SHEET = """
#{name} {{ background-color: {current}; color: {text}; font-weight: bold; }}
#{name}:hover {{ border: 1px solid {text}; }}
#{name}:pressed {{ background-color: {highlight}; }}
#{name}:disabled {{ background-color: transparent; border: 1px solid {current}; }}
QTabBar::tab {{ padding: 3px 3px; }}
*[look="card"] {{ background-color: {foreground}; border-radius: 2px; padding: 4px; }}
*[look="card"]:hover, *[look="card"]:focus {{ background-color: {primary}; }}
*[tone="good"] {{ color: {good}; }}
*[tone="caution"] {{ color: {caution}; }}
Table {{ qproperty-worse: {caution}; }}
"""


class ThemeFollower(QObject):
    """Colours a widget, which owns it, as the viewer's theme asks for at the time."""

    def __init__(self, widget: QWidget, viewer: ViewerModel) -> None:
        super().__init__(widget)
        self._widget = widget
        Connections(self).add(viewer.events.theme, self.show)
        self.show_theme(viewer.theme)

    def show(self, event: object) -> None:
        """Take the colours of the theme that napari's event names."""
        self.show_theme(str(getattr(event, "value", "")))

    def show_theme(self, name: str) -> None:
        """Take the colours of a theme by its name, such as ``"dark"``."""
        theme = get_theme(name)
        parts = "current", "text", "highlight", "foreground", "primary"
        colours = {part: getattr(theme, part).as_hex() for part in parts}
        sheet = _SHEET.format(name=PRIMARY, **colours, **_TONES[theme.type])
        self._widget.setStyleSheet(sheet)


def as_card(widget: QWidget) -> None:
    """Let a button with a picture stand out as one, as it has no frame of its own."""
    widget.setProperty("look", "card")


def set_tone(widget: QWidget, tone: Tone) -> None:
    """Colour a widget's text: as what is good, as what asks for care, or as usual."""
    if widget.property("tone") == tone:
        return
    widget.setProperty("tone", tone)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
