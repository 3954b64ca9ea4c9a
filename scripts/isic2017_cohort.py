"""Make the cohort that `skin-isic2017` is trained on from ISIC 2017's own files.

    python scripts/isic2017_cohort.py FOLDER OUT [--side 256]

FOLDER holds what the challenge publishes under CC0 (Part 1, training; Codella et al.
2018, arXiv 1710.05006): ISIC-2017_Training_Data/ with the photographs and
ISIC-2017_Training_Data_metadata.csv, and ISIC-2017_Training_Part1_GroundTruth/ with
the masks; ISIC-2017_Training_Part3_GroundTruth.csv is taken over where it is there.

OUT gets images/, masks/ and metadata.csv, which `napari-dmoe train` reads as they are.
Both sides of a picture become SIDE pixels: 2,000 photographs then are 26 MB.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

PHOTOGRAPHS = "ISIC-2017_Training_Data"
METADATA = f"{PHOTOGRAPHS}/ISIC-2017_Training_Data_metadata.csv"
MASKS = "ISIC-2017_Training_Part1_GroundTruth"
DIAGNOSES = "ISIC-2017_Training_Part3_GroundTruth.csv"
ID = "image_id"
NUMBER = 2000
"""Photographs that the challenge published for training."""


def main(source: Path, out: Path, *, side: int) -> int:
    """Write the cohort; return how many photographs it has."""
    table = _table(source)
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name in table[ID]:
        photograph = Image.open(source / PHOTOGRAPHS / f"{name}.jpg").convert("RGB")
        mask = Image.open(source / MASKS / f"{name}_segmentation.png").convert("L")
        if photograph.size != mask.size:
            sys.exit(
                f"{name}: the photograph is {photograph.size}, its mask {mask.size}"
            )
        small = photograph.resize((side, side), Image.Resampling.LANCZOS)
        small.save(out / "images" / f"{name}.jpg", quality=92)
        _smaller(mask, side).save(out / "masks" / f"{name}.png", optimize=True)
    table.to_csv(out / "metadata.csv", index=False)
    return len(table)


def _table(source: Path) -> pd.DataFrame:
    """Return ids, ages, sexes and diagnoses; what is called unknown is left out."""
    table = pd.read_csv(source / METADATA, na_values="unknown", dtype={ID: str})
    table = table.rename(columns={"age_approximate": "age"})[[ID, "age", "sex"]]
    if (source / DIAGNOSES).is_file():
        table = table.merge(pd.read_csv(source / DIAGNOSES, dtype={ID: str}), on=ID)
    table["age"] = table["age"].astype("Int64")
    missing = [name for name in table[ID] if not all(_files(source, name))]
    if missing:
        sys.exit(f"{len(missing)} photographs or masks are missing: {missing[0]}, ...")
    if len(table) != NUMBER:
        print(f"{len(table):,} photographs are listed, not {NUMBER:,}", file=sys.stderr)
    return table.sort_values(ID)


def _files(source: Path, name: str) -> Iterator[bool]:
    yield (source / PHOTOGRAPHS / f"{name}.jpg").is_file()
    yield (source / MASKS / f"{name}_segmentation.png").is_file()


def _smaller(mask: Image.Image, side: int) -> Image.Image:
    """Return a mask of 0 and 255: a pixel is lesion where half of it is."""
    share = mask.resize((side, side), Image.Resampling.BOX)
    return Image.fromarray(np.where(np.asarray(share) >= 128, 255, 0).astype(np.uint8))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, metavar="FOLDER")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--side", type=int, default=256)
    given = parser.parse_args()
    print(f"{main(given.source, given.out, side=given.side):,} photographs")
