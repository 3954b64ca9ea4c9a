"""A sweep as layers: the masks of all values on one slider, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_dmoe.inference.pictures.colours import Rgb
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.what_if.sweep_result import Sweep
from napari_dmoe.viewer.layers.look import in_layer_order, mask_look
from napari_dmoe.viewer.layers.placement import (
    LayerData,
    data_to_world,
    on_layer,
    placement,
)
from napari_dmoe.viewer.what_if.sweep.rows import map_words

_OPACITY = 0.7
_RAMP_STEPS = 9
_SEEN_THROUGH = "translucent_no_depth"


def stack_layer(
    source: Image, results: Sequence[Segmentation], *, title: str, shows: Sequence[str]
) -> LayerData:
    """Return masks of one image as a Labels layer with a slider before its axes.

    Parameters
    ----------
    source : napari.layers.Image
        The image.
    results : sequence of Segmentation
        One for each step of the slider.
    title : str
        What the slider goes through, such as ``severity``.
    shows : sequence of str
        What each step shows; goes into the layer's record.
    """
    masks = [in_layer_order(source, each, each.labels) for each in results]
    n = source.ndim
    affine = np.eye(n + 2)
    affine[1:, 1:] = data_to_world(source)
    record = results[0].provenance.model_dump(mode="json")
    return (
        np.stack(masks),
        {
            "name": f"{source.name} / sweep of {title}",
            "affine": affine,
            "axis_labels": (title, *source.axis_labels),
            "units": ("pixel", *source.units),
            "metadata": {METADATA_KEY: record | {"shows": "; ".join(shows)}},
            **mask_look(results[0].classes),
        },
        "labels",
    )


def sweep_title(sweep: Sweep) -> str:
    """Return what was swept, as the layers' names have it."""
    return " and ".join(name.lower() for name in sweep.titles)


def map_ramp() -> tuple[Rgb, ...]:
    """Return the maps' colours, from 0 to the largest value."""
    rgba = np.asarray(ensure_colormap("magma").map(np.linspace(0, 1, _RAMP_STEPS)))
    rows = (255 * rgba[:, :3]).round().astype(int).tolist()
    return tuple((red, green, blue) for red, green, blue in rows)


def sensitivity_layers(source: Image, sweep: Sweep) -> tuple[LayerData, LayerData]:
    """Return where the label changes, and the entropy of the values' votes."""
    changes, entropy = map_words(sweep)
    title = sweep_title(sweep)
    return (
        _map(
            source,
            sweep,
            sweep.differs,
            name=f"{source.name} / changes with {title}",
            limits=(0.0, changes.most),
        ),
        _map(
            source,
            sweep,
            sweep.entropy,
            name=f"{source.name} / vote entropy over {title}",
            limits=(0.0, entropy.most),
        ),
    )


def _map(
    source: Image, sweep: Sweep, values: Any, *, name: str, limits: tuple[float, float]
) -> LayerData:
    data, grid = on_layer(source, values, axes=sweep.axes, grid=sweep.grid)
    magma = ensure_colormap("magma").colors.copy()
    magma[0, 3] = 0.0  # where nothing changes, the image shows through
    record = sweep.values[0].provenance.model_dump(mode="json")
    shows = name.rpartition(" / ")[2]
    look = {
        "name": name,
        "colormap": Colormap(magma, name="dmoe sensitivity"),
        "contrast_limits": limits,
        "opacity": _OPACITY,
        "blending": _SEEN_THROUGH,
        "interpolation2d": "nearest",
        "rgb": False,
        "metadata": {METADATA_KEY: record | {"shows": shows}},
    }
    return data, placement(source, grid) | look, "image"
