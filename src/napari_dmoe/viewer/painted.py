"""Masks as somebody painted them, along the axes of their results. Knows no Qt."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.viewer.layers.placement import from_layer
from napari_dmoe.viewer.session.results import Result


def painted_labels(source: Image, result: Result) -> NDArray[Any] | None:
    """Return a mask that was painted on, along the axes of its result, not copied.

    None where it is as the run made it, and where it was given another shape.
    """
    mask, made = result.mask(), result.segmentation
    if mask is None or not result.looks_edited:
        return None
    if mask.data.shape != result.original.shape:
        return None
    labels = np.asarray(mask.data)
    return from_layer(source, labels, axes=made.axes, dims=len(made.grid.shape))
