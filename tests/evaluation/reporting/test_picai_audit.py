"""The audit of somebody else's masks: its figures, and those of its page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import picai_audit

PAGE = Path(__file__).parents[3] / "docs" / "audit-picai.md"
FOLDER = os.environ.get("NAPARI_DMOE_PICAI", "")


def write_cohort(folder: Path, n: int = 24) -> None:
    """Write lesions of eight voxels, of which every case but some finds a half."""
    lines = ["id,subject,labels,age,centre"]
    for name in ("labels", "predictions"):
        (folder / name).mkdir(parents=True)
    for number in range(n):
        truth = np.zeros((6, 8, 8), np.uint8)
        truth[2:4, 2:4, 2:4] = 1
        found = truth.copy()
        found[3] = 0  # Dice 2 * 4 / (8 + 4)
        if number % 4 == 0:
            found[:] = 0
        if number % 4 == 1:
            found = np.roll(truth, 3, axis=2)
        for kind, mask in (("labels", truth), ("predictions", found)):
            nib.save(
                nib.Nifti1Image(mask, np.eye(4)), folder / kind / f"{number}.nii.gz"
            )
        age, centre = (55, 65, 75)[number % 3], ("A", "B")[number // 12]
        lines.append(f"{number},p{number},labels/{number}.nii.gz,{age},{centre}")
    (folder / "cohort.csv").write_text("\n".join(lines) + "\n")


def test_masks_are_audited_by_group_without_model_and_image(tmp_path: Path) -> None:
    write_cohort(tmp_path / "picai")
    found = picai_audit.audited(tmp_path / "picai", tmp_path / "out")
    half = 2 * 4 / (8 + 4)
    assert found["n"] == 24
    assert found["mean"] == pytest.approx(half / 2)
    assert (found["n_missed"], found["n_zero"]) == (6, 12)
    assert {k: v["n"] for k, v in found["groups"]["age"].items()} == {
        "under 60": 8,
        "60-69": 8,
        "70 and over": 8,
    }
    centres = found["groups"]["centre"]
    assert centres["A"]["mean"] == pytest.approx(half / 2)
    assert found["gaps"]["centre"][0] == pytest.approx(0, abs=1e-12)
    page = (tmp_path / "out" / "report" / "report.html").read_text()
    assert "p23" not in page


def rows_of(page: str) -> dict[str, tuple[int, float, float, float]]:
    """Return what the page says of each group: cases, Dice and its interval."""
    row = re.compile(r"\| ([^|]+) \| (\d+) \| ([\d.]+) \(([\d.]+) to ([\d.]+)\) \|")
    return {
        name.removeprefix("centre "): (int(n), float(mean), float(low), float(high))
        for name, n, mean, low, high in row.findall(page)
    }


def test_the_page_has_a_row_for_each_group() -> None:
    found = rows_of(PAGE.read_text("utf-8"))
    assert len(found) == 12
    assert found["all"][:2] == (222, 0.476)
    assert sum(found[age][0] for age in ("under 60", "60-69", "70 and over")) == 222
    assert sum(found[centre][0] for centre in ("PCNN", "RUMC", "ZGT")) == 222


@pytest.mark.skipif(not FOLDER, reason="NAPARI_DMOE_PICAI does not name the cohort")
def test_the_page_says_what_the_cohort_gives(tmp_path: Path) -> None:
    found = picai_audit.audited(Path(FOLDER), tmp_path)
    text = PAGE.read_text("utf-8")
    groups = {name: g for own in found["groups"].values() for name, g in own.items()}
    for name, said in rows_of(text).items():
        own: dict[str, Any] = found if name == "all" else groups[name]
        assert said == pytest.approx(
            (own["n"], own["mean"], own["low"], own["high"]), abs=5.1e-4
        )
    assert found["n_zero"] == 39
    for attribute in ("centre", "age"):
        gap, low, high = found["gaps"][attribute]
        assert f"{gap:.3f} ({low:.3f} to {high:.3f})" in text
