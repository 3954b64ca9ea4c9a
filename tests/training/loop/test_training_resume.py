"""Resuming and kills (ROBUSTNESS list F, cases 11, 13, 16, 17 and 20)."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from training_cases import (
    CARD,
    CONFIG,
    CUBE_CARD,
    CUBE_CONFIG,
    cube,
    cube_model,
    squares,
    tiny_model,
    weights,
)
from training_runs import (
    LONG,
    SETTINGS,
    SHORT,
    StopAt,
    saved_facts,
    train,
    train_and_tell,
)

from napari_dmoe.models.checkpoint import load_checkpoint, new_model
from napari_dmoe.models.saving import write_safetensors
from napari_dmoe.models.weights import read_weights
from napari_dmoe.progress import Cancelled
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.loop.folder import RESUME, STATE_KEY, RunFolder
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.new_routers import add_value


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in the same order as the processes that are killed: the last bits depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rewrite(folder: Path, **changes: object) -> None:
    saved = read_weights(folder / RESUME)
    facts = json.loads(saved.header[STATE_KEY]) | changes
    header = {STATE_KEY: json.dumps(facts)}
    write_safetensors(folder / RESUME, saved.tensors, header=header)


@pytest.mark.parametrize("step", [1, 3, 4, 8, 14])
def test_a_stopped_training_goes_on_as_if_there_had_been_no_break(
    tmp_path: Path, step: int
) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(Cancelled):
        train(tmp_path / "cut", progress=StopAt(step))
    torch.rand(7)  # what others draw in between does not matter
    resumed = train(tmp_path / "cut", resume=True)
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    assert torch.equal(weights(resumed.loaded), weights(whole.loaded))
    for name in ("last", "best"):
        first, second = (
            load_checkpoint(tmp_path / folder / f"{name}.safetensors")
            for folder in ("whole", "cut")
        )
        assert torch.equal(weights(first), weights(second))
        assert first.card == second.card


def test_volumes_and_sgd_are_resumed_the_same(tmp_path: Path) -> None:
    settings = TrainSettings(
        epochs=3, batch=2, optimiser="sgd", schedule="poly", augmentation="fuller"
    )
    cases = [cube(i) for i in range(4)]
    whole = fit(cube_model(), cases, settings=settings)
    folder = RunFolder(tmp_path)
    with pytest.raises(Cancelled):
        fit(cube_model(), cases, settings=settings, folder=folder, progress=StopAt(3))
    resumed = fit(cube_model(), cases, settings=settings, folder=folder, resume=True)
    assert resumed.history == whole.history
    assert resumed.held_out == "slices"
    assert torch.equal(weights(resumed.loaded), weights(whole.loaded))


def test_a_finished_training_is_resumed_to_its_end(tmp_path: Path) -> None:
    first = train(tmp_path)
    again = train(tmp_path, resume=True)
    assert again.history == first.history
    assert torch.equal(weights(again.loaded), weights(first.loaded))


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.full)])
def test_killed_at_random_it_loses_at_most_one_interval(
    tmp_path: Path, times: int
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["napari_dmoe.training.loop.fit"])
    folder, log = tmp_path / "run", tmp_path / "log"
    draw = random.Random(0)
    for _ in range(times):
        resume = (folder / RESUME).exists()
        begin = len(log.read_text()) if log.exists() else 0
        child = context.Process(target=train_and_tell, args=(folder, log, resume))
        child.start()
        while (
            child.is_alive() and len(log.read_text() if log.exists() else "") == begin
        ):
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.3))
        child.kill()
        child.join()
        done = int(log.read_text().split()[-1])
        assert saved_facts(folder)["epoch"] >= done + 1
        for name in ("last", "best"):
            load_checkpoint(folder / f"{name}.safetensors")
    until = saved_facts(folder)["epoch"] + 2
    assert history_until(until, folder, resume=True) == history_until(
        until, tmp_path / "whole", resume=False
    )


def history_until(epochs: int, folder: Path, *, resume: bool) -> list[dict]:
    """Train up to an epoch, and return what is saved of all of them."""

    def stop(epoch: Epoch) -> None:
        if epoch.number + 1 == epochs:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(folder, settings=LONG, resume=resume, on_epoch=stop)
    history = saved_facts(folder)["history"]
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history]


@pytest.mark.parametrize(
    ("config", "card", "message"),
    [
        (
            {"n_classes": 2},
            {"classes": ("background", "rim")},
            "shape: it had n_classes 3, now 2",
        ),
        ({"n_experts": 6}, {}, "shape: it had n_experts 4, now 6"),
        ({}, {"classes": ("background", "rim", "pit")}, "other classes: it had"),
    ],
)
def test_another_network_cannot_take_over(
    tmp_path: Path, config: dict, card: dict, message: str
) -> None:
    fit(tiny_model(), squares(4), settings=SHORT, folder=RunFolder(tmp_path))
    other = new_model(
        "dmoe-vit", CONFIG.model_copy(update=config), CARD.model_copy(update=card)
    )
    cases = squares(4)
    if config.get("n_classes") == 2:
        for case in cases:
            case.labels.data[case.labels.data == 2] = 1
    with pytest.raises(TrainingError, match=message):
        fit(other, cases, settings=SHORT, folder=RunFolder(tmp_path), resume=True)


def test_other_attributes_kinds_cases_and_settings_cannot_take_over(
    tmp_path: Path,
) -> None:
    folder = RunFolder(tmp_path)
    fit(tiny_model(), squares(4), settings=SHORT, folder=folder)
    wider = add_value(tiny_model(), "severity", "absolute")
    volumes = new_model("dmoe-unet3d", CUBE_CONFIG, CUBE_CARD)
    others = [
        (wider, squares(4), SHORT, "a network of another shape"),
        (volumes, [cube(0)], SHORT.model_copy(update={"augmentation": None}), "kind"),
        (tiny_model(), squares(5), SHORT, "other cases or labels"),
        (tiny_model(), squares(4), TrainSettings(epochs=2, batch=4), "another epochs"),
    ]
    for model, cases, settings, message in others:
        with pytest.raises(TrainingError, match=message):
            fit(model, cases, settings=settings, folder=folder, resume=True)


def test_some_settings_may_change(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        train(tmp_path, progress=StopAt(7))
    settings = SETTINGS.model_copy(update={"learning_rate": 1e-5, "save_every": 2})
    resumed = train(tmp_path, settings=settings, resume=True)
    assert resumed.history[-1].learning_rate < 1e-5
    assert resumed.history[0].learning_rate > 1e-4


def test_a_state_of_a_newer_version_or_damaged_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    rewrite(tmp_path, schema_version=2)
    with pytest.raises(TrainingError, match=r"version 2, .* up to 1: update napari"):
        train(tmp_path, resume=True)
    content = bytearray((tmp_path / RESUME).read_bytes())
    content[-9] ^= 1
    (tmp_path / RESUME).write_bytes(content)
    with pytest.raises(TrainingError, match=r"cannot be resumed: .* damaged"):
        train(tmp_path, resume=True)
    write_safetensors(tmp_path / RESUME, {"a": torch.zeros(1)}, header={})
    with pytest.raises(TrainingError, match="holds no training to resume"):
        train(tmp_path, resume=True)


def test_a_state_saved_on_a_gpu_is_resumed_on_the_cpu(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        train(tmp_path, progress=StopAt(7))
    facts = saved_facts(tmp_path)
    facts["belongs_to"]["settings"]["device"] = "cuda:1"
    saved = read_weights(tmp_path / RESUME)
    assert all(tensor.device.type == "cpu" for tensor in saved.tensors.values())
    tensors = {**saved.tensors, "random.cuda": torch.zeros(16, dtype=torch.uint8)}
    header = {STATE_KEY: json.dumps(facts)}
    write_safetensors(tmp_path / RESUME, tensors, header=header)
    assert train(tmp_path, resume=True).history == train(None).history
