"""What the widgets say of images, patients and results, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_dmoe.inference.results.provenance import DriverRecord
from napari_dmoe.models.training_images import UNLIKE
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.viewer.layers.axes import AXIS_TITLES, question
from napari_dmoe.viewer.layers.placement import (
    axis_names,
    data_to_world,
    length_factors,
    samples_of,
)
from napari_dmoe.viewer.session.results import Result

if TYPE_CHECKING:
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.models.card import ModelCard


def describe_image(image: Image, dims: int = 2) -> str:
    """Say how large an image is, what it is run over, and how large its pixels are.

    The model sees `dims` axes at once: 2 or 3.
    """
    names = axis_names(image, dims)
    shape = samples_of(image).shape
    sizes = dict(zip(names, shape, strict=False))
    along = [axis for axis in ("x", "y", "z")[:dims] if axis in sizes]
    parts = [" × ".join(str(sizes.pop(axis)) for axis in along)]
    n_channels = 3 if image.rgb else sizes.get("c", 1)
    parts.append("grey" if n_channels == 1 else "colour")
    over = [f"{AXIS_TITLES.get(a, a)} {n}" for a, n in sizes.items() if a != "c"]
    if over:
        unit = "plane by plane" if dims == 2 else "volume by volume"
        parts.append(f"{unit} over {', '.join(over)}")
    places = [names.index(axis) for axis in along]
    factors = length_factors(image, places)
    if factors is None:
        parts.append("pixel size unknown")
    else:
        size = _pixel_size(image, places, factors)
        parts.append(f"{size} mm {'pixels' if len(along) == 2 else 'voxels'}")
    return " · ".join(parts)


def _pixel_size(image: Image, places: Sequence[int], factors: list[float]) -> str:
    """Return the distances between neighbours in mm; one number where they agree."""
    sides = np.linalg.norm(data_to_world(image)[:-1, places], axis=0) * factors
    if np.allclose(sides, sides[0], rtol=1e-3):
        return f"{sides[0]:.3g}"
    return " × ".join(f"{side:.3g}" for side in sides)


_CHANNELS_OF_PLANES = (1, 3, 4)


def image_problem(image: Image, dims: int) -> str:
    """Say why a model cannot use an image; nothing where it can."""
    shape = samples_of(image).shape
    if 0 in shape:
        return "The layer is empty."
    unanswered = question(image)
    if unanswered:
        return unanswered
    sizes = dict(zip(axis_names(image, dims), shape, strict=False))
    n_channels = sizes.get("c", 1)
    if dims == 2 and n_channels not in _CHANNELS_OF_PLANES:
        return (
            f"This model takes grey or colour images, this one has {n_channels} "
            "channels: choose one of them, or combine them to RGB."
        )
    if dims == 2 and min(sizes["y"], sizes["x"]) < 2:
        return "This model takes images of at least 2 × 2 pixels."
    if dims == 3 and ("z" not in axis_names(image, dims) or image.rgb):
        return "This model takes grey volumes: open a 3D image, or a 2D model."
    return ""


def patient_problem(card: ModelCard | None, patient: Patient) -> str:
    """Say why a model cannot use a patient; nothing where it can."""
    try:
        if card is not None:
            card.categories(patient)
    except PatientError as error:
        return str(error)[:1].upper() + str(error)[1:] + "."
    return ""


def band_notes(card: ModelCard | None, patient: Patient) -> dict[str, str]:
    """Say which of the model's values a number falls into, such as an age band."""
    notes = {}
    for driver in card.attributes if card is not None else ():
        try:
            place = driver.category_of(patient)
        except PatientError:
            continue
        if driver.edges is not None and place is not None:
            notes[driver.name] = driver.values[place]
    return notes


def describe_run(result: Result) -> str:
    """Say what a mask was made for, and in what time."""
    drivers = result.segmentation.provenance.drivers
    made_for = "; ".join(map(_driver, drivers)) or "everybody alike"
    edited = " · painted, so the next run leaves it" if result.looks_edited else ""
    how = "from a file" if result.request.is_of_file else f"{result.seconds:.1f} s"
    return f"Made for {made_for} · {how}{edited}"


def _driver(record: DriverRecord) -> str:
    name = record.attribute.replace("_", " ")
    if record.value is not None:
        return f"{name}: {record.value}"
    return f"{name} unknown: {len(record.values)} values mixed"


def run_notices(result: Result) -> tuple[str, ...]:
    """Return what must be said of a run: by its model's card, and by the run itself.

    Not what :func:`unlike_notice` returns, which stands on its own.
    """
    provenance = result.segmentation.provenance
    notices = (provenance.model.notice, *provenance.notices)
    return tuple(
        notice[:1].upper() + notice[1:]
        for notice in notices
        if notice and UNLIKE not in notice
    )


def unlike_notice(segmentation: Segmentation) -> str:
    """Return what is said of images unlike those of the training; empty if nothing."""
    for notice in segmentation.provenance.notices:
        if UNLIKE in notice:
            return f"{notice[:1].upper()}{notice[1:]}."
    return ""
