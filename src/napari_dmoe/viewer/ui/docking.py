"""Widgets of ours in napari's window: one of each kind, whoever docked it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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


def settle(widget: QWidget, title: str, height: int) -> None:
    """Let a widget that napari is about to dock go to its place in the window.

    That is where it was, if it was somewhere; else the bottom, unless napari remembers
    that a person has put it elsewhere. What the manifest says of a place is not heard
    yet (napari 0.9): everything comes to the right.
    """
    before, _ = _place(widget)
    remembered = get_settings().application.plugin_widget_positions
    if before is None and _named(title) not in remembered:
        before = Qt.DockWidgetArea.BottomDockWidgetArea
    if before is not None:
        QTimer.singleShot(0, partial(_settle, widget, before, height))


def _settle(widget: QWidget, area: Qt.DockWidgetArea, height: int) -> None:
    there, window = _place(widget) if isalive(widget) else (None, None)
    holder = widget.parentWidget() if there is not None else None
    if window is None or not isinstance(holder, QDockWidget):
        return
    if there != area:
        window.addDockWidget(area, holder)
        holder.show()
    if area == Qt.DockWidgetArea.BottomDockWidgetArea:
        window.resizeDocks([holder], [height], Qt.Orientation.Vertical)


def _place(widget: QWidget) -> tuple[Qt.DockWidgetArea | None, QMainWindow | None]:
    """Return in which area of which window a widget is docked; None where in none."""
    holder = widget.parentWidget()
    window = None if holder is None else holder.parentWidget()
    if not isinstance(holder, QDockWidget) or not isinstance(window, QMainWindow):
        return None, None
    return window.dockWidgetArea(holder), window


def _named(title: str) -> str:
    """Return what napari's menu calls a widget, so that the menu finds it."""
    return f"{title} (dMoE)"
