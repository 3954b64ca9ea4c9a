"""What noise samples agree on, as layers, lines and words. Knows no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_dmoe.inference.pictures.colours import Rgb, class_colours
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.placement import LayerData, on_layer, placement
from napari_dmoe.viewer.rows import MapColours, TableRow

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.inference.what_if.uncertainty import Uncertainty

ABOUT = (
    "The published model adds noise to its gates while it learns. Here it is run with "
    "that noise again and again: what changes says how sure the routing is. It is not "
    "how sure the model is of the class, nor how often it is right."
)
_OPACITY = 0.7
_ENTROPY_COLORMAP = "inferno"
_RAMP_STEPS = 16
_GREY = 90


def vote_result(found: Uncertainty) -> Segmentation:
    """Return the vote as a result; its record says that it is one."""
    return Segmentation(
        labels=found.labels,
        axes=found.axes,
        grid=found.grid,
        classes=found.classes,
        by_value={},
        probabilities=None,
        routing=None,
        provenance=found.provenance,
    )


def noise_colours(found: Uncertainty) -> tuple[MapColours, ...]:
    """Return what the colours of the maps of :func:`noise_layers` mean."""
    steps = np.linspace(0, 1, _RAMP_STEPS)
    entropy = ensure_colormap(_ENTROPY_COLORMAP).map(steps)[:, :3]
    ramp = tuple((round(r), round(g), round(b)) for r, g, b in 255 * entropy)
    most = _most_entropy(found)
    end = "1 bit" if most == 1 else f"{most:.3g} bits"
    title = "Noise entropy: nothing where all samples agree"
    maps = [MapColours(title, ramp, ("0", end))]
    colours = class_colours(found.classes)
    for label, name in enumerate(found.classes[1:], start=1):
        faint, full = _faded(colours[label]), colours[label]
        ends = ("0", f"{found.n_samples} votes")
        maps.append(
            MapColours(f"Votes for {name} (hidden at first)", (faint, full), ends)
        )
    return tuple(maps)


def _faded(colour: Rgb) -> Rgb:
    """Return a colour as it looks where hardly any of it lies on a grey image."""
    red, green, blue = (round(0.2 * part + 0.8 * _GREY) for part in colour)
    return red, green, blue


def _most_entropy(found: Uncertainty) -> float:
    return float(np.log2(min(len(found.classes), max(found.n_samples, 2))))


def noise_layers(source: Image, found: Uncertainty) -> list[LayerData]:
    """Return the entropy of the votes, and the votes for each class, as layers.

    The entropy is in bits, float32; votes are counts, uint8. The background's votes are
    left out.
    """
    most = _most_entropy(found)
    layers = [
        _layer(
            source,
            found,
            found.entropy,
            shows=f"entropy of {found.n_samples} noise samples, in bits",
            look={
                "name": f"{source.name} / noise entropy",
                "colormap": _ENTROPY_COLORMAP,
                "contrast_limits": (0.0, most),
                "blending": "additive",  # where samples agree, the image is as it was
            },
        )
    ]
    colours = class_colours(found.classes)
    for label, name in enumerate(found.classes):
        if label == 0:
            continue
        red, green, blue = (part / 255 for part in colours[label])
        ramp = [[red, green, blue, 0.0], [red, green, blue, 1.0]]
        layers.append(
            _layer(
                source,
                found,
                found.votes[label],
                shows=f"votes for {name} of {found.n_samples} noise samples",
                look={
                    "name": f"{source.name} / votes for {name}",
                    "colormap": Colormap(ramp, name=f"dmoe votes {label}"),
                    "contrast_limits": (0, found.n_samples),
                    "blending": "translucent_no_depth",
                    "visible": False,
                },
            )
        )
    return layers


def _layer(
    source: Image, found: Uncertainty, values: Any, *, shows: str, look: dict[str, Any]
) -> LayerData:
    data, grid = on_layer(source, values, axes=found.axes, grid=found.grid)
    record = found.provenance.model_dump(mode="json")
    common = placement(source, grid) | {
        "opacity": _OPACITY,
        "rgb": False,
        "interpolation2d": "nearest",
        "metadata": {METADATA_KEY: record | {"shows": shows}},
    }
    return data, common | look, "image"


def interval_rows(found: Uncertainty) -> tuple[TableRow, ...]:
    """Return a line for each class: the median, and the ends of the interval."""
    colours = class_colours(found.classes)
    rows = []
    for label, each in enumerate(found.intervals, start=1):
        cells = {
            "class": each.name,
            "low": f"{each.low:.6g}",
            "median": f"{each.median:.6g}",
            "high": f"{each.high:.6g}",
            "unit": each.unit,
            "samples": str(found.n_samples),
            "seed": str(found.seed),
            "note": "noise of the gates, 95 % of the samples",
        }
        rows.append(
            TableRow(
                each.name,
                f"{each.median:.4g} {each.unit}",
                f"{each.low:.4g}–{each.high:.4g}",
                colours[label],
                cells,
            )
        )
    return tuple(rows)


def noise_summary(found: Uncertainty) -> str:
    """Say in how many pixels the samples disagree."""
    what = "voxels" if len(found.grid.shape) == 3 else "pixels"
    n = int(np.count_nonzero(found.entropy))
    total = max(found.entropy.size, 1)
    if found.n_samples == 1:
        return "One sample agrees with itself: draw more to see what changes."
    if not n:
        return f"All {found.n_samples} samples (seed {found.seed}) agree everywhere."
    return (
        f"The {found.n_samples} samples (seed {found.seed}) disagree in {n} {what} "
        f"({n / total:.2%})."
    )
