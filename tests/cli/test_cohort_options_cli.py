"""``--subject`` and ``--data`` of train and fine-tune, and what is said of a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from cli_runs import run
from training_cases import CARD, CONFIG, SEVERITY, mixed_squares, square, tiny_model

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint

NOTE = "Gender as sex"


def cohort_of(folder: Path, *, first: int = 0, n: int = 24) -> Path:
    """Write pairs of pictures with columns of other names: Who and Gender."""
    cases = [square(first + i, SEVERITY.values[i // 2 % 3]) for i in range(n)]
    write_cohort(folder, cases)
    table = folder / "cohort.csv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for place, row in enumerate(rows):
        row |= {"Who": f"p{(first + place) // 2}", "Gender": "FM"[place % 2]}
        row.pop("sex", None)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "start.safetensors", tiny_model())
    return tmp_path / "start.safetensors"


def recipe_at(tmp_path: Path) -> Path:
    stated = {
        "card": CARD.model_dump(mode="json"),
        "config": CONFIG.model_dump(mode="json"),
        "settings": {"epochs": 1, "batch": 4, "hold_out": "cases"},
    }
    (tmp_path / "recipe.json").write_text(json.dumps(stated))
    return tmp_path / "recipe.json"


def held_out(folder: Path) -> list[dict[str, str]]:
    with (folder / "held_out.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("command", ["train", "fine-tune"])
def test_the_column_of_subjects_is_named(
    tmp_path: Path, checkpoint: Path, command: str
) -> None:
    cohort, out = cohort_of(tmp_path / "cohort"), tmp_path / "o"
    if command == "train":
        begin = ("train", cohort, "--recipe", recipe_at(tmp_path))
    else:
        begin = ("fine-tune", checkpoint, cohort)
    options = ("--subject", "who", "--output", out, "--epochs", 1)
    code, _, told = run(*begin, *options)
    assert code == 0, told
    found = [row["subject"] for row in held_out(out)]
    assert found
    assert all(found.count(subject) == 2 for subject in found)
    assert json.loads((out / "task.json").read_text())["subject"] == "who"
    assert run(*begin, "--output", out, "--resume")[0] == 0


def test_a_column_that_is_not_there_is_told(tmp_path: Path, checkpoint: Path) -> None:
    cohort = cohort_of(tmp_path / "cohort")
    out = ("--output", tmp_path / "o")
    code, _, told = run("fine-tune", checkpoint, cohort, *out, "--subject", "Whom")
    assert (code, told.count("\n")) == (2, 1)
    assert "there is no column 'Whom'" in told
    guard = write_cohort(tmp_path / "guard", mixed_squares(6)).parent
    named = ("--subject", "Who", "--guard", guard)
    code, _, told = run("fine-tune", checkpoint, cohort, *out, *named)
    assert (code, told.count("\n")) == (2, 1)
    assert "the guard: cohort.csv: there is no column 'Who'" in told


def test_a_guard_of_the_same_subjects_does_not_judge(
    tmp_path: Path, checkpoint: Path
) -> None:
    """Other pictures of whom a model is trained on are no others."""
    cohort = cohort_of(tmp_path / "cohort")
    guard = cohort_of(tmp_path / "guard", first=200)
    table = guard / "cohort.csv"
    table.write_text(table.read_text().replace("p10", "p"))  # p100 and on: p0 and on
    options = ("--guard", guard, "--subject", "Who", "--epochs", 1)
    code, out, told = run(
        "fine-tune", checkpoint, cohort, "--output", tmp_path / "o", *options
    )
    assert code == 0, told
    assert "whose patient or lesion is trained on" in told
    assert "no group got worse" not in out


@pytest.mark.parametrize("command", ["train", "fine-tune"])
def test_what_the_images_are_stands_on_the_card(
    tmp_path: Path, checkpoint: Path, command: str
) -> None:
    cohort = cohort_of(tmp_path / "cohort")
    begin = ("fine-tune", checkpoint, cohort)
    if command == "train":
        begin = ("train", cohort, "--recipe", recipe_at(tmp_path))
    stated = ("--data", "bright squares of a clinic", "--epochs", 1)
    code, _, told = run(*begin, "--output", tmp_path / "o", *stated)
    assert code == 0, told
    card = load_checkpoint(tmp_path / "o" / "model.safetensors").card
    assert "bright squares of a clinic" in str(card.training.data)


@pytest.mark.parametrize("command", ["train", "fine-tune"])
def test_what_is_noticed_of_a_table_is_said_once_and_recorded(
    tmp_path: Path, checkpoint: Path, command: str
) -> None:
    cohort, out = cohort_of(tmp_path / "cohort"), tmp_path / "o"
    begin = ("fine-tune", checkpoint, cohort)
    if command == "train":
        begin = ("train", cohort, "--recipe", recipe_at(tmp_path))
    code, _, told = run(*begin, "--output", out, "--epochs", 1)
    assert code == 0, told
    assert told.count(NOTE) == 1
    assert told.index(NOTE) < told.index("epoch 1")
    notices = json.loads((out / "history.json").read_text())["notices"]
    assert any(NOTE in notice for notice in notices)


def test_a_refusal_stays_alone(tmp_path: Path, checkpoint: Path) -> None:
    cohort = cohort_of(tmp_path / "cohort")
    (cohort / "images" / "00003.tif").write_bytes(b"no image")
    code, _, told = run("fine-tune", checkpoint, cohort, "--output", tmp_path / "o")
    assert (code, told.count("\n")) == (2, 1)


def test_what_nothing_held_out_is_called_not_measured(
    tmp_path: Path, checkpoint: Path
) -> None:
    cohort = cohort_of(tmp_path / "cohort", n=6)
    out = ("--output", tmp_path / "o", "--epochs", 1, "--hold-out", "none")
    code, said, _ = run("fine-tune", checkpoint, cohort, *out)
    assert (code, "held-out Dice not measured" in said) == (0, True)
    facts = json.loads(
        run("fine-tune", checkpoint, cohort, *out, "--overwrite", "--json")[1]
    )
    assert facts["held_out"] == {"of": "none", "n": 0, "dice": {}}


def test_phantoms_guard_a_model_of_phantoms(tmp_path: Path) -> None:
    from napari_dmoe.phantoms.kinds import KINDS

    skin = KINDS["skin"].cohort(6, seed=77)
    cohort = write_cohort(tmp_path / "cohort", skin).parent
    options = ("--guard", "phantoms:14", "--epochs", 1, "--steps-per-epoch", 1)
    out = ("--output", tmp_path / "o", "--json")
    code, said, told = run("fine-tune", "skin-phantom", cohort, *options, *out)
    assert code == 0, told
    facts = json.loads(said)
    assert facts["report"]["guard_title"] == "14 skin phantoms"
    assert facts["report"]["guard"][0]["n"] <= 14
