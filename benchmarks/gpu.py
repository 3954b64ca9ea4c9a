"""What a GPU's owner runs to fill the GPU rows: launches, waits, seconds, memory, JSON.

Run it with ``python benchmarks/gpu.py`` where there is a GPU. The published 2D network
takes one image, the 3D one a window of 96 x 96 x 96, as they are and as published, with
the same weights; both sides must agree. Counted are kernels launched, and how often the
processor waits for the device: by the driver's own calls on CUDA, and elsewhere by the
operations that need a number before they can go on, two of which check the category,
which lies on the processor. The answer that is fetched at the end is not counted.

``--device cpu --tiny`` is a dry run on the processor at a small size: it counts the
operations of the formulation that a GPU takes.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from measuring import Seconds, ratios, report
from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.models import mixing
from napari_dmoe.models.unet import DMoEUNet, UNetConfig
from napari_dmoe.models.vit import DMoEViT, ViTConfig
from plain_networks import as_published

LAUNCHES = frozenset(
    ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx")
)
WAITS = frozenset(
    ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
)
ASKS = frozenset(("aten::_local_scalar_dense", "aten::nonzero"))
"""Operations that wait for a number from the device."""

TINY_2D = ViTConfig(
    width=64,
    depth=2,
    n_heads=2,
    mlp_width=128,
    grid=4,
    expert_width=128,
    decoder_entry=32,
    decoder_widths=(16, 16, 8, 8),
)
AGREED = 1e-2
"""By how much logits may differ: other kernels, and experts chosen in near ties."""


def networks(*, tiny: bool) -> dict[str, tuple[nn.Module, Tensor]]:
    """Return the networks, each with what it takes."""
    flat = TINY_2D if tiny else ViTConfig()
    deep = UNetConfig(feature_size=8 if tiny else 24)
    window = (32, 32, 64) if tiny else (96, 96, 96)
    return {
        "2D image": (DMoEViT(flat), torch.rand(1, 3, flat.side, flat.side)),
        "3D window": (DMoEUNet(deep), torch.rand(1, 1, *window)),
    }


def counted(work: Callable[[], Any], device: torch.device) -> dict[str, int]:
    """Return how many kernels are launched, and how often the device is waited for.

    The profiler waits for the device itself before it ends: what it does around no
    work at all is not counted.
    """
    found, nothing = _events(work, device), _events(lambda: None, device)
    names = found - nothing
    is_cuda = device.type == "cuda"
    n_launches = sum(names[name] for name in LAUNCHES)
    return {
        "launches": n_launches
        if is_cuda
        else sum(n for name, n in names.items() if name.startswith("aten::")),
        "syncs": sum(names[name] for name in (WAITS if is_cuda else ASKS)),
    }


def _events(work: Callable[[], Any], device: torch.device) -> Counter[str]:
    """Return what the profiler sees, by name."""
    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    with profile(activities=kinds) as seen:
        work()
    return Counter(event.name for event in seen.events())


def timed(work: Callable[[], Tensor], device: torch.device) -> Seconds:
    """Return how long it takes until the device is done."""
    began = time.perf_counter(), time.process_time()
    work()
    wait_for(device)
    return time.perf_counter() - began[0], time.process_time() - began[1]


def wait_for(device: torch.device) -> None:
    """Wait until a device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_mb(work: Callable[[], Tensor], device: torch.device) -> float | None:
    """Return the most memory that it takes there; None where that is not told."""
    if device.type != "cuda":
        return None
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    wait_for(device)
    return round((torch.cuda.max_memory_allocated(device) - before) / 1e6, 1)


def measured(
    network: nn.Module, x: Tensor, device: torch.device, repeats: int
) -> dict[str, Any]:
    """Return the figures of a network, ours beside the published one."""
    network = network.eval().to(device)
    plain, x = as_published(copy.deepcopy(network)), x.to(device)
    category = torch.tensor([1])  # checked on the processor, as in the engine
    works: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: network(x, category).logits,
        "plain": lambda: plain(x, category).logits,
    }
    answers = [work().cpu() for work in works.values()]
    torch.testing.assert_close(*answers, atol=AGREED, rtol=AGREED)
    times: dict[str, list[Seconds]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            times[name].append(timed(work, device))
    found: dict[str, Any] = ratios(times, "ours", "plain")
    for name, work in works.items():
        found[name] = {**counted(work, device), "peak_mb": peak_mb(work, device)}
    return found


def as_on_a_gpu(*_: object, **__: object) -> str:
    """Choose how tokens are mixed on a GPU."""
    return "dense"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", action="store_true", help="small networks")
    parser.add_argument("--repeats", type=int, default=20)
    asked = parser.parse_args(arguments)
    chosen = choose_device(asked.device)
    if chosen.device.type == "cpu" and asked.device == "auto":
        parser.error(f"{chosen.reason}: this is for a GPU, or --device cpu --tiny")
    torch.manual_seed(0)
    with (
        torch.inference_mode(),
        patch.object(mixing, "formulation", as_on_a_gpu),
    ):
        found = {
            name: measured(network, x, chosen.device, asked.repeats)
            for name, (network, x) in networks(tiny=asked.tiny).items()
        }
    report({"device": chosen.reason, "tiny": asked.tiny, "networks": found})


if __name__ == "__main__":
    main()
