"""What a camera makes of a lit eye: colour, sharpness, noise, JPEG, text."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.scenes import Scene
from napari_dmoe.phantoms.fundus.textures import white_noise

_EXPOSED = (0.08, 0.5)
"""Mean brightness of what is seen; no camera leaves it darker or brighter."""

_LETTERS = "ABCDEFGHKLMNPRSTVXYZ0123456789:/-. "


def photographed(
    rng: Rng, image: NDArray[np.floating], scene: Scene, *, is_colour: bool
) -> NDArray[np.uint8]:
    """Return the photograph of a scene (3, H, W): (H, W, 3), or (H, W) where grey."""
    image = _exposed(rng, image, scene, is_colour=is_colour)
    black = rng.uniform(0, 0.03, 3)[:, None, None] * (rng.random() < 0.5)
    image = image * scene.field + black * (1 - scene.field)
    if not is_colour:
        image = _grey(rng, image)
    image = _blurred(rng, image)
    image = image + rng.uniform(0.001, 0.02) * white_noise(rng, image.shape)
    levels = np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
    levels = np.ascontiguousarray(np.moveaxis(levels, 0, -1))
    pixels = _stored(rng, levels)
    return pixels if is_colour else np.ascontiguousarray(pixels[..., 0])


def _exposed(
    rng: Rng, image: NDArray[np.floating], scene: Scene, *, is_colour: bool
) -> NDArray[np.floating]:
    """Change exposure, gamma and colours; what is too bright saturates softly."""
    image = np.clip(image, 0, None) * np.exp(rng.normal(0.05, 0.22))
    image = image ** rng.uniform(0.8, 1.25)
    seen = float(image.mean(0)[scene.is_seen].mean())
    image = image * np.clip(seen, *_EXPOSED) / max(seen, 1e-3)
    if is_colour:
        image = image * np.exp(rng.normal(0, [0.06, 0.1, 0.17]))[:, None, None]
        if rng.random() < 0.25:  # towards grey, as of a dull film
            grey = image.mean(0, keepdims=True)
            image = grey + rng.uniform(0.3, 1.0) * (image - grey)
        if rng.random() < 0.15:  # a cast, which also lies over the dark
            image = image + rng.uniform(0, [0.05, 0.05, 0.09])[:, None, None]
    knee = rng.uniform(0.7, 0.95)
    over = np.clip(image - knee, 0, None)
    soft = (1 - knee) * np.tanh(over / (1 - knee))
    return np.asarray(np.minimum(image, knee) + soft)


def _grey(rng: Rng, image: NDArray[np.floating]) -> Floats:
    """Return one channel, or a mixture of two, three times."""
    weights = np.array([rng.uniform(0, 0.5), 1.0, rng.uniform(0, 0.2)])
    grey = np.tensordot(weights / weights.sum(), image, 1)
    grey = grey * min(2.5, rng.uniform(0.35, 0.7) / max(float(grey.mean()), 0.05))
    return np.asarray(np.repeat(np.clip(grey, 0, 1)[None], 3, 0), np.float32)


def _blurred(rng: Rng, image: NDArray[np.floating]) -> Floats:
    """Lose sharpness: by the optics, in colours more than in light."""
    blur = rng.uniform(0.2, 1.0) if rng.random() < 0.75 else rng.uniform(1, 2.2)
    luma = image.mean(0)
    chroma = ndimage.gaussian_filter(
        image - luma, (0, 1.2 * blur, 1.2 * blur), truncate=2.5
    )
    return np.asarray(
        chroma + ndimage.gaussian_filter(luma, blur, truncate=2.5), np.float32
    )


def _stored(rng: Rng, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is left of a picture (H, W, 3) after text, small files and JPEG."""
    picture = Image.fromarray(levels)
    if rng.random() < 0.03:
        _write(rng, picture)
    size = picture.size
    if rng.random() < 0.25:
        smaller = rng.uniform(0.45, 0.8)
        small = picture.resize([max(16, int(smaller * n)) for n in size])
        picture = small.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(30, 96)))
        picture = Image.open(file)
    return np.asarray(picture, np.uint8)


def _write(rng: Rng, picture: Image.Image) -> None:
    """Write a few letters at the border of a picture."""
    text = "".join(rng.choice(list(_LETTERS), rng.integers(3, 14)))
    width, height = picture.size
    at = (int(rng.uniform(0, 0.6) * width), int(rng.choice([0.01, 0.93]) * height))
    light = int(rng.integers(120, 256))
    ImageDraw.Draw(picture).text(at, text, fill=(light, light, light))
