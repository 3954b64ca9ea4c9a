"""What else may lie in a made-up fundus: exudates, drusen, bleedings, scars.

None of it is a disc, and bright or round parts of it could be taken for one.
"""

from __future__ import annotations

import numpy as np

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.scenes import Scene
from napari_dmoe.phantoms.fundus.textures import smooth, step

_LEAST_FROM_DISC = 1.6
"""Middle of a finding, in radii of the disc."""


def add_findings(rng: Rng, image: Floats, scene: Scene) -> Floats:
    """Add findings to a retina (3, H, W)."""
    if rng.random() < 0.2:
        image = _spots(rng, image, scene, is_bright=True)
    if rng.random() < 0.15:
        image = _spots(rng, image, scene, is_bright=False)
    if rng.random() < 0.2:
        image = _patch(rng, image, scene)
    return image


def _place(rng: Rng, scene: Scene) -> tuple[float, float] | None:
    """Draw a place in the frame away from the disc; none where that is all of it."""
    for _ in range(8):
        row = rng.integers(scene.x.shape[0])
        column = rng.integers(scene.x.shape[1])
        x, y = float(scene.x[row, column]), float(scene.y[row, column])
        if np.hypot(x, y) > _LEAST_FROM_DISC and scene.out[row, column] < 0.95:
            return x, y
    return None


def _spots(rng: Rng, image: Floats, scene: Scene, *, is_bright: bool) -> Floats:
    """Add a cluster of exudates or drusen, or of small bleedings."""
    place = _place(rng, scene)
    if place is None:
        return image
    spread = rng.uniform(0.5, 3.0)
    where = np.exp(
        -((scene.x - place[0]) ** 2 + (scene.y - place[1]) ** 2) / (2 * spread**2)
    )
    where = where * step((np.hypot(scene.x, scene.y) - 1.3) / 0.2)
    cell = rng.uniform(0.08, 0.3)
    spots = step((smooth(rng, scene.view, cell=cell) - rng.uniform(0.8, 1.8)) / 0.2)
    shade = np.clip(spots * where * 1.5, 0, 1)
    strength = rng.uniform(0.2, 0.9)
    if is_bright:
        colour = np.array([1.0, rng.uniform(0.75, 0.95), rng.uniform(0.3, 0.7)])
        tone = colour * max(0.3, 1.4 * float(image[0].mean()))
        tones = tone[:, None, None]
    else:
        tones = image * np.array([0.45, 0.25, 0.35])[:, None, None]
    return np.asarray(
        image * (1 - strength * shade) + tones * strength * shade, np.float32
    )


def _patch(rng: Rng, image: Floats, scene: Scene) -> Floats:
    """Add a scar or a patch of atrophy: pale or dark, round, as large as a disc."""
    place = _place(rng, scene)
    if place is None:
        return image
    size = rng.uniform(0.3, 1.3)
    away = np.hypot((scene.x - place[0]) / rng.uniform(0.8, 1.25), scene.y - place[1])
    ragged = away / size + rng.uniform(0.05, 0.3) * smooth(rng, scene.view, cell=0.4)
    zone = step((1 - ragged) / rng.uniform(0.05, 0.5))
    zone = zone * step((np.hypot(scene.x, scene.y) - 1.2) / 0.1)
    strength = rng.choice([rng.uniform(0.1, 0.7), rng.uniform(-0.6, -0.1)])
    tint = np.array([0.8, 1.0, rng.uniform(0.6, 1.6)])[:, None, None]
    return np.asarray(image * np.clip(1 + strength * tint * zone, 0.2, 2), np.float32)
