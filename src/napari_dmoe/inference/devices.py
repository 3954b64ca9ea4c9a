"""Which device the work runs on, why, and what happens when its memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

Result = TypeVar("Result")


class DeviceError(ValueError):
    """A device that was asked for is not there."""


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the reason for it, in words for a person."""

    device: torch.device
    reason: str


def choose_device(name: str = "auto") -> DeviceChoice:
    """Choose where to compute.

    Parameters
    ----------
    name : str
        ``"auto"`` (CUDA, then MPS, then CPU) or a torch device such as ``"cuda:1"``.

    Raises
    ------
    DeviceError
        When a device that was named is not there. It is never replaced silently.
    """
    if name == "auto":
        if torch.cuda.is_available():
            gpu = torch.cuda.get_device_name()
            return DeviceChoice(torch.device("cuda"), f"GPU: {gpu}")
        if torch.backends.mps.is_available():
            return DeviceChoice(torch.device("mps"), "GPU: Apple MPS")
        return DeviceChoice(torch.device("cpu"), "CPU (no GPU found)")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"there is no device called {name!r}: use auto, cpu, cuda, cuda:1 or mps"
        ) from error
    is_there = {
        "cpu": True,
        "cuda": torch.cuda.is_available()
        and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }.get(device.type, False)
    if not is_there:
        raise DeviceError(f"the device {name!r} is not there: use auto or cpu")
    return DeviceChoice(device, f"{device} (chosen)")


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Say whether torch ran out of memory; on the CPU only its words tell."""
    return isinstance(error, torch.OutOfMemoryError) or (
        "DefaultCPUAllocator" in str(error)
    )


class Batches:
    """Runs a function over rows in batches, and gives way when memory runs out.

    A batch that does not fit is halved; a single row that does not fit moves all
    further work to the CPU. Either is kept in `notices`.

    Parameters
    ----------
    device : torch.device
        Where to begin.
    batch : int
        Rows at a time to begin with.
    """

    def __init__(self, device: torch.device, batch: int) -> None:
        self.device, self.batch = device, batch
        self.notices: list[str] = []

    def run(
        self, rows: range, forward: Callable[[range, torch.device], Result]
    ) -> Result:
        """Return `forward` of the next rows, as many as fit.

        Parameters
        ----------
        rows : range
            Rows still to do.
        forward : callable
            From some of these rows and a device to their result.
        """
        while True:
            part = rows[: self.batch]
            try:
                return forward(part, self.device)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                self._give_way(len(part))

    def _give_way(self, size: int) -> None:
        if size > 1:
            self.batch = size // 2
            self.notices.append(f"memory ran out: {self.batch} at a time")
        elif self.device.type != "cpu":
            self.notices.append(f"memory of {self.device} ran out: the CPU took over")
            self.device = torch.device("cpu")
        else:
            raise MemoryError("one image or window does not fit into memory")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
