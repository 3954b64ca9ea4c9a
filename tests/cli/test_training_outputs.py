"""What a training replaces, when, and what it says where it cannot save."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import run
from holding import another_process
from training_cases import CARD, CONFIG, mixed_squares, tiny_model

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.progress import Cancelled, ProgressHook
from napari_dmoe.training.loop import preparing

Train = Callable[..., tuple[int, str, str]]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Train for an epoch; another start, cohort or options by keyword and position."""
    write_cohort(tmp_path / "cohort", mixed_squares(8))
    stated = {
        "card": CARD.model_dump(mode="json"),
        "config": CONFIG.model_dump(mode="json"),
        "settings": {"epochs": 1, "batch": 4, "hold_out": "cases"},
    }
    (tmp_path / "recipe.json").write_text(json.dumps(stated))

    def begin(output: Path, *options: object, cohort: str = "cohort") -> tuple:
        if "--recipe" not in options and "--card" not in options:
            options = ("--recipe", tmp_path / "recipe.json", *options)
        return run("train", tmp_path / cohort, *options, "--output", output)

    return begin


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every file holds; of links, where they lead."""
    return {
        str(path.relative_to(folder)): os.readlink(path).encode()  # noqa: PTH115
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("name", ["mine.safetensors", "mine.training/history.csv"])
@pytest.mark.parametrize("command", ["train", "fine-tune"])
def test_an_existing_file_is_not_replaced_unasked(
    tmp_path: Path, train: Train, command: str, name: str
) -> None:
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("not yours")
    before = contents(out)
    if command == "train":
        code, _, told = train(out / "mine.safetensors")
    else:
        save_checkpoint(tmp_path / "start.safetensors", tiny_model())
        start = (tmp_path / "start.safetensors", tmp_path / "cohort")
        code, _, told = run("fine-tune", *start, "--output", out / "mine.safetensors")
    assert code == 2
    assert f"{out / name} is there already: choose another output, or rep" in told
    assert told.count("\n") == 1
    assert contents(out) == before


@pytest.mark.parametrize("name", ["model.safetensors", "best.safetensors", "task.json"])
def test_a_folder_with_a_file_of_a_name_of_ours_is_refused(
    tmp_path: Path, train: Train, name: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("not yours")
    code, _, told = train(tmp_path / "out")
    assert (code, f"{name} is there already" in told) == (2, True)
    assert contents(tmp_path / "out") == {name: b"not yours"}


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
@pytest.mark.parametrize("leads_somewhere", [True, False])
def test_a_link_is_an_existing_file_and_is_not_followed(
    tmp_path: Path, train: Train, leads_somewhere: bool
) -> None:
    precious, model = tmp_path / "precious.safetensors", tmp_path / "m.safetensors"
    if leads_somewhere:
        precious.write_text("not yours")
    model.symlink_to(precious)
    assert train(model)[0] == 2
    assert model.is_symlink()
    assert train(model, "--overwrite")[0] == 0
    assert load_checkpoint(model).card.name == "tiny"
    assert not model.is_symlink()
    assert precious.exists() == leads_somewhere
    assert not leads_somewhere or precious.read_text() == "not yours"


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_a_link_in_the_place_of_the_folder_beside_costs_nothing_elsewhere(
    tmp_path: Path, train: Train, options: list[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "best.safetensors").write_text("of another training")
    (tmp_path / "m.training").symlink_to(other)
    code, _, told = train(tmp_path / "m.safetensors", *options)
    assert (code, "m.training is a link" in told) == (2, True)
    assert contents(other) == {"best.safetensors": b"of another training"}


def test_a_foreign_model_is_not_replaced_by_resuming(
    tmp_path: Path, train: Train
) -> None:
    model = tmp_path / "m.safetensors"
    assert train(model)[0] == 0
    assert train(model, "--resume")[0] == 0  # its own
    save_checkpoint(model, tiny_model())
    before = model.read_bytes()
    code, _, told = train(model, "--resume")
    assert (code, "is there, and not of this training" in told) == (2, True)
    assert model.read_bytes() == before


def spoil_image(cohort: Path) -> None:
    (cohort / "images" / "00003.tif").write_bytes(b"no image")


def spoil_labels(cohort: Path) -> None:
    (cohort / "labels" / "00005.tif").unlink()


def spoil_table(cohort: Path) -> None:
    table = (cohort / "cohort.csv").read_text()
    (cohort / "cohort.csv").write_text(table.replace("labels/", "nowhere/"))


def spoil_value(cohort: Path) -> None:
    table = (cohort / "cohort.csv").read_text()
    (cohort / "cohort.csv").write_text(table.replace("glaucoma", "glocoma"))


@pytest.mark.parametrize("spoil", [spoil_image, spoil_labels, spoil_table, spoil_value])
def test_overwriting_with_a_cohort_that_cannot_be_read_costs_nothing(
    tmp_path: Path, train: Train, spoil: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    assert train(out)[0] == 0
    before = contents(out)
    shutil.copytree(tmp_path / "cohort", tmp_path / "spoilt")
    spoil(tmp_path / "spoilt")
    code, _, told = train(out, "--overwrite", cohort="spoilt")
    assert (code, told.count("\n")) == (2, 1)
    assert contents(out) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--cohort-of-no-name"],
        ["--recipe", "fundus-fantom"],
        ["--card", "no-such-card"],
        ["--config", "no-such-file.json"],
        ["--config", "list.json"],
        ["--preset", "fast"],
        ["--learning-rate", -1],
        ["--start", "no-such-file.npz"],
        ["--device", "cuda:99"],
        ["--train", "heads"],
        ["--group-by", "shoe"],
    ],
)
def test_overwriting_with_a_mistake_costs_nothing(
    tmp_path: Path,
    train: Train,
    options: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[1]")
    out = tmp_path / "out"
    assert train(out)[0] == 0
    before = contents(out)
    if options == ["--cohort-of-no-name"]:
        code, _, told = train(out, "--overwrite", cohort="cohrot")
    else:
        code, _, told = train(out, "--overwrite", *options)
    assert code == 2, told
    assert contents(out) == before


def test_overwriting_replaces_a_run_by_the_new_one(
    tmp_path: Path, train: Train
) -> None:
    out = tmp_path / "out"
    assert train(out)[0] == 0
    (out / "notes.txt").write_text("of a person")
    before = contents(out)
    assert train(out, "--overwrite", "--seed", 5)[0] == 0
    after = contents(out)
    assert after.keys() == before.keys()
    same = {name for name in after if after[name] == before[name]}
    assert same == {"notes.txt", "held_out.csv"}  # the split is the same


def test_a_training_that_was_killed_before_it_saved_is_begun_again(
    tmp_path: Path, train: Train
) -> None:
    out = tmp_path / "out"
    assert train(out)[0] == 0
    for path in out.iterdir():
        if path.name != "task.json":
            path.unlink()
    assert train(out)[0] == 0
    assert (out / "model.safetensors").is_file()


def test_a_training_that_is_stopped_while_it_reads_changes_nothing(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, progress: ProgressHook, **__: object) -> None:
        raise Cancelled

    out = tmp_path / "out"
    assert train(out)[0] == 0
    before = contents(out)
    monkeypatch.setattr(preparing, "read_pool", stopped)
    for output, options in ((out, ["--overwrite"]), (tmp_path / "new", [])):
        code, _, told = train(output, *options)
        assert (code, "stopped before anything was trained" in told) == (130, True)
        assert "--resume" not in told
    assert contents(out) == before
    assert not (tmp_path / "new").exists()


def test_a_folder_has_one_training(tmp_path: Path, train: Train) -> None:
    out = tmp_path / "m.safetensors"
    with another_process(tmp_path / "m.training") as first:
        code, _, told = train(out)
    assert code == 2
    assert f"another run (process {first.pid}, since 20" in told
    assert not out.exists()
    assert not (tmp_path / "m.training" / "task.json").exists()


def test_too_little_room_is_told_before_anything_is_read(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**20, 2**20 - 9, 9))
    monkeypatch.setattr(preparing, "read_pool", None)
    code, _, told = train(tmp_path / "out")
    assert code == 2
    assert "has room for 0.0 MB, but " in told
    assert not (tmp_path / "out").exists()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no model and no state be written."""
    opened = Path.open

    def full(self: Path, mode: str = "r", *rest: object, **options: object):
        if "w" in mode and self.suffix == ".safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(self, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)


