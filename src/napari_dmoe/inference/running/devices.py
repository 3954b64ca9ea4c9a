"""Which device the work runs on, why, and what happens when it cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from napari_dmoe.imaging.memory import NotEnoughMemory

Result = TypeVar("Result")


class DeviceError(ValueError):
    """A device that was asked for is not there, or does not work."""


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the reason for it, in words for a person."""

    device: torch.device
    """Where to compute."""
    reason: str
    """Why there."""
    notice: str = ""
    """What a person should know of every run there; empty where there is nothing."""


def choose_device(name: str = "auto") -> DeviceChoice:
    """Choose where to compute.

    Parameters
    ----------
    name : str
        ``"auto"`` (CUDA, then MPS, then CPU) or a torch device such as ``"cuda:1"``.
        A GPU that is there but does not work gives way to the CPU, with a notice.

    Raises
    ------
    DeviceError
        When a device that was named is not there or does not work. It is never
        replaced silently.
    """
    return _best_device() if name == "auto" else _named_device(name)


def _best_device() -> DeviceChoice:
    if torch.cuda.is_available():
        device = torch.device("cuda")
    elif torch.backends.mps.is_available():
        device = torch.device("mps")
    else:
        return DeviceChoice(torch.device("cpu"), "CPU (no GPU found)")
    problem = _why_broken(device)
    if problem:
        return DeviceChoice(
            torch.device("cpu"),
            f"CPU (the GPU does not work: {problem})",
            f"the GPU was not used, because it does not work: {problem}",
        )
    if device.type == "mps":
        return DeviceChoice(device, "GPU: Apple MPS")
    return DeviceChoice(device, f"GPU: {torch.cuda.get_device_name()}")


def _named_device(name: str) -> DeviceChoice:
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
    problem = "" if device.type == "cpu" else _why_broken(device)
    if problem:
        raise DeviceError(
            f"the device {name!r} does not work: {problem}. Use auto or cpu"
        )
    return DeviceChoice(device, f"{device} (chosen)")


def _why_broken(device: torch.device) -> str:
    """Say why a device that is there cannot compute; nothing where it can.

    Drivers that are too old, and GPUs that the installed torch has no code for, show
    only when something is computed.
    """
    try:
        ones = torch.ones(8, 8, device=device)
        is_right = float((ones @ ones).sum()) == 8**3
    except (RuntimeError, AssertionError) as error:  # torch asserts that it has CUDA
        return _first_line(error)
    return "" if is_right else "it computes wrong numbers"


def mixes_precision(device: str | torch.device) -> bool:
    """Say whether a device gains by computing in bfloat16 where that does no harm.

    CUDA does, from the generation on that has it in hardware. A processor gains nothing
    and MPS lacks some operations in it: both compute in 32 bits. Routers do everywhere.
    """
    if torch.device(device).type != "cuda":
        return False
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:_LONGEST_REASON]


_LONGEST_REASON = 160
"""Characters of torch's own words that are shown."""

_WORDS_FOR_MEMORY = (
    "defaultcpuallocator",
    "out of memory",
    "bad_alloc",
    "alloc_failed",  # cuBLAS and cuDNN
    "not enough memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out; apart from CUDA's only torch's words tell."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = any(words in str(error).lower() for words in _WORDS_FOR_MEMORY)
    return isinstance(error, RuntimeError) and said


_WORDS_FOR_DEVICE = ("CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS", "MPS", "cuDNN")


def _is_of_device(error: Exception) -> bool:
    """Say whether a GPU failed, and not the network: torch lacks an operation there."""
    return isinstance(error, NotImplementedError | torch.AcceleratorError) or any(
        words in str(error) for words in _WORDS_FOR_DEVICE
    )


class Batches:
    """Runs a function over rows in batches, and gives way when a device cannot go on.

    A batch that does not fit is halved. A single row that does not fit, an operation
    that a GPU lacks, and a GPU that fails move all further work to the CPU. Each is
    kept in `notices`.

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

        Raises
        ------
        NotEnoughMemory
            When a single row does not fit into the CPU's memory.
        DeviceError
            When a GPU failed so badly that the model cannot be fetched from it.
        """
        while True:
            part = rows[: self.batch]
            try:
                return forward(part, self.device)
            except (RuntimeError, MemoryError, TypeError) as error:
                if not self._gives_way(len(part), error):
                    raise
            # Only here, as the error's traceback kept the tensors alive.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _gives_way(self, size: int, error: Exception) -> bool:
        """Begin anew with less, or elsewhere; False for errors of the network."""
        is_on_cpu = self.device.type == "cpu"
        if is_out_of_memory(error):
            if size > 1:
                self.batch = size // 2
                self.notices.append(f"memory ran out: {self.batch} at a time")
            elif is_on_cpu:
                raise NotEnoughMemory(
                    "one image or window does not fit into memory: close other "
                    "programs, or use a smaller model"
                ) from error
            else:
                self._move_to_cpu("ran out of memory")
            return True
        if not _is_of_device(error):
            return False
        if not is_on_cpu:
            self._move_to_cpu(f"could not go on ({_first_line(error)})")
            return True
        if self.notices:  # the model is still on a GPU that is broken
            raise DeviceError(
                f"the GPU failed and cannot be used again: {_first_line(error)}. Load "
                "the model anew with the device cpu, or start the program again"
            ) from error
        return False

    def _move_to_cpu(self, why: str) -> None:
        self.notices.append(f"the device {self.device} {why}: the CPU took over")
        self.device = torch.device("cpu")


REMEDY = "crop the image, take fewer of its images, or keep no probabilities"
"""What a person can do about results that do not fit into memory."""


@contextmanager
def memory_told() -> Iterator[None]:
    """Turn torch's and Python's words for too little memory into ours.

    Raises
    ------
    NotEnoughMemory
        When what the block does, does not fit into memory; says what to do.
    """
    try:
        yield
    except NotEnoughMemory:
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NotEnoughMemory(
            f"the image and its result do not fit into memory: {REMEDY} ({error})"
        ) from error
