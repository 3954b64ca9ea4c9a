"""What masks of pictures that are not square are like, by how these meet the model.

Run it with ``python benchmarks/whole_image.py``. It prints JSON: Dice of the disc or
the lesion, on the picture's own pixels, where the picture is padded, cropped or
stretched. Phantoms are square, so that all three are the same there; cut around what
they show they are twice as wide as high, or twice as high as wide. Folders of real
pictures, with masks of the same stem beside them, are measured where they are named.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from fundus_model import Mask, dice, photograph
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS

FITS = ("pad", "crop", "stretch")

PHANTOMS_SEED = 2024
"""Of phantoms that no model was trained on."""

Pixels = NDArray[np.generic]
Pictured = tuple[Pixels, Mask, Patient]

CUTS = {
    "whole": (slice(0, 1411), slice(0, 1411)),
    "2:1, disc in the middle": (slice(302, 1002), slice(0, 1411)),
    "2:1, disc above": (slice(500, 1200), slice(0, 1411)),
    "1:2, disc at the side": (slice(0, 1411), slice(0, 700)),
    "1:2, disc farther out": (slice(0, 1411), slice(100, 800)),
    "3:2": (slice(200, 1140), slice(0, 1411)),
}
"""Cuts of scikit-image's retina photograph, all of which hold its disc."""


def measured(
    loaded: LoadedModel, pictures: Iterable[Pictured]
) -> dict[str, float | int]:
    """Return the mean Dice of each fit, and on how many pictures."""
    scores: dict[str, list[float]] = {fit: [] for fit in FITS}
    for pixels, truth, patient in pictures:
        axes = "yxc" if pixels.ndim == 3 else "yx"
        image = SpatialImage.from_array(pixels, axes=axes)
        for fit in FITS:
            how = InferenceSettings(fit=fit)
            found = segment(loaded, image, patient, settings=how).labels > 0
            scores[fit].append(dice(found, truth))
    means = {fit: round(float(np.mean(own)), 3) for fit, own in scores.items()}
    return {**means, "n": len(scores["pad"])}


def phantoms(kind: str, number: int) -> list[Pictured]:
    """Return phantoms with what they show."""
    drawn = []
    for case in KINDS[kind].cohort(number, seed=PHANTOMS_SEED):
        if case.labels is not None:
            truth = np.asarray(case.labels.data) > 0
            drawn.append((np.asarray(case.image.data), truth, case.patient))
    return drawn


def halved(pictures: Iterable[Pictured], axis: int) -> Iterator[Pictured]:
    """Cut pictures to half their size along an axis, around what they show."""
    for pixels, truth, patient in pictures:
        n = truth.shape[axis]
        ends = np.flatnonzero(truth.any(1 - axis))[[0, -1]]
        first = int(np.clip(ends.mean() - n / 4, 0, n - n // 2))
        cut: list[slice] = [slice(None), slice(None)]
        cut[axis] = slice(first, first + n // 2)
        yield pixels[tuple(cut)], truth[tuple(cut)], patient


def of_folder(folder: Path, number: int) -> Iterator[Pictured]:
    """Yield some pictures, evenly over a folder, whose patients are not known."""
    masks = {path.stem.removesuffix("_segmentation"): path
             for path in (folder / "masks").iterdir()}  # fmt: skip
    paths = [p for p in sorted((folder / "images").iterdir()) if p.stem in masks]
    for path in paths[:: max(1, len(paths) // number)][:number]:
        truth = iio.imread(masks[path.stem])
        truth = truth if truth.ndim == 2 else truth[..., 0]
        yield iio.imread(path)[..., :3], truth > 0, Patient()


def figures(options: argparse.Namespace) -> dict[str, object]:
    """Measure everything."""
    found: dict[str, object] = {}
    image, disc = photograph()
    read: Callable[[str], LoadedModel] = load_checkpoint
    for kind in ("fundus", "fundus-race", "skin"):
        loaded, drawn = read(f"{kind}-phantom"), phantoms(kind, options.number)
        own: dict[str, object] = {
            "phantoms": measured(loaded, drawn),
            "phantoms 2:1": measured(loaded, halved(drawn, 0)),
            "phantoms 1:2": measured(loaded, halved(drawn, 1)),
        }
        if kind != "skin":
            cuts = {
                name: measured(loaded, [(image[cut], disc[cut], Patient())])
                for name, cut in CUTS.items()
            }
            own["retina photograph"] = cuts
        for folder in options.lesions if kind == "skin" else options.fundi:
            own[folder.name] = measured(loaded, of_folder(folder, options.number))
        found[loaded.card.name] = own
    return found


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=40)
    for name in ("--fundi", "--lesions"):
        parser.add_argument(name, type=Path, nargs="*", default=[])
    print(json.dumps(figures(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
