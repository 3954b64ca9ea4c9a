"""A result on disk: masks and routing maps as TIFF, each with its record beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_dmoe.imaging.files import write_text, write_tiff
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.routing import RoutingMaps
from napari_dmoe.inference.segmentation import Segmentation

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
MAX_NAME = 80


@dataclass(frozen=True)
class SavedFiles:
    """Where a result was written.

    Parameters
    ----------
    labels : Path
        The mask; its record lies beside it with the suffix ``.json``.
    routing : Path or None
        The gates of every block; likewise.
    probabilities : Path or None
        A map for each class; likewise.
    """

    labels: Path
    routing: Path | None
    probabilities: Path | None


def safe_stem(name: str) -> str:
    """Turn any name into one that every file system takes, without folders."""
    cleaned = re.sub(r"[^\w.-]+", "_", name).strip("._ ")[:MAX_NAME] or "image"
    return f"_{cleaned}" if _RESERVED.match(cleaned) else cleaned


def save_segmentation(
    folder: Path,
    stem: str,
    result: Segmentation,
    image: SpatialImage,
    *,
    routing: bool = False,
) -> SavedFiles:
    """Write a result.

    Parameters
    ----------
    folder : Path
        Where to; made where it does not exist.
    stem : str
        Beginning of the file names; made safe by :func:`safe_stem`.
    result : Segmentation
        What to write: ``<stem>.labels.tif`` and its record; and, where it holds
        probabilities, ``<stem>.probabilities.tif``: float32 with the axes K (class),
        any extra ones, y and x.
    image : SpatialImage
        The image it was made from, for spacing and unit.
    routing : bool
        Also write ``<stem>.routing.tif``: float32 gates, averaged over the values
        that were mixed, with the axes L (block), E (expert), any extra ones, y and x.

    Returns
    -------
    SavedFiles
        Where they are.

    Raises
    ------
    OSError
        When something cannot be written. No file is left half-written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = safe_stem(stem)
    record = result.provenance.model_dump_json(indent=2) + "\n"
    labels = folder / f"{stem}.labels.tif"
    write_tiff(
        labels,
        result.labels,
        axes=result.axes,
        spacing=_spacing(image, result.axes, result.grid.step),
        unit=image.unit,
    )
    write_text(labels.with_suffix(".json"), record)
    gates = probabilities = None
    if routing and result.routing is not None:
        gates = folder / f"{stem}.routing.tif"
        _write_gates(gates, result.routing, image)
        write_text(gates.with_suffix(".json"), record)
    if result.probabilities is not None:
        probabilities = folder / f"{stem}.probabilities.tif"
        write_tiff(
            probabilities,
            result.probabilities,
            axes=("k", *result.axes),
            spacing=_spacing(image, result.axes, result.grid.step),
            unit=image.unit,
        )
        write_text(probabilities.with_suffix(".json"), record)
    return SavedFiles(labels, gates, probabilities)


def _write_gates(path: Path, maps: RoutingMaps, image: SpatialImage) -> None:
    axes = ("l", "e", *maps.axes, "y", "x")
    write_tiff(
        path,
        np.moveaxis(maps.mean(), -1, 1),
        axes=axes,
        spacing=_spacing(image, axes, maps.grid.step),
        unit=image.unit,
    )


def _spacing(
    image: SpatialImage, axes: tuple[str, ...], step: tuple[float, ...]
) -> tuple[float, ...] | None:
    """Return the samples' distance along the spatial axes; y and x are stepped."""
    if image.unit is None:
        return None
    of_image = dict(zip(image.spatial_axes, image.spacing, strict=True))
    factors = {"y": step[-2], "x": step[-1]}
    return tuple(
        of_image[axis] * factors.get(axis, 1.0) for axis in axes if axis in SPATIAL_AXES
    )
