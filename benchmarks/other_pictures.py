"""Pictures that show neither skin nor a fundus, to be told by a model that sees them.

They are what scikit-image ships (rooms, animals, things, pages, textures, a slide of
tissue, the sky), noise, and one shade alone. No file of a cohort is among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient

Picture = NDArray[np.uint8]

PICTURES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "chessboard_RGB.png",
    "coffee.png",
    "coins.png",
    "color.png",
    "grass.png",
    "gravel.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "logo.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "rocket.jpg",
    "text.png",
)
"""In the folder of scikit-image's pictures; those that a release lacks are left out."""

SIZE = (300, 400)
"""Height and width of noise and shades."""

SHADES = ((255, 255, 255), (0, 0, 0), (128, 128, 128), (210, 160, 140), (180, 80, 30))
"""White, black, grey, and what skin and a fundus are on average."""


def other_pictures() -> dict[str, list[Case]]:
    """Return pictures of other things by what they are."""
    return {
        "pictures of other things": [_case(n, i) for n, i in _shipped()],
        "noise": [_case(f"noise {n}", image) for n, image in enumerate(_noise())],
        "one shade": [_case(f"shade {n}", _flat(s)) for n, s in enumerate(SHADES)],
    }


def _shipped() -> Iterator[tuple[str, SpatialImage]]:
    folder = Path(skimage.__file__).parent / "data"
    for name in PICTURES:
        if (folder / name).is_file():
            yield name, read_image(folder / name)


def _noise(n: int = 10) -> Iterator[SpatialImage]:
    """Yield noise of several grains, in colour and in grey."""
    rng = np.random.default_rng(0)
    for number in range(n):
        grain = (1, 2, 4, 8, 16)[number % 5]
        rows, columns = -(-SIZE[0] // grain), -(-SIZE[1] // grain)
        n_channels = 3 if number < 5 else 1
        drawn = rng.integers(0, 256, (rows, columns, n_channels), dtype=np.uint8)
        whole = drawn.repeat(grain, 0).repeat(grain, 1)[: SIZE[0], : SIZE[1]]
        yield _image(np.broadcast_to(whole, (*SIZE, 3)).copy())


def _flat(shade: tuple[int, int, int]) -> SpatialImage:
    return _image(np.full((*SIZE, 3), shade, np.uint8))


def _image(picture: Picture) -> SpatialImage:
    return SpatialImage.from_array(picture, axes="yxc")


def _case(name: str, image: SpatialImage) -> Case:
    return Case(name, image, None, Patient())
