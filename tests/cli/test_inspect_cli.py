"""What ``inspect`` says of the values of a card, and what runs say beforehand."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from cli_runs import run

from napari_dmoe.models.card import CardAttribute, ModelCard, TrainingFacts
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint

Checkpoint = Callable[..., Path]
NEVER = "no training case of this model had sex male: its router was never trained"


@pytest.fixture
def women(tmp_path: Path, tiny_checkpoint: Checkpoint) -> Path:
    """A model that was trained on 1,234 women and no man, with a spare router."""
    sex = CardAttribute(
        name="sex", values=("female", "male"), n_routers=3, frequencies=(1.0, 0.0)
    )
    card = ModelCard(
        name="women",
        title="Women",
        attributes=(sex,),
        classes=("background", "lesion"),
        training=TrainingFacts(n_per_value={"sex": {"female": 1234, "male": 0}}),
    )
    path = tmp_path / "women.safetensors"
    save_checkpoint(path, load_checkpoint(tiny_checkpoint(3, 2), card=card))
    return path


def test_inspect_says_what_was_measured_and_what_a_guard_allowed_to_say(
    tmp_path: Path, women: Path
) -> None:
    loaded = load_checkpoint(women)
    said = "not checked: the guard has no case of sex=male."
    facts = loaded.card.training.model_copy(
        update={"dice": {"lesion": 0.81}, "n_held_out": 40, "guard": said}
    )
    card = loaded.card.model_copy(update={"training": facts})
    save_checkpoint(tmp_path / "tuned.safetensors", replace(loaded, card=card))
    _, out, _ = run("inspect", tmp_path / "tuned.safetensors")
    assert "Dice          lesion 0.810 (40 held-out cases)" in out
    assert f"groups        {said}" in out


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in "abc":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (40, 50), np.uint8)
        iio.imwrite(folder / f"{name}.png", pixels)
    return folder


def test_inspect_lists_values_with_their_cases(women: Path) -> None:
    code, out, _ = run("inspect", women)
    assert code == 0
    assert "sex: 0 female (n = 1,234), 1 male (never trained) (1 routers unused)" in out
    assert "notice        no training case of this model had sex male" in out
    assert "Dice          not stated" in out
    _, out, _ = run("inspect", women, "--json")
    assert json.loads(out)["untrained"] == {"sex": ["male"]}


def test_inspect_of_a_bundled_model_names_nothing_untrained() -> None:
    _, out, _ = run("inspect", "fundus-phantom")
    assert "0 healthy (n = 444), 1 suspect (n = 496), 2 glaucoma (n = 500)" in out
    assert "never trained" not in out
    note = load_checkpoint("fundus-phantom").card.training.note
    assert note
    assert f"note          {note}\n" in out


def test_inspect_counts_nothing_that_the_card_does_not_state(
    tiny_checkpoint: Checkpoint,
) -> None:
    _, out, _ = run("inspect", tiny_checkpoint(2, 2), "--card", "ham10000-sex")
    assert "sex: 0 female, 1 male\n" in out


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_man_is_segmented_with_a_notice_before_and_in_the_table(
    tmp_path: Path, women: Path, pictures: Path
) -> None:
    out = tmp_path / "out"
    code, _, err = run(
        "segment", pictures, "--checkpoint", women, "--sex", "male", "-o", out
    )
    assert code == 0
    assert err.count(f"notice: {NEVER} (3 of 3 images)") == 1
    assert all(NEVER in row["outcome"] for row in rows_of(out / "segment.csv"))
    record = json.loads((out / "a.labels.json").read_text())
    assert record["drivers"][0]["untrained"] == ["male"]
    assert NEVER in record["notices"]


def test_of_a_cohort_only_the_men_are_named(
    tmp_path: Path, women: Path, pictures: Path
) -> None:
    lines = ["image,sex", "a.png,female", "b.png,male", "c.png,"]
    table = pictures / "cohort.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "out"
    code, _, err = run("segment", table, "--checkpoint", women, "-o", out)
    assert code == 0
    assert f"notice: {NEVER} (1 of 3 images)" in err
    assert "sex is unknown, and male left out of what is mixed" in err
    of_woman, of_man, of_unknown = (r["outcome"] for r in rows_of(out / "segment.csv"))
    assert of_woman == "segmented for sex female"
    assert NEVER in of_man
    assert (
        "sex unknown: female alone, weighted as in training; left out: male"
        in of_unknown
    )


def test_sweep_and_replay_say_so_before_they_run(
    tmp_path: Path, women: Path, pictures: Path
) -> None:
    out, image = tmp_path / "out", pictures / "a.png"
    code, said, err = run(
        "sweep", image, "--checkpoint", women, "--attribute", "sex", "-o", out
    )
    assert code == 0
    assert f"notice: {NEVER}" in err
    assert "Never trained, as no training case had it: male" in said
    of_man = out / "a.1-male.labels.json"
    code, said, err = run("replay", of_man, image, "--checkpoint", women)
    assert code == 0
    assert "bit for bit" in said
    assert f"notice: {NEVER}" in err
