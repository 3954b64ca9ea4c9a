"""Time of the dMoE layer and the 2D network against the plain formulation, as JSON.

Run it with ``python benchmarks/network2d.py`` on a quiet machine. Both sides do the
same work in one process, in turns; the ratio of medians is what counts, since machines
differ: by the clock, and in seconds of the processor, which other work disturbs less.
Both sides must agree, or nothing is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from napari_dmoe.models.gating import Routing
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.vit import DMoEViT, ViTConfig
from plain import plain_gates, plain_mixture


class PlainMoE(torch.nn.Module):
    """The dMoE layer as its formulas read, on the parameters of a fast one."""

    def __init__(self, layer: SparseMoE) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, x: Tensor, category: Tensor, **_: object
    ) -> tuple[Tensor, Routing]:
        """Route and mix tokens (B, T, C)."""
        gates = plain_gates(self.layer, x, category)
        return plain_mixture(self.layer, x, gates), Routing(gates, gates, gates)


def compare(
    fast: Callable[[], Tensor], plain: Callable[[], Tensor], *, repeats: int
) -> dict[str, float]:
    """Time two functions in turns; they must return the same to 1e-3."""
    torch.testing.assert_close(fast(), plain(), atol=1e-3, rtol=1e-3)
    times: dict[str, list[tuple[float, float]]] = {"fast": [], "plain": []}
    for _ in range(repeats):
        for name, function in (("fast", fast), ("plain", plain)):
            begin = time.perf_counter(), time.process_time()
            function()
            took = time.perf_counter() - begin[0], time.process_time() - begin[1]
            times[name].append(took)
    return ratios(times, "fast", "plain")


def ratios(
    times: dict[str, list[tuple[float, float]]], ours: str, plain: str
) -> dict[str, float]:
    """Return the median seconds of two sides, and how many times faster ours is.

    Times are pairs: by the clock, and of the processor.
    """
    medians = {
        name: [statistics.median(each) for each in zip(*pairs, strict=True)]
        for name, pairs in times.items()
    }
    return {
        f"{ours}_s": round(medians[ours][0], 4),
        f"{plain}_s": round(medians[plain][0], 4),
        "ratio": round(medians[plain][0] / medians[ours][0], 3),
        "processor_ratio": round(medians[plain][1] / medians[ours][1], 3),
    }


def layer_of_a_volume(repeats: int, width: int) -> dict[str, float]:
    """(110592, width) tokens: the first stage of a 96 x 96 x 96 window."""
    layer = SparseMoE(width, n_routers=3).eval()
    x, category = torch.randn(1, 48**3, width), torch.tensor([1])

    def plain() -> Tensor:
        return plain_mixture(layer, x, plain_gates(layer, x, category))

    return compare(lambda: layer(x, category)[0], plain, repeats=repeats)


def layer_in_one_batch(repeats: int) -> dict[str, float]:
    """(588, 768) tokens of three values at once, against three plain calls."""
    layer = SparseMoE(768, n_routers=3).eval()
    x = torch.randn(3, 196, 768)
    each = [torch.tensor([value]) for value in range(3)]

    def plain() -> Tensor:
        gates = [plain_gates(layer, x[i : i + 1], each[i]) for i in range(3)]
        mixed = [plain_mixture(layer, x[i : i + 1], gates[i]) for i in range(3)]
        return torch.cat(mixed)

    return compare(lambda: layer(x, torch.arange(3))[0], plain, repeats=repeats)


def network_one_image(network: DMoEViT, repeats: int) -> dict[str, float]:
    """One image, one value."""
    x, category = torch.rand(1, 3, 224, 224), torch.tensor([1])
    return _network(network, lambda: network(x, category).logits, None, repeats)


def network_values(network: DMoEViT, repeats: int, n_images: int) -> dict[str, float]:
    """Several images x 3 values: batches of 8 against the plain network, one by one."""
    x = torch.rand(n_images, 3, 224, 224).repeat_interleave(3, 0)
    category = torch.arange(3).repeat(n_images)

    def in_batches(size: int) -> Tensor:
        parts = zip(x.split(size), category.split(size), strict=True)
        return torch.cat([network(a, b).logits for a, b in parts])

    return _network(network, lambda: in_batches(8), lambda: in_batches(1), repeats)


def _network(
    network: DMoEViT,
    fast: Callable[[], Tensor],
    plain: Callable[[], Tensor] | None,
    repeats: int,
) -> dict[str, float]:
    own = network.moe
    substitute = PlainMoE(own)

    def with_plain_layer() -> Tensor:
        network.moe = substitute
        try:
            return (plain or fast)()
        finally:
            network.moe = own

    return compare(fast, with_plain_layer, repeats=repeats)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--images", type=int, default=32)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    load_before = os.getloadavg()[0]
    with torch.inference_mode():
        network = DMoEViT(ViTConfig()).eval()
        figures = {
            **{
                f"layer, 110592 x {width}": layer_of_a_volume(arguments.repeats, width)
                for width in (24, 48)
            },
            "layer, 588 x 768 in one batch": layer_in_one_batch(arguments.repeats),
            "ViT-B/16, one image": network_one_image(network, arguments.repeats),
            f"ViT-B/16, {arguments.images} images x 3 values": network_values(
                network, max(3, arguments.repeats // 3), arguments.images
            ),
        }
    print(
        json.dumps(
            {
                "figures": figures,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "processor": platform.processor() or platform.machine(),
                "load_before": load_before,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
