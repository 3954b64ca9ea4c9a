"""What noise samples agree on, as layers, lines and words. Knows no Qt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_dmoe.inference.pictures.colours import ColourKey, class_colours, over_grey
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers import names
from napari_dmoe.viewer.layers.maps import fading_in, map_layer, measure_look, ramp_of
from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.rows import TableRow

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.inference.what_if.uncertainty import Uncertainty

QUESTION = "How sure is the choice of experts? Run it with noise on the gates."
ABOUT = (
    "The published model adds noise to its gates while it learns. Here it is run with "
    "that noise again and again. What changes says how sure the choice of experts is: "
    "not how sure the model is of the class, nor how often it is right."
)
_ENTROPY_COLORMAP = "inferno"
_ENTROPY_STEPS = 16
_HARDLY = 0.2
"""Opacity where hardly any vote is for a class."""


def vote_result(found: Uncertainty) -> Segmentation:
    """Return the vote as a result; its record says that it is one."""
    return Segmentation.of_mask(
        found.labels, axes=found.axes, grid=found.grid, record=found.provenance
    )


def noise_keys(found: Uncertainty) -> tuple[ColourKey, ...]:
    """Return what the colours of the maps of :func:`noise_layers` mean."""
    n, colours = found.n_samples, class_colours(found.classes)
    most = np.log2(min(len(found.classes), max(n, 2)))
    ramp = ramp_of(_ENTROPY_COLORMAP, _ENTROPY_STEPS)
    title = "Disagreement of the runs: 0 where all agree"
    entropy = ColourKey.from_0(title, ramp, most, "bits")
    votes = (
        ColourKey(
            f"Votes for {name}",
            (over_grey(colours[label], _HARDLY), colours[label]),
            (0.0, float(n)),
            ("0", f"{n} votes"),
        )
        for label, name in enumerate(found.classes[1:], start=1)
    )
    return (entropy, *votes)


def noise_layers(source: Image, found: Uncertainty) -> list[LayerData]:
    """Return the entropy of the votes, and the votes for each class, as layers.

    The entropy is in bits, float32; votes are counts, uint8. The background's votes are
    left out.
    """
    placed = partial(
        map_layer, source, axes=found.axes, grid=found.grid, record=found.provenance
    )
    of = f"of {found.n_samples} noise samples"
    key, *keys = noise_keys(found)
    look = measure_look(_ENTROPY_COLORMAP, key.limits)
    entropy = placed(
        found.entropy,
        # Where samples agree, the image is as it was.
        look | {"blending": "additive"},
        name=names.layer_name(source.name, names.NOISE_ENTROPY),
        shows=f"entropy {of}, in bits",
    )
    votes = (
        placed(
            found.votes[label],
            measure_look(fading_in(key.ramp[-1], f"dmoe votes {label}"), key.limits),
            name=names.layer_name(source.name, names.votes_for(found.classes[label])),
            shows=f"{names.votes_for(found.classes[label])} {of}",
        )
        for label, key in enumerate(keys, start=1)
    )
    return [entropy, *votes]


def interval_rows(found: Uncertainty) -> tuple[TableRow, ...]:
    """Return a line for each class: the median, and the ends of the interval."""
    return tuple(
        TableRow(
            each.name,
            f"{each.median:.4g} {each.unit}",
            f"{each.low:.4g}–{each.high:.4g}",
            colour=class_colours(found.classes)[label],
            cells={
                "class": each.name,
                "low": f"{each.low:.6g}",
                "median": f"{each.median:.6g}",
                "high": f"{each.high:.6g}",
                "unit": each.unit,
                "samples": str(found.n_samples),
                "seed": str(found.seed),
                "note": "noise of the gates, 95 % of the samples",
            },
        )
        for label, each in enumerate(found.intervals, start=1)
    )


def noise_summary(found: Uncertainty) -> str:
    """Say in how many pixels the samples disagree."""
    what = "voxels" if len(found.grid.shape) == 3 else "pixels"
    n = int(np.count_nonzero(found.entropy))
    runs = f"{found.n_samples} runs with noise (seed {found.seed})"
    if found.n_samples == 1:
        return "One run agrees with itself: ask for more to see what changes."
    if not n:
        return f"All {runs} agree everywhere."
    return f"The {runs} disagree in {n} {what} ({n / found.entropy.size:.2%})."
