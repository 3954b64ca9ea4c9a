"""A replay: what it needs of a layer, what stands in its way, and making it.

What came of it is the business of :mod:`napari_dmoe.viewer.what_if.replay.rebuilt`.
Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    Grid,
    ImageError,
    SpatialImage,
)
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
from napari_dmoe.viewer.layers.records import (
    badge,
    dims_of,
    is_mask,
    layer_record,
    shown_by,
)

if TYPE_CHECKING:
    from napari_dmoe.inference.replaying.case_files import CaseFile
    from napari_dmoe.inference.replaying.replay import Replay
    from napari_dmoe.models.checkpoint import LoadedModel

_SHORT_HASH = 12


@dataclass(frozen=True, eq=False)
class ReplaySubject:
    """What is replayed: a snapshot of a layer's record, its mask and its image.

    Parameters
    ----------
    title : str
        Name of the layer.
    record : Provenance
        Its record.
    image : napari.layers.Image
        The image to replay it on.
    pixels : SpatialImage
        Its pixels with their place.
    labels : array or None
        The mask in the order of the run's axes; None for maps, and for masks that do
        not lie on the image's pixels.
    samples : array or None
        The samples of a map, as they stand in its layer; None for a mask.
    shows : str
        What a map shows; empty for a mask.
    """

    title: str
    record: Provenance
    image: Image
    pixels: SpatialImage
    labels: NDArray[np.uint8] | None
    samples: NDArray[Any] | None = None
    shows: str = ""

    @property
    def is_map(self) -> bool:
        """Whether it is a map of a run, and no mask."""
        return bool(self.shows)


@dataclass(frozen=True, eq=False)
class Played:
    """What a replay came to: it was made, its model is missing, or it cannot be.

    Parameters
    ----------
    found : Replay or None
        What was made.
    is_model_missing : bool
        Whether the checkpoint was not found.
    reasons : tuple of str
        What else stands in the way.
    """

    found: Replay | None = None
    is_model_missing: bool = False
    reasons: tuple[str, ...] = ()


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
    dims = dims_of(record)
    pixels = to_image(image, dims)
    if is_mask(layer):
        labels = in_run_order(image, layer.data, dims)
        return ReplaySubject(str(layer.name), record, image, pixels, labels)
    samples, shows = np.array(layer.data), shown_by(layer)
    return ReplaySubject(str(layer.name), record, image, pixels, None, samples, shows)


def in_run_order(
    image: Image, labels: NDArray[Any], dims: int
) -> NDArray[np.uint8] | None:
    """Return a mask on an image in the order of the run's axes: space comes last.

    None where the mask has other axes than the image, or labels beyond a byte.
    """
    names = axis_names(image, dims)
    if labels.ndim != len(names) or (labels.size and labels.max() > 255):
        return None
    run = from_layer(image, labels, axes=_run_axes(names, dims), dims=dims)
    return run.astype(np.uint8)


def case_layer(image: Image, case: CaseFile, name: str) -> LayerData:
    """Return a case's mask as a Labels layer on the image it is replayed on.

    Raises
    ------
    ImageError
        When the image has another size or other axes than the case's.
    """
    record = case.record
    dims = dims_of(record)
    pixels = to_image(image, dims)
    shape = tuple(map(int, pixels.data.shape))
    if (shape, pixels.axes) != (record.image.shape, record.image.axes):
        known = _size(record.image.axes, record.image.shape)
        raise ImageError(
            f"{name} belongs to an image of {known}, and “{image.name}” has "
            f"{_size(pixels.axes, shape)}: choose its image in the Segment tab, then "
            "open the case again"
        )
    grid = Grid.identity(case.labels.shape[-dims:])
    if record.settings.get("scored_at") == "network":
        seen = record.grid
        grid = Grid(tuple(map(int, seen["shape"])), seen["start"], seen["step"])
    axes = _run_axes(pixels.axes, dims)
    made = Segmentation.of_mask(case.labels, axes=axes, grid=grid, record=record)
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
        return "Select a mask or a map that was made here, or two to compare."
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
) -> Played:
    """Make a result again.

    Parameters
    ----------
    engines : Engines
        Find models, and replay.
    subject : ReplaySubject
        What is replayed.
    loaded : LoadedModel or None
        The model that is loaded; taken where it is the record's.
    names : sequence of str
        Where else to look, by bundled name or path.
    hook : callable
        Told how it goes; may raise ``Cancelled``.
    """
    from napari_dmoe.inference.replaying.replay import ReplayError  # needs torch

    record = subject.record
    is_loaded = loaded is not None and loaded.sha256 == record.model.sha256
    if loaded is None or not is_loaded or loaded.card.name != record.model.card:
        found = engines.find_model(record, names, hook)
        loaded = found or (loaded if is_loaded else None)
    if loaded is None:
        return Played(is_model_missing=True)
    try:
        made = engines.replay(
            record, loaded, subject.pixels, labels=subject.labels, progress=hook
        )
    except ReplayError as error:
        return Played(reasons=error.reasons)
    return Played(made)


def _run_axes(names: Sequence[str], dims: int) -> tuple[str, ...]:
    """Return an image's axes in the order of the run's: space comes last."""
    along = [name for name in SPATIAL_AXES[-dims:] if name in names]
    over = [name for name in names if name not in (*along, CHANNEL_AXIS)]
    return (*over, *along)


def _size(axes: Sequence[str], shape: Sequence[int]) -> str:
    return " × ".join(f"{axis} {n}" for axis, n in zip(axes, shape, strict=True))


def _mark(layer: Layer, record: Provenance) -> str:
    """Say what sets a layer apart: what a map shows, or what was done to the model."""
    shows = "" if record.swept else shown_by(layer)
    if not shows:
        return badge(record)
    departures = f" Not the plain model: {'; '.join(record.departures)}."
    return f"a map, {shows}.{departures if record.departures else ''}"
