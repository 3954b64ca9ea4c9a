"""A mask that no run here made, such as one from a file, as a result of its image."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dmoe.imaging.spatial import CHANNEL_AXIS, Grid
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.placement import axis_names, data_to_world, samples_of
from napari_dmoe.viewer.layers.records import layer_record
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome, Result

if TYPE_CHECKING:
    from napari_dmoe.viewer.session.session import Session

_TOLERANCE = 1e-5
"""Share of a pixel by which a file may have rounded a mask's place."""


def reopened_result(mask: Labels, image: Image) -> Result | None:
    """Return a mask from a file as a result of an image, which no run replaces.

    None for a mask without a record in its metadata, and for one that lies elsewhere
    or on other pixels.
    """
    record = layer_record(mask)
    if record is None or not is_on(mask, image):
        return None
    dims = len(record.grid["shape"])
    names = axis_names(image, dims)
    shape = tuple(mask.data.shape)
    kept = [i for i, name in enumerate(names) if name != CHANNEL_AXIS]
    as_saved = np.array(mask.data)  # somebody may paint on the layer
    segmentation = Segmentation.of_mask(
        as_saved.reshape([shape[i] for i in kept]),
        axes=tuple(names[i] for i in kept),
        grid=Grid.identity(tuple(shape[i] for i in kept[-dims:])),
        record=record,
    )
    return Result(
        outcome=Outcome(segmentation, Request.of_file(), 0.0),
        mask=weakref.ref(mask),
        original=as_saved,
        is_kept=True,
    )


def show_alone(
    session: Session, made: Labels, image: Image, source: Layer | None = None
) -> str:
    """Let a new mask be seen instead of the image's others, and say which.

    It becomes a result of the image where it lies on its pixels; no run replaces it.
    """
    shown = dict.fromkeys([*(r.mask() for r in session.results_of(image)), source])
    others = [each for each in shown if each is not None and each is not made]
    said = hide(session, others)
    result = reopened_result(made, image)
    if result is not None:
        session.set_result(image, result)
    else:
        session.showing.own(image, made)
    session.showing.see(made, True)
    return said


def hide(session: Session, layers: Sequence[Layer]) -> str:
    """Hide layers, and say which of them were seen."""
    showing = session.showing
    hidden = [each for each in layers if showing.is_seen(each)]
    for each in hidden:
        showing.see(each, False)
    listed = quoted([each.name for each in hidden])
    return f"Hidden meanwhile: {listed}." if listed else ""


def quoted(names: Sequence[str]) -> str:
    """Return names of layers in a row."""
    return ", ".join(f"“{name}”" for name in names)


def is_on(mask: Labels, image: Image) -> bool:
    """Say whether a mask has an image's pixels, in its place."""
    shape = samples_of(image).shape
    if mask.ndim != image.ndim or tuple(mask.data.shape) != tuple(shape[: image.ndim]):
        return False
    place = data_to_world(image)
    pixel = float(np.abs(place[:-1, :-1]).max())
    return bool(
        np.allclose(data_to_world(mask), place, rtol=0, atol=_TOLERANCE * pixel)
    )
