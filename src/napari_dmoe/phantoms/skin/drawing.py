"""How a made-up lesion looks through a dermatoscope: outline, pigment, skin, hair.

Nothing here knows a patient. Lengths are shares of the frame's shorter side, and the
frame's centre is the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.draw import bezier_curve

from napari_dmoe.phantoms.cases import Floats, Rng, smooth_noise

_TONES = np.array(
    [(0.95, 0.80, 0.74), (0.87, 0.68, 0.57), (0.66, 0.45, 0.34), (0.38, 0.25, 0.19)]
)
"""Skin from light to dark, as RGB shares."""

_MELANIN = np.array([0.75, 1.2, 1.55])
"""How much more a pigment absorbs of green and blue than of red."""

_HARMONICS = (2, 3, 4, 5, 7)


@dataclass(frozen=True)
class Lesion:
    """Outline of a lesion."""

    centre: tuple[float, float]  # row and column
    radius: float  # mean one of the visible border
    aspect: float  # shorter through longer axis of the ellipse
    angle: float  # of the longer axis, in radians
    wobble: tuple[float, ...]  # amplitude of the outline's harmonics
    phase: tuple[float, ...]  # in radians

    def level(self, size: tuple[int, int]) -> Floats:
        """Return the distance from the centre over that of the border: 1 on it."""
        rows, columns = _coordinates(size)
        y, x = rows - self.centre[0], columns - self.centre[1]
        along = np.cos(self.angle) * x + np.sin(self.angle) * y
        across = np.cos(self.angle) * y - np.sin(self.angle) * x
        across = across / np.float32(self.aspect)
        angle = np.arctan2(across, along)
        outline = np.ones_like(angle)
        for n, amount, phase in zip(_HARMONICS, self.wobble, self.phase, strict=True):
            outline += np.float32(amount) * np.cos(n * angle + np.float32(phase))
        scale = np.float32(self.radius / self.aspect**0.5)
        return np.asarray(np.hypot(along, across) / (outline * scale), np.float32)


def draw_lesion(rng: Rng) -> Lesion:
    """Draw an outline, from round to quite irregular."""
    irregular = rng.uniform(0.2, 1.0)
    wobble = irregular * rng.normal(0, 1, 5) * (0.07, 0.06, 0.05, 0.03, 0.02)
    return Lesion(
        centre=(float(rng.normal(0, 0.05)), float(rng.normal(0, 0.09))),
        radius=float(rng.uniform(0.17, 0.34)),
        aspect=float(rng.uniform(0.65, 1.0)),
        angle=float(rng.uniform(0, np.pi)),
        wobble=tuple(np.clip(wobble, -0.16, 0.16).tolist()),
        phase=tuple(rng.uniform(0, 2 * np.pi, 5).tolist()),
    )


def paint(rng: Rng, lesion: Lesion, *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Paint skin, lesion, hair and the dermatoscope's light: (H, W, 3) from `size`."""
    image = _skin(rng, size)
    image = image * np.exp(-_pigment(rng, lesion, size)[..., np.newaxis] * _MELANIN)
    image = _reddened(rng, image, lesion, size)
    if rng.random() < 0.45:
        image = _with_hair(rng, image)
    image = _lit(rng, image)
    image = gaussian_filter(image, (*2 * [rng.uniform(0.2, 0.9)], 0))
    image = image + rng.normal(0, rng.uniform(0.004, 0.014), image.shape)
    if rng.random() < 0.35:
        image = image * _vignette(rng, size)[..., np.newaxis]
    return np.asarray(np.rint(255 * np.clip(image, 0, 1)), np.uint8)


