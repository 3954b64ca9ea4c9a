"""Layers added without a word to the cursor, and as a whole or not at all.

napari reads what lies under the pointer whenever the active layer changes. Over a 3D
canvas on which the pointer rests it has no ray to read along, and raises an error in
the midst of adding the layer. It does not read where it is told that the pointer is
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari.components import ViewerModel

from napari_dmoe.viewer.layers import plain


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
    before = {layer: layer.visible for layer in viewer.layers}
    with pointer_away(viewer):
        try:
            yield
        except BaseException:
            for layer in [each for each in viewer.layers if each not in before]:
                viewer.layers.remove(layer)
            for layer, was_visible in before.items():
                layer.visible = was_visible
            raise
