"""Made-up skin lesions with made-up patients, drawn from a seed; no photograph is used.

Every difference between the patients is invented: sex and age alone decide how far the
true border lies inside or outside of the pigment that can be seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import partial

import numpy as np

from napari_dmoe.cohorts.case import Case
from napari_dmoe.patient import ATTRIBUTES, Patient
from napari_dmoe.phantoms.cases import check_sides, draw_cases, phantom, with_stated
from napari_dmoe.phantoms.skin.drawing import draw_lesion, paint

NOTICE = (
    "These images and patients are made up. Every difference between the patients is "
    "invented: sex and age alone decide how far the true border of the lesion lies "
    "inside or outside of the pigment that can be seen. Skin tone, race and body site "
    "decide nothing about it."
)
"""What must be said wherever these phantoms appear."""

AGE_EDGES = (20.0, 40.0, 60.0, 80.0)
"""Where one age band ends and the next begins, in years: the bands of HAM10000."""

AGE_BANDS = ("0-19", "20-39", "40-59", "60-79", "80 and over")

AGE_FACTORS = (0.78, 0.88, 1.0, 1.13, 1.28)
"""Radius of the true border over that of the visible one, by age band. Invented."""

SEX_FACTORS: Mapping[str, float] = {"female": 0.92, "male": 1.08}
"""The same by sex; both factors are multiplied. Invented."""

SIZE = (216, 288)
"""Height and width of a phantom in pixels: 3 to 4, as in HAM10000."""

FIELD_MM = (11.0, 16.0)
"""Least and largest width of the field of view in mm."""

_OLDEST = 90


def skin_case(
    seed: int,
    number: int,
    *,
    size: tuple[int, int] = SIZE,
    sex: str | None = None,
    age: float | None = None,
) -> Case:
    """Draw one dermoscopic image of a lesion, its labels and its patient.

    Parameters
    ----------
    seed, number : int
        Seed of the cohort and place in it; nothing else decides what is drawn.
    size : tuple of int
        Height and width in pixels.
    sex, age : str and float, optional
        To see the same lesion on another patient. The image does not change, only the
        border in the labels.

    Returns
    -------
    Case
        (y, x, c) uint8 image, and (y, x) uint8 labels: 0 background, 1 lesion. Pixels
        are square, in mm.

    Raises
    ------
    ValueError
        For a sex that phantoms do not have, or a side under 32 pixels.
    PatientError
        For an age outside 0 to 130 years.

    Notes
    -----
    The lesion is where the level of its outline is below
    ``AGE_FACTORS[band] * SEX_FACTORS[sex]``; 1 is the middle of the visible border.
    """
    check_sides(size, 32, unit="pixels")
    rng = np.random.default_rng([seed, number])
    patient = with_stated(_draw_patient(rng), "sex", sex, SEX_FACTORS, "sex")
    if age is not None:
        patient = patient.with_value("age", age)
    lesion = draw_lesion(rng)
    spacing = 2 * [rng.uniform(*FIELD_MM) / size[1]]
    pixels = paint(rng, lesion, size=size)
    labels = (lesion.level(size) < border_factor(patient)).astype(np.uint8)
    return phantom(
        f"skin-{number:05d}",
        pixels,
        labels,
        axes="yxc",
        spacing=spacing,
        patient=patient,
        kind="skin",
    )


skin_cohort = partial(draw_cases, skin_case)
"""From a number of lesions and ``seed`` to them: see :func:`draw_cases`."""


def border_factor(patient: Patient) -> float:
    """Return the radius of the true border over that of the visible one. Invented."""
    band = bisect_right(AGE_EDGES, float(patient.age or 0.0))
    return AGE_FACTORS[band] * SEX_FACTORS[str(patient.sex)]


def _draw_patient(rng: np.random.Generator) -> Patient:
    """Draw the attributes, each on its own."""
    return Patient(
        sex=str(rng.choice(list(SEX_FACTORS))),
        race=str(rng.choice(ATTRIBUTES["race"].values)),
        age=float(rng.integers(0, _OLDEST)),
        others={"body_site": str(rng.choice(ATTRIBUTES["body_site"].values))},
    )
