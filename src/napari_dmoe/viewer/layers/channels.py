"""Which channel of an image was chosen: of several, a person may want one.

The choice stays with the layer; :func:`napari_dmoe.viewer.layers.placement.to_image`
follows it.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari.layers import Image

_chosen: WeakKeyDictionary[Image, int] = WeakKeyDictionary()


def chosen_channel(layer: Image) -> int | None:
    """Return the channel that was chosen, from 0; None where all are used."""
    return _chosen.get(layer)


def choose_channel(layer: Image, number: int | None) -> None:
    """Use one channel from now on, from 0; None for all of them."""
    if number is None:
        _chosen.pop(layer, None)
    else:
        _chosen[layer] = number
