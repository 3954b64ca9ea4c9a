"""A replay: what it needs of a layer, what stands in its way, and making it.

What came of it is the business of :mod:`napari_dmoe.viewer.what_if.replay.rebuilt`.
Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.look import mask_layer
from napari_dmoe.viewer.layers.placement import (
    LayerData,
    axis_names,
    from_layer,
    to_image,
)
from napari_dmoe.viewer.layers.records import badge, dims_of, layer_record, shown_by

if TYPE_CHECKING:
    from napari_dmoe.inference.replaying.case_files import CaseFile
    from napari_dmoe.inference.replaying.replay import Replay
    from napari_dmoe.models.checkpoint import LoadedModel

_SHORT_HASH = 12


@dataclass(frozen=True, eq=False)
class ReplaySubject:
    """What is replayed: a snapshot of a layer for a worker, which holds no layer."""

    title: str
    """Name of the layer."""
    record: Provenance
    pixels: SpatialImage
    """The image to replay it on."""
    names: tuple[str, ...]
    """The image's axes in the order of its layer."""
    samples: NDArray[Any]
    """What stands in the layer, as :func:`snapshot_of` returns it."""
    shows: str = ""
    """What a map shows; empty for a mask."""

    @property
    def is_map(self) -> bool:
        """Whether it is a map of a run, and no mask."""
        return bool(self.shows)

    @cached_property
    def labels(self) -> NDArray[np.uint8] | None:
        """The mask in the order of the run's axes, found by the worker that asks first.

        None for maps, and for masks that do not lie on the image's pixels.
        """
        if self.is_map:
            return None
        return in_run_order(self.samples, self.names)


def replay_subject(layer: Layer, image: Image) -> ReplaySubject:
    """Take the snapshot of a layer that is to be replayed on an image.

    Raises
    ------
    ValueError
        When the layer has no record, or the image cannot be used.
    """
    record = layer_record(layer)
    if record is None:
        raise ValueError(f"“{layer.name}” has no record of this plugin")
    return ReplaySubject(
        str(layer.name),
        record,
        to_image(image, dims_of(record), channel=record.image.channel),
        axis_names(image, dims_of(record)),
        snapshot_of(layer),
        shown_by(layer),
    )


def snapshot_of(layer: Layer) -> NDArray[Any]:
    """Return a layer's samples for a worker: copied, unless nobody can paint on them.

    Maps may be many times as large as a mask.
    """
    return np.array(layer.data) if isinstance(layer, Labels) else np.asarray(layer.data)


def in_run_order(
    labels: NDArray[Any], names: Sequence[str]
) -> NDArray[np.uint8] | None:
    """Return a mask along an image's axes as its run returned it: without channels.

    None where the mask has other axes than the image, or labels beyond a byte.
    """
    is_wide = labels.dtype.itemsize > 1 and labels.size
    if labels.ndim != len(names) or (is_wide and labels.max() > 255):
        return None
    return from_layer(names, labels, axes=source_axes(names)).astype(np.uint8)


def case_layer(image: Image, case: CaseFile, name: str) -> LayerData:
    """Return a case's mask as a Labels layer on the image it is replayed on.

    Raises
    ------
    ImageError
        When the image has another size or other axes than the case's.
    """
    record = case.record
    dims = dims_of(record)
    pixels = to_image(image, dims, channel=record.image.channel)
    shape = tuple(map(int, pixels.data.shape))
    if (shape, pixels.axes) != (record.image.shape, record.image.axes):
        known = _size(record.image.axes, record.image.shape)
        raise ImageError(
            f"{name} belongs to an image of {known}, and “{image.name}” has "
            f"{_size(pixels.axes, shape)}: choose its image in the Segment tab, then "
            "open the case again"
        )
    axes = source_axes(pixels.axes)
    made = Segmentation.of_mask(
        case.labels, axes=axes, grid=record.labels_grid, record=record
    )
    return mask_layer(image, made)


def missing_model(record: Provenance) -> str:
    """Say which checkpoint is missing."""
    model = record.model
    if not model.sha256:
        return (
            f"Missing: the model ({model.title}) had not been saved when this was "
            "made, so no file can be found for it."
        )
    return (
        f"Missing: the checkpoint {model.file} (SHA-256 "
        f"{model.sha256[:_SHORT_HASH]}…) is neither loaded, nor bundled, nor among the "
        "recent ones. Choose its file."
    )


def selected_text(layers: Sequence[Layer]) -> str:
    """Say what the selected layers with records are; a hint without any."""
    if not layers:
        return (
            "Is a layer the same when it is made again? Select it, or two to compare."
        )
    lines = []
    for layer in layers[:2]:
        record = layer_record(layer)
        mark = "" if record is None else _mark(layer, record)
        lines.append(f"“{layer.name}”" + (f" – {mark}" if mark else ""))
    return "Selected: " + "; ".join(lines)


def records_text(names: Sequence[str], differences: Sequence[str]) -> str:
    """Say how two layers came about differently."""
    if not differences:
        return f"“{names[0]}” and “{names[1]}” came about alike."
    n = len(differences)
    things = "thing differs" if n == 1 else "things differ"
    return f"First “{names[0]}”, then “{names[1]}”: {n} {things}."


def play(
    engines: Engines,
    subject: ReplaySubject,
    loaded: LoadedModel | None,
    names: Sequence[str],
    hook: ProgressHook,
) -> Replay | tuple[str, ...] | None:
    """Make a result again with the loaded model, where it is the record's.

    Else it is looked for under other `names`: of bundled models, and paths. Returns
    what stands in the way instead; None where no name is the record's checkpoint.
    """
    from napari_dmoe.inference.replaying.replay import ReplayError  # needs torch

    record = subject.record
    is_loaded = loaded is not None and loaded.sha256 == record.model.sha256
    if loaded is None or not is_loaded or loaded.card.name != record.model.card:
        found = engines.find_model(record, names, hook)
        loaded = found or (loaded if is_loaded else None)
    if loaded is None:
        return None
    try:
        return engines.replay(
            record, loaded, subject.pixels, labels=subject.labels, progress=hook
        )
    except ReplayError as error:
        return error.reasons


def _size(axes: Sequence[str], shape: Sequence[int]) -> str:
    return " × ".join(f"{axis} {n}" for axis, n in zip(axes, shape, strict=True))


def _mark(layer: Layer, record: Provenance) -> str:
    """Say what sets a layer apart: what a map shows, or what was done to the model."""
    shows = "" if record.swept else shown_by(layer)
    if not shows:
        return badge(record)
    departures = f" Model changed: {'; '.join(record.departures)}."
    return f"a map, {shows}.{departures if record.departures else ''}"
