"""How many threads a run takes, and what is said of one that others slowed down."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.running import threads, variants, waiting
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.threads import (
    LITTLE_S,
    fixed_threads,
    on_threads,
    threads_for,
)
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.footprint import pass_seconds
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.samples import sample_fundus


@pytest.fixture
def eight() -> object:
    """Let torch have eight threads, whatever the machine has."""
    with on_threads(8):
        yield


def always(n: int) -> bool:
    """Meet whatever the number."""
    return True


@pytest.mark.usefixtures("eight")
def test_little_work_stays_on_one_thread_and_is_not_tried_out() -> None:
    def never_asked(n: int) -> bool:
        raise AssertionError(n)

    assert threads_for(0.5 * LITTLE_S, is_met=never_asked) == 1


@pytest.mark.usefixtures("eight")
def test_more_work_takes_more_threads_as_far_as_there_are() -> None:
    assert threads_for(3.5 * LITTLE_S, is_met=always) == 3
    assert threads_for(1000.0, is_met=always) == 8


@pytest.mark.usefixtures("eight")
def test_a_busy_machine_leaves_as_many_as_meet() -> None:
    assert threads_for(1000.0, is_met=lambda n: n <= 3) == 2
    assert threads_for(1000.0, is_met=lambda n: False) == 1


@pytest.mark.usefixtures("eight")
def test_planes_of_a_stack_are_one_pass_up_to_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded, image = load_checkpoint("fundus-phantom"), sample_fundus().image
    stack = np.stack([image.data] * 10)
    asked: list[float] = []
    monkeypatch.setattr(variants, "threads_for", lambda s: asked.append(s) or 1)
    settings = InferenceSettings(batch=4)
    for pixels, axes in ((image.data, image.axes), (stack[:3], ""), (stack, "")):
        planes = SpatialImage(pixels, axes or ("z", *image.axes))
        segment(loaded, planes, Patient(severity="suspect"), settings=settings)
    assert np.divide(asked, asked[0]) == pytest.approx([1, 3, 4])


def test_a_person_who_set_one_thread_keeps_it() -> None:
    with on_threads(1):
        assert threads_for(1000.0, is_met=always) == 1


def test_threads_are_given_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with suppress(RuntimeError), on_threads(before + 3):
        assert torch.get_num_threads() == before + 3
        raise RuntimeError
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("eight")
def test_what_a_run_takes_is_of_its_own_thread_alone() -> None:
    """Two windows segment at once; neither leaves the other one thread for good."""

    def run_beside() -> tuple[int, int]:
        found = torch.get_num_threads()
        with on_threads(2):
            return found, torch.get_num_threads()

    with on_threads(1), ThreadPoolExecutor(1) as beside:
        assert beside.submit(run_beside).result() == (8, 2)
        assert torch.get_num_threads() == 1
        assert beside.submit(torch.get_num_threads).result() == 8


def test_the_work_of_a_pass_is_told_from_the_network_s_shape() -> None:
    small = ViTConfig(width=96, depth=6, n_heads=3, mlp_width=192, grid=8)
    assert pass_seconds(small, 800_000) < LITTLE_S / 10
    assert pass_seconds(ViTConfig(), 129_500_000) > 5 * LITTLE_S
    volumes = UNetConfig(feature_size=24)
    assert pass_seconds(volumes, 6_500_000, (96, 96, 96)) > 5 * LITTLE_S
    bundled = UNetConfig(feature_size=8)
    assert pass_seconds(bundled, 730_000, (32, 64, 64)) < LITTLE_S


@pytest.mark.usefixtures("eight")
def test_a_record_says_the_threads_and_a_replay_takes_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded, image = load_checkpoint("fundus-phantom"), sample_fundus().image
    first = segment(loaded, image, Patient(severity="suspect"))
    assert first.provenance.threads == 1  # a small network
    monkeypatch.setattr(threads, "LITTLE_S", 1e-6)
    monkeypatch.setattr(threads, "_are_met", always)
    assert segment(loaded, image).provenance.threads == 8
    again = replay(first.provenance, loaded, image, labels=first.labels)
    assert again.verdict == "equal"
    assert again.result.provenance.threads == 1
    with fixed_threads(3):
        assert segment(loaded, image).provenance.threads == 3


class Clock:
    """Two clocks: of the wall, and of a thread that is seldom at work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.own = 0.0
        monkeypatch.setattr(waiting, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(waiting, "thread_time", lambda: self.own)

    def compute(self, seconds: float, waiting: float) -> None:
        """Let time go by."""
        self.own += seconds
        self.wall += seconds + waiting


def test_a_run_that_waited_for_others_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with waiting.watched() as seen:
        for _ in range(4):
            with waiting.computing("cpu"):
                clock.compute(0.1, waiting=1.5)
        assert waiting.with_reason("at it") == "at it, the processor is busy"
        clock.compute(0.0, waiting=100.0)  # outside of the network: such as a disk
    assert seen.words == "6.0 s went by waiting for a busy processor"
    assert waiting.with_reason("at it") == "at it"


@pytest.mark.parametrize(
    ("computed", "waited"),
    [(5.0, 6.0), (0.1, 0.9), (0.0, 0.0)],
    ids=["as long as it computes", "under a second", "nothing"],
)
def test_what_is_not_far_slower_is_not_told(
    monkeypatch: pytest.MonkeyPatch, computed: float, waited: float
) -> None:
    clock = Clock(monkeypatch)
    with waiting.watched() as seen, waiting.computing("cpu"):
        clock.compute(computed, waiting=waited)
    assert seen.words == ""


def test_waiting_for_a_gpu_is_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with waiting.watched() as seen, waiting.computing("cuda"):
        clock.compute(0.1, waiting=60.0)
    assert seen == waiting.Waiting()


def test_what_is_computed_around_the_passes_is_watched_but_no_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A photograph of many pixels takes longer beside the network than in it."""
    loaded, image = load_checkpoint("fundus-phantom"), sample_fundus().image
    parts: list[float] = []

    class Noted(waiting.Waiting):
        @contextmanager
        def noted(self) -> Iterator[None]:
            parts.append(0.0)
            yield

    monkeypatch.setattr(waiting, "Waiting", Noted)
    with waiting.watched():
        segment(loaded, image)
    assert len(parts) == 6  # prepared, passed, focused, begun, passed, drawn
    del parts[:]
    np.save(tmp_path / "image.npy", image.data)
    on_disk = replace(image, data=np.load(tmp_path / "image.npy", mmap_mode="r"))
    with waiting.watched():
        segment(loaded, on_disk)
    assert len(parts) == 4  # what it was prepared of might have been read, twice


def test_the_passes_of_a_run_are_watched() -> None:
    loaded, image = load_checkpoint("fundus-phantom"), sample_fundus().image
    said: list[str] = []
    with waiting.watched() as seen:
        segment(loaded, image, progress=lambda step: said.append(step.message))
        assert seen.computed > 0
        seen.waited = 1000.0
        segment(loaded, image, progress=lambda step: said.append(step.message))
    assert "segmenting" in said
    assert "segmenting, the processor is busy" in said
