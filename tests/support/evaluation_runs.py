"""Small cohorts on disk, and what an evaluation of them writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating.evaluate import evaluate
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.models.checkpoint import load_checkpoint

SIZES = ((60, 80), (90, 70), (64, 64), (50, 110), (80, 80), (72, 96), (66, 66))
_MADE_AT = re.compile(r'"made_at": "[^"]*"')
HOW = EvaluationSettings(device="cpu", batch=2)


def write_skin(folder: Path, *, n: int = len(SIZES)) -> Path:
    """Write photographs of a dark blob on skin, in several sizes, and return them."""
    rng = np.random.default_rng(3)
    lines = ["image,labels,sex,age,lesion_id"]
    folder.mkdir(parents=True, exist_ok=True)
    for number, (height, width) in enumerate(SIZES[:n]):
        y, x = np.mgrid[:height, :width]
        blob = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 4
        image = np.full((height, width, 3), (210, 160, 140), np.float64)
        image[blob] = (90, 50, 40)
        image += rng.normal(0, 4, image.shape)
        iio.imwrite(folder / f"im{number}.png", image.clip(0, 255).astype(np.uint8))
        iio.imwrite(folder / f"im{number}_mask.png", blob.astype(np.uint8) * 255)
        sex = ("female", "male", "")[number % 3]
        age = "" if number == 4 else str(20 + 9 * number)
        lines.append(
            f"im{number}.png,im{number}_mask.png,{sex},{age},lesion{number // 2}"
        )
    table = folder / "cohort.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def evaluate_skin(table: Path, output: Path) -> None:
    """Evaluate the bundled model; for a process that is killed."""
    drivers = ("sex", "age")
    loaded = load_checkpoint("skin-phantom")
    evaluate(loaded, open_cohort(table, drivers=drivers), output, settings=HOW)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return everything in a folder and below, dates left out."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    facts = found["evaluation.json"].decode()
    assert "made_at" in json.loads(facts)
    found["evaluation.json"] = _MADE_AT.sub("", facts).encode()
    return found
