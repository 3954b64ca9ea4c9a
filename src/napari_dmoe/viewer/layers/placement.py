"""Layers to images, and samples of an image to the right place on its layer.

The only file that reads a layer's geometry, and the only one that writes it. Nothing is
resampled for display. What is put into new layers stands in
:mod:`napari_dmoe.viewer.layers.look`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from napari.layers import Image, Layer
from napari.utils.transforms import CompositeAffine
from numpy.typing import NDArray

from napari_dmoe.imaging.frames import one_channel
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    Grid,
    ImageError,
    SpatialImage,
)
from napari_dmoe.viewer.layers.channels import chosen_channel

LayerData = tuple[Any, dict[str, Any], str]

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What says where a layer lies."""

TURNED_AXES = (
    "the layer is turned so far that its axes run along others of the world than those "
    "that they are named for: it was taken as it is stored"
)

LENGTH_UNIT = "mm"
"""World unit of every image that is handed over, where its layer has a length unit."""

SIZE_KEY = "napari-dmoe-pixel-size"
"""Key of a layer's metadata that keeps the pixel size that a person stated, in mm."""

SIZE_STATED = "the pixel size is as a person stated it: "

LEVEL_KEY = "napari-dmoe-level"
"""Key of a layer's metadata that says which level of a multiscale image it is."""

FILE_KEY = "napari-dmoe-file"
"""Key of a layer's metadata that says in which order its file stores the axes."""

_NAMES_OF_AXES = {"time": "t", "channel": "c", "channels": "c"}
_COLOUR_SIZES = (3, 4)


def plain(proxy: Any) -> Any:
    """Return the napari object behind a plugin's proxy, or the object itself.

    Proxies are made anew at each access, so only the object behind them can be a key.
    """
    return getattr(proxy, "__wrapped__", proxy)


def axis_names(layer: Layer, dims: int = 2) -> tuple[str, ...]:
    """Name a layer's axes, in their order: by its own labels where they name x and y.

    Without them the last two are y and x. Further ones are called ``axis 0``, ``axis
    1`` and so on, because nothing says whether they are depth, time or channels; but a
    model that sees 3 axes at once takes the unnamed one before y and x for z. The
    colours of an rgb layer are no axis of it, as everywhere in napari.
    """
    stated = [str(label).strip().lower() for label in layer.axis_labels]
    names = tuple(_NAMES_OF_AXES.get(name, name) for name in stated)
    if {"y", "x"} <= set(names) and len(set(names)) == len(names):
        return names
    unnamed = [f"axis {i}" for i in range(layer.ndim - 2)]
    if dims == 3 and unnamed:
        unnamed[-1] = "z"
    return (*unnamed, "y", "x")


def samples_of(layer: Image) -> Any:
    """Return a layer's array; of a multiscale one the finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def to_image(
    layer: Image, dims: int = 2, *, channel: int | Literal["chosen"] | None = "chosen"
) -> SpatialImage:
    """Return a layer's pixels with their place in the world, for a model in 2D or 3D.

    Of several channels it is the one that was chosen for the layer, or all of them;
    another one, counted from 0, or None for all, where a record says so. They are
    :func:`samples_of` the layer, not a copy. World coordinates are in mm where the
    layer's units are lengths; else the unit is None.

    Raises
    ------
    ImageError
        When the last axis looks like colours, but the layer is not shown in colour, and
        when there is no such channel.
    """
    names = axis_names(layer, dims)
    _refuse_hidden_colours(layer, names)
    affine, unit = in_world(layer, names)
    axes = (*names, CHANNEL_AXIS) if layer.rgb else names
    turned = (TURNED_AXES,) if _runs_elsewhere(data_to_world(layer)) else ()
    level = getattr(layer.metadata.get(LEVEL_KEY), "said", "")
    of_level = (level,) if level else ()
    notices = (*turned, *of_level, *_stated_notice(layer))
    image = SpatialImage(samples_of(layer), axes, affine, unit, notices)
    number = used_channel(layer, image.n_channels) if channel == "chosen" else channel
    return image if number is None else one_channel(image, number)


def in_world(
    layer: Layer, names: Sequence[str]
) -> tuple[NDArray[np.float64], str | None]:
    """Return where a layer lies along its spatial axes, in mm, and the unit.

    The `names` are those of its axes. The unit is None where its lengths are no mm.
    """
    spatial = [i for i, name in enumerate(names) if name in SPATIAL_AXES]
    factors = length_factors(layer, spatial)
    affine = data_to_world(layer)[np.ix_([*spatial, -1], [*spatial, -1])]
    if factors is None:
        return affine, None
    affine[:-1] *= np.array(factors)[:, np.newaxis]
    return affine, LENGTH_UNIT


def used_channel(layer: Image, n_channels: int) -> int | None:
    """Return the channel that was chosen of so many, from 0; None where all are used.

    Pixels that have no such channel may have been put in since.
    """
    number = chosen_channel(plain(layer))
    return number if n_channels > 1 and number in range(n_channels) else None


def _runs_elsewhere(to_world: NDArray[np.float64]) -> bool:
    """Say whether an axis lies nearer to another of the world's than to its own."""
    sides = np.abs(to_world[:-1, :-1])
    own, most = np.diag(sides), sides.max(0)
    return bool((own < most * (1 - 1e-6)).any())