def _coordinates(size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return row and column from the centre, in shares of the shorter side."""
    short = min(size)
    rows, columns = (
        ((np.arange(n) + 0.5 - n / 2) / short).astype(np.float32) for n in size
    )
    return rows[:, np.newaxis], columns[np.newaxis, :]


def _smooth(rng: Rng, size: tuple[int, int], scale: float) -> Floats:
    """Return noise of unit spread whose blobs are `scale` of the shorter side wide."""
    return smooth_noise(rng, size, 2 * [max(1.0, scale * min(size) / 3)], order=3)


def _skin(rng: Rng, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return bare skin of any tone, with its folds and pores."""
    place = rng.uniform(0, len(_TONES) - 1)
    low = min(int(place), len(_TONES) - 2)
    tone = _TONES[low] + (place - low) * (_TONES[low + 1] - _TONES[low])
    tone = tone * rng.uniform(0.9, 1.05) * (1 + rng.normal(0, 0.025, 3))
    relief = 0.035 * _smooth(rng, size, 0.5) + 0.02 * _smooth(rng, size, 0.06)
    relief += 0.012 * rng.normal(0, 1, size)
    blush = 0.03 * _smooth(rng, size, 0.3)[..., np.newaxis] * (0.2, -1.0, -0.6)
    return np.asarray(tone * (1 + relief[..., np.newaxis]) + tone * blush)


def _pigment(rng: Rng, lesion: Lesion, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return how much pigment lies at every pixel."""
    level = lesion.level(size).astype(np.float64)
    softness = rng.uniform(0.03, 0.11)
    ragged = level + 0.05 * rng.uniform(0, 1) * _smooth(rng, size, 0.06)
    inside = 1 / (1 + np.exp(np.clip((ragged - 1) / softness, -30, 30)))
    blotches = np.exp(0.3 * rng.uniform(0.2, 1) * _smooth(rng, size, 0.18))
    # A pigment network: thin dark lines between cells of noise.
    cells = np.abs(_smooth(rng, size, 0.045))
    network = 1 + rng.uniform(0, 0.45) * (np.exp(-((cells / 0.35) ** 2)) - 0.3)
    profile = 1 + rng.uniform(-0.45, 0.3) * np.clip(level, 0, 1.2) ** 2
    globules = 1 + 0.8 * (rng.random() < 0.4) * (_smooth(rng, size, 0.035) > 1.7)
    amount = rng.uniform(0.4, 1.3)
    pigment = amount * inside * blotches * network * profile * globules
    return np.asarray(np.clip(pigment, 0, 3))


def _reddened(
    rng: Rng, image: NDArray[np.float64], lesion: Lesion, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Give some lesions a red halo inside, or a blue-white veil."""
    inside = np.clip(1.1 - lesion.level(size), 0, 1)
    patch = inside * np.clip(_smooth(rng, size, 0.25), 0, 2)
    tint = np.array([(0.10, -0.03, -0.02), (-0.04, 0.02, 0.09)][int(rng.integers(2))])
    strength = rng.uniform(0, 1) * (rng.random() < 0.4)
    return np.asarray(image + strength * patch[..., np.newaxis] * tint)


def _with_hair(rng: Rng, image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay bent hairs over the image."""
    size = image.shape[:2]
    cover = np.zeros(size)
    for _ in range(int(rng.integers(2, 22))):
        ends = rng.uniform(-0.2, 1.2, (2, 2)) * size
        bend = ends.mean(0) + rng.normal(0, 0.15, 2) * size
        points = np.rint([*ends[:1], bend, *ends[1:]]).astype(int).ravel()
        rows, columns = bezier_curve(*points.tolist(), weight=1.0, shape=size)
        cover[rows, columns] = rng.uniform(0.5, 1.0)
    cover = np.clip(gaussian_filter(cover, rng.uniform(0.5, 0.9)) * 1.9, 0, 0.9)
    colour = np.array([0.16, 0.11, 0.09]) * rng.uniform(0.4, 2.5)
    cover = cover[..., np.newaxis]
    return np.asarray((1 - cover) * image + cover * colour)


def _lit(rng: Rng, image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shade the image towards its corners, and add glints of the contact fluid."""
    size = image.shape[:2]
    rows, columns = _coordinates((size[0], size[1]))
    distance = (rows - rng.normal(0, 0.1)) ** 2 + (columns - rng.normal(0, 0.1)) ** 2
    image = image * (1 - rng.uniform(0, 0.45) * distance)[..., np.newaxis]
    image = image * (1 + rng.normal(0, 0.03, 3))  # white balance
    if rng.random() < 0.3:
        glints = np.zeros(size)
        n = int(rng.integers(3, 30))
        glints[rng.integers(0, size[0], n), rng.integers(0, size[1], n)] = 1
        glints = gaussian_filter(glints, rng.uniform(0.7, 1.6))
        image = image + 0.5 * (glints / glints.max())[..., np.newaxis]
    return image


def _vignette(rng: Rng, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the round field of the dermatoscope: 1 inside, almost 0 outside."""
    rows, columns = _coordinates(size)
    radius = rng.uniform(0.58, 0.72)
    distance = np.hypot(rows - rng.normal(0, 0.02), columns - rng.normal(0, 0.02))
    edge = 1 / (1 + np.exp(np.clip((distance - radius) / 0.012, -30, 30)))
    return np.asarray(0.03 + 0.97 * edge)
