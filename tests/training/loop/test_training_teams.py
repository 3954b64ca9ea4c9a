"""Several processes under torchrun train as one does, and stop and go on together.

Two members with a batch of 4 sum the same gradients as one process that adds up two
batches of 2: where nothing is drawn, the losses must agree. The gating noise is drawn
even where its scale is 0, and the order of a second epoch after it; so that one epoch
of a dMoE is compared, and more of a network without experts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from plane_networks import plane_unet
from torch import nn
from training_cases import mixed_squares, tiny_model

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.loop.teams import Team, joined, team_now

PLAIN = ("--augmentation", "none", "--dropout", "0", "--hold-out", "every")
SILENT = -60.0
"""Start of the noise scale's bias, at which no gating noise is left."""


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    write_cohort(tmp_path / "cohort", mixed_squares(14))
    return tmp_path / "cohort"


@pytest.fixture(params=[tiny_model, plane_unet], ids=["transformer", "U-Net"])
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    model = request.param()
    for module in model.module.modules():
        if isinstance(module, SparseMoE):
            nn.init.zeros_(module.noise_weight)
            nn.init.constant_(module.noise_bias, SILENT)
    save_checkpoint(tmp_path / "start.safetensors", model)
    return tmp_path / "start.safetensors"


def command(size: int, *arguments: object) -> subprocess.Popen[str]:
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    program = "from napari_dmoe.cli import app; app()"
    alone = [sys.executable, "-c", program]
    together = [*launched, f"--nproc-per-node={size}", "--no-python", *alone]
    return subprocess.Popen(
        [*(together if size > 1 else alone), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def done(size: int, *arguments: object) -> str:
    process = command(size, *arguments)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Warning" not in errors
    return out


def history(folder: Path) -> dict:
    return json.loads((folder / "history.json").read_text())


def losses(folder: Path) -> list[float]:
    return [epoch["loss"] for epoch in history(folder)["history"]]


@pytest.mark.parametrize(("mode", "epochs"), [("dmoe", 1), ("no-moe", 3)])
def test_two_members_train_as_one_that_adds_up_halves(
    tmp_path: Path, cohort: Path, start: Path, mode: str, epochs: int
) -> None:
    common = ("fine-tune", start, cohort, *PLAIN, "--mode", mode, "--epochs", epochs)
    # 11 cases in batches of 4: of the last 3, the second member gets one.
    out = done(2, *common, "--batch", 4, "--output", tmp_path / "two")
    assert out.count("SHA-256") == 1
    done(1, *common, "--batch", 2, "--accumulate", 2, "--output", tmp_path / "one")
    two, one = history(tmp_path / "two"), history(tmp_path / "one")
    tuned = load_checkpoint(tmp_path / "two" / "model.safetensors")
    assert "11 further cases" in tuned.card.training.data
    assert (two["processes"], one["processes"]) == (2, 1)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    for ours, theirs in zip(two["history"], one["history"], strict=True):
        assert ours["dice"] == pytest.approx(theirs["dice"], abs=1e-3)
        for a, b in zip(ours["expert_load"], theirs["expert_load"], strict=True):
            assert a == pytest.approx(b, abs=1e-4)
    a, b = (
        load_checkpoint(tmp_path / name / "model.safetensors").module.state_dict()
        for name in ("two", "one")
    )
    before = load_checkpoint(start).module.state_dict()
    learnt = [n for n in a if "running" not in n and "num_batches" not in n]
    moved = max(float((a[n] - before[n]).abs().max()) for n in learnt)
    apart = max(float((a[n] - b[n]).abs().max()) for n in learnt)
    assert moved > 1e-4
    assert apart < moved / 100


def test_a_team_stops_together_saves_and_goes_on(
    tmp_path: Path, cohort: Path, start: Path
) -> None:
    folder = tmp_path / "team"
    process = command(
        2,
        "fine-tune",
        start,
        cohort,
        "--output",
        folder,
        "--epochs",
        2000,
        "--batch",
        4,
    )
    until = time.monotonic() + 120
    while not (folder / "resume.safetensors").exists():
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert errors.count("stopped; go on with --resume") == 1
    went = len(losses(folder))
    assert 0 < went < 2000
    again = ("fine-tune", start, cohort, "--output", folder, "--resume")
    assert "epochs" in json.loads((folder / "task.json").read_text())["settings"]
    process = command(2, *again)
    until = time.monotonic() + 120
    while len(losses(folder)) <= went:
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.terminate()
    process.communicate(timeout=120)


def test_a_batch_is_divided_and_nobody_is_left_without_a_case() -> None:
    batch = torch.tensor([7, 8, 9])
    members = [Team(rank, 2) for rank in range(2)]
    parts = [member.share(batch) for member in members]
    assert [part.tolist() for part, _ in parts] == [[7, 8], [9]]
    assert [counted for _, counted in parts] == [2, 1]
    part, counted = Team(1, 2).share(torch.tensor([4]))
    assert (part.tolist(), counted) == ([4], 0)


def test_outside_of_torchrun_a_process_is_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as team:
        assert team == Team() == team_now()
    value = torch.tensor([1.0])
    assert team.total(value) is value is team.agreed(value)
    assert team.device("cuda") == "cuda"
    assert len({Team(rank, 3).seed(0) for rank in range(3)}) == 3


def test_each_member_has_the_device_of_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Team(3, 4).device("cuda") == "cuda:1"
    assert Team(3, 4).device("cpu") == "cpu"
