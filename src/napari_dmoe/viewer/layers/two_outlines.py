"""Two masks seen at once: both as outlines, the second in other colours.

Several things show two masks so, one after another, and the next one may begin before
the last one ends. A mask gets back how it was seen before when nobody shows it so.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

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
from napari_dmoe.viewer.layers.placement import plain

Colours = tuple[dict[str, Rgb], dict[str, Rgb]]
"""Those of the classes in the first mask, and in the second, by name."""


@dataclass(eq=False)
class _Before:
    """How a mask was seen before it was one of two."""

    is_filled: bool
    colormap: Any
    given: Any = None
    """The colours that it has as the second one; None while it has its own."""
    holders: WeakSet[TwoOutlines] = field(default_factory=WeakSet)
    """Who shows it as one of two."""


_BEFORE: WeakKeyDictionary[Labels, _Before] = WeakKeyDictionary()


class TwoOutlines:
    """Draws two masks as outlines, and gives both their own looks back."""

    def __init__(self, outlines: Outlines) -> None:
        self._outlines = outlines
        self._shown: tuple[weakref.ref[Labels], ...] = ()
        self._meant: Mapping[int, int] | None = None
        self.colours: dict[str, Rgb] = {}
        """Those of the classes in the second mask, by name."""

    def holds(
        self, first: Labels, second: Labels, meant: Mapping[int, int] | None = None
    ) -> bool:
        """Say whether these two are shown, and their labels for what they mean."""
        masks = plain(first), plain(second)
        return tuple(each() for each in self._shown) == masks and self._meant == meant

    def show(
        self,
        first: Labels,
        second: Labels,
        classes: Sequence[str],
        record: Provenance | None,
        meant: Mapping[int, int] | None = None,
    ) -> Colours:
        """Draw both; return their colours. The record is that of the first one.

        `meant` says which class each label of the second stands for, where those are
        not the classes of their number.
        """
        self.end()
        first, second, self._meant = plain(first), plain(second), meant
        for mask in (first, second):
            self._hold(mask)
        _give_back(first)
        ours = mask_colours(classes, record)
        is_altered = ours != class_colours(classes)
        theirs = class_colours(classes) if is_altered else altered_colours(classes)
        second.colormap = _colormap(theirs, meant)
        _BEFORE[second].given = second.colormap
        self._shown = weakref.ref(first), weakref.ref(second)
        for mask in (first, second):
            self._outlines.add(mask)
        mine, other = (
            {classes[label]: rgb for label, rgb in each.items()}
            for each in (ours, theirs)
        )
        self.colours = other
        return mine, other

    def end(self) -> None:
        """Let both look as before, unless a person has changed them."""
        shown, self._shown = self._shown, ()
        for reference in shown:
            mask = reference()
            before = None if mask is None else _BEFORE.get(mask)
            if mask is None or before is None:
                continue
            before.holders.discard(self)
            if before.holders:
                continue
            del _BEFORE[mask]
            if before.is_filled:
                self._outlines.discard(mask)
            _recolour(mask, before)

    def _hold(self, mask: Labels) -> None:
        if mask not in _BEFORE:
            is_filled = not self._outlines.has(mask)
            _BEFORE[mask] = _Before(is_filled, mask.colormap)
        _BEFORE[mask].holders.add(self)


def _give_back(mask: Labels) -> None:
    """Give a mask its own colours back that was the second one elsewhere."""
    before = _BEFORE[mask]
    _recolour(mask, before)
    before.given = None


def _recolour(mask: Labels, before: _Before) -> None:
    if before.given is not None and mask.colormap is before.given:
        mask.colormap = before.colormap


def _colormap(
    colours: dict[int, Rgb], meant: Mapping[int, int] | None
) -> DirectLabelColormap:
    nothing: Any = np.zeros(4, np.float32)
    rgba: dict[int, Any] = {
        label: np.array([*rgb, 255], np.float32) / 255 for label, rgb in colours.items()
    }
    # Labels that were numbered otherwise, such as 255, are seen as the last class.
    other = rgba[max(rgba)] if rgba else nothing
    if meant is not None:
        beyond = {place: other for place in meant.values() if place > len(colours)}
        seen = rgba | beyond
        rgba = {label: seen.get(place, nothing) for label, place in meant.items()}
        other = nothing
    return DirectLabelColormap(color_dict={0: nothing} | rgba | {None: other})
