"""Widgets of ours in napari's window: one of each kind, whoever docked it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import npe2
from qtpy.QtWidgets import QDockWidget, QWidget

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
        # By the name that napari's menu gives it, so that the menu finds it.
        window.add_dock_widget(found, name=f"{title} (dMoE)", **placed)
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
