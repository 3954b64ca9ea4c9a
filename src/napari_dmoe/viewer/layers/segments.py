"""A labels layer in formats of clinical programs: names, colours, and its series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.imaging.files import image_suffix
from napari_dmoe.imaging.itk import SEGMENTS_SUFFIX
from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES
from napari_dmoe.imaging.segments import dicom_seg
from napari_dmoe.imaging.segments.colours import Rgb
from napari_dmoe.imaging.segments.dicom_seg import write_dicom_seg
from napari_dmoe.imaging.segments.meaning import Segment, segments_of
from napari_dmoe.imaging.segments.seg_nrrd import write_seg_nrrd
from napari_dmoe.imaging.segments.zarr_labels import write_zarr_labels
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.inference.results.mask_formats import algorithm_of
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.viewer.layers.look import CLASS, named_look

SEGMENT_SUFFIXES = (SEGMENTS_SUFFIX, dicom_seg.SUFFIX, *ZARR_SUFFIXES)
"""Endings of the formats that are written here."""

_INDEX = "index"
"""Column of a labels layer's features that says which label a row is of."""


_MOST_NAMED = 4096
"""Labels above are no classes that anybody names."""


def is_segments(path: Path) -> bool:
    """Say whether a path is named as one of these formats."""
    return image_suffix(path) in SEGMENT_SUFFIXES


def write_segments(
    path: Path,
    mask: SpatialImage,
    meta: dict[str, Any],
    record: Provenance | None,
    *,
    order: Sequence[str] | None = None,
    series: Sequence[Path] = (),
) -> None:
    """Write a mask in the format that its path names.

    Parameters
    ----------
    path : Path
        Where to.
    mask : SpatialImage
        The labels in their place.
    meta : dict
        The layer's arguments, as napari hands them to writers.
    record : Provenance or None
        How the mask came about; None for one that was painted by hand.
    order : sequence of str, optional
        Order of the axes in the image's file.
    series : sequence of Path
        Where the DICOM series of the mask may be: the first that is there and that it
        lies on, for DICOM-SEG.

    Raises
    ------
    ImageReadError
        For what the format cannot hold.
    OSError
        When it cannot be written; nothing is left behind.
    """
    known = layer_segments(np.asarray(mask.data), meta, record)
    suffix = image_suffix(path)
    if suffix == SEGMENTS_SUFFIX:
        write_seg_nrrd(path, mask, known, order=order)
    elif suffix == dicom_seg.SUFFIX:
        _write_dicom(path, mask, known, record, series)
    else:
        said = None if record is None else record.model_dump(mode="json")
        write_zarr_labels(path, mask, known, record=said)


def _write_dicom(
    path: Path,
    mask: SpatialImage,
    known: Sequence[Segment],
    record: Provenance | None,
    series: Sequence[Path],
) -> None:
    if not series:
        raise ImageReadError(
            f"{path.name}: DICOM-SEG refers to the DICOM series of the image, and no "
            "image here was opened from one: open that series, or save as NIfTI or "
            ".seg.nrrd"
        )
    failed: ImageReadError | None = None
    for source in series:
        try:
            who = algorithm_of(record)
            write_dicom_seg(path, mask, known, source, algorithm=who)
            return
        except ImageReadError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def layer_segments(
    labels: NDArray[Any], meta: dict[str, Any], record: Provenance | None
) -> tuple[Segment, ...]:
    """Return what a layer's labels mean: by its record or features, in its colours."""
    names = layer_names(meta, record)
    plain = segments_of(labels, names)
    colours = _colours(meta.get("colormap"), [each.label for each in plain])
    grey = {each.label: each.colour for each in plain}
    shown = grey | colours
    return tuple(Segment(s.label, s.name, shown[s.label]) for s in plain)


def layer_names(meta: dict[str, Any], record: Provenance | None) -> dict[int, str]:
    """Return what labels are called, as far as anything says it."""
    if record is not None:
        return dict(enumerate(record.classes))
    features = meta.get("features")
    if features is None or CLASS not in features:
        return {}
    names = [str(name) for name in features[CLASS]]
    numbers: Sequence[int] = range(len(names))
    if _INDEX in features:
        try:
            numbers = [int(number) for number in features[_INDEX]]
        except (TypeError, ValueError):
            return {}
    return {n: name for n, name in zip(numbers, names, strict=True) if n >= 0}


def stated_look(segments: Sequence[Segment], largest: int) -> dict[str, Any]:
    """Return the layer arguments that show labels as a file names and colours them.

    Nothing where it does not name any; `largest` is the largest label that there is.
    """
    names = {each.label: each.name for each in segments}
    if not names or not 0 < max(names) <= _MOST_NAMED:
        return {}
    last = min(max(largest, *names), _MOST_NAMED)
    texts = [names.get(n, "") for n in range(last + 1)]
    colours = {each.label: each.colour for each in segments}
    return named_look(["background", *texts[1:]], colours)


def _colours(colormap: Any, labels: Sequence[int]) -> dict[int, Rgb]:
    """Return the colours that napari shows labels in; not those that are not seen."""
    if colormap is None or not labels:
        return {}
    shown = np.atleast_2d(colormap.map(np.array(labels, np.int64)))
    parts = np.rint(255 * np.clip(shown[:, :3], 0, 1)).astype(int).tolist()
    return {
        label: (red, green, blue)
        for label, (red, green, blue), rgba in zip(labels, parts, shown, strict=True)
        if rgba[3] > 0
    }


def dicom_sources(layers: Iterable[Any]) -> tuple[Path, ...]:
    """Return the files and folders in DICOM that images of a viewer were opened from.

    Nothing is read but the beginning of a file.
    """
    found = []
    for layer in layers:
        said = layer.source.path if isinstance(layer, Image) else None
        path = Path(said) if said else None
        if path is not None and path not in found and _may_be_dicom(path):
            found.append(path)
    return tuple(found)


def _may_be_dicom(path: Path) -> bool:
    if path.is_dir():
        return image_suffix(path) not in ZARR_SUFFIXES
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
