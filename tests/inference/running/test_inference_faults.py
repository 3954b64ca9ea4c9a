"""What goes wrong while a model runs: memory that runs out, devices that fail.

Cases of ROBUSTNESS.md list E, here and elsewhere:

==  ============================================================================
1-2   here; test_segment (batches are halved, then the CPU)
3     here; test_memory; test_volumes (a volume that does not fit says what it needs)
4-6   here; test_segment (a device that is not there is never replaced)
7     test_inference_steps; test_segment, test_volumes (stop at the next step)
8     gui/test_run (stop leaves no layer); test_inference_steps (no result)
9     gui/test_run (a double click runs once); test_inference_steps (two threads)
10    test_odd_images (a thresholding network); test_volumes (MONAI's windows)
11    test_volumes, test_odd_images (overlaps 0 to 0.9)
12    test_inference_steps
13    test_inference_steps; test_segment (dropout is off)
14    test_inference_steps
==  ============================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from places import DATA
from pretend_gpu import PretendGpu, pretend_cuda
from stub_networks import assert_same_result, thresholding_model

from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.devices import (
    Batches,
    DeviceChoice,
    DeviceError,
    choose_device,
    is_out_of_memory,
    mixes_precision,
)
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

ASIAN, T1 = Patient(race="Asian"), Patient(severity="T1")
ON_CPU = InferenceSettings(device="cpu", batch=2)


@pytest.fixture
def race(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")


@pytest.fixture(scope="module")
def unet() -> LoadedModel:
    stated = thresholding_model(window=(0, 255)).card
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=stated)


@pytest.fixture
def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 20, 24), dtype=np.uint8)


def scan(shape: tuple[int, ...] = (32, 32, 184)) -> SpatialImage:
    data = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return SpatialImage(data, ("z", "y", "x"), np.eye(4), "mm")


FULL = torch.OutOfMemoryError("CUDA out of memory")


def full_in_the_middle(number: int, rows: int) -> Exception | None:
    return FULL if number >= 2 and rows > 1 else None


def full_for_good(number: int, rows: int) -> Exception | None:
    return FULL if number >= 2 else None


@pytest.mark.parametrize("kind", ["planes", "volume"])
@pytest.mark.parametrize(
    ("fails", "notice"),
    [
        (full_in_the_middle, "memory ran out: 1 at a time"),
        (full_for_good, "the device meta ran out of memory: the CPU took over"),
    ],
)
def test_memory_that_runs_out_in_the_middle_changes_no_pixel(
    monkeypatch: pytest.MonkeyPatch,
    race: LoadedModel,
    unet: LoadedModel,
    stack: np.ndarray,
    kind: str,
    fails: Callable[[int, int], Exception],
    notice: str,
) -> None:
    model, image = (race, stack) if kind == "planes" else (unet, scan())
    patient = Patient(race="Asian", severity="T1")
    expected = segment(model, image, patient, settings=ON_CPU)
    gpu = PretendGpu(monkeypatch, fails)
    found = segment(model, image, patient, settings=ON_CPU)
    assert_same_result(found, expected)
    assert found.provenance.notices[-1] == notice
    assert gpu.passes[0][0] == "meta"
    assert gpu.passes[-1] == ("meta" if "at a time" in notice else "cpu", 1)


def test_memory_of_the_cpu_that_runs_out_in_the_middle_gives_no_result(
    monkeypatch: pytest.MonkeyPatch, race: LoadedModel, stack: np.ndarray
) -> None:
    done: list[int] = []

    def rows(*arguments: object) -> object:
        done.append(1)
        if len(done) > 1:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        return real(*arguments)

    real = Forward._rows
    monkeypatch.setattr(Forward, "_rows", rows)
    with pytest.raises(NotEnoughMemory, match="does not fit into memory: close other"):
        segment(race, stack, ASIAN, settings=ON_CPU)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublas"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:80] DefaultCPUAllocator: no"),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_every_way_to_say_that_memory_ran_out_is_understood(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError(str(error)))

    def fails(rows: range, device: torch.device) -> int:
        if device.type != "cpu":
            raise error
        return len(rows)

    batches = Batches(torch.device("meta"), batch=2)
    assert batches.run(range(2), fails) == 1
    assert batches.device.type == "cpu"


@pytest.mark.parametrize(
    "error",
    [MemoryError("Unable to allocate 7. TiB"), RuntimeError("DefaultCPUAllocator: no")],
)
@pytest.mark.parametrize("kind", ["planes", "volume"])
def test_memory_of_the_host_that_runs_out_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, race: LoadedModel, kind: str, error: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("napari_dmoe.imaging.pixels.read_part", full)
    model, image = (race, np.zeros((20, 24)))
    if kind == "volume":
        model, image = thresholding_model(), scan()
    with pytest.raises(NotEnoughMemory, match="do not fit into memory: crop the image"):
        segment(model, image)


def test_other_errors_are_not_taken_for_memory(
    monkeypatch: pytest.MonkeyPatch, race: LoadedModel
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("napari_dmoe.imaging.pixels.read_part", fails)
    with pytest.raises(RuntimeError, match=r"^shapes differ$"):
        segment(race, np.zeros((20, 24)), ASIAN)


@pytest.mark.parametrize("has_it", [False, True])
def test_precision_is_mixed_by_cuda_alone_where_it_has_bfloat16(
    monkeypatch: pytest.MonkeyPatch, has_it: bool
) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: has_it
    )
    assert [mixes_precision(name) for name in ("cuda:1", "mps", "cpu")] == [
        has_it,
        False,
        False,
    ]


def test_without_a_gpu_the_cpu_is_used_and_recorded(
    monkeypatch: pytest.MonkeyPatch, race: LoadedModel
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == DeviceChoice(
        torch.device("cpu"), "CPU (no GPU found)"
    )
    record = segment(race, np.eye(20), ASIAN).provenance
    assert record.device == "cpu: CPU (no GPU found)"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("CUDA error: no kernel image is available.\nCompile with"),
            "CUDA error: no kernel image is available",
        ),
        (RuntimeError("CUDA driver version is insufficient"), "driver version"),
        (AssertionError("Torch not compiled with CUDA enabled"), "not compiled"),
        (RuntimeError("CUDA error: out of memory"), "out of memory"),
        (RuntimeError(""), "RuntimeError"),
        (None, "it computes wrong numbers"),
    ],
)
def test_a_gpu_that_is_seen_but_broken_gives_way_to_the_cpu_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
    race: LoadedModel,
    error: Exception | None,
    words: str,
) -> None:
    expected = segment(race, np.eye(20), ASIAN, settings=ON_CPU)
    pretend_cuda(monkeypatch, error)
    choice = choose_device("auto")
    assert choice.device.type == "cpu"
    assert choice.reason.startswith("CPU (the GPU does not work: ")
    assert words in choice.reason
    found = segment(race, np.eye(20), ASIAN)
    assert_same_result(found, expected)
    assert found.provenance.device == f"cpu: {choice.reason}"
    assert any(
        said.startswith("the GPU was not used") and words in said
        for said in found.provenance.notices
    )
    with pytest.raises(DeviceError, match=rf"'cuda' does not work: .*{words}"):
        choose_device("cuda")


@pytest.mark.parametrize(
    "error",
    [
        NotImplementedError(
            "The operator 'aten::col2im' is not currently implemented for the MPS "
            "device. If you want this op to be added"
        ),
        TypeError("Cannot convert a MPS Tensor to float64 dtype"),
        torch.AcceleratorError("CUDA error: unspecified launch failure"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
    ids=["mps-operation", "mps-type", "cuda", "cudnn"],
)
def test_what_a_gpu_cannot_do_the_cpu_does_and_the_reason_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
    race: LoadedModel,
    stack: np.ndarray,
    error: Exception,
) -> None:
    expected = segment(race, stack, ASIAN, settings=ON_CPU)
    PretendGpu(monkeypatch, lambda number, rows: error if number > 1 else None)
    found = segment(race, stack, ASIAN, settings=ON_CPU)
    assert_same_result(found, expected)
    assert found.provenance.device == "cpu: GPU: pretended"
    said = found.provenance.notices[-1]
    assert said.startswith("the device meta could not go on (" + str(error)[:20])
    assert said.endswith("): the CPU took over")


def test_a_model_that_is_stuck_on_a_broken_gpu_says_what_to_do() -> None:
    def fails(rows: range, device: torch.device) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(DeviceError, match=r"cannot be used again: CUDA error.*anew"):
        Batches(torch.device("meta"), batch=2).run(range(2), fails)
    with pytest.raises(RuntimeError, match="device-side"):
        Batches(torch.device("cpu"), batch=2).run(range(2), fails)


def test_errors_of_the_network_are_raised_on_a_gpu_too() -> None:
    def fails(rows: range, device: torch.device) -> None:
        raise TypeError("forward() takes 2 arguments")

    with pytest.raises(TypeError, match="takes 2 arguments"):
        Batches(torch.device("meta"), batch=2).run(range(2), fails)
