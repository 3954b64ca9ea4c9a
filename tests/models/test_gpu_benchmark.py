"""What a GPU is asked for: nothing that it must be waited for."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import gpu
from napari_dmoe.inference.running.devices import choose_device

DEVICE = choose_device("auto").device.type
CHECKS = 2
"""Of the category, before it goes to the device."""


def figures(capsys: pytest.CaptureFixture[str], device: str) -> dict[str, Any]:
    gpu.main(["--device", device, "--tiny", "--repeats", "1"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["figures"]["networks"]
    return found


def test_a_gpu_would_never_be_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "cpu")
    assert found.keys() == {"2D image", "3D window"}
    for each in found.values():
        assert each["ours"]["syncs"] == CHECKS
        assert each["plain"]["syncs"] > 16  # masks of eight experts, layer by layer
        assert 0 < each["ours"]["launches"] < each["plain"]["launches"]


def test_without_a_gpu_it_says_what_it_is_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "no GPU found" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA or MPS device")
def test_a_gpu_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    for each in figures(capsys, DEVICE).values():
        assert each["ours"]["syncs"] <= CHECKS
