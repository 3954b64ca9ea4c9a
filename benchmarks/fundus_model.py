"""What the bundled fundus model reaches, on phantoms and on a real photograph, as JSON.

Run it with ``python benchmarks/fundus_model.py``. The photograph is the one that
scikit-image ships; it takes no part in training.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence

import numpy as np
import skimage.data
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.fundus.cohort import CUP_FACTORS, fundus_cohort

Mask = NDArray[np.bool_]

DISC_ROW, DISC_COLUMN, RADIUS_ROWS, RADIUS_COLUMNS = 652, 218, 102, 98
"""The disc of scikit-image's retina photograph, as an ellipse marked by hand."""


def dice(found: Mask, truth: Mask) -> float:
    """Return the Dice coefficient of two masks; NaN where both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else float("nan")


def best_constant_dice(truths: Sequence[Mask]) -> float:
    """Return the mean Dice of the best single mask for all cases.

    Pixels are added in the order of how often they belong to the truth, which is the
    best mask of each size but for the weighting by case; the best size is taken.
    """
    stack = np.stack(truths).reshape(len(truths), -1).astype(np.float64)
    sizes = stack.sum(1)
    gains = (stack / sizes[:, None]).mean(0)
    order = np.argsort(-gains)[: stack.shape[1] // 2]
    shared = np.cumsum(stack[:, order], axis=1)
    area = np.arange(1, len(order) + 1)
    return float((2 * shared / (area + sizes[:, None])).mean(0).max())


def paired_interval(
    difference: NDArray[np.float64], seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a mean over cases."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(difference), (2000, len(difference)))
    low, high = np.percentile(difference[draws].mean(1), [2.5, 97.5])
    return float(low), float(high)


def shuffled(severities: Sequence[str], seed: int = 0) -> list[str]:
    """Return the severities of other cases, in a seeded random order."""
    order = np.random.default_rng(seed).permutation(len(severities))
    return [severities[i] for i in order]


def truth_of(case: Case) -> NDArray[np.generic]:
    """Return the labels of a phantom."""
    if case.labels is None:
        raise ValueError(f"{case.id} has no labels")
    return np.asarray(case.labels.data)


def left_empty(loaded: LoadedModel, cases: Sequence[Case]) -> tuple[int, int]:
    """Return of how many phantoms without a disc nothing is found, and how many."""
    empty = [case for case in cases if not truth_of(case).any()]
    found = [segment(loaded, case.image, case.patient).labels.any() for case in empty]
    return found.count(False), len(found)


def phantom_figures(loaded: LoadedModel, cases: Sequence[Case]) -> dict[str, object]:
    """Measure disc and cup on phantoms, with the attribute told, shuffled, unknown.

    Of phantoms that show no disc only that is counted of which nothing is found.
    """
    n_left, n_empty = left_empty(loaded, cases)
    cases = [case for case in cases if truth_of(case).any()]
    told = [str(case.patient.severity) for case in cases]
    scores: dict[str, list[float]] = {k: [] for k in ("disc", "cup", "wrong", "mixed")}
    for case, other in zip(cases, shuffled(told), strict=True):
        truth = truth_of(case)
        labels = segment(loaded, case.image, case.patient).labels
        wrong = segment(loaded, case.image, Patient(severity=other)).labels
        mixed = segment(loaded, case.image, Patient()).labels
        scores["disc"].append(dice(labels > 0, truth > 0))
        for name, found in (("cup", labels), ("wrong", wrong), ("mixed", mixed)):
            scores[name].append(dice(found == 2, truth == 2))
    drop = np.array(scores["cup"]) - np.array(scores["wrong"])
    is_grey = np.array([case.image.n_channels == 1 for case in cases])
    truths = [truth_of(case) for case in cases]
    cup, of = np.array(scores["cup"]), np.array(told)
    return {
        "n": len(cases),
        "n_without_disc": n_empty,
        "n_without_disc_left_empty": n_left,
        "disc_dice": float(np.mean(scores["disc"])),
        "cup_dice": float(np.mean(scores["cup"])),
        "disc_dice_grey": float(np.array(scores["disc"])[is_grey].mean()),
        "cup_dice_grey": float(np.array(scores["cup"])[is_grey].mean()),
        "cup_dice_by_severity": {
            name: float(cup[of == name].mean()) for name in CUP_FACTORS
        },
        "cup_dice_severity_shuffled": float(np.mean(scores["wrong"])),
        "cup_dice_severity_unknown": float(np.mean(scores["mixed"])),
        "cup_drop_when_shuffled": float(drop.mean()),
        "cup_drop_interval": paired_interval(drop),
        "best_constant_disc_dice": best_constant_dice([t > 0 for t in truths]),
        "best_constant_cup_dice": best_constant_dice([t == 2 for t in truths]),
    }


def photograph() -> tuple[NDArray[np.uint8], Mask]:
    """Return the retina photograph (1411, 1411, 3) and its disc."""
    image = skimage.data.retina()
    row, column = np.mgrid[: image.shape[0], : image.shape[1]]
    level = ((row - DISC_ROW) / RADIUS_ROWS) ** 2
    return image, level + ((column - DISC_COLUMN) / RADIUS_COLUMNS) ** 2 <= 1


def crops(seed: int = 0, number: int = 20) -> list[tuple[slice, slice]]:
    """Draw square crops of side 512/s, s in 0.7-1.4, that hold the whole disc."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        side = round(512 / rng.uniform(0.7, 1.4))
        place = []
        for centre, radius in (
            (DISC_ROW, RADIUS_ROWS),
            (DISC_COLUMN, RADIUS_COLUMNS),
        ):
            first = max(0, centre + radius + 1 - side)
            last = min(centre - radius, 1411 - side)
            start = int(rng.integers(first, last + 1))
            place.append(slice(start, start + side))
        found.append((place[0], place[1]))
    return found


def photograph_figures(loaded: LoadedModel) -> dict[str, object]:
    """Measure the disc on crops of the photograph, and on all of it."""
    image, disc = photograph()
    views: dict[str, Callable[[NDArray[np.uint8]], SpatialImage]] = {
        "colour": lambda a: SpatialImage.from_array(a, axes="yxc"),
        "green": lambda a: SpatialImage.from_array(a[..., 1], axes="yx"),
    }
    figures: dict[str, object] = {}
    for name, view in views.items():
        scores = [
            dice(segment(loaded, view(image[crop])).labels > 0, disc[crop])
            for crop in crops()
        ]
        figures[f"{name}_crops"] = {
            "median": float(np.median(scores)),
            "min": min(scores),
            "all": [round(score, 3) for score in scores],
        }
        whole = segment(loaded, view(image)).labels
        figures[f"{name}_whole"] = dice(whole > 0, disc)
    return figures


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="fundus-phantom")
    parser.add_argument("--number", type=int, default=240)
    parser.add_argument("--seed", type=int, default=2024)
    options = parser.parse_args()
    loaded = load_checkpoint(options.checkpoint)
    cases = list(fundus_cohort(options.number, seed=options.seed))
    figures = {
        "checkpoint": options.checkpoint,
        "sha256": loaded.sha256,
        "phantoms": phantom_figures(loaded, cases),
        "photograph": photograph_figures(loaded),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
