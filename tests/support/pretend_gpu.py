"""GPUs that are not there, to see what happens when they fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_dmoe.inference.running import forward
from napari_dmoe.inference.running.devices import DeviceChoice
from napari_dmoe.inference.running.forward import Forward


class PretendGpu:
    """Runs on the CPU under another name, and fails where it is told to."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, fails: Callable[[int, int], Exception]
    ) -> None:
        self.passes: list[tuple[str, int]] = []
        real = Forward._rows

        def rows(
            run: Forward, inputs: torch.Tensor, numbers: list, part: range, device: str
        ) -> object:
            self.passes.append((device.type, len(part)))
            if device.type == "meta":
                error = fails(len(self.passes), len(part))
                if error is not None:
                    raise error
            return real(run, inputs, numbers, part, torch.device("cpu"))

        monkeypatch.setattr(Forward, "_rows", rows)
        choice = DeviceChoice(torch.device("meta"), "GPU: pretended")
        monkeypatch.setattr(forward, "choose_device", lambda _: choice)


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Let torch see a GPU on which every computation fails, or gives nonsense."""
    real = torch.ones

    def ones(*shape: int, device: torch.device | None = None) -> torch.Tensor:
        if device is None or device.type == "cpu":
            return real(*shape)
        if error is not None:
            raise error
        return real(*shape) * 2

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch, "ones", ones)
