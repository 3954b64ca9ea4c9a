"""Draw the small pictures of the samples that an empty dock offers.

    python scripts/draw_thumbnails.py

Each shows a phantom that the package ships, with its labels as outlines: no photograph
and no scan is in them. Run it again where the phantoms are drawn anew.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries
from skimage.transform import resize

from napari_dmoe.inference.pictures.colours import CT_WINDOW, class_colours
from napari_dmoe.phantoms.samples import sample_fundus, sample_pelvis, sample_skin

FOLDER = Path(__file__).parents[1] / "src/napari_dmoe/viewer/segment/thumbnails"
SIZE = (96, 128)
COLOURS = 48
CROP = 0.8
"""Share of the picture that is shown."""


def main() -> None:
    """Draw all three."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in (
        ("fundus", sample_fundus),
        ("skin", sample_skin),
        ("pelvis", sample_pelvis),
    ):
        case = make()
        pixels, labels = np.asarray(case.image.data), np.asarray(case.labels.data)
        if name == "pelvis":
            most = int((labels > 0).sum((1, 2)).argmax())
            pixels, labels = pixels[most], labels[most]
        elif "c" in case.image.axes:
            pixels = np.moveaxis(pixels, case.image.axes.index("c"), -1)
        picture = _drawn(_shown(pixels), labels)
        picture.save(FOLDER / f"{name}.png", optimize=True)


def _shown(pixels: np.ndarray) -> np.ndarray:
    """Return colours from 0 to 1."""
    if pixels.ndim == 3:
        return pixels.astype(float) / np.iinfo(pixels.dtype).max
    low, high = CT_WINDOW
    grey = np.clip((pixels - low) / (high - low), 0, 1)
    return np.repeat(grey[..., None], 3, axis=-1)


def _drawn(pixels: np.ndarray, labels: np.ndarray) -> Image.Image:
    place = _around(labels)
    small = resize(pixels[place], SIZE, anti_aliasing=True)
    classes = resize(labels[place], SIZE, order=0, preserve_range=True).astype(int)
    names = [str(n) for n in range(int(labels.max()) + 1)]
    for label, colour in class_colours(names).items():
        if label:
            small[find_boundaries(classes == label)] = np.array(colour) / 255
    picture = Image.fromarray((small * 255).astype(np.uint8))
    return picture.quantize(COLOURS)


def _around(labels: np.ndarray) -> tuple[slice, slice]:
    """Return a part around the labels that has the shape of the pictures."""
    shape, found = labels.shape, np.argwhere(labels > 0).mean(0)
    unit = CROP * min(n / side for n, side in zip(shape, SIZE, strict=True))
    place = []
    for n, side, middle in zip(shape, SIZE, found, strict=True):
        long = round(unit * side)
        start = int(np.clip(middle - long / 2, 0, n - long))
        place.append(slice(start, start + long))
    return tuple(place)


if __name__ == "__main__":
    main()
