"""Layers added without a word to the cursor, and as a whole or not at all.

napari reads what lies under the pointer whenever the active layer changes. Over a 3D
canvas on which the pointer rests it has no ray to read along, and raises an error in
the midst of adding the layer. It does not read where it is told that the pointer is
elsewhere.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari.components import ViewerModel

from napari_dmoe.viewer.layers.leaving import leaving_of
from napari_dmoe.viewer.layers.placement import plain


@contextmanager
def pointer_away(viewer: ViewerModel | None) -> Iterator[None]:
    """Let napari read nothing under the pointer meanwhile."""
    if viewer is None:
        yield
        return
    viewer = plain(viewer)
    was_over = viewer.mouse_over_canvas
    viewer.mouse_over_canvas = False
    try:
        yield
    finally:
        viewer.mouse_over_canvas = was_over


@contextmanager
def all_or_nothing(viewer: ViewerModel | None) -> Iterator[None]:
    """Take away the layers that were added meanwhile, where an error ends it.

    The layers that were there are seen again as they were, and the pointer is away.
    """
    if viewer is None:
        yield
        return
    viewer = plain(viewer)
    leaving = leaving_of(viewer)
    before = {each: each.visible for each in viewer.layers if each not in leaving}
    with pointer_away(viewer):
        try:
            yield
        except BaseException:
            for layer in [each for each in viewer.layers if each not in before]:
                leaving.let_go(layer)
            for layer, was_visible in before.items():
                leaving.call_back(layer)  # where it made room for one of those
                layer.visible = was_visible
            raise


class RestingPointer:
    """Lets napari read nothing under a pointer that has rested since 3D was chosen.

    Until it moves napari knows no ray below it, and would show an error at each change
    of the sliders.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._is_held = False
        viewer.dims.events.ndisplay.connect(self._on_ndisplay, position="first")
        viewer.events.mouse_over_canvas.connect(self._on_canvas, position="first")
        viewer.mouse_move_callbacks.append(self._on_move)

    def _on_ndisplay(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self._is_held = viewer.dims.ndisplay == 3
            self._on_canvas()

    def _on_canvas(self, event: Any = None) -> None:
        """Call the pointer away, also where the canvas has grown below it."""
        viewer = self._viewer()
        if viewer is not None and self._is_held and viewer.mouse_over_canvas:
            viewer.mouse_over_canvas = False

    def _on_move(self, viewer: Any, event: Any) -> None:
        if self._is_held:
            self._is_held = False
            viewer.mouse_over_canvas = True
