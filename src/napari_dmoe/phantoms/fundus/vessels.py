"""The vessels of a varied fundus: out of the cup, bent over its edge, fanning out.

They all meet on the disc, which nothing else in a fundus does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Rng
from napari_dmoe.phantoms.fundus.anatomy import Disc, Vessel

_POINTS = 40


@dataclass(frozen=True)
class _Course:
    """Where a vessel begins and how it turns; headings in radians."""

    start: NDArray[np.float64]
    first: float
    last: float
    width: float
    length: float
    is_vein: bool
    bend: float = 0.0
    """How far it is pushed aside where it leaves the cup."""
    bend_at: float = 0.5


def draw_tree(rng: Rng, disc: Disc) -> list[Vessel]:
    """Draw all vessels of an eye with such a disc."""
    centre = np.array([rng.normal(-0.06, 0.13), rng.normal(0, 0.12)])
    tree: list[Vessel] = []
    for up in (-1, 1):
        for is_vein in (False, True):
            for _ in range(rng.choice([1, 2], p=[0.6, 0.4])):
                tree += _large(rng, disc, centre, up, is_vein=is_vein)
            tree += _nasal(rng, centre, up, is_vein=is_vein)
    for _ in range(rng.integers(3, 9)):
        tree.append(_small(rng, disc, centre))
    return tree


def _large(
    rng: Rng, disc: Disc, centre: NDArray[np.float64], up: int, *, is_vein: bool
) -> list[Vessel]:
    """Draw a large vessel, upright on the disc; it rounds the macula or goes nasal."""
    is_temporal = rng.random() < 0.8
    last = rng.normal(0.1, 0.2) if is_temporal else rng.normal(2.4, 0.3)
    course = _Course(
        start=centre + rng.uniform([-0.16, -0.12], [0.16, 0.12]),
        first=up * rng.normal(1.6, 0.22),
        last=up * last,
        width=rng.uniform(0.13, 0.23) if is_vein else rng.uniform(0.09, 0.17),
        length=rng.uniform(9, 15),
        is_vein=is_vein,
        bend=rng.normal(0, 0.1),
        bend_at=disc.pallor_radius * rng.uniform(0.8, 1.1),
    )
    trunk = _walk(rng, course)
    return [trunk, *_branches(rng, trunk, depth=2)]


def _nasal(
    rng: Rng, centre: NDArray[np.float64], up: int, *, is_vein: bool
) -> list[Vessel]:
    first = up * rng.normal(2.3, 0.35)
    course = _Course(
        start=centre + rng.normal(0, 0.08, 2),
        first=first,
        last=first + rng.normal(0, 0.3),
        width=rng.uniform(0.05, 0.14),
        length=rng.uniform(5, 10),
        is_vein=is_vein,
    )
    trunk = _walk(rng, course)
    return [trunk, *_branches(rng, trunk, depth=1)]


def _small(rng: Rng, disc: Disc, centre: NDArray[np.float64]) -> Vessel:
    """Draw a small vessel, from the middle or from under the edge of the cup."""
    heading = rng.uniform(-np.pi, np.pi)
    out = rng.choice([0.0, 0.9 * disc.pallor_radius])
    course = _Course(
        start=centre * (out == 0) + out * np.array([np.cos(heading), np.sin(heading)]),
        first=heading,
        last=heading + rng.normal(0, 0.3),
        width=rng.uniform(0.025, 0.06),
        length=rng.uniform(1.5, 4.5),
        is_vein=bool(rng.random() < 0.5),
    )
    return _walk(rng, course)


def _branches(rng: Rng, trunk: Vessel, *, depth: int) -> list[Vessel]:
    """Draw the side branches of a vessel, and theirs."""
    found: list[Vessel] = []
    for at in rng.integers(10, _POINTS - 2, rng.integers(2, 6)):
        along = trunk.points[at + 1] - trunk.points[at]
        heading = np.arctan2(along[1], along[0])
        side = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.0)
        course = _Course(
            start=trunk.points[at],
            first=side,
            last=side + rng.normal(0, 0.5),
            width=trunk.width[at] * rng.uniform(0.35, 0.75),
            length=rng.uniform(1.5, 5.0),
            is_vein=trunk.is_vein,
        )
        branch = _walk(rng, course)
        found.append(branch)
        if depth > 1:
            found += _branches(rng, branch, depth=depth - 1)
    return found


def _walk(rng: Rng, course: _Course) -> Vessel:
    """Walk a course: finer steps at its start, with waves all along."""
    along = course.length * np.linspace(0, 1, _POINTS) ** 1.6
    turned = np.exp(-along / max(2.4, 0.25 * course.length))
    waves = rng.normal(0, 0.16, 3)[:, None] * np.sin(
        along * rng.uniform(0.5, 2.5, 3)[:, None] + rng.uniform(0, 6.3, 3)[:, None]
    )
    heading = course.last + (course.first - course.last) * turned + waves.sum(axis=0)
    directions = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    steps = np.diff(along, prepend=0.0)
    points = course.start + np.cumsum(directions * steps[:, None], axis=0)
    aside = course.bend * np.exp(-(((along - course.bend_at) / 0.16) ** 2))
    points = points + aside[:, None] * directions[:, ::-1] * [-1, 1]
    taper = np.linspace(1, 0.4, _POINTS)
    taper[0] = 0.6
    return Vessel(points, course.width * taper, course.is_vein)
