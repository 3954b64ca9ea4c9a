"""What phantoms do alike: smooth noise, stated values, one case, many in a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SpatialImage
from napari_dmoe.patient import Patient

Floats = NDArray[np.float32]
Rng = np.random.Generator


def smooth_noise(
    rng: Rng, shape: Sequence[int], steps: Sequence[float], *, order: int
) -> Floats:
    """Return noise of unit spread; `steps` pixels from one draw to the next."""
    sides = [int(n / step) + 4 for n, step in zip(shape, steps, strict=True)]
    fine = zoom(rng.normal(0, 1, sides), steps, order=order)[
        tuple(slice(0, n) for n in shape)
    ]
    return np.asarray(fine / (fine.std() or 1), np.float32)


def with_stated(
    patient: Patient, name: str, value: str | None, known: Collection[str], title: str
) -> Patient:
    """Return a drawn patient with a value that was asked for, if one was.

    One that phantoms do not have raises a ValueError.
    """
    if value is None:
        return patient
    if value not in known:
        raise ValueError(
            f"phantoms have no {title} {value!r}: expected one of {', '.join(known)}"
        )
    return patient.with_value(name, value)


def check_sides(sides: Sequence[int], least: int, *, unit: str) -> None:
    """Refuse phantoms of a side under `least`, too small to hold what is drawn."""
    if min(sides) < least:
        raise ValueError(
            f"a phantom needs sides of at least {least} {unit}: found {sides}"
        )


def phantom(
    identity: str,
    pixels: NDArray[Any],
    labels: NDArray[np.uint8],
    *,
    axes: str,
    spacing: Sequence[float],
    patient: Patient,
    kind: str | None,
) -> Case:
    """Return what was drawn as a case; `spacing` in mm, labels without a channel.

    `kind` is a key of :data:`napari_dmoe.phantoms.kinds.KINDS`, None for a drawing of
    other rules than these.
    """
    image, truth = (
        SpatialImage.from_array(data, axes=names, spacing=spacing, unit="mm")
        for data, names in ((pixels, axes), (labels, axes.replace(CHANNEL_AXIS, "")))
    )
    return Case(identity, image, truth, patient, phantom=kind)


def draw_cases(
    draw: Callable[..., Case], number: int, *, seed: int, **how: Any
) -> Iterator[Case]:
    """Draw cases 0 to `number` - 1, one at a time; a larger cohort holds a smaller one.

    `draw` takes the seed, a case's number and `how`, such as its size in pixels.
    """
    return (draw(seed, place, **how) for place in range(number))
