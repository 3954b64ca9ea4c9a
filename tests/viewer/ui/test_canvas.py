"""What napari asks of OpenGL where a layer goes is done in the canvas's own context."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from desk import IMAGE, Desk
from qtpy.QtGui import QOpenGLContext
from qtpy.QtOpenGLWidgets import QOpenGLWidget

pytestmark = pytest.mark.gui

PAINTED_MS = 100


@pytest.fixture
def desk(
    make_desk: Callable[..., Desk], make_napari_viewer: Callable[..., napari.Viewer]
) -> Desk:
    viewer = make_napari_viewer()
    viewer.window.show()
    return make_desk(viewer)


def canvas_of(desk: Desk) -> QOpenGLWidget:
    widget = desk.dock
    while widget.parentWidget() is not None:
        widget = widget.parentWidget()
    (canvas,) = widget.findChildren(QOpenGLWidget)
    return canvas


def remove_one(desk: Desk) -> None:
    desk.viewer.layers.remove(desk.viewer.layers[-1])


def remove_selected(desk: Desk) -> None:
    desk.viewer.layers.remove_selected()


def remove_all(desk: Desk) -> None:
    desk.viewer.layers.clear()


@pytest.mark.parametrize("is_floating", [False, True])
@pytest.mark.parametrize("remove", [remove_one, remove_selected, remove_all])
def test_a_layer_goes_in_the_canvas_s_context(
    desk: Desk, remove: Callable[[Desk], None], is_floating: bool
) -> None:
    viewer, canvas = desk.viewer, canvas_of(desk)
    desk.dock.parentWidget().setFloating(is_floating)
    viewer.add_image(IMAGE)
    viewer.add_labels(np.ones((12, 9), np.uint8))
    current: list[bool] = []

    def note(event: object) -> None:
        current.append(QOpenGLContext.currentContext() == canvas.context())

    viewer.layers.events.removed.connect(note)
    viewer.layers.events.end_batch.connect(note)
    desk.qtbot.wait(PAINTED_MS)
    assert QOpenGLContext.currentContext() != canvas.context()  # else it tells nothing
    remove(desk)
    assert current
    assert all(current)


def test_an_empty_viewer_is_emptied_in_it_too(desk: Desk) -> None:
    viewer, canvas = desk.viewer, canvas_of(desk)
    current: list[bool] = []
    viewer.layers.events.end_batch.connect(
        lambda: current.append(QOpenGLContext.currentContext() == canvas.context())
    )
    desk.qtbot.wait(PAINTED_MS)
    viewer.layers.clear()
    assert current == [True]
