"""What the table of a series tells of a mask: headline, sizes, and how it was made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.series.rows import size_cells
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.masks.headline import mask_headline
from napari_dmoe.inference.masks.measures import class_sizes, cup_to_disc
from napari_dmoe.inference.results.provenance import Provenance

CORRECTED = "corrected by hand"
"""Begins the outcome of a mask that somebody painted on."""


def headline_and_sizes(
    labels: NDArray[np.uint8], record: Provenance, image: SpatialImage
) -> tuple[str, dict[str, str]]:
    """Return what a mask shows, and the table's cells of its sizes.

    Sizes are told of a plane or a volume on its own pixels, not of several.

    Parameters
    ----------
    labels : (*S) uint8 array
        The mask, along the record's axes.
    record : Provenance
        How it was made.
    image : SpatialImage
        The image that it was made from, for its place in the world.
    """
    found = mask_headline(labels, record, image)
    is_on_source = record.settings.get("scored_at") != "network"
    if not is_on_source or labels.ndim != len(record.grid["shape"]):
        return found, {}
    return found, sizes_of(record.by_frame(labels), image, record.classes)


def sizes_of(
    labels: NDArray[np.uint8], image: SpatialImage, classes: tuple[str, ...]
) -> dict[str, str]:
    """Return the table's columns on sizes: of each class, and cup-to-disc ratio."""
    along = SPATIAL_AXES[-labels.ndim :]
    frame = Frames(image, along)[0]
    # The pixel's size is the same in whichever order its axes stand.
    on_frame = SpatialImage(labels, along, frame.affine, frame.unit)
    return size_cells(class_sizes(on_frame, classes), cup_to_disc(labels, classes))


def outcome_of(record: Provenance, *, is_corrected: bool | None = None) -> str:
    """Say for which values an image was run, and with which notices.

    By default the record says whether somebody painted on the mask.
    """
    is_mixed = any(driver.value is None for driver in record.drivers)
    drivers = ("; " if is_mixed else ", ").join(describe_drivers(record))
    made_for = f"segmented for {drivers}" if drivers else "segmented"
    is_corrected = record.edited if is_corrected is None else is_corrected
    corrected = [CORRECTED] if is_corrected else []
    return "; ".join((*corrected, made_for, *record.notices))


def describe_drivers(provenance: Provenance) -> list[str]:
    """Say the value of each driver, or that it was unknown and what was mixed."""
    return [driver.words for driver in provenance.drivers]
