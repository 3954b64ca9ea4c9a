"""Maps of a run as new layers on their source: one builder, and their colours.

What a map holds and shows is the business of the feature that makes it, where it lies
that of :mod:`napari_dmoe.viewer.layers.placement`; masks stand in
:mod:`napari_dmoe.viewer.layers.look`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.pictures.colours import Rgb
from napari_dmoe.inference.results.provenance import METADATA_KEY, Provenance
from napari_dmoe.viewer.layers.placement import LayerData, on_layer, placement

_MEASURE_OPACITY = 0.7
_SEEN_THROUGH = "translucent_no_depth"  # in 3D a mask shows through what is around it


def map_layer(
    source: Image,
    values: NDArray[Any],
    look: Mapping[str, Any],
    *,
    axes: Sequence[str],
    grid: Grid,
    name: str,
    record: Provenance | None = None,
    shows: str = "",
) -> LayerData:
    """Return a map as a layer on its source: Labels where its look has names for them.

    Parameters
    ----------
    source : napari.layers.Image
        The image that the map was computed from.
    values : (*S) array
        The map, along `axes`, where `grid` says; not copied.
    look : mapping
        As :func:`measure_look` or :func:`labels_look` return it.
    record : Provenance, optional
        The run that it is of, and `shows` what of it; both go into the metadata.
    """
    data, place = on_layer(source, values, axes=axes, grid=grid)
    arguments = {**placement(source, place), **look, "name": name}
    if record is not None:
        arguments["metadata"] = map_metadata(record, shows)
    return data, arguments, "labels" if "features" in look else "image"


def map_metadata(record: Provenance, shows: str) -> dict[str, Any]:
    """Return a layer's metadata: the record of a run, and what of it is shown."""
    return {METADATA_KEY: record.model_dump(mode="json") | {"shows": shows}}


def measure_look(
    colormap: Colormap | str, limits: tuple[float, float]
) -> dict[str, Any]:
    """Return the layer arguments of a map of a measure, through which the image shows.

    The limits are the values of the first and the last colour.
    """
    return {
        "colormap": colormap,
        "contrast_limits": limits,
        "opacity": _MEASURE_OPACITY,
        "blending": _SEEN_THROUGH,
        "interpolation2d": "nearest",
        "rgb": False,
    }


def labels_look(
    column: str, texts: Sequence[str], colours: Mapping[int, Rgb], opacity: float
) -> dict[str, Any]:
    """Return the layer arguments that give labels their colours and names.

    There is a name for each label, from 0; the cursor tells it as that of the column,
    such as ``class``. Labels without a colour are not seen.
    """
    nothing = np.zeros(4, np.float32)
    rgba = {
        label: np.array([*colour, 255], np.float32) / 255
        for label, colour in colours.items()
    }
    # napari takes label 0 for background, unless it has a colour of its own.
    colormap = DirectLabelColormap(color_dict={None: nothing, 0: nothing} | rgba)
    return {
        "opacity": opacity,
        "blending": _SEEN_THROUGH,
        "colormap": colormap,
        "features": {"index": list(range(len(texts))), column: list(texts)},
    }


def fading_in(colour: Rgb, name: str) -> Colormap:
    """Return a colormap from nothing to a colour, so that the image shows through."""
    red, green, blue = (part / 255 for part in colour)
    return Colormap([[red, green, blue, 0.0], [red, green, blue, 1.0]], name=name)


def nothing_at_0(colormap: str, name: str) -> Colormap:
    """Return a colormap of napari's whose first colour is not seen."""
    colours = ensure_colormap(colormap).colors.copy()
    colours[0, 3] = 0.0
    return Colormap(colours, name=name)


def ramp_of(colormap: str, n: int = 9) -> tuple[Rgb, ...]:
    """Return colours of a colormap of napari's for a key, evenly from end to end."""
    rgba = np.asarray(ensure_colormap(colormap).map(np.linspace(0, 1, n)))
    rows = (255 * rgba[:, :3]).round().astype(int).tolist()
    return tuple((red, green, blue) for red, green, blue in rows)
