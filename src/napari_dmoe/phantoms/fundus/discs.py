"""The look of a made-up disc: rim, pallor, lamina, and what may lie around it.

The cup is not drawn, but a pallor, as in :mod:`napari_dmoe.phantoms.fundus.drawing`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.anatomy import LARGEST_CUP
from napari_dmoe.phantoms.fundus.scenes import Scene
from napari_dmoe.phantoms.fundus.textures import smooth, step


def lay_disc(
    rng: Rng, image: Floats, scene: Scene, ground: NDArray[np.float64], *, is_slo: bool
) -> Floats:
    """Lay the disc over a retina (3, H, W) of the colour `ground`."""
    x, y, disc = scene.x, scene.y, scene.disc
    level, pallor_level = disc.level(x, y), disc.pallor_level(x, y)
    if rng.random() < 0.55:
        image = _surrounded(rng, image, scene, level)
    rim, white = _tones(rng, ground, is_slo=is_slo)
    edge = np.exp(rng.uniform(np.log(0.02), np.log(0.16)))
    temporal = np.clip(x, -1, 1)
    slope = rng.normal(0.08, 0.1) * temporal + rng.normal(0, 0.06) * np.clip(y, -1, 1)
    mottled = 1 + rng.uniform(0, 0.06) * smooth(rng, scene.view, cell=0.25) + slope
    opacity = _rim_opacity(rng, scene) * step((1 - level) / edge)
    image = image * (1 - opacity) + rim[:, None, None] * mottled * opacity
    pale = _pallor(rng, scene, level, pallor_level)
    return np.asarray(image * (1 - pale) + white[:, None, None] * pale, np.float32)


def _rim_opacity(rng: Rng, scene: Scene) -> Floats:
    """Return how much the rim covers the ground, (H, W): least where fibres are."""
    angle = np.arctan2(scene.y, scene.x)
    nasal = 0.5 - 0.5 * np.cos(angle - rng.normal(0, 0.6))
    poles = np.sin(angle) ** 2
    thin = rng.uniform(0, 0.45) * nasal + rng.uniform(0, 0.25) * poles
    return np.asarray(rng.uniform(0.85, 1.0) - thin, np.float32)


def _tones(
    rng: Rng, ground: NDArray[np.float64], *, is_slo: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the colours of rim and pallor, which go with that of the ground."""
    gain = np.exp(rng.uniform(np.log(1.15), np.log(2.1)))
    if is_slo and rng.random() < 0.4:
        gain = rng.uniform(0.55, 0.85)
    tint = np.ones(3) if is_slo else np.exp(rng.normal(0, [0.06, 0.1, 0.17]))
    if gain > 1 and not is_slo:  # bright red is saturated
        tint[0] *= min(1.0, 1.05 / gain**0.2)
    rim = ground * gain * tint
    deeper = np.exp(rng.uniform(0.04, 0.5))
    if is_slo:
        return rim, np.maximum(rim, ground) * deeper * rng.uniform(1, 1.4)
    white = rim * deeper ** np.array([0.5, 1.0, rng.uniform(0.6, 2.2)])
    return rim, white


def _pallor(rng: Rng, scene: Scene, level: Floats, pallor_level: Floats) -> Floats:
    """Return how much of the pallor's colour each pixel has, (H, W)."""
    soft = np.exp(rng.uniform(np.log(0.07), np.log(0.6)))
    pale = step((1 - pallor_level) / soft)
    side = rng.uniform(0, 2 * np.pi)
    ramp = scene.x * np.cos(side) + scene.y * np.sin(side)
    pale = pale * np.clip(1 - rng.uniform(0, 0.5) * (0.6 - ramp), 0.2, 1)
    if rng.random() < 0.3:
        dots = np.clip(smooth(rng, scene.view, cell=0.07) - 0.8, 0, 1)
        pale = pale * (1 - rng.uniform(0.2, 0.8) * dots)
    return np.asarray(
        pale * rng.uniform(0.6, 1.0) * step((LARGEST_CUP + 0.06 - level) / 0.04)
    )


def _surrounded(rng: Rng, image: Floats, scene: Scene, level: Floats) -> Floats:
    """Add atrophy around the disc: a crescent or ring, paler or darker, and pigment."""
    towards = rng.normal(0, 0.9)
    angle = np.arctan2(scene.y, scene.x) - towards
    ring = rng.uniform(0, 1) ** 2
    width = rng.uniform(0.06, 0.55) * (ring + (1 - ring) * (0.5 + 0.5 * np.cos(angle)))
    width = width * (1 + 0.25 * smooth(rng, scene.view, cell=0.5))
    beyond = level - 1
    soft = rng.uniform(0.02, 0.12)
    zone = step((width - beyond) / soft) * step(beyond / 0.05 + 0.5)
    rough = 1 + rng.uniform(0, 0.5) * smooth(rng, scene.view, cell=0.15)
    strength = rng.choice([rng.uniform(0.05, 0.4), rng.uniform(-0.35, -0.05)])
    tint = np.array([0.7, 1.0, rng.uniform(0.5, 1.8)])[:, None, None]
    passed = np.clip(1 + strength * tint * (zone * rough)[None], 0.2, 2.0)
    if rng.random() < 0.35:
        line = np.exp(-(((beyond - width) / rng.uniform(0.03, 0.1)) ** 2))
        spots = np.clip(smooth(rng, scene.view, cell=0.12), 0, 1.5)
        dark = 1 - np.clip(rng.uniform(0.1, 0.6) * line * spots, 0, 0.8)
        return np.asarray(image * passed * dark, np.float32)
    return np.asarray(image * passed, np.float32)