@pytest.mark.usefixtures("full_disk")
def test_a_training_of_which_nothing_was_saved_says_so_and_ends_with_3(
    tmp_path: Path, train: Train
) -> None:
    code, out, told = train(tmp_path / "out")
    last = told.splitlines()[-1]
    assert (code, out) == (3, "")
    assert "the training is over, but could not be saved: " in last
    assert "No space left" in last
    assert "Nothing was saved: make room, and train again" in last
    assert "resume" not in last.replace("resume.safetensors", "")
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_a_model_that_finds_no_room_in_the_end_can_be_resumed(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_dmoe.models.weights import CheckpointError
    from napari_dmoe.training.tasks import task as tasks

    def full(path: Path, *_: object, **__: object) -> str:
        raise CheckpointError(f"{path.name} cannot be saved: No space left")

    model = tmp_path / "m.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "save_checkpoint", full)
        code, _, told = train(model)
    assert code == 3
    assert "m.safetensors cannot be saved" in told
    assert "Make room, and resume it" in told
    assert train(model, "--resume")[0] == 0
    assert load_checkpoint(model).card.name == "tiny"


def test_values_that_the_model_does_not_know_are_told_by_row(
    tmp_path: Path, train: Train
) -> None:
    spoil_value(tmp_path / "cohort")
    code, _, told = train(tmp_path / "out")
    assert (code, told.count("\n")) == (2, 1)
    assert "rows 4, 7: this model does not know that severity: it knows" in told


@pytest.mark.parametrize("wrong", ["cohort", "start", "--new-value", "--train"])
def test_fine_tuning_over_a_run_with_a_mistake_costs_nothing(
    tmp_path: Path, train: Train, wrong: str
) -> None:
    assert train(tmp_path / "out")[0] == 0
    before = contents(tmp_path / "out")
    start = tmp_path / ("none" if wrong == "start" else "out/model.safetensors")
    cohort = tmp_path / ("cohrot" if wrong == "cohort" else "cohort")
    options = [wrong, "nonsense"] if wrong.startswith("--") else []
    task = ("fine-tune", start, cohort, *options, "--epochs", 1, "--overwrite")
    code, _, told = run(*task, "--output", tmp_path / "out")
    assert (code, told.count("\n")) == (2, 1)
    assert contents(tmp_path / "out") == before
