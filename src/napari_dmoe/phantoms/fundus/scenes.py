"""What a camera may show of a made-up eye: views, and the disc that lies in them.

Whole fields have the disc in the middle, beside it, at the border or nowhere; closer
views are what is seen around a disc. :mod:`napari_dmoe.phantoms.fundus.anatomy` has
their geometry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.anatomy import MACULA, Disc, View

_WHOLE = 0.55
"""Share of views that show a whole round field."""

_NO_DISC = 0.1
"""Share of whole fields that lie beside the disc."""

_LEAST_SEEN = 0.55
"""Share of the frame that shows the eye and not the camera's mask."""

_CLOSE = (0.22, 0.5)
"""Vertical disc diameter in closer views, as a share of the frame's shorter side."""

_REACH = 1.15
"""No disc reaches farther than this from its centre, whatever its outline."""


@dataclass(frozen=True)
class Scene:
    """One eye as one camera sees it. Maps are (H, W) arrays over the frame."""

    view: View
    disc: Disc
    x: Floats
    y: Floats
    """World coordinates of every pixel."""
    out: Floats
    """Distance from the middle of the round field, in its radii: 1 on its border."""
    field: Floats
    """Share of each pixel that the camera's mask lets through."""

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Whether a pixel shows the eye, and not the camera's mask."""
        return np.asarray(self.field > 0.5)

    @property
    def has_border(self) -> bool:
        """Whether the border of the round field is in the frame."""
        return bool(self.field.min() < 0.5)


def draw_scene(rng: Rng, shape: tuple[int, int]) -> Scene:
    """Draw where the camera looks, and at what disc."""
    disc = _disc(rng)
    while True:
        view = _view(rng, shape)
        field = _field(rng, view)
        if field.mean() > _LEAST_SEEN:
            break
    x, y = view.world()
    centre = view.field_centre
    out = np.hypot(x - centre[0], y - centre[1]) / view.field_radius
    return Scene(view, disc, x, y, np.asarray(out, np.float32), field)


def _view(rng: Rng, shape: tuple[int, int]) -> View:
    tilt, is_left = float(rng.normal(0, 0.15)), bool(rng.random() < 0.5)
    chance, side = rng.random(), min(shape)
    middle = (np.array(shape) - 1) / 2
    if chance < _WHOLE:
        radius = float(rng.uniform(4.2, 9.5))
        px = side / (2 * radius * rng.uniform(0.9, 1.2))
        off = _towards(rng, radius)
        view = View(shape, px, (0, 0), tilt, is_left, off, radius)
        place = middle - view.pixels(np.array([off]))[0]
        place = place + rng.normal(0, 0.02 * side, 2)
        if rng.random() < _NO_DISC:
            view, place = _beside(rng, view)
    else:
        px = 0.5 * side * np.exp(rng.uniform(*np.log(_CLOSE)))
        radius = float(rng.uniform(4.2, 9.5) * rng.choice([1.0, 3.0], p=[0.6, 0.4]))
        off = _towards(rng, radius)
        view = View(shape, px, (0, 0), tilt, is_left, off, radius)
        free = side / 2 - _REACH * px
        place = middle + np.clip(rng.normal(0, 0.5, 2), -1, 1) * free
    return replace(view, disc_px=(float(place[0]), float(place[1])))


def _towards(rng: Rng, radius: float) -> tuple[float, float]:
    """Draw the middle of a field with the disc: by it, the macula, or anywhere."""
    aim = rng.random()
    if aim < 0.5:
        x, y = rng.normal(0.5, 1.2), rng.normal(0, 0.9)
    elif aim < 0.8:
        x, y = MACULA[0] * rng.uniform(0.4, 1.1), rng.normal(0.1, 0.6)
    else:
        far, angle = radius * rng.uniform(0.5, 0.95), rng.uniform(0, 2 * np.pi)
        x, y = far * np.cos(angle), far * np.sin(angle)
    far = np.hypot(x, y)
    most = radius - _REACH
    shrunk = min(1.0, most / max(far, 1e-6))
    return float(x * shrunk), float(y * shrunk)


def _beside(rng: Rng, view: View) -> tuple[View, NDArray[np.float64]]:
    """Turn the camera away, so that the disc is out of its field."""
    angle = rng.uniform(0, 2 * np.pi)
    far = view.field_radius + _REACH + rng.uniform(0.2, 2)
    off = (float(far * np.cos(angle)), float(far * np.sin(angle)))
    turned = replace(view, field_centre=off)
    middle = (np.array(view.shape) - 1) / 2
    return turned, middle - replace(turned, disc_px=(0, 0)).pixels(np.array([off]))[0]


def _disc(rng: Rng) -> Disc:
    """Draw a disc, upright or tilted, and a cup of any size."""
    share = float(np.clip(rng.normal(0.66, 0.17), 0.22, 0.95))
    reach = max(0.0, 0.98 - share)
    return Disc(
        radius_x=float(np.clip(rng.normal(0.93, 0.07), 0.7, 1.06)),
        wobble=(float(rng.uniform(0, 0.06)), float(rng.uniform(0, 0.03))),
        wobble_phase=(rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)),
        pallor_centre=(
            float(np.clip(rng.normal(0.04, 0.08), -reach, reach)),
            float(np.clip(rng.normal(0, 0.06), -reach, reach)),
        ),
        pallor_radius=share,
        pallor_aspect=float(rng.uniform(0.8, 1.08)),
    )


def _field(rng: Rng, view: View) -> Floats:
    """Draw the camera's mask: round, cut at two sides, with a tab, or none."""
    kind = rng.random()
    if kind < 0.1:
        return np.ones(view.shape, np.float32)
    rows, columns = _from_middle(view)
    inside = view.field_radius * view.radius_px - np.hypot(rows, columns)
    if kind < 0.5:
        across = rows if kind < 0.42 else columns
        cut = view.field_radius * view.radius_px * rng.uniform(0.72, 1.0)
        inside = np.minimum(inside, cut - np.abs(across))
    if rng.random() < 0.4:
        inside = np.maximum(inside, _tab(rng, view, rows, columns))
    soft = rng.choice([0.6, 1.5, 4.0], p=[0.6, 0.3, 0.1])
    return np.asarray(np.clip(0.5 + inside / soft, 0, 1), np.float32)


def _from_middle(view: View) -> tuple[Floats, Floats]:
    """Return how many pixels each pixel lies from the middle of the field."""
    middle = view.pixels(np.array([view.field_centre]))[0]
    rows = np.arange(view.shape[0])[:, None] - middle[0]
    columns = np.arange(view.shape[1])[None, :] - middle[1]
    return (
        np.broadcast_to(rows, view.shape).astype(np.float32),
        np.broadcast_to(columns, view.shape).astype(np.float32),
    )


def _tab(rng: Rng, view: View, rows: Floats, columns: Floats) -> Floats:
    """Return how deep pixels lie within a square tab at the border of the field."""
    angle, radius = rng.uniform(0, 2 * np.pi), view.field_radius * view.radius_px
    along = rows * np.sin(angle) + columns * np.cos(angle)
    across = columns * np.sin(angle) - rows * np.cos(angle)
    size = radius * rng.uniform(0.03, 0.09)
    return np.asarray(np.minimum(size - abs(along - radius), size - abs(across)))
