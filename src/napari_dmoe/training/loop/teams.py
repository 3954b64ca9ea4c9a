"""Several processes that train one model together, one a device, started by torchrun.

Every member reads all cases and holds the whole network. A batch is divided among them,
``DistributedDataParallel`` averages their gradients, and the first member alone
measures, tells and saves. Outside of torchrun a process is alone, and nothing changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from napari_dmoe.progress import Cancelled, Progress, ProgressHook

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)
"""How long members wait for one that measures or saves, before they give it up."""

_FAR = 1_000_003
"""Between the seeds of two members."""


@dataclass(frozen=True)
class Team:
    """The processes that train together, as one of them sees them.

    Parameters
    ----------
    rank : int
        Which member this is, counted from 0.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this member measures, tells and saves."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody else."""
        return self.size == 1

    def device(self, kind: str) -> str:
        """Return this member's device, such as ``cuda:1``, for one of a kind."""
        if self.is_alone or kind != "cuda":
            return kind
        return f"cuda:{int(os.environ.get('LOCAL_RANK', self.rank))}"

    def seed(self, seed: int) -> int:
        """Return the seed of this member's own draws; the first has the stated one."""
        return seed + _FAR * self.rank

    def share(self, batch: Tensor) -> tuple[Tensor, int]:
        """Return this member's part of a batch, and how many of it count.

        A batch that is smaller than the team gives some a case that does not count,
        since gradients must come from everybody.
        """
        part = batch.tensor_split(self.size)[self.rank]
        return (part, len(part)) if len(part) else (batch[:1], 0)

    def wrapped(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the team."""
        return network if self.is_alone else DistributedDataParallel(network)

    def gathering(
        self, network: nn.Module, *, is_last: bool
    ) -> AbstractContextManager[None]:
        """Return a context in which gradients wait, but for the last part of a step."""
        if is_last or not isinstance(network, DistributedDataParallel):
            return nullcontext()
        return network.no_sync()

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over the team."""
        if self.is_alone:
            return value
        summed = value.detach().clone()
        distributed.all_reduce(summed)
        return summed

    def agreed(self, value: Tensor) -> Tensor:
        """Return the first member's tensor; all have the same shape and device."""
        if self.is_alone:
            return value
        shared = value.clone()
        distributed.broadcast(shared, src=0)
        return shared

    def wait_for_first(self, work: Callable[[], T]) -> T | None:
        """Return what the first member's work gave, in it; None in those that wait.

        Raises
        ------
        Cancelled
            In those that wait, where that work has failed or was stopped; its own
            error in the first.
        """
        if self.is_alone:
            return work()
        found: T | None = None
        failed: Exception | None = None
        if self.is_first:
            try:
                found = work()
            except Exception as error:  # noqa: BLE001 - the others must be told
                failed = error
        is_over = bool(self.total(torch.tensor(int(failed is not None))))
        if failed is not None:
            raise failed
        if is_over:
            raise Cancelled
        return found

    def tell(self, progress: ProgressHook, step: Progress) -> None:
        """Pass progress on; one member that is told to stop stops everybody.

        Raises
        ------
        Cancelled
            In all members, after the same step.
        """
        if self.is_alone:
            progress(step)
            return
        is_told = False
        try:
            progress(step)
        except Cancelled:
            is_told = True
        if self.total(torch.tensor(int(is_told))):
            raise Cancelled


def team_now() -> Team:
    """Return the team that this process has joined, or that of itself alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Team()
    return Team(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def joined() -> Iterator[Team]:
    """Join the processes that torchrun started, within a block; alone elsewhere."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "MASTER_ADDR" not in os.environ or not distributed.is_available():
        yield Team()
        return
    has_gpus = torch.cuda.is_available()
    if has_gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "cpu:gloo,cuda:nccl" if has_gpus else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield team_now()
    finally:
        distributed.destroy_process_group()