def data_to_world(layer: Layer) -> NDArray[np.float64]:
    """Return the (n + 1, n + 1) affine from a layer's indices to world coordinates."""
    n = layer.ndim
    origin = np.array(layer.data_to_world(np.zeros(n)), float)
    matrix = np.eye(n + 1)
    matrix[:-1, -1] = origin
    for axis, unit in enumerate(np.eye(n)):
        matrix[:-1, axis] = np.array(layer.data_to_world(unit), float) - origin
    return matrix


def same_grid(image: Image, labels: Layer) -> bool:
    """Say whether labels lie on an image's pixels, to half a pixel."""
    names = axis_names(image)
    if labels.ndim != image.ndim:
        return False
    wanted, found = _shape(image), _shape(labels)
    kept = [i for i, name in enumerate(names) if name != CHANNEL_AXIS]
    if any(wanted[i] != found[i] for i in kept) or 0 in wanted:
        return False
    square = np.ix_([*kept, -1], [*kept, -1])
    ours, theirs = (data_to_world(layer)[square] for layer in (image, labels))
    last = np.array([wanted[i] - 1 for i in kept], float)
    ends = np.array([np.zeros(len(kept)), *np.diag(last), last])
    corners = np.vstack([ends.T, np.ones(len(ends))])
    apart = np.linalg.norm(((ours - theirs) @ corners)[:-1], axis=0).max()
    pixel = np.linalg.norm(ours[:-1, :-1], axis=0).min()
    return bool(apart <= pixel / 2)


def _shape(layer: Any) -> tuple[int, ...]:
    data = samples_of(layer)
    return tuple(map(int, data.shape[: layer.ndim]))


def length_factors(layer: Layer, axes: Sequence[int]) -> list[float] | None:
    """Return mm per world unit along some axes; None if their units are no lengths."""
    units = [layer.units[axis] for axis in axes]
    if not all(unit.is_compatible_with(LENGTH_UNIT) for unit in units):
        return None
    return [float((1.0 * unit).to(LENGTH_UNIT).magnitude) for unit in units]


def place_of(layer: Layer) -> dict[str, Any]:
    """Return the arguments, :data:`PLACE`, that put another layer where one lies."""
    return {name: getattr(layer, name) for name in PLACE}


def has_no_size(layer: Image, dims: int = 2) -> bool:
    """Say whether nothing but a person tells how large the pixels of a layer are."""
    names = axis_names(layer, dims)
    places = [i for i, name in enumerate(names) if name in SPATIAL_AXES]
    return SIZE_KEY in layer.metadata or length_factors(layer, places) is None


def stated_size(layer: Image) -> dict[str, float]:
    """Return the size that a person stated, in mm by axis; empty where nobody did."""
    stated = layer.metadata.get(SIZE_KEY)
    return dict(stated) if isinstance(stated, dict) else {}


