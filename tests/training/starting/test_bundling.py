"""A bundled model of photographs is made again by two scripts: its cohort, its card."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.models.checkpoint import load_checkpoint, new_model
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.starting.recipes import RECIPES

SCRIPTS = Path(__file__).parents[3] / "scripts"
NAMES = ("ISIC_0000000", "ISIC_0000001")


def script(name: str) -> ModuleType:
    """Return a script as a module."""
    spec = util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two pictures in the layout that the challenge publishes."""
    isic = script("isic2017_cohort")
    source = tmp_path / "published"
    for folder in (isic.PHOTOGRAPHS, isic.MASKS):
        (source / folder).mkdir(parents=True)
    for name in NAMES:
        pixels = np.full((60, 80, 3), 180, np.uint8)
        pixels[20:40, 20:60] = 60
        mask = np.where(pixels[..., 0] == 60, 255, 0).astype(np.uint8)
        Image.fromarray(pixels).save(source / isic.PHOTOGRAPHS / f"{name}.jpg")
        Image.fromarray(mask).save(source / isic.MASKS / f"{name}_segmentation.png")
        # Superpixels lie beside the photographs, and are none.
        Image.fromarray(mask).save(
            source / isic.PHOTOGRAPHS / f"{name}_superpixels.png"
        )
    table = "image_id,age_approximate,sex\nISIC_0000001,unknown,unknown\n"
    (source / isic.METADATA).write_text(f"{table}ISIC_0000000,55,female\n")
    return source


def test_the_cohort_is_read_as_it_is_written(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cohort"
    assert script("isic2017_cohort").main(published, out, side=32) == 2
    assert "2 photographs are listed, not 2,000" in capsys.readouterr().err
    table = pd.read_csv(out / "metadata.csv")
    assert list(table.image_id) == list(NAMES)
    cases = list(open_cohort(out / "metadata.csv"))
    assert [c.patient.sex for c in cases] == ["female", None]
    assert [c.patient.age for c in cases] == [55, None]
    assert np.asarray(cases[0].image.data).shape[:2] == (32, 32)
    # Both sides become as long: a third of the rows, half of the columns.
    mask = np.asarray(Image.open(out / "masks" / "ISIC_0000000.png"))
    assert set(np.unique(mask)) == {0, 255}
    assert mask.any(1).sum() == pytest.approx(32 / 3, abs=2)
    assert mask.any(0).sum() == 16


def test_a_photograph_without_its_mask_is_named(
    published: Path, tmp_path: Path
) -> None:
    isic = script("isic2017_cohort")
    (published / isic.MASKS / f"{NAMES[1]}_segmentation.png").unlink()
    with pytest.raises(
        SystemExit, match="1 photographs or masks are missing: ISIC_0000001"
    ):
        isic.main(published, tmp_path / "cohort", side=32)


@pytest.fixture
def bundled(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Put a new model into a folder with some words."""
    recipe = RECIPES["skin-isic2017"]
    torch.manual_seed(0)
    model = new_model(recipe.architecture, recipe.config, recipe.card)
    save_checkpoint(tmp_path / "model.safetensors", model, training='{"seed": 0}')

    def bundle(words: dict[str, str]) -> Path:
        path = tmp_path / "words.json"
        path.write_text(json.dumps(words))
        made = script("bundle_model").main(
            tmp_path / "model.safetensors", path, folder=tmp_path
        )
        assert isinstance(made, Path)
        return made

    return bundle


def test_words_fill_the_card_and_nothing_else(
    bundled: Callable[[dict[str, str]], Path], tmp_path: Path
) -> None:
    words = json.loads((SCRIPTS / "skin-isic2017.words.json").read_text())
    before = load_checkpoint(tmp_path / "model.safetensors")
    made = load_checkpoint(bundled(words))
    assert made.source == "skin-isic2017.safetensors"
    assert made.card.title == words["title"]
    assert made.card.training.data == words["data"]
    assert made.card.attributes == before.card.attributes
    assert made.card.preprocessing == before.card.preprocessing
    for ours, theirs in zip(
        before.module.parameters(), made.module.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_words_that_no_card_has_are_refused(
    bundled: Callable[[dict[str, str]], Path],
) -> None:
    with pytest.raises(SystemExit, match="preprocessing"):
        bundled({"name": "mine", "preprocessing": "stretch"})


@pytest.mark.parametrize("name", ["skin-isic2017", "fundus-phantom"])
def test_the_bundled_cards_say_the_words(name: str) -> None:
    words = json.loads((SCRIPTS / f"{name}.words.json").read_text())
    card = load_checkpoint(name).card
    for field in ("note", "data"):
        if field in words:
            assert getattr(card.training, field) == words[field]
    assert {card.name, words["name"]} == {name}
