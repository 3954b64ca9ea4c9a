"""Made-up fundi with made-up patients, drawn from a seed; no photograph is used.

Every difference between the patients is invented. Severity alone moves the cup's
border here, and a part of that move cannot be seen in the image: a model that is told
the severity can do better than one that is not. In real life a diagnosis of glaucoma is
made *from* the cup, so a model driven by it would be circular. Phantoms show that the
machinery works; they say nothing about people.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.patient import ATTRIBUTES, Patient
from napari_dmoe.phantoms.cases import check_sides, draw_cases, phantom, with_stated
from napari_dmoe.phantoms.fundus import anatomy
from napari_dmoe.phantoms.fundus.anatomy import LARGEST_CUP, Disc, View
from napari_dmoe.phantoms.fundus.drawing import paint
from napari_dmoe.phantoms.fundus.scenes import draw_scene
from napari_dmoe.phantoms.fundus.variety import paint_varied

NOTICE = (
    "These images and patients are made up. Every difference between the patients is "
    "invented: severity alone decides how far the true cup reaches beyond the pallor "
    "that can be seen, and sex, race and age decide nothing about it. In real life a "
    "diagnosis is made from the cup, so a model driven by it would be circular."
)
"""What must be said wherever phantoms appear."""

CUP_FACTORS: Mapping[str, float] = {"healthy": 0.85, "suspect": 1.08, "glaucoma": 1.32}
"""Radius of the true cup over that of the visible pallor, by severity. Invented."""

RACE_CUP_FACTORS: Mapping[str, float] = {
    "healthy": 0.72,
    "suspect": 1.0,
    "glaucoma": 1.35,
}
"""The same for phantoms whose disc depends on race. Invented."""

DISC_FACTORS: Mapping[str, float] = {"Asian": 0.88, "Black": 1.0, "White": 1.12}
"""Radius of the true disc over that of the visible one, by race, for phantoms whose
disc depends on it. Invented."""

RACE_NOTICE = (
    "These images and patients are made up. Every difference between the patients is "
    "invented: severity decides how far the true cup reaches beyond the pallor that "
    "can be seen, and race how far the true disc reaches beyond its visible border. "
    "Nothing of this kind is known of real eyes."
)
"""What must be said wherever phantoms appear whose disc depends on race."""

DISC_HEIGHT_MM = (1.8, 0.12)
"""Mean and spread of the disc's vertical diameter."""

SIZE = (288, 288)
"""Height and width of a phantom in pixels, where none are asked for."""

_COLOUR_SHARE, _RACE_COLOUR_SHARE = 0.85, 0.65

_PIGMENT_OF_RACE = {"Asian": "medium", "Black": "dark", "White": "light"}
_OTHER_PIGMENT_SHARE = 0.4


def fundus_case(
    seed: int,
    number: int,
    *,
    size: tuple[int, int] = SIZE,
    severity: str | None = None,
) -> Case:
    """Draw one fundus, its labels and its patient.

    Parameters
    ----------
    seed, number : int
        Seed of the cohort and place in it; nothing else decides what is drawn.
    size : tuple of int
        Height and width in pixels.
    severity : str, optional
        A key of :data:`CUP_FACTORS`, to see the same eye under another severity. The
        image does not change, only the cup's border in the labels.

    Returns
    -------
    Case
        Colour (y, x, c) or grey (y, x) uint8 image, and (y, x) uint8 labels: 0
        background, 1 rim, 2 cup; all background where no disc is seen. Pixels are
        square, in mm, such that a disc is about 1.8 mm high.

    Raises
    ------
    ValueError
        For a severity that phantoms do not have, or a side under 32 pixels.

    Notes
    -----
    The cup is where the pallor's level is below ``CUP_FACTORS[severity]`` and the
    disc's level below :data:`LARGEST_CUP`. Sex, age and race change nothing. All of
    this is invented.
    """
    check_sides(size, 32, unit="pixels")
    rng = np.random.default_rng([seed, number])
    patient = with_stated(
        _draw_patient(rng), "severity", severity, CUP_FACTORS, "severity"
    )
    is_colour = bool(rng.random() < _COLOUR_SHARE)
    height_mm = rng.normal(*DISC_HEIGHT_MM)
    scene = draw_scene(rng, size)
    labels = _labels(
        scene.view, scene.disc, cup_factor=CUP_FACTORS[str(patient.severity)]
    )
    return phantom(
        f"fundus-{number:05d}",
        paint_varied(rng, scene, is_colour=is_colour),
        labels * scene.is_seen,
        axes="yxc" if is_colour else "yx",
        spacing=2 * [height_mm / (2 * scene.view.radius_px)],
        patient=patient,
        kind="fundus",
    )


