"""What a training writes, and disks that do not take it (ROBUSTNESS list F, 14, 15)."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from dead_ones import a_dead_ones_partial_file
from holding import another_process
from training_runs import SETTINGS, SHORT, StopAt, saved_facts, train

from napari_dmoe.models.checkpoint import CheckpointError, load_checkpoint
from napari_dmoe.models.weights import read_weights
from napari_dmoe.progress import Progress
from napari_dmoe.training.augmentation.planes import AugmentSettings
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop import folder as run_folder
from napari_dmoe.training.loop.folder import RunFolder
from napari_dmoe.training.loop.saving import NotSaved


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    seen: list[Progress] = []
    with pytest.raises(TrainingError, match="nothing can be written to"):
        train(tmp_path / "file" / "run", progress=seen.append)
    assert seen == []


def test_a_read_only_folder_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    seen: list[Progress] = []
    with pytest.raises(TrainingError, match=r"Permission denied\. Choose another"):
        train(tmp_path / "run", progress=seen.append)
    assert seen == []


def test_a_full_disk_costs_no_file_and_does_not_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, fails = run_folder.save_checkpoint, {"now": False}

    def sometimes(path: Path, *arguments: object, **options: object) -> str:
        if fails["now"]:
            raise CheckpointError(f"{path.name} cannot be saved: No space left")
        return write(path, *arguments, **options)

    monkeypatch.setattr(run_folder, "save_checkpoint", sometimes)

    def fill(epoch: object) -> None:
        fails["now"] = epoch.number in (1, 2)

    fitted = train(tmp_path, on_epoch=fill)
    assert len(fitted.history) == 5
    assert any("not saved: last.safetensors cannot" in n for n in fitted.notices)
    load_checkpoint(tmp_path / "last.safetensors")
    assert not list(tmp_path.glob(".*"))


def test_a_disk_that_stays_full_is_said_in_the_end_and_old_files_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, state = Path.open, {"is_full": False}

    def full(self: Path, mode: str = "r", *rest: object, **options: object):
        if state["is_full"] and "w" in mode:
            raise OSError(28, "No space left on device")
        return write(self, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)

    def fill(epoch: object) -> None:
        state["is_full"] = epoch.number >= 1

    with pytest.raises(TrainingError, match=r"could not be saved: .*No space left"):
        train(tmp_path, on_epoch=fill)
    assert saved_facts(tmp_path)["epoch"] == 2
    load_checkpoint(tmp_path / "last.safetensors")
    state["is_full"] = False
    assert train(tmp_path, resume=True).history == train(None).history


def test_a_training_that_is_stopped_on_a_full_disk_does_not_seem_to_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> str:
        raise CheckpointError(f"{path.name} cannot be saved: No space left")

    monkeypatch.setattr(run_folder, "write_safetensors", full)
    with pytest.raises(NotSaved, match="the training was stopped, but") as caught:
        train(tmp_path, progress=StopAt(2))
    assert "Nothing was saved: make room, and train again" in str(caught.value)
    assert "resume it" not in str(caught.value)


def test_a_state_that_is_not_saved_is_not_excused_by_a_model_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> str:
        raise CheckpointError(f"{path.name} cannot be saved: No space left")

    monkeypatch.setattr(run_folder, "write_safetensors", full)
    with pytest.raises(NotSaved, match=r"Only best\.safetensors could be, and"):
        train(tmp_path)
    assert not (tmp_path / "resume.safetensors").exists()


def test_a_state_does_not_name_a_best_model_that_was_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, is_full = run_folder.save_checkpoint, [True]

    def sometimes(path: Path, *arguments: object, **options: object) -> str:
        if is_full[0] and path.name == "best.safetensors":
            raise CheckpointError(f"{path.name} cannot be saved: No space left")
        return write(path, *arguments, **options)

    monkeypatch.setattr(run_folder, "save_checkpoint", sometimes)
    with pytest.raises(NotSaved, match="Nothing was saved"):
        train(tmp_path, progress=StopAt(7))
    assert not list(tmp_path.glob("*.safetensors"))
    with pytest.raises(NotSaved, match=r"best\.safetensors cannot be saved"):
        train(tmp_path)

    def room(epoch: object) -> None:
        is_full[0] = False

    fitted = train(tmp_path, on_epoch=room)
    best = load_checkpoint(tmp_path / "best.safetensors").module.state_dict()
    assert all(best[n].equal(t) for n, t in fitted.loaded.module.state_dict().items())


def test_a_folder_has_one_training(tmp_path: Path) -> None:
    with (
        another_process(tmp_path / "run") as first,
        pytest.raises(TrainingError, match=rf"another run \(process {first.pid}, "),
    ):
        train(tmp_path / "run")


def test_room_is_needed_for_two_models_and_twice_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 400))
    folder.refuse_without_room(100)  # last, best, and the state in old and new
    with pytest.raises(TrainingError, match="make room, or choose another folder"):
        folder.refuse_without_room(100, 1)
    for name in ("last.safetensors", "best.safetensors"):
        (tmp_path / name).write_bytes(b"0" * 100)  # these are replaced
    folder.refuse_without_room(100, 100)
    with pytest.raises(TrainingError, match="has room for"):
        folder.refuse_without_room(100, 101)


def test_a_folder_with_a_training_is_not_overwritten(tmp_path: Path) -> None:
    train(tmp_path, settings=SHORT.model_copy(update={"sampling": "group"}))
    with pytest.raises(TrainingError, match="holds a training already: resume it"):
        train(tmp_path)
    with pytest.raises(TrainingError, match="no training to resume"):
        train(tmp_path / "elsewhere", resume=True)
    with pytest.raises(TrainingError, match="name the folder"):
        train(None, resume=True)


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    left = a_dead_ones_partial_file(tmp_path, "last.safetensors")
    theirs = tmp_path / ".partial-1-last.safetensors"
    theirs.write_text("another program's")
    train(tmp_path)
    assert not left.exists()
    assert theirs.read_text() == "another program's"


def test_files_say_how_they_came_about(tmp_path: Path) -> None:
    fitted = train(tmp_path)
    header = read_weights(tmp_path / "best.safetensors").header
    record = json.loads(header["napari-dmoe-training"])
    assert record["settings"]["seed"] == 3
    assert record["held_out"] == "cases"
    assert len(record["cohort"]) == 64
    assert record["best_epoch"] == fitted.best_epoch
    whole = json.loads((tmp_path / "history.json").read_text())
    assert [epoch["number"] for epoch in whole["history"]] == list(range(5))
    assert whole["history"][0]["groups"].keys() == {
        "severity=healthy",
        "severity=glaucoma",
    }
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,loss,learning rate,seconds,worst group,Dice rim")
    assert len(rows) == 6
    assert SETTINGS.augmentation == AugmentSettings()
