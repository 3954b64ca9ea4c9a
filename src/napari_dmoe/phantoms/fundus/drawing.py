"""The look of a made-up fundus: pigment, light, vessels, camera.

The cup is not drawn. What is drawn is a pallor with a blurred border, which is the same
for every severity; :mod:`napari_dmoe.phantoms.kinds` says where the true cup ends.
Colours are RGB shares of full brightness, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.anatomy import MACULA, Disc, Vessel, View
from napari_dmoe.phantoms.fundus.textures import smooth, step, white_noise

PIGMENTS = {
    "light": (0.84, 0.44, 0.28),
    "medium": (0.74, 0.33, 0.19),
    "dark": (0.50, 0.23, 0.13),
}
"""Fundus colours of three made-up pigmentations."""

_PALE = (1.0, 0.84, 0.58)
_RIM = (0.96, 0.60, 0.40)
_BLOOD = {True: (0.72, 0.38, 0.50), False: (0.86, 0.52, 0.62)}
"""Share of the light that a vein (True) or an artery (False) lets through."""

_FINE = 2
"""Vessels are drawn this many times finer than the frame, then averaged down."""

_FAINTEST_PX = 0.3
"""Vessels thinner than this share of a pixel are not drawn."""


def paint(
    rng: Rng,
    *,
    view: View,
    disc: Disc,
    vessels: Sequence[Vessel],
    pigment: str,
    is_colour: bool,
) -> NDArray[np.uint8]:
    """Paint one colour fundus photograph (H, W, 3), or one SLO-like grey image (H, W).

    `pigment` is a key of :data:`PIGMENTS`.
    """
    x, y = view.world()
    image = _background(rng, view, pigment=pigment)
    if not is_colour:
        image = _as_slo(rng, image)
    image = _add_disc(rng, image, view=view, disc=disc, is_colour=is_colour)
    image *= _through_vessels(rng, view, vessels=vessels)
    image = _lit(rng, image, view=view)
    outside = np.hypot(x - view.field_centre[0], y - view.field_centre[1])
    edge = step((view.field_radius - outside) * view.radius_px / 1.5)
    image = image * edge + np.float32(rng.uniform(0, 0.02))
    return _photographed(rng, image if is_colour else image[1])


def _background(rng: Rng, view: View, *, pigment: str) -> Floats:
    """Paint the retina without disc and vessels, (3, H, W)."""
    x, y = view.world()
    colour = np.array(PIGMENTS[pigment]) * rng.uniform(0.85, 1.12, 3)
    texture = np.zeros_like(x)
    for cell in (0.25, 0.8, 2.5):
        texture += smooth(rng, view, cell=cell) * np.float32(rng.uniform(0.01, 0.06))
    angle = np.arctan2(y, x)
    distance = np.hypot(x, y)
    fibres = np.interp(angle, np.linspace(-np.pi, np.pi, 160), rng.normal(0, 1, 160))
    texture += np.float32(rng.uniform(0, 0.05)) * fibres * np.exp(-distance / 2.5)
    texture += np.float32(rng.uniform(0, 0.16)) * np.exp(-distance / rng.uniform(1, 3))
    macula = np.hypot(x - MACULA[0] - rng.normal(0, 0.3), y - MACULA[1]) / rng.uniform(
        0.6, 1.3
    )
    dark = np.exp(-(macula**2) / 2) * rng.uniform(0.1, 0.5)
    tint = np.array([0.7, 1.2, 1.0])
    light = (1 + texture)[None] * (1 - tint[:, None, None] * dark[None])
    return np.asarray(colour[:, None, None] * light, np.float32)


def _as_slo(rng: Rng, image: Floats) -> Floats:
    """Turn the retina grey, evenly lit and with a level of its own."""
    grey = image.mean(axis=0) / image.mean()
    return np.repeat(grey[None] * np.float32(rng.uniform(0.25, 0.6)), 3, axis=0)


def _add_disc(
    rng: Rng, image: Floats, *, view: View, disc: Disc, is_colour: bool
) -> Floats:
    """Lay the disc over the retina: border, rim, and the pallor on top."""
    x, y = view.world()
    level, pallor_level = disc.level(x, y), disc.pallor_level(x, y)
    image = _add_crescent(rng, image, view=view, level=level)
    temporal = 0.5 + 0.5 * np.clip(x, -1, 1)
    opacity = rng.uniform(0.45, 0.85) + rng.uniform(0, 0.45) * (temporal - 0.5)
    opacity = opacity * step((1 - level) / rng.uniform(0.02, 0.07))
    pale = step((1 - pallor_level) / rng.uniform(0.1, 0.28))
    pale = pale * rng.uniform(0.6, 1.0) * step((1.02 - level) / 0.03)
    if is_colour:
        gain = rng.uniform(0.88, 1.08)
        rim, white = (
            np.array(tone)[:, None, None] * rng.uniform(0.93, 1.05, (3, 1, 1)) * gain
            for tone in (_RIM, _PALE)
        )
    else:
        background = float(image[1].mean())
        tone = rng.choice([rng.uniform(0.5, 0.8), rng.uniform(1.25, 1.8)])
        rim = np.full((3, 1, 1), background * tone)
        white = np.maximum(rim, background) * rng.uniform(1.3, 1.9)
    image = image * (1 - opacity) + rim * opacity
    return np.asarray(image * (1 - pale) + white * pale, np.float32)


def _add_crescent(rng: Rng, image: Floats, *, view: View, level: Floats) -> Floats:
    """Add what may lie around a disc: a pale ring, a crescent, patches of pigment."""
    x, y = view.world()
    towards = rng.normal(0, 0.9)
    side = np.clip(np.cos(np.arctan2(y, x) - towards), 0, 1) ** 2
    width = rng.uniform(0.05, 0.25)
    ring = np.exp(-(((level - 1 - width / 2) / width) ** 2))
    pale = rng.uniform(-0.15, 0.3) * side * ring
    patches = np.clip(smooth(rng, view, cell=0.12) - 0.3, 0, 1)
    pigment = rng.uniform(0, 0.7) * (rng.random() < 0.4) * side * ring * patches
    return np.asarray(image * (1 + pale) * (1 - pigment), np.float32)


def _through_vessels(rng: Rng, view: View, *, vessels: Sequence[Vessel]) -> Floats:
    """Return the share of light that the vessels let through, (3, H, W)."""
    passed = np.ones((3, *view.shape), np.float32)
    depth, wider = rng.uniform(0.55, 1.1), rng.uniform(0.85, 1.25)
    for is_vein in (False, True):
        kind = [vessel for vessel in vessels if vessel.is_vein == is_vein]
        covered = coverage(view, kind, width=wider)
        absorbed = 1 - np.array(_BLOOD[is_vein])[:, None, None]
        passed *= 1 - absorbed * depth * covered
        if not is_vein:
            reflex = coverage(view, kind, width=0.3 * wider)
            passed *= 1 + rng.uniform(0, 0.45) * reflex
    return np.asarray(np.clip(passed, 0.08, 1.0), np.float32)


def coverage(view: View, vessels: Sequence[Vessel], *, width: float) -> Floats:
    """Return the covered share of each pixel, (H, W), in [0, 1]."""
    shape = (view.shape[0] * _FINE, view.shape[1] * _FINE)
    mask = Image.new("L", shape[::-1])
    drawing = ImageDraw.Draw(mask)
    for vessel in vessels:
        half = 0.5 * width * vessel.width * view.radius_px
        if half[0] * 2 < _FAINTEST_PX:
            continue
        points = view.pixels(vessel.points)
        along = np.gradient(points, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        across = along[:, ::-1] * [1, -1] * half[:, None]
        outline = np.concatenate([points + across, (points - across)[::-1]])
        outline = (outline + 0.5) * _FINE - 0.5
        drawing.polygon(outline[:, ::-1].ravel().tolist(), fill=255)  # takes (x, y)
    return np.asarray(mask.reduce(_FINE), np.float32) / np.float32(255)


def _lit(rng: Rng, image: Floats, *, view: View) -> Floats:
    """Light the eye unevenly: brightest at some place, with haze from another."""
    x, y = view.world()
    middle = rng.uniform([-2, -3], [6, 3])
    fall = np.hypot(x - middle[0], y - middle[1]) / rng.uniform(6, 14)
    light = 1 - rng.uniform(0, 0.45) * np.clip(fall, 0, 1.4) ** 2
    haze_at = rng.uniform([-6, -6], [9, 6])
    haze = np.exp(-np.hypot(x - haze_at[0], y - haze_at[1]) / rng.uniform(1, 4))
    tint = np.array([0.5, 0.45, 0.4])[:, None, None]
    return np.asarray(image * light + rng.uniform(0, 0.2) * tint * haze, np.float32)


def _photographed(rng: Rng, image: Floats) -> NDArray[np.uint8]:
    """Pass the scene through a camera: exposure, blur, lost colour detail, noise.

    Takes (3, H, W) or (H, W) and returns channels last.
    """
    image = np.clip(image * rng.uniform(0.85, 1.25), 0, 1) ** rng.uniform(0.8, 1.2)
    image = image * (1 + rng.uniform(0, 0.2)) - rng.uniform(0, 0.05)
    blur = rng.uniform(0.2, 1.1)
    if image.ndim == 3:
        luma = image.mean(axis=0)
        chroma = ndimage.gaussian_filter(
            image - luma, (0, 1.2 * blur, 1.2 * blur), truncate=2.5
        )
        image = chroma + ndimage.gaussian_filter(luma, blur, truncate=2.5)
    else:
        image = ndimage.gaussian_filter(image, blur, truncate=2.5)
        image = image * (1 + rng.uniform(0, 0.06) * white_noise(rng, image.shape))
    image = image + rng.uniform(0.002, 0.025) * white_noise(rng, image.shape)
    levels = np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
    return np.moveaxis(levels, 0, -1) if levels.ndim == 3 else levels
