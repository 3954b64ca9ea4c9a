"""Two masks seen at once: both as outlines, the second in other colours."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_dmoe.inference.pictures.colours import (
    Rgb,
    altered_colours,
    class_colours,
)
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.viewer.layers.look import mask_colours
from napari_dmoe.viewer.layers.outlines import Outlines

Colours = tuple[dict[str, Rgb], dict[str, Rgb]]
"""Those of the classes in the first mask, and in the second, by name."""


class TwoOutlines:
    """Draws two masks as outlines, and gives the second its own look back."""

    def __init__(self, outlines: Outlines) -> None:
        self._outlines = outlines
        self._filled: list[weakref.ref[Labels]] = []
        self._recoloured: tuple[weakref.ref[Labels], Any, Any] | None = None

    def show(
        self,
        first: Labels,
        second: Labels,
        classes: Sequence[str],
        record: Provenance,
    ) -> Colours:
        """Draw both; return their colours. The record is that of the first one."""
        self.end()
        filled = (e for e in (first, second) if not self._outlines.has(e))
        self._filled = [weakref.ref(e) for e in filled]
        ours = mask_colours(classes, record)
        is_altered = ours != class_colours(classes)
        theirs = class_colours(classes) if is_altered else altered_colours(classes)
        before = second.colormap
        second.colormap = _colormap(theirs)
        self._recoloured = weakref.ref(second), before, second.colormap
        for mask in (first, second):
            self._outlines.add(mask)
        mine, other = (
            {classes[label]: rgb for label, rgb in each.items()}
            for each in (ours, theirs)
        )
        return mine, other

    def end(self) -> None:
        """Let both look as before, unless a person has changed them."""
        for reference in self._filled:
            self._outlines.discard(reference())
        self._filled = []
        if self._recoloured is not None:
            reference, before, given = self._recoloured
            second, self._recoloured = reference(), None
            if second is not None and second.colormap is given:
                second.colormap = before


def _colormap(colours: dict[int, Rgb]) -> DirectLabelColormap:
    rgba = {
        label: np.array([*rgb, 255], np.float32) / 255 for label, rgb in colours.items()
    }
    nothing = np.zeros(4, np.float32)
    # Labels that were numbered otherwise, such as 255, are seen as the last class.
    other = rgba[max(rgba)] if rgba else nothing
    return DirectLabelColormap(color_dict={None: other, 0: nothing} | rgba)
