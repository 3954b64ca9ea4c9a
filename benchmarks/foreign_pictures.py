"""Pictures that show no fundus and no lesion, by kind, to see what models say of them.

Photographs come from packages that are installed anyway (scikit-image, scikit-learn,
matplotlib); the rest is drawn, the same for the same seed. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Pictures = Iterator[tuple[str, Pixels]]

FUNDI = ("retina.jpg", "microaneurysms.png")
"""Photographs of scikit-image that show a fundus, or a part of one."""

TEXTURES = ("brick.png", "grass.png", "gravel.png")
PAPERS = ("page.png", "text.png")
MICROSCOPY = ("ihc.png", "cell.png")
"""Of scikit-image: tissue and a cell."""

FACES = 40
"""Faces of scikit-image, 25 pixels a side, that are taken."""

CROPS = {2: 4, 4: 6, 8: 6}
"""Crops of each photograph, by how many times a side is longer than theirs."""

LEAST_SIDE = 48
"""Of a crop, in pixels."""

DRAWN_SIDE = 300


def kinds_of_foreign(seed: int = 0) -> Mapping[str, Pictures]:
    """Return pictures that show neither, by kind."""
    return {
        "photographs": _named(()),
        "papers": _named(PAPERS),
        "textures": _named(TEXTURES),
        "microscopy": _named(MICROSCOPY),
        "faces": faces(),
        "crops of photographs": crops(seed),
        "noise": noise(seed),
        "plain": plain(),
        "drawings": drawings(seed),
        "rendered text": rendered_text(seed),
    }


def photographs() -> Pictures:
    """Yield the pictures that installed packages hold, 8 bits each."""
    for folder in _folders():
        for path in sorted(folder.iterdir()):
            if path.suffix not in (".png", ".jpg"):
                continue
            pixels = iio.imread(path)
            is_plane = pixels.ndim == 2 or pixels.shape[-1] in (3, 4)
            if is_plane and min(pixels.shape[:2]) >= 64:
                scale = np.uint8(255 if pixels.dtype == bool else 1)
                yield path.name, np.asarray(scale * pixels)


def _folders() -> Iterator[Path]:
    parts = {
        "skimage": "data",
        "sklearn": "datasets/images",
        "matplotlib": "mpl-data/sample_data",
    }
    for package, part in parts.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent / part
            if folder.is_dir():
                yield folder


def _named(names: tuple[str, ...]) -> Pictures:
    """Yield the photographs of these names; of no names, those that no kind names."""
    others = (*FUNDI, *TEXTURES, *PAPERS, *MICROSCOPY)
    for name, pixels in photographs():
        if name in names or (not names and name not in others):
            yield name, pixels


def faces() -> Pictures:
    """Yield grey faces, very small as they are."""
    import skimage

    path = Path(skimage.__file__).parent / "data/lfw_subset.npy"
    if path.is_file():
        for i, face in enumerate(np.load(path)[:FACES]):
            yield f"face {i}", np.round(255 * face / face.max()).astype(np.uint8)


def crops(seed: int) -> Pictures:
    """Yield parts of the photographs at several zooms; parts of one value are none."""
    rng = np.random.default_rng(seed)
    for name, pixels in photographs():
        if name in FUNDI or pixels.shape[-1] == 4:
            continue
        for zoom, number in CROPS.items():
            side = min(pixels.shape[:2]) // zoom
            if side < LEAST_SIDE:
                continue
            for i in range(number):
                y, x = (rng.integers(0, n - side + 1) for n in pixels.shape[:2])
                part = pixels[y : y + side, x : x + side]
                if np.ptp(part) > 0:
                    yield f"{name} / {zoom}, {i}", part


def noise(seed: int) -> Pictures:
    """Yield uniform, Gaussian, coarse, salted and pink noise, in grey and colour."""
    rng = np.random.default_rng(seed)
    side = DRAWN_SIDE
    for shape in ((side, side, 3), (side, side), (900, 900, 3), (160, 160, 3)):
        yield f"uniform {shape}", rng.integers(0, 256, shape, np.uint8)
        for spread in (4, 15, 40):
            yield f"Gaussian {spread} {shape}", _bytes(rng.normal(128, spread, shape))
        for step in (4, 16, 50):
            few = (-(-shape[0] // step), -(-shape[1] // step), *shape[2:])
            coarse = rng.integers(0, 256, few, np.uint8)
            name = f"blocks of {step} {shape}"
            whole = coarse.repeat(step, 0).repeat(step, 1)
            yield name, whole[: shape[0], : shape[1]]
            yield f"clouds of {step} {shape}", _resized(coarse, shape[:2])
        salt = np.full(shape, 128, np.uint8)
        where = rng.random(shape[:2])
        salt[where < 0.03], salt[where > 0.97] = 0, 255
        yield f"salt {shape}", salt
        yield f"pink {shape}", _pink(rng, shape)


def _pink(rng: np.random.Generator, shape: tuple[int, ...]) -> Pixels:
    """Return noise whose power falls with the square of the frequency."""
    size = shape[:2]
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    weight = 1 / np.maximum(np.hypot(fy, fx), 1 / max(size))
    planes = []
    for _ in range(shape[2] if len(shape) > 2 else 1):
        field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=size)) * weight, size)
        planes.append(_bytes(128 + 45 * field / field.std()))
    return np.stack(planes, -1) if len(shape) > 2 else planes[0]


def plain() -> Pictures:
    """Yield pictures of one colour, gradients, stripes and checkerboards."""
    side = DRAWN_SIDE
    for colour in ((0, 0, 0), (255, 255, 255), (90, 90, 90), (200, 30, 30)):
        yield f"constant {colour}", np.full((side, side, 3), colour, np.uint8)
    for value in (0, 128, 255):
        yield f"constant {value}", np.full((side, side), value, np.uint8)
    y, x = np.mgrid[:side, :side] / (side - 1)
    for name, field in {"down": y, "across": x, "both": (x + y) / 2}.items():
        grey = _bytes(255 * field)
        yield f"gradient {name}", grey
        colours = [field, 1 - field, np.full_like(field, 0.5)]
        yield f"gradient {name}, coloured", _bytes(255 * np.stack(colours, -1))
    for cell in (3, 15, 50):
        board = ((y * side // cell + x * side // cell) % 2).astype(np.uint8)
        yield f"checkerboard {cell}", 255 * board
        two = np.array([(250, 220, 60), (30, 60, 160)], np.uint8)
        yield f"checkerboard {cell}, coloured", two[board]
        stripes = (x * side // cell % 2).astype(np.uint8)
        yield f"stripes {cell}", 255 * stripes


def drawings(seed: int, number: int = 24) -> Pictures:
    """Yield boxes, lines and polygons in colours on a plain ground."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        ground = tuple(int(c) for c in rng.integers(0, 256, 3))
        image = Image.new("RGB", (DRAWN_SIDE, DRAWN_SIDE), ground)
        pen = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(4, 14))):
            colour = tuple(int(c) for c in rng.integers(0, 256, 3))
            corners = [
                (float(a), float(b)) for a, b in rng.uniform(0, DRAWN_SIDE, (4, 2))
            ]
            if i % 3 == 0:
                pen.line(corners, fill=colour, width=int(rng.integers(1, 9)))
            elif i % 3 == 1:
                pen.polygon(corners, fill=colour)
            else:
                (ya, xa), (yb, xb) = corners[:2]
                box = (min(ya, yb), min(xa, xb), max(ya, yb), max(xa, xb))
                pen.rectangle(box, fill=colour, outline=(0, 0, 0))
        yield f"drawing {i}", np.asarray(image)


