"""A command that runs a model and is told none says which one is for the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_runs import run
from PIL import Image

from napari_dmoe.models.checkpoint import bundled_names
from napari_dmoe.phantoms.skin.cohort import skin_case

SUCH = "skin-isic2017, trained on pictures like these"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a cohort of two pictures that are like photographs of lesions."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(2):
        case = skin_case(number, 7)
        Image.fromarray(np.asarray(case.image.data)).save(folder / f"{number}.png")
    (folder / "cohort.csv").write_text("id,image\na,0.png\nb,1.png\n")
    return folder


@pytest.mark.parametrize(
    ("command", "source", "more"),
    [
        ("segment", "0.png", ()),
        ("segment", "", ()),
        ("segment", "cohort.csv", ()),
        ("sweep", "0.png", ("--attribute", "sex")),
        ("audit", "", ()),
        ("evaluate", "", ()),
    ],
)
def test_it_names_the_bundled_model_for_them(
    pictures: Path, tmp_path: Path, command: str, source: str, more: tuple[str, ...]
) -> None:
    if command == "evaluate":
        (pictures / "cohort.csv").write_text("id,image,labels\na,0.png,1.png\n")
    code, said, told = run(command, pictures / source, "-o", tmp_path / "out", *more)
    assert (code, said) == (2, "")
    assert f"--checkpoint, such as {SUCH}" in told.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_of_other_images_it_names_all(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "grey.png")
    code, _, told = run("segment", tmp_path / "grey.png", "-o", tmp_path / "out")
    assert code == 2
    assert told == (
        "napari-dmoe: no model was named: give one by --checkpoint, a file or "
        f"{', '.join(bundled_names())}\n"
    )


def test_what_cannot_be_read_is_told_first(tmp_path: Path) -> None:
    code, _, told = run("segment", tmp_path / "missing.png", "-o", tmp_path / "out")
    assert code == 2
    assert "missing.png" in told
