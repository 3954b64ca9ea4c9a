"""A mask from a file as the result of an image that is in the viewer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_dmoe.imaging.spatial import CHANNEL_AXIS, Grid
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.placement import axis_names, data_to_world
from napari_dmoe.viewer.layers.records import record_of
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome, Result

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_dmoe.viewer.session.session import Session

_TOLERANCE = 1e-5
"""Share of a pixel by which a file may have rounded a mask's place."""


def reopened_result(mask: Labels, image: Image) -> Result | None:
    """Return a mask from a file as a result of an image.

    Parameters
    ----------
    mask : napari.layers.Labels
        The mask, with its record in the metadata.
    image : napari.layers.Image
        The image.

    Returns
    -------
    Result or None
        A result without routing, which no run replaces; None for a mask without a
        record, and for one that lies elsewhere or on other pixels.
    """
    record = record_of(mask.metadata.get(METADATA_KEY))
    if record is None or not _is_on(mask, image):
        return None
    dims = len(record.grid["shape"])
    names = axis_names(image, dims)
    shape = tuple(mask.data.shape)
    kept = [i for i, name in enumerate(names) if name != CHANNEL_AXIS]
    as_saved = np.array(mask.data)  # somebody may paint on the layer
    segmentation = Segmentation(
        labels=as_saved.reshape([shape[i] for i in kept]),
        axes=tuple(names[i] for i in kept),
        grid=Grid.identity(tuple(shape[i] for i in kept[-dims:])),
        classes=record.classes,
        by_value={},
        probabilities=None,
        routing=None,
        provenance=record,
    )
    return Result(
        outcome=Outcome(segmentation, Request.of_file(), 0.0),
        mask=weakref.ref(mask),
        original=as_saved,
        is_kept=True,
    )


def _is_on(mask: Labels, image: Image) -> bool:
    shape = image.data[0].shape if image.multiscale else image.data.shape
    if mask.ndim != image.ndim or tuple(mask.data.shape) != tuple(shape[: image.ndim]):
        return False
    place = data_to_world(image)
    pixel = float(np.abs(place[:-1, :-1]).max())
    return bool(
        np.allclose(data_to_world(mask), place, rtol=0, atol=_TOLERANCE * pixel)
    )


def show_alone(
    session: Session, made: Labels, image: Image, source: Layer | None = None
) -> str:
    """Let a new mask be seen instead of the image's others, and say which.

    It becomes a result of the image where it lies on its pixels; no run replaces it.
    """
    shown = [result.mask() for result in session.results_of(image)]
    others = [each for each in dict.fromkeys([*shown, source]) if each is not None]
    said = _hide([each for each in others if each is not made])
    result = reopened_result(made, image)
    if result is not None:
        session.set_result(image, result)
    made.visible = True
    return said


def _hide(layers: list[Any]) -> str:
    """Hide layers, and say which of them were seen."""
    hidden = [each for each in layers if each.visible]
    for each in hidden:
        each.visible = False
    listed = _listed([each.name for each in hidden])
    return f"Hidden meanwhile: {listed}." if listed else ""


def _listed(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)
