"""The geometry of a made-up male pelvis, and the scanner's view of it.

Patient coordinates are in mm from the prostate's centre: (z, y, x) towards the head,
the back and the left. Nothing here has an intensity; that is
:mod:`napari_dmoe.phantoms.pelvis.drawing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from napari_dmoe.phantoms.cases import Floats, Rng

Point = tuple[float, float, float]  # (z, y, x)

_PELVIC_VIEWS = 0.55
"""Share of volumes with the prostate in their middle half, from head to foot."""


@dataclass(frozen=True)
class Ellipsoid:
    """A solid ellipsoid along the axes, in mm."""

    centre: Point
    radii: Point

    def distance(self, where: Floats) -> Floats:
        """Return about how far points (3, ...) lie outside, in mm; inside it is < 0."""
        squares = sum(
            ((w - c) / r) ** 2
            for w, c, r in zip(where, self.centre, self.radii, strict=True)
        )
        steepness = float(np.prod(self.radii)) ** (1 / 3)
        return np.asarray((np.sqrt(squares) - 1) * steepness, np.float32)


@dataclass(frozen=True)
class Capsule:
    """A rod with round ends, in mm."""

    start: Point
    end: Point
    radius: float

    def distance(self, where: Floats) -> Floats:
        """Return how far points (3, ...) lie outside, in mm; inside it is < 0."""
        start, along = np.array(self.start), np.subtract(self.end, self.start)
        offset = where - start.reshape(3, 1, 1, 1).astype(np.float32)
        share = np.tensordot(along.astype(np.float32), offset, axes=1)
        share = np.clip(share / np.float32(along @ along), 0, 1)
        offset = offset - along.reshape(3, 1, 1, 1).astype(np.float32) * share
        return np.asarray(np.sqrt((offset**2).sum(0)) - self.radius, np.float32)


Shape = Ellipsoid | Capsule


@dataclass(frozen=True)
class Anatomy:
    """What one pelvis holds."""

    body: Ellipsoid  # the skin
    cavity: Ellipsoid  # the inner border of the fat beneath it
    prostate: Ellipsoid
    bladder: Ellipsoid
    vesicles: tuple[Ellipsoid, ...]  # the seminal ones
    rectum: tuple[Capsule, ...]  # from below upwards
    bones: tuple[Shape, ...]
    muscles: tuple[Shape, ...]


@dataclass(frozen=True)
class View:
    """Where the scanner looks."""

    shape: tuple[int, int, int]  # slices, rows and columns
    spacing: Point  # in mm
    prostate: Point  # where its centre lies, in mm from the first voxel
    turn: Point  # of the patient, in degrees about z, y and x

    def coordinates(self) -> Floats:
        """Return the patient coordinates (3, D, H, W) of all voxels."""
        axes = [
            np.arange(n) * s - p
            for n, s, p in zip(self.shape, self.spacing, self.prostate, strict=True)
        ]
        scanner = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
        turn = Rotation.from_euler("xyz", self.turn, degrees=True).as_matrix()
        return np.tensordot(turn.astype(np.float32), scanner, axes=1)


def draw_view(rng: Rng, shape: tuple[int, int, int]) -> View:
    """Draw where a volume begins, and how the patient lies in it."""
    in_plane = float(rng.uniform(2.7, 3.3))
    spacing = (float(rng.uniform(3.5, 5.0)), in_plane, in_plane)
    size = np.multiply(shape, spacing)
    # Others cut it off at an end, or show only the abdomen or the thighs.
    reach = 0.27 if rng.random() < _PELVIC_VIEWS else 0.85
    shift = rng.uniform(-1, 1, 3) * (reach * size[0], 25.0, 35.0)
    middle = size / 2 + shift
    return View(
        shape=shape,
        spacing=spacing,
        prostate=(float(middle[0]), float(middle[1]), float(middle[2])),
        turn=tuple(rng.normal(0, (4, 3, 3)).tolist()),
    )


def draw_anatomy(rng: Rng) -> Anatomy:
    """Draw a pelvis: sizes vary, what lies where does not."""
    size = rng.uniform(0.9, 1.1)
    prostate_radii = rng.uniform((15, 13, 19), (25, 20, 28))
    bladder_radii = rng.uniform((18, 20, 26), (48, 44, 58))
    rz, ry, _ = prostate_radii
    bladder_z = rz + bladder_radii[0] - rng.uniform(3, 8)
    depth, width = size * rng.uniform(105, 130), size * rng.uniform(165, 200)
    fat = rng.uniform(10, 32)
    back = rng.uniform(-12, 8)
    bones, muscles = map(_both_sides, _skeleton(rng, size))
    return Anatomy(
        body=Ellipsoid((20, back, 0), (900, depth, width)),
        cavity=Ellipsoid((20, back, 0), (880, depth - fat, width - 0.8 * fat)),
        prostate=_ellipsoid((0, 0, 0), prostate_radii),
        bladder=_ellipsoid(
            (bladder_z, rng.uniform(-16, -4), rng.normal(0, 4)), bladder_radii
        ),
        vesicles=tuple(
            _ellipsoid(
                (rz + 3, ry * 0.55 + 5, side * rng.uniform(13, 18)),
                rng.uniform((5, 4.5, 11), (8, 7, 16)),
            )
            for side in (-1, 1)
        ),
        rectum=_rectum(rng, ry),
        bones=(*bones, *_midline_bones(rng, ry)),
        muscles=(*muscles, *_pelvic_floor(rng, prostate_radii)),
    )


def _ellipsoid(centre: object, radii: object) -> Ellipsoid:
    z, y, x = np.asarray(centre, float).tolist()
    rz, ry, rx = np.asarray(radii, float).tolist()
    return Ellipsoid((z, y, x), (rz, ry, rx))


def _rectum(rng: Rng, prostate_depth: float) -> tuple[Capsule, ...]:
    """Return a bent tube behind the prostate."""
    radius = float(rng.uniform(10, 19))
    y = prostate_depth + radius + rng.uniform(3, 7)
    points = [
        (-60.0, y + 22, 0.0),
        (-22.0, y + 2, 0.0),
        (18.0, y + rng.uniform(0, 6), rng.normal(0, 4)),
        (60.0, y + rng.uniform(4, 14), rng.normal(0, 12)),
        (110.0, y - rng.uniform(0, 20), rng.normal(0, 25)),
    ]
    return tuple(
        Capsule(below, above, radius * (0.7 if i == 0 else 1.0))
        for i, (below, above) in enumerate(pairwise(points))
    )


def _skeleton(rng: Rng, size: float) -> tuple[list[Shape], list[Shape]]:
    """Return bones and muscles of the left side."""
    hip = size * rng.uniform(84, 94)
    z = rng.uniform(5, 20)
    bones: list[Shape] = [
        Ellipsoid((z, 0, hip), (24, 24, 24)),  # femoral head
        Capsule((z, 3, hip + 12), (z - 22, 12, hip + 48), 15),  # femoral neck
        Capsule((z - 22, 12, hip + 48), (z - 160, 8, hip + 38), 16),  # shaft
        Capsule((z - 4, 32, hip - 6), (z - 58, 36, hip - 28), 14),  # ischium
        Capsule((z + 8, -30, hip - 8), (z - 12, -42, 16), 10),  # upper pubic ramus
        Capsule((z - 16, -40, 14), (z - 62, 12, hip - 34), 8),  # lower pubic ramus
        Capsule((z + 22, 8, hip - 2), (z + 62, 30, hip + 2), 17),  # above the socket
        Capsule((z + 62, 30, hip + 2), (z + 135, 20, hip + 22), 13),  # ilium
        Capsule((z + 62, 38, hip - 4), (z + 100, 68, hip - 42), 12),  # to the sacrum
    ]
    muscles: list[Shape] = [
        Ellipsoid((z - 8, 4, hip - 38), (38, 40, 11)),  # obturator internus
        Ellipsoid((z + 10, 78, hip - 6), (110, 34, 62)),  # gluteus maximus
        Ellipsoid((z + 60, 40, hip + 42), (70, 45, 22)),  # gluteus medius
        Ellipsoid((z - 20, -38, hip + 14), (120, 26, 36)),  # thigh, in front
        Ellipsoid((z - 100, 10, hip + 10), (80, 66, 60)),  # thigh
        Ellipsoid((z + 70, -10, hip - 18), (70, 26, 24)),  # iliopsoas
        Ellipsoid((z - 62, 6, 34), (30, 34, 20)),  # pelvic floor
    ]
    return bones, muscles


def _both_sides(shapes: list[Shape]) -> tuple[Shape, ...]:
    """Return shapes of the left side, and mirrored to the right as well."""
    return (*shapes, *map(_mirrored, shapes))


def _mirrored(shape: Shape) -> Shape:
    if isinstance(shape, Ellipsoid):
        z, y, x = shape.centre
        return Ellipsoid((z, y, -x), shape.radii)
    (z0, y0, x0), (z1, y1, x1) = shape.start, shape.end
    return Capsule((z0, y0, -x0), (z1, y1, -x1), shape.radius)


def _pelvic_floor(rng: Rng, prostate_radii: NDArray[np.float64]) -> list[Shape]:
    """Return the muscles that hold the prostate at both sides and from below."""
    rz, ry, rx = prostate_radii.tolist()
    gap = rng.uniform(2, 6)
    sides: list[Shape] = [
        Ellipsoid((-8, 4, side * (rx + gap + 4)), (rz + 8, ry + 10, 4.5))
        for side in (-1, 1)
    ]
    below = Ellipsoid((-rz - 14, -4, 0), (13, 30, rng.uniform(16, 30)))
    return [*sides, below]


def _midline_bones(rng: Rng, prostate_depth: float) -> tuple[Shape, ...]:
    """Return sacrum and coccyx behind, and the pubic symphysis in front."""
    back = prostate_depth + rng.uniform(62, 78)
    front = -prostate_depth - rng.uniform(22, 30)
    return (
        Ellipsoid((-4, front, 10), (17, 10, 9)),
        Ellipsoid((-4, front, -10), (17, 10, 9)),
        Capsule((22, back - 14, 0), (52, back, 0), 8),
        Ellipsoid((84, back + 2, 0), (42, 18, 40)),
        Ellipsoid((150, back - 28, 0), (40, 26, 28)),
        Capsule((180, back - 40, 0), (420, back - 34, 0), 25),
    )
