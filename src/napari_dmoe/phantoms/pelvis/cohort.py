"""Made-up pelvis CT volumes with made-up patients, drawn from a seed; no scan is used.

Every difference between the patients is invented: the T stage alone decides what
belongs to the target beside the prostate, and nothing of it can be seen in the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.patient import ATTRIBUTES, Patient
from napari_dmoe.phantoms.cases import check_sides, draw_cases, phantom, with_stated
from napari_dmoe.phantoms.pelvis.anatomy import Anatomy, View, draw_anatomy, draw_view
from napari_dmoe.phantoms.pelvis.drawing import paint

NOTICE = (
    "These volumes and patients are made up. Every difference between the patients is "
    "invented: the T stage alone decides how wide the target's margin around the "
    "prostate is and whether the seminal vesicles belong to it; race and age decide "
    "nothing. In real life a stage is partly read from the same image, so a model "
    "driven by it would be circular in parts."
)
"""What must be said wherever these phantoms appear."""


@dataclass(frozen=True)
class Margin:
    """What belongs to the target: distances in mm from surfaces, outwards."""

    prostate: float
    vesicles: float | None  # from the seminal ones; None leaves them out


MARGINS: Mapping[str, Margin] = {
    "T1": Margin(-2.5, None),
    "T2": Margin(1.0, None),
    "T3": Margin(4.0, 1.0),
    "T4": Margin(8.0, 5.0),
}
"""What belongs to the target, by T stage. Invented."""

SHAPE = (32, 96, 128)
"""Slices, rows and columns of a phantom, where none are asked for."""


def pelvis_case(
    seed: int,
    number: int,
    *,
    shape: tuple[int, int, int] = SHAPE,
    severity: str | None = None,
) -> Case:
    """Draw one pelvis CT, its target and its patient.

    Parameters
    ----------
    seed, number : int
        Seed of the cohort and place in it; nothing else decides what is drawn.
    shape : tuple of int
        Slices, rows and columns.
    severity : str, optional
        A key of :data:`MARGINS`, to see the same pelvis under another T stage. The
        image does not change, only the labels.

    Returns
    -------
    Case
        (z, y, x) int16 volume in Hounsfield units and uint8 labels: 0 background, 1
        target. z runs to the head, y to the back, x to the patient's left; slices are
        farther apart than pixels, in mm.

    Raises
    ------
    ValueError
        For a T stage that phantoms do not have, or fewer than 8 voxels along an axis.
    """
    check_sides(shape, 8, unit="voxels")
    rng = np.random.default_rng([seed, number])
    patient = with_stated(_draw_patient(rng), "severity", severity, MARGINS, "T stage")
    view, anatomy = draw_view(rng, shape), draw_anatomy(rng)
    return phantom(
        f"pelvis-{number:05d}",
        paint(rng, anatomy, view),
        _target(anatomy, view, MARGINS[str(patient.severity)]),
        axes="zyx",
        spacing=view.spacing,
        patient=patient,
        kind="pelvis",
    )


pelvis_cohort = partial(draw_cases, pelvis_case)
"""From a number of volumes and ``seed`` to them: see :func:`draw_cases`."""


def _draw_patient(rng: np.random.Generator) -> Patient:
    """Draw the attributes, each on its own."""
    return Patient(
        sex="male",
        race=str(rng.choice(ATTRIBUTES["race"].values)),
        age=float(rng.integers(45, 90)),
        severity=str(rng.choice(list(MARGINS))),
    )


def _target(anatomy: Anatomy, view: View, margin: Margin) -> NDArray[np.uint8]:
    """Return 1 in the target: within the margin, and not in bone."""
    where = view.coordinates()
    inside = anatomy.prostate.distance(where) < margin.prostate
    if margin.vesicles is not None:
        for vesicle in anatomy.vesicles:
            inside |= vesicle.distance(where) < margin.vesicles
    return inside.astype(np.uint8)
