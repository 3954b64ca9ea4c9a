"""Masks that are drawn as outlines, so that what lies below them can be seen.

napari draws outlines in 2D only, and warns in 3D; there the masks are filled.
"""

from __future__ import annotations

import warnings
import weakref
from typing import Any
from weakref import WeakSet

from napari.components import ViewerModel
from napari.layers import Labels

WIDTH = 2
"""Width of an outline in pixels. Masks with another one were set by a person."""

_WARNING = "Contours are not displayed during 3D rendering"


class Outlines:
    """Keeps some masks of a viewer as outlines while it shows planes."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._masks: WeakSet[Labels] = WeakSet()
        self._marked: WeakSet[Labels] = WeakSet()
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        # napari slices the layers before it tells anybody else, and warns then of
        # outlines that are filled a moment later.
        warnings.filterwarnings("ignore", _WARNING, UserWarning)

    def add(self, mask: Labels | None) -> None:
        """Draw a mask as an outline."""
        if mask is not None:
            self._masks.add(mask)
            self._draw(mask)

    def mark(self, mask: Labels | None) -> None:
        """Draw a mask as an outline for good: it is not the plain model's."""
        if mask is not None:
            self._marked.add(mask)
            self.add(mask)

    def discard(self, mask: Labels | None) -> None:
        """Fill a mask again, unless it is one that is always an outline."""
        if mask is not None and mask in self._masks and mask not in self._marked:
            self._masks.discard(mask)
            _set(mask, 0)

    def _draw(self, mask: Labels) -> None:
        viewer = self._viewer()
        is_flat = viewer is not None and viewer.dims.ndisplay == 2
        _set(mask, WIDTH if is_flat else 0)

    def _on_ndisplay(self, event: Any = None) -> None:
        for mask in list(self._masks):
            self._draw(mask)


def _set(mask: Labels, width: int) -> None:
    if mask.contour in (0, WIDTH) and mask.contour != width:  # else it is drawn anew
        mask.contour = width
