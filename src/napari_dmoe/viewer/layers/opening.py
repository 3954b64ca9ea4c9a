"""Images that come with their place in the world, as new layers.

What is computed from a layer that is there already is placed by
:mod:`napari_dmoe.viewer.layers.placement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.notifications import show_warning

from napari_dmoe.imaging import files
from napari_dmoe.imaging.itk import SEGMENTS_SUFFIX
from napari_dmoe.imaging.label_values import LabelError
from napari_dmoe.imaging.mask_likeness import numbers_of
from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES
from napari_dmoe.imaging.segments.seg_nrrd import segments_in
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    ImageError,
    ImageReadError,
    SpatialImage,
)
from napari_dmoe.inference.pictures.colours import AIR, CT_WINDOW
from napari_dmoe.inference.replaying import case_files
from napari_dmoe.inference.replaying.case_files import CaseFileError
from napari_dmoe.inference.results.provenance import METADATA_KEY, Provenance
from napari_dmoe.inference.results.sidecars import record_path
from napari_dmoe.patient import PatientFacts
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.placement import FILE_KEY, LayerData
from napari_dmoe.viewer.layers.segments import stated_look

PLUGIN = "napari-dmoe"
TIFF_LABELS = f"{files.LABELS}.tif"
"""Ending of masks as TIFF; the record lies beside them, ending in ``.labels.json``."""

_SAMPLED = 200_000
_COLOURS = (3, 4)


def image_layer(
    image: SpatialImage, name: str, *, record: Mapping[str, Any] | None = None
) -> LayerData:
    """Return an image as a layer with its whole affine.

    The record is what this plugin keeps in the layer's metadata, such as a patient.
    """
    data, arguments = _placed(image, name, record)
    is_colour = CHANNEL_AXIS in image.axes
    if is_colour:
        data = np.moveaxis(data, image.axes.index(CHANNEL_AXIS), -1)
    else:
        arguments |= {"colormap": "gray", "contrast_limits": _contrast(data)}
    return data, arguments | {"rgb": is_colour}, "image"


def facts_record(facts: PatientFacts) -> dict[str, Any] | None:
    """Return what a layer keeps of the facts that its file tells; None for nothing."""
    if not facts:
        return None
    record: dict[str, Any] = {"patient": dict(facts.values), "source": facts.source}
    if facts.proposals:
        record["proposed"] = {
            name: {"said": each.said, "value": each.value}
            for name, each in facts.proposals.items()
        }
    return record


def labels_layer(image: SpatialImage, name: str) -> LayerData:
    """Return integer labels as a layer with their whole affine."""
    data, arguments = _placed(image, name, None)
    return data, arguments, "labels"


def mask_layers(path: Path) -> list[LayerData]:
    """Open a mask in its place, with its names and its record where it has them.

    One that was saved here is a ``.labels.tif`` whose record lies beside it, or NIfTI
    with a record in its header. Without a record the one Labels layer has its file's
    own place only, and the names that a TIFF states itself; where one is damaged, or
    another mask's, that is said, and the mask opens without it.

    Raises
    ------
    ImageReadError
        When the file cannot be read or holds no labels.
    """
    return [opened_mask(path).layer]


@dataclass(frozen=True)
class OpenedMask:
    """A mask from a file, as a layer to come."""

    path: Path
    layer: LayerData
    record: Provenance | None
    """How it came about, where it says so."""
    notices: tuple[str, ...] = ()
    """What was decided when it was read."""


def opened_mask(path: Path) -> OpenedMask:
    """Read a mask of any kind of file: see :func:`mask_layers`.

    Raises
    ------
    ImageReadError
        When the file cannot be read or holds no labels.
    """
    image = _numbers(path, files.read_labels(path))
    image, record = _with_record(path, image)
    name = files.without_suffix(path.name)
    data, arguments, kind = labels_layer(image, name)
    if record is None:
        arguments |= _stated_look(path, int(data.max(initial=0)))
    else:
        arguments |= mask_look(record.classes, record)
        arguments["metadata"][METADATA_KEY] = record.model_dump(mode="json")
    return OpenedMask(path, (data, arguments, kind), record, image.notices)


def _numbers(path: Path, image: SpatialImage) -> SpatialImage:
    """Return labels as whole numbers, one a pixel, whatever a picture stores."""
    data, axes = np.asarray(image.data), image.axes
    if CHANNEL_AXIS in axes:
        data = np.moveaxis(data, axes.index(CHANNEL_AXIS), -1)
        axes = tuple(axis for axis in axes if axis != CHANNEL_AXIS)
    is_colour = data.ndim > len(axes)
    if is_colour and files.image_suffix(path) == SEGMENTS_SUFFIX:
        raise ImageReadError(
            f"{path.name} has segments that overlap, and a mask has one label a voxel: "
            "save it from 3D Slicer with each segment on one layer"
        )
    try:
        if is_colour and data.shape[-1] not in _COLOURS:
            raise LabelError(f"it has {data.shape[-1]} channels")
        labels, said = numbers_of(data, is_colour=is_colour)
    except LabelError as error:
        raise ImageReadError(f"{path.name} holds no labels: {error}") from error
    return replace(image, data=labels, axes=axes, notices=(*image.notices, *said))


def _stated_look(path: Path, largest: int) -> dict[str, Any]:
    """Return the names and colours of labels by their file, where it has them."""
    if files.image_suffix(path) == SEGMENTS_SUFFIX:
        return stated_look(segments_in(path), largest)
    classes = _stated_classes(path, largest)
    return mask_look(classes) if classes else {}


def _stated_classes(path: Path, largest: int) -> tuple[str, ...]:
    """Return what labels mean by their file; nothing where it names not all of them."""
    is_tiff = files.image_suffix(path) in files.TIFF_SUFFIXES
    classes = files.stated_classes(path) if is_tiff else ()
    return classes if largest < len(classes) else ()


def complete_mask(layer: Layer) -> None:
    """Give a mask that napari's own reader opened its names, its place and its record.

    Only where it is a mask that was saved here, and as it was saved.
    """
    source = layer.source
    path = Path(str(source.path or ""))
    is_ours = path.name.lower().endswith(TIFF_LABELS) and source.reader_plugin != PLUGIN
    if not isinstance(layer, Labels) or not is_ours or METADATA_KEY in layer.metadata:
        return
    try:
        ((data, arguments, _),) = mask_layers(path)
    except ImageReadError:
        return
    if not np.array_equal(data, layer.data):
        return
    layer.metadata = {**layer.metadata, **arguments.pop("metadata")}
    for name, value in arguments.items():
        setattr(layer, name, value)


def _with_record(
    path: Path, image: SpatialImage
) -> tuple[SpatialImage, Provenance | None]:
    """Return a mask in its place with its record; alone where that is of no use."""
    try:
        record = _read_record(path)
        if record is not None and files.image_suffix(path) in files.TIFF_SUFFIXES:
            image = _in_place(image, record)
    except (CaseFileError, ImageError) as error:
        show_warning(f"{path.name} is opened without its record: {error}")
        return image, None
    return image, record


def record_of(path: Path) -> Provenance | None:
    """Return the record in a NIfTI header or beside a file; None without a good one."""
    try:
        return _read_record(path)
    except CaseFileError:
        return None


def has_record(path: Path) -> bool:
    """Say whether there is a record in a NIfTI header or beside a file, good or not."""
    try:
        return _read_record(path) is not None
    except CaseFileError:
        return True


def _read_record(path: Path) -> Provenance | None:
    """Return a mask's record; None where there is none.

    Raises
    ------
    CaseFileError
        When it is damaged.
    """
    if files.image_suffix(path) not in NIFTI_SUFFIXES:
        beside = record_path(path)
        return case_files.read_record(beside) if beside.is_file() else None
    return case_files.record_in_header(path)


def _in_place(image: SpatialImage, record: Provenance) -> SpatialImage:
    """Put a mask from a TIFF, which has no rotation, where its record says it lies."""
    stated = record.image
    sizes = dict(zip(stated.axes, stated.shape, strict=True))
    initials = {name[:1]: name for name in stated.axes}
    axes = tuple(initials.get(axis[:1], axis) for axis in image.axes)
    if not set(axes) <= set(stated.axes) or len(set(axes)) != len(axes):
        raise ImageError(
            f"it is that of an image with the axes {', '.join(stated.axes)}, the mask "
            f"has {', '.join(image.axes)}"
        )
    of_mask = dict(zip(axes, image.data.shape, strict=True))
    spatial = [axis for axis in stated.axes if axis in SPATIAL_AXES]
    # Scored at the network: another grid, whose place the file's spacing gives.
    if any(of_mask.get(axis) != sizes[axis] for axis in spatial):
        return image
    order = [spatial.index(axis) for axis in axes if axis in spatial]
    affine = np.array(stated.affine)[np.ix_([*order, -1], [*order, -1])]
    return SpatialImage(image.data, axes, affine, stated.unit)


def _placed(
    image: SpatialImage, name: str, record: Mapping[str, Any] | None
) -> tuple[Any, dict[str, Any]]:
    """Return data with its spatial axes as z, y, x, and the layer's arguments."""
    further = [a for a in image.axes if a not in (*SPATIAL_AXES, CHANNEL_AXIS)]
    spatial = [axis for axis in SPATIAL_AXES if axis in image.spatial_axes]
    channels = [CHANNEL_AXIS] if CHANNEL_AXIS in image.axes else []
    order = [image.axes.index(axis) for axis in (*further, *spatial, *channels)]
    data = image.data.transpose(order)
    place = [image.spatial_axes.index(axis) for axis in spatial]
    n = len(further) + len(spatial)
    affine = np.eye(n + 1)
    inner = np.array([*range(len(further), n), n])
    affine[np.ix_(inner, inner)] = image.affine[np.ix_([*place, -1], [*place, -1])]
    unit = image.unit or "pixel"
    arguments: dict[str, Any] = {
        "name": name,
        "axis_labels": (*further, *spatial),
        "units": (*("pixel",) * len(further), *(unit,) * len(spatial)),
        "metadata": {FILE_KEY: {"axes": list(image.spatial_axes)}},
    }
    if record is not None:
        arguments["metadata"][METADATA_KEY] = dict(record)
    sizes = np.diag(affine)[:-1]
    is_straight = np.array_equal(affine[:-1, :-1], np.diag(sizes))
    if is_straight and (sizes > 0).all():  # which a person can read
        return data, arguments | {"scale": sizes, "translate": affine[:-1, -1]}
    return data, arguments | {"affine": affine}


def _contrast(data: Any) -> tuple[float, float]:
    """Return the grey values to show as black and white."""
    if not isinstance(data, np.ndarray):  # of what is lazy a few planes are read
        leading = data.shape[:-2]
        data = np.stack([np.asarray(data[p]) for p in _some_planes(leading)])
    step = max(1, int((data.size / _SAMPLED) ** (1 / data.ndim)))
    seen = np.asarray(data[(slice(None, None, step),) * data.ndim], np.float64)
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        return 0.0, 1.0
    if data.dtype.kind == "i" and seen.min() < AIR:
        return CT_WINDOW
    low, high = np.percentile(seen, (0.5, 99.5)).tolist()
    return (low, high) if high > low else (low, low + 1)


def _some_planes(leading: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return where three planes of a stack lie, the middle one first."""
    shares = (2, 1, 3) if any(n > 1 for n in leading) else (2,)
    return [tuple(n * share // 4 for n in leading) for share in shares]
