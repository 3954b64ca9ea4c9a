"""Cohorts in the layouts in which they are published, of a few pixels each."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

MASK = np.zeros((6, 8), np.int8)
MASK[1:5, 1:6], MASK[2:4, 2:4] = -1, -2
"""Rim and cup as FairSeg numbers them."""

KNOWN: Mapping[str, Any] = {
    **{"race": 1, "gender": 0, "ethnicity": 0, "language": -1, "maritalstatus": 2},
    "age": 63 * 365.25,
}
"""A Black woman of 63 years, whose language is not known."""

HEADER = "image_id,Path,Sex,Age_multi,localization"


def archive(path: Path, *, pickled: Sequence[str] = (), **stated: Any) -> Path:
    """Write one FairSeg archive; what is stated as None is left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    arrays = {"slo_fundus": grey, "disc_cup_mask": MASK, **KNOWN, **stated}
    np.savez(
        path,
        **{
            key: np.array(value, dtype=object if key in pickled else None)
            for key, value in arrays.items()
            if value is not None
        },
    )
    return path


def fairseg(root: Path, n: int = 3, **lists: Sequence[str]) -> Path:
    """Write ``FairSeg/data_*.npz`` and lists of names; return the folder around."""
    for number in range(1, n + 1):
        archive(root / "FairSeg" / f"data_{number:05d}.npz")
    for name, names in lists.items():
        (root / "lists").mkdir(exist_ok=True)
        (root / "lists" / f"{name}.txt").write_text("".join(f"{x}\n" for x in names))
    return root


def ham(root: Path, *rows: str, header: str = HEADER, table: str = "test") -> Path:
    """Write a split's table, and an image and a mask for each path in it."""
    pixels = np.full((6, 8, 3), 90, np.uint8)
    for row in csv.DictReader([header, *rows]):
        path = row["Path"]
        if not path.endswith(".jpg"):
            continue
        image = root / "HAM10000" / path
        mask = path.replace("_images", "_segmentations")
        mask = mask.replace(".jpg", "_segmentation.png")
        for each, data in (
            (image, pixels),
            (root / "HAM10000" / mask, (MASK != 0).astype(np.uint8) * 255),
        ):
            each.parent.mkdir(parents=True, exist_ok=True)
            iio.imwrite(each, data)
    splits = root / "HAM_split"
    splits.mkdir(exist_ok=True)
    (splits / f"{table}.csv").write_text("\n".join([header, *rows]) + "\n")
    return root
