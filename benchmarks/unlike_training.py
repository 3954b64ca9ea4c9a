"""How many images a model calls unlike those that it was trained on, as JSON.

Run it with ``python benchmarks/unlike_training.py MODEL [FOLDER ...] --other PATH``.
Of the right kind are phantoms that a bundled model never saw, and the images of the
folders. Other things are shown kind by kind (see :mod:`foreign_pictures`), and the
pictures of the folders after ``--other``; of a volume there (CT, MR) a model of planes
sees slices. ``--held-out FILE`` takes, of the folders that hold any, the images alone
that ``train`` held out (its ``held_out.csv``), ``--most N`` N of each, evenly.
With ``--before`` no network is run: it is what the dock says before a run.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foreign_pictures import FUNDI, kinds_of_foreign, photographs, slices
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.outlook import outlook
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.training_images import UNLIKE
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS

Named = tuple[str, SpatialImage, Patient]


def phantoms(model: str, number: int, seed: int) -> Iterator[Named]:
    """Yield phantoms that the model never saw."""
    kind = model.removesuffix("-phantom")
    for i, case in enumerate(KINDS[kind].cohort(number, seed=seed)):
        yield f"{kind} {i}", case.image, case.patient


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


def flagged(
    loaded: LoadedModel, images: Iterable[Named], *, before: bool = False
) -> dict:
    """Return which of some images are called unlike the training's."""
    names, found = [], dict[str, str]()
    for name, image, patient in images:
        names.append(name)
        for said in _said(loaded, image, patient, before=before):
            found[name] = said
    return {
        "images": len(names),
        "share": len(found) / len(names) if names else None,
        "flagged": found,
        "not flagged": [name for name in names if name not in found],
    }


def _said(
    loaded: LoadedModel, image: SpatialImage, patient: Patient, *, before: bool
) -> list[str]:
    """Return what is said of an image that is unlike: in what it is."""
    if before:
        seen = outlook(loaded, image)
        return [seen.cautions[0].partition(": ")[2]] if seen.is_unlike else []
    notices = segment(loaded, image, patient).provenance.notices
    return [n.partition(" in ")[2] for n in notices if UNLIKE in n]


def of_folder(
    path: Path, *, most: int | None = None, held_out: frozenset[str] = frozenset()
) -> Iterator[Named]:
    """Yield the images of a folder, or the slices of a volume's file."""
    if path.is_file():
        image = read_image(path)
        volume = np.moveaxis(np.asarray(image.data), image.axes.index("z"), 0)
        for name, pixels in slices(volume):
            yield name, plane(pixels), Patient()
        return
    paths = sorted(path.iterdir())
    paths = [each for each in paths if each.stem in held_out] or paths
    n = len(paths)
    for i in np.linspace(0, n - 1, min(n, most or n)).round().astype(int):
        yield paths[i].name, read_image(paths[i]), Patient()


def _name(path: Path) -> str:
    return path.parent.name if path.name == "images" else path.name


def pictures(of: Iterable[tuple[str, NDArray[np.uint8]]]) -> Iterator[Named]:
    """Yield pictures of nobody."""
    for name, pixels in of:
        yield name, plane(pixels), Patient()


def measure(options: argparse.Namespace) -> dict:
    """Return a model's shares: of the right kind, and of other things."""
    model = options.model
    loaded, before = load_checkpoint(model), options.before
    right, other = dict[str, Iterable[Named]](), dict[str, Iterable[Named]]()
    if options.number and model.removesuffix("-phantom") in KINDS:
        right["phantoms"] = phantoms(model, options.number, options.seed)
    held_out = frozenset[str]()
    if options.held_out:
        with options.held_out.open(encoding="utf-8") as file:
            held_out = frozenset(row["id"] for row in csv.DictReader(file))
    for folder in options.folders:
        right[_name(folder)] = of_folder(folder, most=options.most, held_out=held_out)
    if loaded.card.dims == 3:
        other["no CT"] = volumes()
    else:
        for kind, of in kinds_of_foreign().items():
            other[kind] = pictures(of)
        fundi = ((name, own) for name, own in photographs() if name in FUNDI)
        other["fundi of scikit-image"] = pictures(fundi)
    for path in options.other:
        other[_name(path)] = of_folder(path, most=options.most)
    found = {
        which: {kind: flagged(loaded, of, before=before) for kind, of in kinds.items()}
        for which, kinds in (("right kind", right), ("other things", other))
    }
    shares = {
        which: {kind: own["share"] for kind, own in kinds.items()}
        for which, kinds in found.items()
    }
    return {"model": model, "sha256": loaded.sha256, "shares": shares, **found}


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--other", nargs="+", type=Path, default=[])
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--most", type=int)
    parser.add_argument("--before", action="store_true")
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2024)
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
