"""Small cohorts on disk with images, truths and predictions, and audits of them."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating.predictions import evaluate_predictions
from napari_dmoe.viewer.fairness.shelf import Audit

N_CASES, SIDE = 12, 16
SEXES, CENTRES = ("female", "male"), ("north", "south", "south")
WORST = "case-02"
"""Of the women: its prediction misses the lesion."""


def write_planes(folder: Path, *, has_images: bool = True) -> Path:
    """Write a cohort of photographs with one lesion each; return its table.

    Predictions of women lie one pixel off for each three cases; those of men are the
    truth.
    """
    for name in ("images", "labels", "predictions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(N_CASES):
        case, sex = f"case-{number:02d}", SEXES[number % 2]
        truth = np.zeros((SIDE, SIDE), np.uint8)
        truth[4:12, 4:12] = 255
        predicted = np.roll(truth, 1 + number // 3, 1) if sex == "female" else truth
        if case == WORST:
            predicted = np.zeros_like(truth)
        picture = np.full((SIDE, SIDE, 3), 40 + 10 * number, np.uint8)
        picture[..., 0] += truth // 4
        Image.fromarray(picture).save(folder / "images" / f"{case}.png")
        Image.fromarray(truth).save(folder / "labels" / f"{case}.png")
        Image.fromarray(predicted).save(folder / "predictions" / f"{case}.png")
        row = (
            {"id": case, "image": f"images/{case}.png"} if has_images else {"id": case}
        )
        row |= {"labels": f"labels/{case}.png", "sex": sex, "age": 30 + 4 * number}
        rows.append(row | {"centre": CENTRES[number % 3]})
    return _table(folder, rows)


def write_volumes(folder: Path) -> Path:
    """Write a cohort of masks alone, with their size in mm; return its table."""
    for name in ("labels", "predictions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(4):
        case = f"volume-{number}"
        truth = np.zeros((9, 8, 6), np.uint8)
        truth[2:6, 2:6, 4] = 1
        predicted = np.roll(truth, number, 0)
        for what, values in (("labels", truth), ("predictions", predicted)):
            image = nibabel.Nifti1Image(values, np.diag([0.5, 0.5, 3.0, 1.0]))
            nibabel.save(image, folder / what / f"{case}.nii.gz")
        row = {"id": case, "labels": f"labels/{case}.nii.gz"}
        rows.append(row | {"age": 50 + 10 * number, "centre": CENTRES[number % 3]})
    return _table(folder, rows)


def _table(folder: Path, rows: list[dict]) -> Path:
    table = folder / "cohort.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def audit_of(
    table: Path,
    *,
    predictions: str = "predictions",
    classes: tuple[str, ...] = ("background", "lesion"),
) -> Audit:
    """Return what came of scoring a folder of predictions beside a cohort's truth."""
    cohort = open_cohort(table, needs_image=False)
    folder = table.parent / predictions
    output = table.parent / f"audit of {predictions}"
    return Audit(evaluate_predictions(cohort, folder, output, classes=classes), cohort)