def state_size(
    image: Image, mm: Mapping[str, float], *, others: Iterable[Layer] = ()
) -> None:
    """Write the size of an image's pixels into its layer, and into others on it.

    Parameters
    ----------
    image : napari.layers.Image
        The layer.
    mm : mapping of str to float
        Distance of neighbours along its spatial axes.
    others : iterable of Layer
        What lies on it, with as many axes: it stays on the same pixels.
    """
    names = axis_names(image, 3 if "z" in mm else 2)
    places = {i: mm[name] for i, name in enumerate(names) if name in mm}
    factors = np.ones(image.ndim)
    for i, size in places.items():
        factors[i] = size / image.scale[i]
    units = [str(unit) for unit in image.units]
    for i in places:
        units[i] = LENGTH_UNIT
    image.metadata = {**image.metadata, SIZE_KEY: dict(mm)}
    for layer in (image, *(each for each in others if each.ndim == image.ndim)):
        layer.scale, layer.translate = layer.scale * factors, layer.translate * factors
        layer.units = tuple(units)


def _stated_notice(layer: Image) -> tuple[str, ...]:
    sizes = stated_size(layer)
    if not sizes:
        return ()
    size = " × ".join(f"{sizes[axis]:g}" for axis in SPATIAL_AXES if axis in sizes)
    return (f"{SIZE_STATED}{size} mm",)


def placement(source: Image, grid: Grid) -> dict[str, Any]:
    """Return the layer arguments, :data:`PLACE`, that put samples on a source layer.

    The grid says where they lie in its pixels, along every axis of the layer.

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


def on_layer(
    source: Image, samples: NDArray[Any], *, axes: Sequence[str], grid: Grid
) -> tuple[NDArray[Any], Grid]:
    """Put samples into the order of a layer's axes, with a grid for all of these.

    Parameters
    ----------
    source : napari.layers.Image
        The layer that the samples were computed from.
    samples : array
        One axis for each of `axes`; further ones behind them stay where they are. Not
        copied where that is possible.
    axes : sequence of str
        Names of the axes. Those that were run over are kept as they are. Channels,
        which were not, become one sample that is as thick as all of them.
    grid : Grid
        Where the samples lie along y and x, or z, y and x.
    """
    dims = len(grid.shape)
    names = axis_names(source, dims)
    shape = samples_of(source).shape
    along = zip(grid.shape, grid.start, grid.step, strict=True)
    seen = dict(zip(SPATIAL_AXES[-dims:], along, strict=True))
    parts = []
    for name, n in zip(names, shape, strict=False):
        if name in seen:
            parts.append(seen[name])
        elif name in axes:
            parts.append((int(n), 0.0, 1.0))
        else:
            parts.append((1, (n - 1) / 2, float(n)))
    sizes, start, step = zip(*parts, strict=True)
    return in_order(names, samples, axes=axes), Grid(sizes, start, step)


def in_order(
    names: Sequence[str], samples: NDArray[Any], *, axes: Sequence[str]
) -> NDArray[Any]:
    """Put samples along some axes in the order of a layer's.

    `names` are the layer's axes as :func:`axis_names` returns them. Those that the
    samples lack get one; what stands behind `axes` stays where it is.
    """
    order = [axes.index(name) for name in names if name in axes]
    order += range(len(axes), samples.ndim)
    lacking = [i for i, name in enumerate(names) if name not in axes]
    return np.expand_dims(np.transpose(samples, order), lacking)


def from_layer(
    names: Sequence[str], samples: NDArray[Any], *, axes: Sequence[str]
) -> NDArray[Any]:
    """Put samples in the order of a layer's axes along others: :func:`on_layer` undone.

    `names` are the layer's axes as :func:`axis_names` returns them. The samples are not
    copied. Of axes that are not asked for, such as channels, the first one is taken.
    """
    left_out = [i for i, name in enumerate(names) if name not in axes]
    order = [names.index(name) for name in axes]
    ordered = np.transpose(samples, (*left_out, *order))
    return np.asarray(ordered[(0,) * len(left_out)])


def _refuse_hidden_colours(layer: Image, names: Sequence[str]) -> None:
    shape = samples_of(layer).shape
    is_unnamed = {"axis 0", "z"} & set(names) and "z" not in layer.axis_labels
    if layer.rgb or not is_unnamed or shape[-1] not in _COLOUR_SIZES:
        return
    if min(shape[-3:-1]) > shape[-1]:
        raise ImageError(
            f"the last axis of the layer, of size {shape[-1]}, looks like colours: "
            "open the image with rgb=True, or name the layer's axes (axis_labels)"
        )
