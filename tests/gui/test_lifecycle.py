"""Docks that come and go, what they hold on to, and what importing them costs."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from desk import Desk
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent

from napari_dmoe.viewer.session import session_of

pytestmark = pytest.mark.gui


def test_a_dock_whose_python_object_is_collected_first_is_destroyed_safely(
    make_desk: Callable[..., Desk],
) -> None:
    viewer = ViewerModel()
    before = len(session_of(viewer).model_changed)

    def open_and_forget() -> None:
        # A frame of its own, so that nothing refers to the dock any more.
        make_desk(viewer).dock.deleteLater()

    open_and_forget()
    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert len(session_of(viewer).model_changed) == before
