"""Windows of a CT: which Hounsfield units are black and white. Nothing else changes."""

from __future__ import annotations

from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image

from napari_dmoe.inference.pictures.colours import AIR, CT_WINDOW
from napari_dmoe.viewer.layers.placement import samples_of

FULL = "full"
"""Not a window: all that there is, which undoes any of them."""

WINDOWS = MappingProxyType(
    {
        "soft tissue": CT_WINDOW,
        "lung": (-1350.0, 150.0),
        "bone": (-500.0, 1300.0),
        "brain": (0.0, 80.0),
    }
)
"""Black and white in Hounsfield units: level 40, -600, 400, 40; width 400, 1500, 1800,
80, as radiologists use them."""

_known: WeakKeyDictionary[Image, tuple[int, tuple[float, float]]] = WeakKeyDictionary()
"""Of each layer which array was looked at, and its least and largest number."""


def is_in_hounsfield(layer: Image | None) -> bool:
    """Say whether an image's numbers look like Hounsfield units.

    Nothing in a layer says it. Grey values with a sign that reach below -500 are air to
    a CT, and to nothing else: the rule by which CT is opened in its window.
    """
    if layer is None or layer.rgb or np.dtype(layer.dtype).kind not in "if":
        return False
    return _range(layer)[0] < AIR


def show_window(layer: Image, name: str) -> None:
    """Set the contrast of an image: that of a window, or :data:`FULL`.

    Raises
    ------
    KeyError
        For an unknown window.
    """
    limits = _range(layer) if name == FULL else WINDOWS[name]
    layer.contrast_limits = limits


def _range(layer: Image) -> tuple[float, float]:
    """Return the least and the largest finite number; of lazy images what napari knows.

    That is as far as it has looked at them: nothing is read for this.
    """
    data = samples_of(layer)
    if not isinstance(data, np.ndarray) or isinstance(data, np.memmap):
        low, high = layer.contrast_limits_range
        return float(low), float(high)
    known = _known.get(layer)
    if known is not None and known[0] == id(data):
        return known[1]
    seen = data[np.isfinite(data)] if data.dtype.kind == "f" else data
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    found = (low, high) if high > low else (low, low + 1)
    _known[layer] = id(data), found
    return found
