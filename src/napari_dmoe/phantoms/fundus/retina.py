"""The ground of a made-up fundus: colour, grain, choroid, macula.

Colours are RGB shares of full brightness, (3, H, W) where they are maps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.anatomy import MACULA
from napari_dmoe.phantoms.fundus.scenes import Scene
from napari_dmoe.phantoms.fundus.textures import smooth, step

_GROUNDS = np.array(
    [
        (0.62, 0.30, 0.08),  # orange
        (0.50, 0.26, 0.09),  # brown
        (0.44, 0.29, 0.12),  # olive
        (0.60, 0.16, 0.06),  # red
        (0.22, 0.11, 0.07),  # dark
        (0.60, 0.38, 0.28),  # pink
        (0.72, 0.42, 0.05),  # yellow
        (0.42, 0.25, 0.24),  # grey and purple
    ]
)


def ground_colour(rng: Rng) -> NDArray[np.float64]:
    """Draw the colour of a fundus, (3,): a mixture of two."""
    one, other = _GROUNDS[rng.integers(0, len(_GROUNDS), 2)]
    share = rng.uniform(0, 1)
    mixed = share * one + (1 - share) * other
    return np.asarray(mixed * rng.uniform(0.8, 1.2) * rng.uniform(0.9, 1.1, 3))


def paint_retina(rng: Rng, scene: Scene, colour: NDArray[np.float64]) -> Floats:
    """Paint the retina without disc and vessels, (3, H, W)."""
    grain = np.zeros_like(scene.x)
    for cell in (0.15, 0.6, 2.5):
        grain += smooth(rng, scene.view, cell=cell) * np.float32(rng.uniform(0, 0.07))
    grain += _fibres(rng, scene)
    light = np.asarray((1 + grain)[None] * _macula(rng, scene), np.float32)
    if rng.random() < 0.4:
        light = light * _choroid(rng, scene)
    return np.asarray(colour[:, None, None] * light, np.float32)


def _fibres(rng: Rng, scene: Scene) -> Floats:
    """Return the sheen of nerve fibres, in rays from the disc, more up and down."""
    angle, distance = np.arctan2(scene.y, scene.x), np.hypot(scene.x, scene.y)
    rays = np.interp(angle, np.linspace(-np.pi, np.pi, 160), rng.normal(0, 1, 160))
    upright = np.abs(np.sin(angle)) ** 2
    sheen = rng.uniform(0, 0.06) * rays + rng.uniform(0, 0.3) * upright
    sheen = sheen * np.exp(-distance / rng.uniform(1.5, 3.5))
    glow = rng.uniform(-0.05, 0.2) * np.exp(-distance / rng.uniform(1, 3))
    return np.asarray(sheen + glow, np.float32)


def _macula(rng: Rng, scene: Scene) -> Floats:
    """Return the light that the darker macula leaves, (3, H, W)."""
    dx = scene.x - MACULA[0] - rng.normal(0, 0.3)
    dy = scene.y - MACULA[1] - rng.normal(0, 0.3)
    size = rng.uniform(0.5, 1.6)
    dark = rng.uniform(0.05, 0.5) * np.exp(-(dx**2 + dy**2) / (2 * size**2))
    tint = np.array([0.8, 1.1, 1.0])[:, None, None]
    return np.asarray(1 - tint * dark, np.float32)


def _choroid(rng: Rng, scene: Scene) -> Floats:
    """Return the factor of choroidal vessels that shine through, (3, H, W)."""
    ridges = np.zeros_like(scene.x)
    for cell in rng.uniform(0.15, 0.5, 2):
        ridges += 1 - np.minimum(np.abs(smooth(rng, scene.view, cell=cell)) / 0.6, 1)
    where = step(smooth(rng, scene.view, cell=4.0) + rng.uniform(-0.5, 1.5))
    strength = rng.uniform(0.1, 0.55) * np.array([1.0, rng.uniform(0.5, 1.1), 0.5])
    return np.asarray(
        1 + strength[:, None, None] * (where * (ridges - 0.7))[None], np.float32
    )
