"""The geometry of a made-up fundus: disc, cup, vessels, and the camera's view of them.

World coordinates have the disc's centre at the origin, x towards the macula, y down,
and the disc's vertical radius as the unit of length. Nothing here has a colour; that is
:mod:`napari_dmoe.phantoms.fundus.drawing`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Floats, Rng

MACULA = (5.0, 0.4)
"""Usual place of the fovea, about 2.5 disc diameters beside and a little below."""

LARGEST_CUP = 0.94
"""A cup ends at this share of the disc's radius at most, so that a rim is left."""

_REACH = 1.12
"""No disc reaches farther than this from its centre, whatever its outline."""

_WHOLE_VIEWS = 0.2
"""Share of photographs that show the whole round field; the rest are closer views."""

_DISC_WIDTHS = (0.28, 0.6)
"""Vertical disc diameter in closer views, as shares of the frame's shorter side."""

_VESSEL_POINTS = 28


@dataclass(frozen=True)
class Disc:
    """Outline of an optic disc and of the pallor, which is what is seen of its cup."""

    radius_x: float  # the vertical one is 1
    wobble: tuple[float, float]  # of the outline's second and third harmonic
    wobble_phase: tuple[float, float]  # in radians
    pallor_centre: tuple[float, float]  # (x, y), and that of the true cup
    pallor_radius: float  # the vertical one
    pallor_aspect: float  # horizontal through vertical radius

    def level(self, x: Floats, y: Floats) -> Floats:
        """Return the distance from the centre over that of the outline: 1 on it."""
        angle = np.arctan2(y, x)
        outline = np.ones_like(angle)
        for n, size, phase in zip((2, 3), self.wobble, self.wobble_phase, strict=True):
            outline += np.float32(size) * np.cos(n * angle + np.float32(phase))
        return np.asarray(np.hypot(x / self.radius_x, y) / outline, np.float32)

    def pallor_level(self, x: Floats, y: Floats) -> Floats:
        """Return the same for the pallor; a cup of factor f ends at level f."""
        dx = (x - self.pallor_centre[0]) / self.pallor_aspect
        dy = y - self.pallor_centre[1]
        return np.asarray(np.hypot(dx, dy) / self.pallor_radius, np.float32)


@dataclass(frozen=True)
class View:
    """Where the camera looks, and how far its round field reaches."""

    shape: tuple[int, int]  # height and width of the frame in pixels
    radius_px: float  # vertical radius of the disc: pixels per world unit
    disc_px: tuple[float, float]  # row and column of the disc's centre
    tilt: float  # rotation of the eye in radians
    is_left: bool  # whether the macula lies to the right of the disc in the frame
    field_centre: tuple[float, float]  # world (x, y) of the camera's round field
    field_radius: float  # in world units; beyond it the frame is black

    def world(self) -> tuple[Floats, Floats]:
        """Return the world x and y of every pixel, two (H, W) float32 arrays."""
        rows = (np.arange(self.shape[0]) - self.disc_px[0])[:, None] / self.radius_px
        columns = (np.arange(self.shape[1]) - self.disc_px[1])[None, :] / self.radius_px
        side = 1 if self.is_left else -1
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        x = side * (cos * columns + sin * rows)
        y = -sin * columns + cos * rows
        return x.astype(np.float32), y.astype(np.float32)

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (row, column) of world points, (n, 2) from (n, 2)."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        x = points[:, 0] * (1 if self.is_left else -1)
        columns = cos * x - sin * points[:, 1]
        rows = sin * x + cos * points[:, 1]
        return np.stack([rows, columns], axis=1) * self.radius_px + self.disc_px


@dataclass(frozen=True)
class Vessel:
    """One vessel from its root outwards; veins are wider and darker than arteries."""

    points: NDArray[np.float64]  # (n, 2), world (x, y) along its middle
    width: NDArray[np.float64]  # (n,), the full width at each point
    is_vein: bool


def draw_disc(rng: Rng) -> Disc:
    """Draw the outline of a disc and of its pallor."""
    return Disc(
        radius_x=rng.uniform(0.84, 1.03),
        wobble=(rng.uniform(0, 0.025), rng.uniform(0, 0.02)),
        wobble_phase=(rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)),
        pallor_centre=(rng.uniform(-0.02, 0.28), rng.uniform(-0.08, 0.08)),
        pallor_radius=rng.uniform(0.46, 0.7),
        pallor_aspect=rng.uniform(0.85, 1.1),
    )


