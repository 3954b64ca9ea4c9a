"""Which axis of a layer is which, where the layer itself does not say.

A choice is written into the layer's own axis labels, where napari shows it, and from
where it goes into everything that is made of the layer.
"""

from __future__ import annotations

from weakref import WeakSet

from napari.layers import Image

from napari_dmoe.viewer.layers.placement import axis_names, samples_of

AXIS_TITLES = {"t": "time", "z": "z", "c": "channel", "y": "y", "x": "x"}

_LAYOUTS = {
    3: ("z y x", "t y x", "c y x", "y x c"),
    4: ("t z y x", "c z y x", "z c y x", "z y x c", "t c y x", "t y x c"),
    5: ("t c z y x", "t z c y x", "t z y x c"),
}
COLOURS = "red", "green", "blue"
_CHANNEL_COUNTS = range(1, 33)
_FEW = (2, 3, 4)
"""Sizes of an axis that may hold channels as well as planes."""

_PLACES = "first", "second", "third", "fourth", "fifth", "sixth"

_asked: WeakSet[Image] = WeakSet()
"""Layers whose axes were named here, and may be named otherwise."""


def channel_titles(layer: Image, dims: int = 2) -> tuple[str, ...]:
    """Return what an image's channels are called; nothing where there is one only.

    The opacity of colours is none.
    """
    if layer.rgb:
        return COLOURS
    sizes = dict(zip(axis_names(layer, dims), samples_of(layer).shape, strict=False))
    n = int(sizes.get("c", 1))
    return tuple(f"channel {i + 1}" for i in range(n)) if n > 1 else ()


def layouts(layer: Image) -> tuple[tuple[str, ...], ...]:
    """Return how a layer's axes can be named; nothing where they are certain."""
    if layer.rgb or (_states_its_axes(layer) and layer not in _asked):
        return ()
    shape = samples_of(layer).shape
    found = (tuple(text.split()) for text in _LAYOUTS.get(layer.ndim, ()))
    return tuple(
        names
        for names in found
        if "c" not in names or shape[names.index("c")] in _CHANNEL_COUNTS
    )


def chosen_layout(layer: Image) -> tuple[str, ...] | None:
    """Return how the layer's axes were named here; None where nobody did."""
    return axis_names(layer) if layer in _asked else None


def name_axes(layer: Image, names: tuple[str, ...]) -> None:
    """Write the names of a layer's axes into it."""
    _asked.add(layer)
    layer.axis_labels = names


def question(layer: Image) -> str:
    """Ask what only a person can tell; nothing where no answer is needed."""
    if layer.rgb or layer.ndim < 3 or _states_its_axes(layer):
        return ""
    shape = samples_of(layer).shape
    if shape[-1] in _FEW and min(shape[-3:-1]) > shape[-1]:
        is_colour = shape[-1] > 2
        which, remedy = "last", ", or open it with rgb=True" if is_colour else ""
    else:
        few = [place for place, n in enumerate(shape[:-2]) if n in _FEW]
        if not few:
            return ""
        which, remedy = _PLACES[few[0]], ""
    return f"Does the {which} axis hold channels or planes? Say so under Axes{remedy}."


def _states_its_axes(layer: Image) -> bool:
    stated = {str(label).strip().lower() for label in layer.axis_labels}
    return {"y", "x"} <= stated and len(stated) == layer.ndim
