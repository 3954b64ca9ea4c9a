"""``napari-dmoe train`` and ``fine-tune``: what they write, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import run
from imagenet_arrays import jax_arrays
from PIL import Image
from training_cases import (
    CARD,
    CONFIG,
    mixed_squares,
    square,
    tiny_model,
    weights,
)
from typer.main import get_command

from napari_dmoe.cli import app
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.weights import read_weights
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.training.tasks.task import DEFAULT_RECIPE


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in the same order as the processes that are killed: the last bits depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    write_cohort(tmp_path / "cohort", mixed_squares(12))
    return tmp_path / "cohort"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.json"
    stated = {
        "card": CARD.model_dump(mode="json"),
        "config": CONFIG.model_dump(mode="json"),
        "settings": {"epochs": 3, "batch": 4, "hold_out": "cases"},
    }
    path.write_text(json.dumps(stated))
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "start.safetensors", tiny_model())
    return tmp_path / "start.safetensors"


def test_every_setting_is_a_flag_of_both_commands() -> None:
    for command in ("train", "fine-tune"):
        flags = {f for p in get_command(app).commands[command].params for f in p.opts}
        for name in TrainSettings.model_fields:
            if name != "schema_version":
                assert f"--{name.replace('_', '-')}" in flags


def test_train_writes_models_logs_and_what_it_needs_to_go_on(
    tmp_path: Path, cohort: Path, recipe: Path
) -> None:
    out = tmp_path / "out"
    code, said, told = run("train", cohort, "--recipe", recipe, "--output", out)
    assert code == 0
    assert "held-out Dice rim" in said
    assert "(n 3)" in said
    assert told.count("worst group") == 3
    assert told.count("(all together, n 3)") == 3
    assert "notice: no group has 5 held-out cases" in told
    assert {path.name for path in out.iterdir()} == {
        "model.safetensors",
        "best.safetensors",
        "last.safetensors",
        "resume.safetensors",
        "history.csv",
        "history.json",
        "held_out.csv",
        "task.json",
    }
    loaded = load_checkpoint(out / "model.safetensors")
    assert loaded.card.training.n_cases == 9
    assert loaded.sha256 in said
    assert len((out / "history.csv").read_text().splitlines()) == 4
    header = read_weights(out / "model.safetensors").header
    assert json.loads(header["napari-dmoe-training"])["settings"]["epochs"] == 3


def test_a_models_own_file_has_its_folder_beside_it(
    tmp_path: Path, cohort: Path, recipe: Path
) -> None:
    model = tmp_path / "new" / "model.safetensors"
    assert run("train", cohort, "--recipe", recipe, "--output", model)[0] == 0
    assert load_checkpoint(model).card.name == "tiny"
    assert (model.parent / "model.training" / "resume.safetensors").is_file()
    code, _, told = run("train", cohort, "--recipe", recipe, "--output", model)
    assert code == 2
    assert "holds a training already" in told
    options = ("--recipe", recipe, "--output", model, "--overwrite", "--epochs", 1)
    assert run("train", cohort, *options)[0] == 0
    assert len((model.parent / "model.training/history.csv").read_text().split()) < 40


def test_flags_go_before_the_file_and_the_file_before_the_recipe(
    tmp_path: Path, cohort: Path, recipe: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"seed": 7, "epochs": 2, "augmentation": "none"}))
    options = ["--recipe", recipe, "--config", config, "--epochs", 1]
    assert run("train", cohort, *options, "--output", tmp_path / "o")[0] == 0
    record = json.loads((tmp_path / "o/history.json").read_text())["settings"]
    assert (record["seed"], record["epochs"], record["batch"]) == (7, 1, 4)
    assert record["augmentation"] is None
    config.write_text(json.dumps({"preset": "published", "batch": 3, "epochs": 1}))
    options = ["--recipe", recipe, "--config", config, "--augmentation", "published"]
    assert run("train", cohort, *options, "--output", tmp_path / "p")[0] == 0
    record = json.loads((tmp_path / "p/history.json").read_text())["settings"]
    assert (record["optimiser"], record["loss"]) == ("sgd", "published")
    assert record["learning_rate"] == pytest.approx(0.01 * 3 / 24)
    assert record["augmentation"]["kind"] == "published"


@pytest.mark.parametrize("mode", ["single-router", "no-moe"])
def test_baselines_are_trained_by_mode(
    tmp_path: Path, cohort: Path, recipe: Path, mode: str
) -> None:
    options = ["--recipe", recipe, "--mode", mode, "--epochs", 1]
    assert run("train", cohort, *options, "--output", tmp_path / "o")[0] == 0
    loaded = load_checkpoint(tmp_path / "o/model.safetensors")
    assert loaded.config.n_routers == (mode == "single-router")
    (epoch,) = json.loads((tmp_path / "o/history.json").read_text())["history"]
    assert "severity=healthy" in epoch["groups"]


def test_imagenet_and_a_card_make_a_new_model(tmp_path: Path, cohort: Path) -> None:
    np.savez(tmp_path / "ViT.npz", **jax_arrays())
    card = CARD.model_copy(update={"n_heads": None, "architecture": None})
    (tmp_path / "card.json").write_text(card.model_dump_json())
    code, _, told = run(
        *("train", cohort, "--card", tmp_path / "card.json"),
        *("--start", tmp_path / "ViT.npz", "--output", tmp_path / "o"),
        *("--epochs", 1, "--batch", 12, "--learning-rate", 1e-9),
    )
    assert code == 0, told
    loaded = load_checkpoint(tmp_path / "o/model.safetensors")
    assert (loaded.config.width, loaded.config.depth) == (64, 2)
    kernel = jax_arrays()["Transformer/encoderblock_1/MlpBlock_3/Dense_0/kernel"]
    found = loaded.network.blocks[1].mlp[0].weight.detach().numpy()
    np.testing.assert_allclose(found, kernel.T, atol=1e-6)


def test_fine_tuning_changes_only_what_is_named(
    tmp_path: Path, cohort: Path, checkpoint: Path
) -> None:
    code, _, told = run(
        *("fine-tune", checkpoint, cohort, "--output", tmp_path / "o"),
        *("--train", "routers", "--epochs", 2),
    )
    assert code == 0, told
    before, after = (
        load_checkpoint(path).module.state_dict()
        for path in (checkpoint, tmp_path / "o/model.safetensors")
    )
    changed = {n for n in before if not before[n].equal(after[n])}
    assert changed
    assert all(".router" in name or ".noise" in name for name in changed)
    record = json.loads((tmp_path / "o/history.json").read_text())
    assert record["started_from"] == load_checkpoint(checkpoint).sha256


@pytest.mark.parametrize("like", [None, "suspect", "nearest"])
def test_a_new_value_is_learnt_by_its_router_alone(
    tmp_path: Path, checkpoint: Path, like: str | None
) -> None:
    cases = [square(i, "absolute") for i in range(4)]
    write_cohort(tmp_path / "new", cases)
    code, _, told = run(
        *("fine-tune", checkpoint, tmp_path / "new", "--output", tmp_path / "o"),
        *("--new-value", "severity=absolute", "--epochs", 1),
        *(("--like", like) if like else ()),
    )
    assert code == 0, told
    loaded = load_checkpoint(tmp_path / "o/model.safetensors")
    assert loaded.card.attributes[0].values[-1] == "absolute"
    routers = load_checkpoint(checkpoint).network.moe.router_weight
    assert loaded.network.moe.router_weight[:3].equal(routers)
    # Resuming prepares the same model again.
    assert (
        run(
            *("fine-tune", checkpoint, tmp_path / "new", "--output", tmp_path / "o"),
            "--resume",
        )[0]
        == 0
    )


def test_a_second_attribute_is_learnt(tmp_path: Path, checkpoint: Path) -> None:
    cases = [square(i, "healthy", sex=("female", "male")[i % 2]) for i in range(4)]
    write_cohort(tmp_path / "new", cases)
    code, _, told = run(
        *("fine-tune", checkpoint, tmp_path / "new", "--output", tmp_path / "o"),
        *("--new-attribute", "sex=female,male", "--epochs", 1),
    )
    assert code == 0, told
    card = load_checkpoint(tmp_path / "o/model.safetensors").card
    assert [attribute.name for attribute in card.attributes] == ["severity", "sex"]
    assert card.n_routers == 5


def test_none_can_be_said_of_every_setting_that_may_be_none(
    tmp_path: Path, cohort: Path, recipe: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"patience": 3, "steps_per_epoch": 1, "clip": 0.5}))
    options = ["--recipe", recipe, "--config", config, "--epochs", 1]
    options += ["--group-by", "None", "--unlabelled", "none", "--patience", "none"]
    options += ["--clip", "none", "--output", tmp_path / "o"]
    assert run("train", cohort, *options)[0] == 0
    record = json.loads((tmp_path / "o/history.json").read_text())["settings"]
    names = ("clip", "patience", "group_by", "unlabelled", "steps_per_epoch")
    assert [record[name] for name in names] == [None, None, None, None, 1]
    code, _, told = run("train", cohort, *options, "--clip", "some")
    assert (code, "this cannot be 'some': it must" in told) == (2, True)


def test_what_cannot_be_done_is_one_clear_line(
    tmp_path: Path, cohort: Path, recipe: Path, checkpoint: Path
) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "bad.json").write_text('{"card": "no-such-card"}')
    (tmp_path / "odd.json").write_text('{"weights": 1}')
    new = ["train", cohort, "--output", tmp_path / "o"]
    tune = ["fine-tune", checkpoint, cohort, "--output", tmp_path / "o"]
    for arguments, message in (
        ([*new, "--recipe", "x"], "there is no recipe 'x': use fundus-phantom"),
        ([*new, "--recipe", tmp_path / "bad.json"], "there is no card 'no-such-card'"),
        ([*new, "--recipe", tmp_path / "odd.json"], "expected an object with card"),
        ([*new, "--recipe", recipe, "--card", "fairseg-race"], "not both"),
        ([*new, "--recipe", recipe, "--config", tmp_path / "list.json"], "no settings"),
        ([*new, "--recipe", recipe, "--config", tmp_path / "none.json"], "as JSON"),
        ([*new, "--recipe", recipe, "--mode", "dual"], "mode"),
        ([*new, "--recipe", recipe, "--preset", "fast"], "no preset 'fast'"),
        ([*new, "--recipe", recipe, "--learning-rate", -1], "learning_rate cannot be"),
        (
            [*new, "--recipe", recipe, "--augmentation", "wild"],
            "no augmentation 'wild'",
        ),
        ([*new, "--recipe", recipe, "--device", "cuda:99"], "is not there"),
        (
            [*new, "--recipe", recipe, "--clip", 0],
            "clip cannot be 0.0: it must",
        ),
        ([*new, "--recipe", recipe, "--mode", "x"], "mode cannot be 'x': it must be"),
        ([*tune, "--new-value", "severity"], "expected ATTRIBUTE=VALUE"),
        ([*tune, "--train", "heads"], "nothing of the network is called 'heads'"),
        ([*new, "--resume"], "no training to resume"),
    ):
        code, _, told = run(*arguments)
        assert code == 2, arguments
        assert message in told
        assert told.strip().count("\n") == 0


def test_a_folder_without_its_task_cannot_be_resumed(
    tmp_path: Path, cohort: Path, recipe: Path
) -> None:
    out = tmp_path / "o"
    run("train", cohort, "--recipe", recipe, "--epochs", 1, "--output", out)
    (out / "task.json").write_text("{")
    code, _, told = run("train", cohort, "--output", out, "--resume")
    assert (code, "task.json is missing or damaged" in told) == (2, True)


def test_a_terminated_command_saves_and_is_resumed_to_the_same_file(
    tmp_path: Path, cohort: Path, recipe: Path
) -> None:
    options = ["--recipe", recipe, "--epochs", 40, "--save-every", 40]
    command = [sys.executable, "-m", "napari_dmoe.cli", "train", cohort, *options]
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    with subprocess.Popen(
        [str(a) for a in [*command, "--output", cut]],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        assert child.stderr.readline().startswith("epoch 1")
        time.sleep(0.2)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 143
        assert "stopped; go on with --resume" in child.stderr.read()
    assert run("train", cohort, *options, "--output", whole)[0] == 0
    assert run("train", cohort, "--output", cut, "--resume")[0] == 0
    first, second = (load_checkpoint(p / "model.safetensors") for p in (cut, whole))
    assert weights(first).equal(weights(second))


def test_the_worst_group_is_named_with_its_number(tmp_path: Path, recipe: Path) -> None:
    cases = [square(i, "healthy" if i < 30 else "glaucoma") for i in range(32)]
    write_cohort(tmp_path / "cohort", cases)
    options = ("--recipe", recipe, "--epochs", 1, "--output", tmp_path / "o")
    code, said, told = run("train", tmp_path / "cohort", *options)
    assert code == 0
    assert "(severity=healthy, n 6)" in told
    assert "no case of severity=glaucoma (2) is held out" in told
    assert "(n 6)" in said
    assert (tmp_path / "o/held_out.csv").read_text().count("\n") == 7


def test_what_was_trained_on_is_not_called_held_out(
    tmp_path: Path, recipe: Path
) -> None:
    # The same ten pictures in two formats: files differ, and what is seen does not.
    cases = [square(i, "healthy") for i in range(10)]
    folder = write_cohort(tmp_path / "cohort", cases).parent
    lines = (folder / "cohort.csv").read_text().splitlines()
    place = lines[0].split(",").index("image")
    twice = [lines[0]]
    for number, line in enumerate(lines[1:]):
        cells = line.split(",")
        twice.append(line)
        copy = (folder / cells[place]).with_suffix(".bmp")
        Image.open(folder / cells[place]).save(copy)
        cells[place] = copy.relative_to(folder).as_posix()
        cells[lines[0].split(",").index("id")] = f"again-{number}"
        twice.append(",".join(cells))
    (folder / "cohort.csv").write_text("\n".join(twice) + "\n")
    options = ("--recipe", recipe, "--epochs", 1, "--output", tmp_path / "o")
    code, said, told = run("train", folder, *options)
    assert code == 0
    assert "Dice on what was trained on, rim" in said
    assert "nothing was held out" in said
    assert "held-out Dice" not in said
    assert "are the same picture: keep one" in told


def test_help_names_every_recipe_and_the_default() -> None:
    options = get_command(app).commands["train"].params
    said = next(each.help for each in options if each.name == "recipe")
    assert all(name in said for name in RECIPES)
    assert f"{DEFAULT_RECIPE} (the default)" in said