def draw_view(rng: Rng, shape: tuple[int, int], *, may_be_whole: bool = True) -> View:
    """Draw a view whose frame and round field hold the whole disc.

    The disc lies inside the frame's middle square, which is what a network sees of an
    oblong image. The whole round field is seen only where it `may_be_whole`.
    """
    side = min(shape)
    field_radius = rng.uniform(5.5, 9.0)
    towards_macula = rng.uniform(0, 1.1) * min(1.0, (field_radius - 1.6) / MACULA[0])
    field_centre = (MACULA[0] * towards_macula, rng.uniform(-0.5, 0.5))
    tilt, is_left = rng.uniform(-0.3, 0.3), bool(rng.random() < 0.5)
    is_whole = rng.random() < _WHOLE_VIEWS and may_be_whole
    if is_whole:
        fitting_px = side / (2 * field_radius * rng.uniform(0.94, 1.2))
        radius_px = max(fitting_px, 0.05 * side)
    else:
        radius_px = 0.5 * side * np.exp(rng.uniform(*np.log(_DISC_WIDTHS)))
        field_radius *= rng.choice([1.0, 4.0])
    free = side / 2 - _REACH * radius_px - 1
    shift = rng.uniform(-free, free, 2)
    middle = (np.array(shape) - 1) / 2
    view = View(shape, radius_px, (0, 0), tilt, is_left, field_centre, field_radius)
    if is_whole:
        off_middle = -view.pixels(np.array([field_centre]))[0]
        shift = np.clip(off_middle + rng.normal(0, 0.02 * side, 2), -free, free)
    row, column = middle + shift
    place = (float(row), float(column))
    return View(shape, radius_px, place, tilt, is_left, field_centre, field_radius)


def draw_vessels(rng: Rng) -> list[Vessel]:
    """Draw the vascular tree: an artery and a vein to each quadrant, with branches."""
    vessels: list[Vessel] = []
    for up in (-1, 1):
        for is_vein in (False, True):
            vessels += _arcade(rng, up, is_vein=is_vein)
            vessels += _nasal(rng, up, is_vein=is_vein)
    for _ in range(rng.integers(2, 6)):
        start = rng.uniform(-0.5, 0.5, 2)
        heading = rng.uniform(-np.pi, np.pi)
        width = rng.uniform(0.03, 0.06)
        vessels.append(
            _vessel(rng, start, turn=(heading, heading), width=width, length=2.5)
        )
    return vessels


def _arcade(rng: Rng, up: int, *, is_vein: bool) -> list[Vessel]:
    """Draw a temporal vessel, which leaves upwards or downwards and rounds the macula.

    ``up`` is -1 for the upper half, where y is negative, and 1 for the lower one.
    """
    start = np.array([rng.normal(-0.12, 0.1), up * rng.uniform(0.0, 0.3)])
    first = up * rng.normal(1.6, 0.22)
    last = up * rng.normal(0.05, 0.15)
    width = rng.uniform(0.13, 0.22) if is_vein else rng.uniform(0.09, 0.16)
    length = rng.uniform(11, 15)
    trunk = _vessel(
        rng, start, turn=(first, last), width=width, length=length, is_vein=is_vein
    )
    return [trunk, *_branches(rng, trunk, depth=2)]


def _nasal(rng: Rng, up: int, *, is_vein: bool) -> list[Vessel]:
    """Draw a vessel to the nasal side, thinner and straighter."""
    start = np.array([rng.normal(-0.2, 0.08), up * rng.uniform(0.0, 0.25)])
    first = up * rng.normal(2.3, 0.3)
    width = rng.uniform(0.06, 0.15)
    last = first + rng.normal(0, 0.3)
    length = rng.uniform(6, 10)
    trunk = _vessel(
        rng, start, turn=(first, last), width=width, length=length, is_vein=is_vein
    )
    return [trunk, *_branches(rng, trunk, depth=1)]


def _vessel(
    rng: Rng,
    start: NDArray[np.float64],
    *,
    turn: tuple[float, float],
    width: float,
    length: float,
    is_vein: bool = False,
) -> Vessel:
    """Walk from `start`, turning smoothly from one heading to another (radians)."""
    first, last = turn
    along = np.linspace(0, length, _VESSEL_POINTS)
    turned = np.exp(-along / max(2.6, 0.25 * length))
    waves = rng.normal(0, 0.16, 3)[:, None] * np.sin(
        along * rng.uniform(0.5, 2.2, 3)[:, None] + rng.uniform(0, 6.3, 3)[:, None]
    )
    heading = last + (first - last) * turned + waves.sum(axis=0)
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * along[1]
    points = start + np.cumsum(steps, axis=0) - steps[0]
    taper = np.linspace(1, 0.45, _VESSEL_POINTS)
    taper[0] = 0.4  # vessels come up out of the depth: a blunt end looks cut off
    return Vessel(points, width * taper, is_vein)


def _branches(rng: Rng, trunk: Vessel, *, depth: int) -> list[Vessel]:
    """Draw the side branches of a vessel, and theirs."""
    found: list[Vessel] = []
    for at in rng.integers(3, _VESSEL_POINTS - 3, rng.integers(2, 6)):
        along = trunk.points[at + 1] - trunk.points[at]
        heading = np.arctan2(along[1], along[0])
        side = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        width = trunk.width[at] * rng.uniform(0.35, 0.75)
        branch = _vessel(
            rng,
            trunk.points[at],
            turn=(side, side + rng.normal(0, 0.5)),
            width=width,
            length=rng.uniform(1.5, 5.0),
            is_vein=trunk.is_vein,
        )
        found.append(branch)
        if depth > 1:
            found += _branches(rng, branch, depth=depth - 1)
    return found
