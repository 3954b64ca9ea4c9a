"""Cards that lie beside their checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_runs import run
from places import DATA

from napari_dmoe.models.card_files import card_beside, read_card, write_card
from napari_dmoe.models.checkpoint import (
    CheckpointError,
    load_checkpoint,
    stated_card,
)
from napari_dmoe.models.saving import save_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "unet3d_stage5.pth", tmp_path / "mine.pth"))


def test_a_card_beside_the_file_is_found_and_said(checkpoint: Path) -> None:
    assert load_checkpoint(checkpoint).card.name == "generic"
    card = read_card("prostate-tstage").model_copy(update={"title": "Mine"})
    write_card(card_beside(checkpoint), card)
    loaded = load_checkpoint(checkpoint)
    assert loaded.card == card
    assert loaded.notices == ("the card is mine.card.json, which lies beside the file",)
    assert stated_card(str(checkpoint)) == card


def test_a_card_that_is_named_goes_before_the_one_beside(checkpoint: Path) -> None:
    card = read_card("prostate-tstage").model_copy(update={"title": "Mine"})
    write_card(card_beside(checkpoint), card)
    loaded = load_checkpoint(checkpoint, "prostate-tstage")
    assert loaded.card.title != "Mine"
    assert loaded.notices == ()


def test_the_one_beside_goes_before_the_files_own(
    checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own.safetensors"
    loaded = load_checkpoint(checkpoint, "prostate-tstage")
    save_checkpoint(path, loaded)
    changed = loaded.card.model_copy(update={"title": "Changed"})
    write_card(card_beside(path), changed)
    assert load_checkpoint(path).card.title == "Changed"


def test_a_wrong_card_beside_is_told_in_one_line_that_names_the_field(
    checkpoint: Path,
) -> None:
    fields = read_card("prostate-tstage").model_dump(mode="json")
    fields["preprocessing"] = {"orientation": "RAX"}
    card_beside(checkpoint).write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(checkpoint)
    said = str(error.value)
    assert said.startswith("mine.card.json is no valid card: preprocessing.orientation")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preprocessing": {"patch": [32, 32, 33]}}, "preprocessing.patch: sides of a"),
        ({"preprocessing": {"percentiles": [9, 3]}}, "preprocessing.percentiles: "),
        ({"dims": 4}, "dims cannot be 4"),
        ({"klasses": []}, "klasses: there is no such field"),
        (
            {"attributes": [{"name": "severity", "values": ["a", "b"]}]},
            "has 5 routers, but the card 'prostate-tstage' states 2 (severity)",
        ),
    ],
)
def test_inspect_checks_a_card_and_names_the_field(
    checkpoint: Path, tmp_path: Path, change: dict, said: str
) -> None:
    fields = read_card("prostate-tstage").model_dump(mode="json") | change
    path = tmp_path / "new.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    code, _, error = run("inspect", checkpoint, "--card", path)
    assert code == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1
