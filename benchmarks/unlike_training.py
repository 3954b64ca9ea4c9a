"""How many images a model calls unlike those that it was trained on, as JSON.

Run it with ``python benchmarks/unlike_training.py MODEL [FOLDER ...]``: phantoms of the
model's kind that it never saw, the photographs that scikit-image ships, noise, and the
images of the folders. Photographs that show what the model is for are counted apart.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import skimage
from numpy.typing import NDArray

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.training_images import UNLIKE
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS

FUNDI = ("retina.jpg", "microaneurysms.png")
"""Photographs of scikit-image that show a fundus, or a part of one."""

Named = tuple[str, SpatialImage, Patient]


def phantoms(model: str, number: int, seed: int) -> Iterator[Named]:
    """Yield phantoms that the model never saw."""
    kind = model.removesuffix("-phantom")
    for i, case in enumerate(KINDS[kind].cohort(number, seed=seed)):
        yield f"{kind} {i}", case.image, case.patient


def photographs() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the photographs that scikit-image's package holds, 8 bits each."""
    folder = Path(skimage.__file__).parent / "data"
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".png", ".jpg"):
            continue
        pixels = iio.imread(path)
        is_plane = pixels.ndim == 2 or pixels.shape[-1] in (3, 4)
        if is_plane and min(pixels.shape[:2]) >= 64:
            scale = np.uint8(255 if pixels.dtype == bool else 1)
            yield path.name, np.asarray(scale * pixels)


def planes_of_noise() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield uniform and Gaussian noise, and constant images, in grey and colour."""
    rng = np.random.default_rng(0)
    for shape in ((400, 400, 3), (300, 300), (160, 160, 3), (900, 900, 3)):
        yield f"uniform {shape}", rng.integers(0, 256, shape, np.uint8)
        for spread in (4, 15, 40):
            drawn = np.clip(rng.normal(128, spread, shape), 0, 255)
            yield f"Gaussian {spread} {shape}", drawn.astype(np.uint8)
        for value in (0, 90, 255):
            yield f"constant {value} {shape}", np.full(shape, value, np.uint8)


def volumes(shape: tuple[int, int, int] = (40, 64, 64)) -> Iterator[Named]:
    """Yield volumes that are no CT: noise, and photographs as stacks."""
    rng = np.random.default_rng(0)
    affine = np.diag([4.0, 3, 3, 1])
    made = {
        "uniform": rng.uniform(-200, 300, shape),
        "uniform bytes": rng.integers(0, 256, shape),
        "Gaussian": rng.normal(50, 100, shape),
        "constant": np.full(shape, 50),
    }
    for name, pixels in photographs():
        grey = pixels if pixels.ndim == 2 else pixels[..., :3].mean(-1)
        made[name] = np.stack([grey] * shape[0])
    for name, data in made.items():
        image = SpatialImage(np.asarray(data, np.int16), ("z", "y", "x"), affine, "mm")
        yield name, image, Patient()


def plane(pixels: NDArray[np.uint8]) -> SpatialImage:
    """Return a picture with its axes."""
    axes = "yx" if pixels.ndim == 2 else "yxc"
    return SpatialImage.from_array(np.ascontiguousarray(pixels), axes=axes)


def flagged(loaded: LoadedModel, images: Iterable[Named]) -> dict:
    """Return which of some images are called unlike the training's."""
    names, found = [], dict[str, str]()
    for name, image, patient in images:
        notices = segment(loaded, image, patient).provenance.notices
        names.append(name)
        for notice in notices:
            if UNLIKE in notice:
                found[name] = notice.partition(" in ")[2]
    return {
        "images": len(names),
        "share": len(found) / len(names) if names else None,
        "flagged": found,
        "not flagged": [name for name in names if name not in found],
    }


def of_folder(folder: Path) -> Iterator[Named]:
    """Yield the images of a folder."""
    for path in sorted(folder.iterdir()):
        yield path.name, read_image(path), Patient()


def measure(model: str, number: int, seed: int, folders: Iterable[Path] = ()) -> dict:
    """Return a model's shares."""
    loaded = load_checkpoint(model)
    found = {"phantoms": flagged(loaded, phantoms(model, number, seed))}
    if loaded.card.dims == 3:
        found["no CT"] = flagged(loaded, volumes())
    else:
        pictures = [(name, plane(pixels), Patient()) for name, pixels in photographs()]
        others = [each for each in pictures if each[0] not in FUNDI]
        fundi = [each for each in pictures if each[0] in FUNDI]
        noise = [(name, plane(pixels), Patient()) for name, pixels in planes_of_noise()]
        found["photographs"] = flagged(loaded, others)
        found["fundi of scikit-image"] = flagged(loaded, fundi)
        found["noise"] = flagged(loaded, noise)
    for folder in folders:
        found[folder.name] = flagged(loaded, of_folder(folder))
    return {"model": model, "sha256": loaded.sha256, "seed": seed, **found}


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2024)
    options = parser.parse_args()
    found = measure(options.model, options.number, options.seed, options.folders)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
