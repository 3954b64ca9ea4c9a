"""Layers to images, and results to layers in the right place.

The only file that reads a layer's geometry, and the only one that writes it. Nothing is
resampled for display. What happens to layers that are already in a viewer is the
business of :mod:`napari_dmoe.viewer.results`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.transforms import CompositeAffine
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    Grid,
    ImageError,
    SpatialImage,
)
from napari_dmoe.inference.colours import Rgb, class_colours, expert_colours
from napari_dmoe.inference.provenance import METADATA_KEY
from napari_dmoe.inference.routing import dominant_expert
from napari_dmoe.inference.segmentation import Segmentation

LayerData = tuple[Any, dict[str, Any], str]

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What says where a layer lies."""

LENGTH_UNIT = "mm"
"""World unit of every image that is handed over, where its layer has a length unit."""

FILE_KEY = "napari-dmoe-file"
"""Key of a layer's metadata that says in which order its file stores the axes."""

_NAMES_OF_AXES = {"time": "t", "channel": "c", "channels": "c"}
_MASK_OPACITY = 0.5
_EXPERTS_OPACITY = 0.4
_SEEN_THROUGH = "translucent_no_depth"  # in 3D a mask shows through what is around it
_COLOUR_SIZES = (3, 4)


def plain(proxy: Any) -> Any:
    """Return the napari object behind a plugin's proxy, or the object itself.

    Proxies are made anew at each access, so only the object behind them can be a key.
    """
    return getattr(proxy, "__wrapped__", proxy)


def axis_names(layer: Image, dims: int = 2) -> tuple[str, ...]:
    """Name a layer's axes: its own labels where they name x and y.

    Without them the last two are y and x. Further ones are called ``axis 0``, ``axis
    1`` and so on, because nothing says whether they are depth, time or channels.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    dims : {2, 3}
        Axes that a model sees at once. A 3D model takes the unnamed axis before y and
        x for z.

    Returns
    -------
    tuple of str
        One name per axis of the layer, in its order. The colours of an rgb layer are
        no axis of it, as everywhere in napari.
    """
    stated = [str(label).strip().lower() for label in layer.axis_labels]
    names = tuple(_NAMES_OF_AXES.get(name, name) for name in stated)
    if {"y", "x"} <= set(names) and len(set(names)) == len(names):
        return names
    unnamed = [f"axis {i}" for i in range(layer.ndim - 2)]
    if dims == 3 and unnamed:
        unnamed[-1] = "z"
    return (*unnamed, "y", "x")


def to_image(layer: Image, dims: int = 2) -> SpatialImage:
    """Return a layer's pixels with their place in the world.

    Parameters
    ----------
    layer : napari.layers.Image
        Any image layer; of a multiscale one the finest level is taken.
    dims : {2, 3}
        Axes that a model sees at once; see :func:`axis_names`.

    Returns
    -------
    SpatialImage
        The layer's own array, not a copy. World coordinates are in mm where the
        layer's units are lengths; else the unit is None.

    Raises
    ------
    ImageError
        When the last axis looks like colours, but the layer is not shown in colour.
    """
    names = axis_names(layer, dims)
    _refuse_hidden_colours(layer, names)
    data = layer.data[0] if layer.multiscale else layer.data
    spatial = [i for i, name in enumerate(names) if name in SPATIAL_AXES]
    factors = length_factors(layer, spatial)
    place = np.ix_([*spatial, -1], [*spatial, -1])
    affine = data_to_world(layer)[place]
    if factors is not None:
        affine[:-1] *= np.array(factors)[:, np.newaxis]
    axes = (*names, CHANNEL_AXIS) if layer.rgb else names
    return SpatialImage(data, axes, affine, None if factors is None else LENGTH_UNIT)


def data_to_world(layer: Image) -> NDArray[np.float64]:
    """Return the (n + 1, n + 1) affine from a layer's indices to world coordinates."""
    n = layer.ndim
    origin = np.array(layer.data_to_world(np.zeros(n)), float)
    matrix = np.eye(n + 1)
    matrix[:-1, -1] = origin
    for axis, unit in enumerate(np.eye(n)):
        matrix[:-1, axis] = np.array(layer.data_to_world(unit), float) - origin
    return matrix


def length_factors(layer: Image, axes: Sequence[int]) -> list[float] | None:
    """Return mm per world unit along some axes; None if their units are no lengths."""
    units = [layer.units[axis] for axis in axes]
    if not all(unit.is_compatible_with(LENGTH_UNIT) for unit in units):
        return None
    return [float((1.0 * unit).to(LENGTH_UNIT).magnitude) for unit in units]


