"""The dock comes up: beside a sample of ours that is opened, and where it is needed."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtWidgets import QApplication

from napari_dmoe.viewer.contributed import DOCK, FAIRNESS
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.fairness.dock import HEIGHT, FairnessDock
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.samples import is_sample
from napari_dmoe.viewer.ui.docking import bring_up, docked, settle
from napari_dmoe.viewer.ui.shortcut import NEXT, PREVIOUS, has_dock, press
from napari_dmoe.viewer.ui.turns import after_repaint

if TYPE_CHECKING:
    from napari.components import ViewerModel


def open_dock(viewer: napari.Viewer) -> DMoEDock:
    """Return the dock of a viewer's window, which comes up where it is not seen.

    Whoever docked one, there is no second.
    """
    make = partial(DMoEDock, viewer)
    return bring_up(viewer.window, DMoEDock, DOCK, make, area="right")


class OneDock(DMoEDock):
    """What napari makes for its menu and for scripts: the one dock of a window.

    Whoever docked it under whatever name, it moves to where napari puts it now, with
    all that it shows and does. napari wants a class of widgets, whose signature asks
    for the viewer; nothing is ever an instance of this one.
    """

    def __new__(cls, napari_viewer: napari.Viewer) -> Any:
        """Return the window's dock, taken out of where it is; else a new one."""
        window = getattr(plain(napari_viewer), "window", None)
        there = None if window is None else docked(window, DMoEDock)
        if window is None or there is None:
            return DMoEDock(napari_viewer)
        with there.moving():
            window.remove_dock_widget(there)
        return there


def open_fairness_dock(viewer: napari.Viewer) -> FairnessDock:
    """Return the fairness dock of a viewer's window, as :func:`open_dock` does."""
    make = partial(FairnessDock, viewer)
    return bring_up(viewer.window, FairnessDock, FAIRNESS, make, area="bottom")


class OneFairnessDock(FairnessDock):
    """The one fairness dock of a window, as :class:`OneDock` is of the other.

    A new one goes to the bottom.
    """

    def __new__(cls, napari_viewer: napari.Viewer) -> Any:
        """Return the window's dock, taken out of where it is; else a new one."""
        window = getattr(plain(napari_viewer), "window", None)
        there = None if window is None else docked(window, FairnessDock)
        if window is None or there is None:
            there = FairnessDock(napari_viewer)
            settle(there, FAIRNESS, HEIGHT)
            return there
        settle(there, FAIRNESS, HEIGHT)
        with there.moving():
            window.remove_dock_widget(there)
        return there


def segment_now() -> None:
    """Press the button of the window's dock; where there is none, let it come up."""
    viewer = napari.current_viewer()
    if viewer is not None and has_dock(viewer):
        press(viewer)
    elif viewer is not None:
        open_dock(viewer)


def show_previous_image() -> None:
    """Show the previous image of the window's dock; nothing where there is none."""
    viewer = napari.current_viewer()
    if viewer is not None:
        press(viewer, PREVIOUS)


def show_next_image() -> None:
    """Show the next image of the window's dock; nothing where there is none."""
    viewer = napari.current_viewer()
    if viewer is not None:
        press(viewer, NEXT)


def come_up_beside_samples() -> None:
    """Let the dock come up once a sample that is being opened is in the viewer.

    Nothing happens where it goes into no window, such as in a script without one.
    """
    viewer, application = napari.current_viewer(), QApplication.instance()
    if viewer is not None and application is not None:
        after_repaint(application, partial(_come_up, weakref.ref(viewer)))


def _come_up(reference: weakref.ref[napari.Viewer]) -> None:
    viewer = reference()
    # The window may be closed by now.
    if viewer is None or viewer is not napari.current_viewer():
        return
    if _has_sample(viewer):
        open_dock(viewer)


def _has_sample(viewer: ViewerModel) -> bool:
    return any(map(is_sample, viewer.layers))
