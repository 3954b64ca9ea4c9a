"""Masks that are drawn as outlines, so that what lies below them can be seen.

Lines of two pixels on the screen go around their regions, whatever the zoom
(:mod:`napari_dmoe.viewer.layers.outline_line`). In 3D the masks are filled. Knows no
Qt: whoever has an event loop listens to :attr:`Outlines.wanted`; without a listener all
is drawn at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from napari.components import ViewerModel
from napari.layers import Labels, Layer, Vectors
from psygnal import Signal

from napari_dmoe.viewer.layers.camera import camera_of
from napari_dmoe.viewer.layers.edges import Edges
from napari_dmoe.viewer.layers.outline_line import Outline
from napari_dmoe.viewer.layers.placement import plain


@dataclass(frozen=True)
class Drawing:
    """Something to be drawn: what is shown is what was found."""

    size: int
    """Samples to be looked through."""
    find: Callable[[], Edges]
    """Looks through them; holds no layer, and may be called in a thread."""
    show: Callable[[Edges], None]


class Outlines:
    """Keeps some masks of a viewer as outlines while it shows planes."""

    wanted = Signal()
    """Something is to be drawn anew: what :meth:`due` returns."""
    zoomed = Signal()
    """The lines are to be fitted to another zoom: by :meth:`fit`."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._marked: WeakSet[Labels] = WeakSet()
        self._of: WeakKeyDictionary[Labels, Outline] = WeakKeyDictionary()
        viewer.dims.events.ndisplay.connect(self._on_dims)
        viewer.dims.events.order.connect(self._on_dims)
        camera_of(viewer).events.zoom.connect(self._on_zoom)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.reordered.connect(self._ask)

    def add(self, mask: Labels | None) -> None:
        """Draw a mask as an outline."""
        mask, viewer = plain(mask), self._viewer()
        if mask is None or viewer is None or mask in self._of:
            return
        self._of[mask] = Outline(viewer, mask, self._ask)
        self._ask()

    def mark(self, mask: Labels | None) -> None:
        """Draw a mask as an outline for good: it is not the plain model's."""
        if mask is not None:
            self._marked.add(plain(mask))
            self.add(mask)

    def discard(self, mask: Labels | None) -> None:
        """Fill a mask again, unless it is one that is always an outline."""
        if mask is not None and plain(mask) not in self._marked:
            self._end(plain(mask))

    def has(self, mask: Labels | None) -> bool:
        """Say whether a mask is an outline, as soon as it is seen in a plane."""
        return mask is not None and plain(mask) in self._of

    def line_of(self, mask: Labels | None) -> Vectors | None:
        """Return the layer of lines that goes around a mask now, if there is one."""
        outline = None if mask is None else self._of.get(plain(mask))
        return None if outline is None else outline.line

    def is_drawn(self, mask: Labels | None) -> bool:
        """Say whether lines go around a mask as it is now."""
        outline = None if mask is None else self._of.get(plain(mask))
        return outline is not None and outline.is_drawn

    def due(self) -> list[Drawing]:
        """Return what is to be drawn."""
        return [
            _drawing(each, *wanted)
            for each in list(self._of.values())
            if (wanted := each.wanted()) is not None
        ]

    def tend(self) -> None:
        """Let the lines lie above their masks, wherever those were moved to."""
        for each in list(self._of.values()):
            each.stack()

    def fit(self) -> None:
        """Let all lines be as wide on the screen as they are to be."""
        for each in list(self._of.values()):
            each.fit()

    def _ask(self, event: Any = None) -> None:
        if len(self.wanted):
            self.wanted.emit()
            return
        self.tend()
        for each in self.due():
            each.show(each.find())

    def _end(self, mask: Labels) -> None:
        outline = self._of.pop(mask, None)
        if outline is not None:
            outline.end()

    def _on_dims(self, event: Any = None) -> None:
        for each in list(self._of.values()):
            each.turn()

    def _on_zoom(self, event: Any = None) -> None:
        if len(self.zoomed):
            self.zoomed.emit()
        else:
            self.fit()

    def _on_inserted(self, event: Any) -> None:
        layer = plain(event.value)
        if layer in self._of:
            self._ask()
        self._fill_copy(layer)

    def _fill_copy(self, layer: Layer) -> None:
        """Let the copy of a mask be seen, around which nothing goes."""
        parent = layer.source.parent  # whatever is stated, napari holds it weakly
        mask = parent() if isinstance(parent, weakref.ref) else parent
        of = None if mask is None else self._of.get(mask)
        if isinstance(layer, Labels) and of is not None and of.filled is not None:
            layer.opacity = of.filled

    def _on_removed(self, event: Any) -> None:
        """End with a mask, or with lines that a person takes out."""
        layer = plain(event.value)
        for mask, each in list(self._of.items()):
            if layer is mask:
                each.put_away()
            elif each.is_of(layer):
                self._end(mask)


def _drawing(outline: Outline, number: int, plane: Any) -> Drawing:
    return Drawing(
        plane.size,
        plane.edges,
        lambda edges: outline.draw(number, plane, edges),
    )