def fundus_race_case(
    seed: int,
    number: int,
    *,
    size: tuple[int, int] = SIZE,
    severity: str | None = None,
    disc_factors: Mapping[str, float] = DISC_FACTORS,
) -> Case:
    """Draw one plain fundus whose true disc is narrower or wider with the race.

    As :func:`fundus_case`, with less variety, and with :data:`RACE_CUP_FACTORS`.
    `disc_factors` are radii of the true disc over that of the visible one, by race;
    of others than :data:`DISC_FACTORS` the case is of no kind. Race also shifts how
    often each pigmentation is drawn.
    """
    check_sides(size, 32, unit="pixels")
    rng = np.random.default_rng([seed, number])
    patient = with_stated(
        _draw_patient(rng), "severity", severity, RACE_CUP_FACTORS, "severity"
    )
    is_colour = bool(rng.random() < _RACE_COLOUR_SHARE)
    # A laser ophthalmoscope is pointed at the disc; it has no view of the whole fundus.
    view = anatomy.draw_view(rng, size, may_be_whole=is_colour)
    disc = anatomy.draw_disc(rng)
    spacing = 2 * [rng.normal(*DISC_HEIGHT_MM) / (2 * view.radius_px)]
    pixels = paint(
        rng,
        view=view,
        disc=disc,
        vessels=anatomy.draw_vessels(rng),
        pigment=_draw_pigment(rng, str(patient.race)),
        is_colour=is_colour,
    )
    labels = _labels(
        view,
        disc,
        cup_factor=RACE_CUP_FACTORS[str(patient.severity)],
        disc_factor=disc_factors[str(patient.race)],
    )
    return phantom(
        f"fundus-{number:05d}",
        pixels,
        labels,
        axes="yxc" if is_colour else "yx",
        spacing=spacing,
        patient=patient,
        kind="fundus-race" if disc_factors == DISC_FACTORS else None,
    )


fundus_cohort = partial(draw_cases, fundus_case)
"""From a number of fundi and ``seed`` to them: see :func:`draw_cases`."""

fundus_race_cohort = partial(draw_cases, fundus_race_case)
"""The same of plain fundi, whose true disc is narrower or wider with the race."""


def _draw_patient(rng: np.random.Generator) -> Patient:
    """Draw the four attributes, each on its own."""
    return Patient(
        sex=str(rng.choice(ATTRIBUTES["sex"].values)),
        race=str(rng.choice(ATTRIBUTES["race"].values)),
        age=float(rng.integers(20, 90)),
        severity=str(rng.choice(list(CUP_FACTORS))),
    )


def _draw_pigment(rng: np.random.Generator, race: str) -> str:
    """Draw a pigmentation: mostly the one made up for the race, else any."""
    other = str(rng.choice(list(_PIGMENT_OF_RACE.values())))
    return other if rng.random() < _OTHER_PIGMENT_SHARE else _PIGMENT_OF_RACE[race]


def _labels(
    view: View, disc: Disc, *, cup_factor: float, disc_factor: float = 1.0
) -> NDArray[np.uint8]:
    """Return 0 background, 1 rim, 2 cup at every pixel's centre."""
    x, y = view.world()
    level = disc.level(x, y) / np.float32(disc_factor)
    is_cup = (disc.pallor_level(x, y) < cup_factor) & (level < LARGEST_CUP)
    return (level < 1).astype(np.uint8) + (is_cup & (level < 1))
