"""The samples as new layers, each with what it says of itself in its record.

That is the model it was made for, whose image it is or why nobody knows, as what it was
drawn, and where to look first. Reference masks say that they are some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.contributed import PLUGIN
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.names import REFERENCE, layer_name
from napari_dmoe.viewer.layers.opening import image_layer, labels_layer
from napari_dmoe.viewer.layers.placement import LayerData

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import Case
    from napari_dmoe.imaging.spatial import SpatialImage

SOURCE = "sample"

MODEL_KEY = "model"
"""Key of the bundled model that a sample is for, in its layer's record."""

PHANTOM_KEY = "phantom"
"""Key of the kind of phantom that a sample was drawn as, in its layer's record."""

UNKNOWN_KEY = "unknown"
"""Key of why nothing is known of whose image it is, in its layer's record."""

STEP_KEY = "step"
"""Key of the plane to look at first, by its place along the image's first axis."""

REFERENCE_KEY = "reference"
"""Key of what drew a mask that no run made, in its layer's record."""


def phantom_layers(case: Case, name: str, notice: str, kind: str) -> list[LayerData]:
    """Return a made-up case that says whose image it is, and which model is for it.

    It also says that it was drawn, and as what: a name can be given to any layer.
    """
    brought = {"patient": case.patient.known(), "source": SOURCE, "notice": notice}
    made_for = {MODEL_KEY: f"{kind}-phantom", PHANTOM_KEY: kind}
    seen = {} if case.labels is None else _first_seen(case.labels)
    return [image_layer(case.image, name, record=brought | made_for | seen)]


def scan_layers(
    case: Case,
    name: str,
    classes: Sequence[str],
    *,
    drawn_by: str,
    unknown: str,
    model: str = "",
) -> list[LayerData]:
    """Return a real scan with its reference mask, at the plane that shows most of it.

    The classes of the mask are named with the background first, and `drawn_by` says by
    whom it is; `unknown` says why nothing is known of the patient, and `model` which
    bundled one is for it, if any is.
    """
    record: dict[str, Any] = {UNKNOWN_KEY: unknown}
    if model:
        record[MODEL_KEY] = model
    if case.labels is None:
        return [image_layer(case.image, name, record=record)]
    record |= _first_seen(case.labels)
    data, arguments, kind = labels_layer(case.labels, layer_name(name, REFERENCE))
    arguments |= mask_look(classes)
    arguments["metadata"][METADATA_KEY] = {REFERENCE_KEY: drawn_by}
    return [image_layer(case.image, name, record=record), (data, arguments, kind)]


def photograph_layer(
    pixels: Any, name: str, *, unknown: str, model: str, **look: Any
) -> LayerData:
    """Return a photograph of which nothing is known but which model is for it."""
    record = {UNKNOWN_KEY: unknown, MODEL_KEY: model}
    return (pixels, {"name": name, "metadata": {METADATA_KEY: record}, **look}, "image")


def _first_seen(labels: SpatialImage) -> dict[str, int]:
    """Return the plane with most of the first class; nothing for planes alone."""
    if "z" not in labels.axes:
        return {}
    others = tuple(n for n, axis in enumerate(labels.axes) if axis != "z")
    return {STEP_KEY: int(np.argmax((labels.data == 1).sum(others)))}


def _stated(layer: Layer | None, key: str) -> Any:
    record = None if layer is None else layer.metadata.get(METADATA_KEY)
    return record.get(key) if isinstance(record, Mapping) else None


def model_for(image: Layer | None) -> str:
    """Return the bundled model that a sample is for; nothing for other images."""
    return str(_stated(image, MODEL_KEY) or "")


def why_unknown(image: Layer | None) -> str:
    """Say why nothing is known of whose image it is; nothing where nobody said it."""
    return str(_stated(image, UNKNOWN_KEY) or "")


def first_step(image: Layer | None) -> int | None:
    """Return the plane of a sample to look at first; None for other images."""
    step = _stated(image, STEP_KEY) if isinstance(image, Image) else None
    return step if isinstance(step, int) else None


def is_reference(layer: Layer) -> bool:
    """Say whether a layer is the reference mask of a sample."""
    return isinstance(layer, Labels) and bool(_stated(layer, REFERENCE_KEY))


def is_sample(layer: Layer) -> bool:
    """Say whether a layer is the image of a sample."""
    sample = layer.source.sample
    return isinstance(layer, Image) and sample is not None and sample[0] == PLUGIN
