"""A case that was read, as layers to come. Called in a job, and holds no layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.inference.masks.truth import missed
from napari_dmoe.inference.pictures.colours import DIFFERENCE_COLOURS
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.maps import labels_look
from napari_dmoe.viewer.layers.names import TRUTH, layer_name, mask_by
from napari_dmoe.viewer.layers.opening import image_layer, labels_layer
from napari_dmoe.viewer.layers.placement import LayerData

if TYPE_CHECKING:
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.viewer.fairness.opening.reading import ReadMasks

ERRORS = "errors"
ERROR_WORDS = (
    "as the truth",
    "false negative: missed",
    "false positive: too much",
    "another class",
)
"""What the labels of an error overlay mean."""

_ERROR_OPACITY = 0.7


@dataclass(frozen=True)
class CaseLayerData:
    """What is to be put into the viewer of a case."""

    image: LayerData | None = None
    truth: LayerData | None = None
    prediction: LayerData | None = None
    errors: LayerData | None = None
    said: tuple[str, ...] = ()
    n_errors: tuple[int, int, int] = (0, 0, 0)
    """Pixels that are missed, too much, and of another class."""
    is_computed: bool = False
    """Whether the prediction was computed again."""
    plane: int | None = None
    """Of a volume, the plane with the most errors, or else the most of the truth."""
    ends: tuple[tuple[float, float], tuple[float, float]] | None = None
    """Where truth and prediction begin and end along y and x; None where both are
    empty, and beside an image."""


def layers_of(
    read: ReadMasks, name: str, *, model: str, classes: Sequence[str]
) -> CaseLayerData:
    """Return a case as layers.

    Parameters
    ----------
    read : ReadMasks
        What was read of it.
    name : str
        What the case is called.
    model : str
        Whose the prediction is.
    classes : sequence of str
        Class names, background first; nothing where they are not known.
    """
    said = list(read.said)
    errors, counts = None, (0, 0, 0)
    if read.are_comparable and read.truth is not None and read.prediction is not None:
        found = missed(
            np.asarray(read.prediction.data),
            np.asarray(read.truth.data),
            *((len(classes),) if classes else ()),
        )
        errors = _errors(read.truth, found, name)
        counts = _counts(found)
    elif read.truth is not None and read.prediction is not None:
        said.append(
            "The prediction has other pixels than the truth: where it errs is not "
            "shown."
        )
    image = None if read.image is None else image_layer(read.image, name)
    truth = _mask(read.truth, layer_name(name, TRUTH), classes)
    return CaseLayerData(
        image=image,
        truth=truth,
        prediction=_prediction(read, layer_name(name, mask_by(model)), classes),
        errors=errors,
        said=tuple(said),
        n_errors=counts,
        is_computed=read.is_computed,
        plane=_fullest(errors) if sum(counts) else _fullest(truth),
        ends=None if image is not None else _ends(truth, errors),
    )


def _ends(
    *made: LayerData | None,
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return where masks begin and end along y and x, all planes together."""
    seen = [each[0] != 0 for each in made if each is not None]
    if not any(each.any() for each in seen):
        return None
    flat = np.any([each.any(tuple(range(each.ndim - 2))) for each in seen], axis=0)
    rows, columns = (np.flatnonzero(flat.any(axis)) for axis in (1, 0))
    return (float(rows[0]), float(rows[-1])), (float(columns[0]), float(columns[-1]))


def _fullest(made: LayerData | None) -> int | None:
    """Return the plane of a volume in which most of a mask lies; None for a plane."""
    if made is None or made[0].ndim != 3 or not made[0].any():
        return None
    return int(np.count_nonzero(made[0], axis=(1, 2)).argmax())


def _counts(found: NDArray[np.uint8]) -> tuple[int, int, int]:
    n = np.bincount(found.ravel(), minlength=4)
    return int(n[1]), int(n[2]), int(n[3])


def _errors(truth: SpatialImage, found: NDArray[np.uint8], name: str) -> LayerData:
    placed = replace(truth, data=found)
    data, arguments, kind = labels_layer(placed, layer_name(name, ERRORS))
    colours = dict(enumerate(DIFFERENCE_COLOURS, start=1))
    look = labels_look("error", ERROR_WORDS, colours, _ERROR_OPACITY)
    return data, arguments | look, kind


def _mask(
    labels: SpatialImage | None, name: str, classes: Sequence[str]
) -> LayerData | None:
    if labels is None:
        return None
    data, arguments, kind = labels_layer(labels, name)
    look: dict[str, Any] = mask_look(classes) if classes else {}
    return _own(data), arguments | look, kind


def _prediction(read: ReadMasks, name: str, classes: Sequence[str]) -> LayerData | None:
    made = _mask(read.prediction, name, classes)
    if made is not None and read.record is not None:
        record = read.record.model_dump(mode="json")
        made[1]["metadata"] = made[1]["metadata"] | {METADATA_KEY: record}
    return made


def _own(data: Any) -> NDArray[Any]:
    """Return labels that somebody may paint on, in as few bytes as they need."""
    values = np.asarray(data)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if low >= 0 and high < 256:
        return values.astype(np.uint8)
    return values.astype(np.int32)
