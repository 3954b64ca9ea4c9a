"""Widgets of ours in napari's window: one of each kind, whoever docked it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import npe2
from napari.settings import get_settings
from qtpy.compat import isalive
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_dmoe.viewer.contributed import PLUGIN

Docked = TypeVar("Docked", bound=QWidget)


def bring_up(
    window: Any,
    kind: type[Docked],
    title: str,
    make: Callable[[], Docked],
    **placed: Any,
) -> Docked:
    """Return the one widget of a kind in napari's window; it is seen from now on.

    Where there is none, one is made and `placed` as napari's ``add_dock_widget`` can.
    """
    found = docked(window, kind)
    if found is None:
        found = make()
        window.add_dock_widget(found, name=_named(title), **placed)
    holder = found.parent()
    if isinstance(holder, QDockWidget):
        holder.show()
        holder.raise_()
    return found


def docked(window: Any, kind: type[Docked]) -> Docked | None:
    """Return the widget of a kind that is in a window; None where there is none."""
    there = window.dock_widgets.values()
    return next((each for each in there if isinstance(each, kind)), None)


def contributed_widget(title: str) -> Any:
    """Return the class of a widget that the manifest gives napari, by its title."""
    contributed = npe2.PluginManager.instance().iter_widgets()
    ours = (each for each in contributed if each.plugin_name == PLUGIN)
    return next(each.get_callable() for each in ours if each.display_name == title)


def settle_at_bottom(widget: QWidget, title: str, height: int) -> None:
    """Let a widget that napari is about to dock go to the bottom of its window.

    What the manifest says of its place is not heard yet (napari 0.9): it comes to the
    right. napari remembers where a person has put it, and there it stays.
    """
    remembered = get_settings().application.plugin_widget_positions
    if _named(title) not in remembered:
        QTimer.singleShot(0, lambda: _settle(widget, height))


def _settle(widget: QWidget, height: int) -> None:
    holder = widget.parentWidget() if isalive(widget) else None
    window = None if holder is None else holder.parentWidget()
    if not isinstance(holder, QDockWidget) or not isinstance(window, QMainWindow):
        return
    bottom = Qt.DockWidgetArea.BottomDockWidgetArea
    if window.dockWidgetArea(holder) != bottom:
        window.addDockWidget(bottom, holder)
        holder.show()
    window.resizeDocks([holder], [height], Qt.Orientation.Vertical)


def _named(title: str) -> str:
    """Return what napari's menu calls a widget, so that the menu finds it."""
    return f"{title} (dMoE)"
