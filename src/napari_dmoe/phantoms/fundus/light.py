"""How a made-up fundus is lit: spots, dark halves, haze, glare at the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.scenes import Scene
from napari_dmoe.phantoms.fundus.textures import step

_GLARES = np.array(
    [
        (1.0, 0.85, 0.35),  # yellow
        (1.0, 0.45, 0.10),  # orange
        (0.65, 0.75, 0.20),  # green
        (0.35, 0.75, 0.70),  # blue-green
        (0.95, 0.95, 0.90),  # white
    ]
)


def lit(rng: Rng, image: Floats, scene: Scene) -> Floats:
    """Light an eye (3, H, W): shade first, then what stray light lays over it."""
    image = image * _shade(rng, scene)[None]
    if rng.random() < 0.4:
        image = _hazy(rng, image, scene)
    if rng.random() < 0.5 and scene.has_border:
        for _ in range(rng.integers(1, 3)):
            image = image + _glare(rng, scene)
    if rng.random() < 0.1:
        image = image + _ghost(rng, scene)
    return np.asarray(image, np.float32)


def _shade(rng: Rng, scene: Scene) -> Floats:
    """Return how much light falls on each pixel, (H, W), about 1."""
    light = 1 - rng.uniform(0, 0.5) * np.clip(scene.out, 0, 1.2) ** 2
    middle = rng.uniform([-3, -4], [6, 4])
    fall = np.hypot(scene.x - middle[0], scene.y - middle[1]) / rng.uniform(5, 14)
    light = light * (1 - rng.uniform(0, 0.5) * np.clip(fall, 0, 1.3) ** 2)
    if rng.random() < 0.35:
        light = light * _dark_half(rng, scene)
    if rng.random() < 0.3:
        at = rng.uniform([-7, -5], [8, 5])
        near = np.hypot(scene.x - at[0], scene.y - at[1]) / rng.uniform(1.2, 3.5)
        light = light * (1 - rng.uniform(0.2, 0.9) * np.exp(-(near**2) / 2))
    return np.asarray(np.clip(light, 0.04, 2), np.float32)


def _dark_half(rng: Rng, scene: Scene) -> Floats:
    """Return the light of an eye of which one side is hardly lit."""
    angle = rng.uniform(0, 2 * np.pi)
    along = scene.x * np.cos(angle) + scene.y * np.sin(angle)
    starts, soft = rng.uniform(0.8, 5), rng.uniform(0.6, 3.5)
    return np.asarray(1 - rng.uniform(0.4, 0.92) * step((along - starts) / soft))


def _hazy(rng: Rng, image: Floats, scene: Scene) -> Floats:
    """Lay a veil over an eye, as a clouded lens does: thicker at one side."""
    veil = image.mean((1, 2)) * rng.uniform(0.8, 1.5) + rng.uniform(0, 0.12, 3)
    angle = rng.uniform(0, 2 * np.pi)
    along = (scene.x * np.cos(angle) + scene.y * np.sin(angle)) / 8
    thick = rng.uniform(0.05, 0.55) * np.clip(1 + along, 0.2, 1.5)
    thick = np.clip(thick, 0, 0.7)
    return np.asarray(image * (1 - thick) + veil[:, None, None] * thick, np.float32)


def _glare_colour(rng: Rng) -> NDArray[np.float64]:
    one, other = _GLARES[rng.integers(0, len(_GLARES), 2)]
    share = rng.uniform(0, 1)
    return np.asarray((share * one + (1 - share) * other)[:, None, None])


def _glare(rng: Rng, scene: Scene) -> Floats:
    """Return a crescent of glare at the border of the field, (3, H, W)."""
    centre = scene.view.field_centre
    angle = np.arctan2(scene.y - centre[1], scene.x - centre[0])
    lobe = 0.5 + 0.5 * np.cos(angle - rng.uniform(-np.pi, np.pi))
    lobe = lobe ** rng.uniform(1, 20)
    width = np.exp(rng.uniform(np.log(0.015), np.log(0.3)))
    inwards = np.clip(1 - scene.out, 0, None)
    if rng.random() < 0.4:  # a full crescent with a border of its own
        depth = step((width * (0.3 + lobe) - inwards) / (0.25 * width))
    else:
        depth = np.exp(-inwards / width)
    strength = rng.uniform(0.1, 0.8)
    return np.asarray(strength * _glare_colour(rng) * lobe * depth, np.float32)


def _ghost(rng: Rng, scene: Scene) -> Floats:
    """Return a round reflection within the field, (3, H, W)."""
    at = rng.uniform([-7, -5], [8, 5])
    if np.hypot(*at) < 2.2:
        return np.zeros((3, *scene.x.shape), np.float32)
    size = rng.uniform(0.2, 1.2)
    away = np.hypot(scene.x - at[0], scene.y - at[1]) / size
    spot = step((1 - away) / rng.uniform(0.1, 0.8))
    return np.asarray(rng.uniform(0.05, 0.6) * _glare_colour(rng) * spot, np.float32)