def rendered_text(seed: int, number: int = 12) -> Pictures:
    """Yield pages and signs: letters on paper, black on white and in colours."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz    ABC0123456789"))
    for i in range(number):
        ground, ink = ((255,) * 3, (0,) * 3)
        if i % 2:
            ground, ink = (tuple(int(c) for c in rng.integers(0, 256, 3)) for _ in "ab")
        image = Image.new("RGB", (400, 400), ground)
        pen, size = ImageDraw.Draw(image), float(rng.choice([9, 14, 24, 60, 120]))
        font = ImageFont.load_default(size)
        for row in range(int(380 // (1.3 * size))):
            line = "".join(rng.choice(letters, int(700 / size)))
            pen.text((10, 10 + 1.3 * size * row), line, fill=ink, font=font)
        yield f"text {i}", np.asarray(image)


def slices(volume: NDArray[Any], number: int = 12) -> Pictures:
    """Yield planes of a CT or MR, evenly through it, as grey pictures."""
    low, high = np.percentile(volume, [1, 99])
    for i in np.linspace(0, len(volume) - 1, number + 2).round().astype(int)[1:-1]:
        yield f"plane {i}", _bytes(255 * (volume[i] - low) / max(high - low, 1e-6))


def _bytes(values: NDArray[Any]) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _resized(pixels: Pixels, size: tuple[int, ...]) -> Pixels:
    image = Image.fromarray(pixels)
    resized = image.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(resized)