def placement(source: Image, grid: Grid) -> dict[str, Any]:
    """Return the layer arguments that put samples on a source layer.

    Parameters
    ----------
    source : napari.layers.Image
        The layer that the samples were computed from.
    grid : Grid
        Where they lie in its pixels, along every axis of the layer.

    Returns
    -------
    dict
        ``scale``, ``translate``, ``rotate``, ``shear``, ``affine``, ``units`` and
        ``axis_labels``.

    Notes
    -----
    napari maps an index ``i`` to ``A (R S diag(scale) i + translate)``. With source
    pixel ``start + step * i`` only scale and translate change: ``scale * step`` and
    ``R S diag(scale) start + translate``.
    """
    to_physical = CompositeAffine(
        scale=source.scale,
        translate=source.translate,
        rotate=source.rotate,
        shear=source.shear,
        ndim=source.ndim,
    )
    return {
        "scale": np.asarray(source.scale, float) * np.array(grid.step),
        "translate": np.array(to_physical(np.array(grid.start)), float),
        "rotate": np.array(source.rotate),
        "shear": np.array(source.shear),
        "affine": np.array(source.affine.affine_matrix),
        "units": source.units,
        "axis_labels": source.axis_labels,
    }


def mask_layer(source: Image, result: Segmentation) -> LayerData:
    """Return a result's mask as a Labels layer on its source."""
    data, grid = _on_layer(source, result.labels, axes=result.axes, grid=result.grid)
    return (
        data,
        placement(source, grid)
        | {
            "name": f"{source.name} / mask",
            "opacity": _MASK_OPACITY,
            "blending": _SEEN_THROUGH,
            "colormap": _colormap(class_colours(result.classes)),
            "features": {
                "index": list(range(len(result.classes))),
                "class": list(result.classes),
            },
            "metadata": {
                **{k: v for k, v in source.metadata.items() if k == FILE_KEY},
                METADATA_KEY: result.provenance.model_dump(mode="json"),
            },
        },
        "labels",
    )


def in_layer_order(
    source: Image, result: Segmentation, labels: NDArray[Any]
) -> NDArray[Any]:
    """Return labels of a result in the order of the source layer's axes."""
    return _on_layer(source, labels, axes=result.axes, grid=result.grid)[0]


def experts_layer(source: Image, result: Segmentation, block: int) -> LayerData:
    """Return the dominant expert of every token of a block as a Labels layer.

    The label is the expert's number, counted from 0 as everywhere; 0 has a colour.

    Raises
    ------
    ValueError
        When the network has no MoE, or no such block.
    """
    routing = result.routing
    if routing is None or not 0 <= block < routing.n_blocks:
        raise ValueError(f"there is no routing of block {block}")
    data, grid = _on_layer(
        source,
        dominant_expert(routing.mean(block)),
        axes=(*routing.axes, *routing.token_axes),
        grid=routing.grids[block],
    )
    experts = range(routing.n_experts)
    record = result.provenance.model_dump(mode="json")
    return (
        data,
        placement(source, grid)
        | {
            "name": f"{source.name} / experts",
            "opacity": _EXPERTS_OPACITY,
            "blending": _SEEN_THROUGH,
            "colormap": _colormap(dict(enumerate(expert_colours(routing.n_experts)))),
            "features": {
                "index": list(experts),
                "expert": [f"{expert} (from 0), block {block}" for expert in experts],
            },
            "metadata": {METADATA_KEY: record | {"shows": f"experts, block {block}"}},
        },
        "labels",
    )


def _on_layer(
    source: Image, samples: NDArray[Any], *, axes: Sequence[str], grid: Grid
) -> tuple[NDArray[Any], Grid]:
    """Put samples into the order of the layer's axes, with a grid for all of these.

    `grid` is along the last ones of `axes`. Axes that were run over are kept as they
    are. Channels, which were not, become one sample that is as thick as all of them.
    """
    dims = len(grid.shape)
    names = axis_names(source, dims)
    shape = source.data[0].shape if source.multiscale else source.data.shape
    along = zip(grid.shape, grid.start, grid.step, strict=True)
    seen = dict(zip(axes[-dims:], along, strict=True))
    parts = []
    for name, n in zip(names, shape, strict=False):
        if name in seen:
            parts.append(seen[name])
        elif name in axes:
            parts.append((int(n), 0.0, 1.0))
        else:
            parts.append((1, (n - 1) / 2, float(n)))
    order = [axes.index(name) for name in names if name in axes]
    ordered = np.transpose(samples, order).reshape([part[0] for part in parts])
    sizes, start, step = zip(*parts, strict=True)
    return np.array(ordered), Grid(sizes, start, step)


def _colormap(colours: dict[int, Rgb]) -> DirectLabelColormap:
    nothing = np.zeros(4, np.float32)
    rgba = {
        label: np.array([*colour, 255], np.float32) / 255
        for label, colour in colours.items()
    }
    # napari takes label 0 for background, unless it has a colour of its own.
    return DirectLabelColormap(color_dict={None: nothing, 0: nothing} | rgba)


def _refuse_hidden_colours(layer: Image, names: Sequence[str]) -> None:
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    is_unnamed = {"axis 0", "z"} & set(names) and "z" not in layer.axis_labels
    if layer.rgb or not is_unnamed or shape[-1] not in _COLOUR_SIZES:
        return
    if min(shape[-3:-1]) > shape[-1]:
        raise ImageError(
            f"the last axis of the layer, of size {shape[-1]}, looks like colours: "
            "open the image with rgb=True, or name the layer's axes (axis_labels)"
        )
