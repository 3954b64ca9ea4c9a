"""Time of the dMoE layer and the 2D network against the plain formulation, as JSON.

Run it with ``python benchmarks/network2d.py`` on a quiet machine. Both sides do the
same work in one process, in turns, the plain one with torch's own layers throughout;
they must agree, or nothing is printed.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable

import torch
from torch import Tensor

from measuring import compare, report
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.vit import DMoEViT, ViTConfig
from plain import plain_gates, plain_mixture
from plain_networks import as_published


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
    return _networks(network, lambda one: one(x, category).logits, None, repeats)


def network_values(network: DMoEViT, repeats: int, n_images: int) -> dict[str, float]:
    """Several images x 3 values: batches of 8 against the plain network, one by one."""
    x = torch.rand(n_images, 3, 224, 224).repeat_interleave(3, 0)
    category = torch.arange(3).repeat(n_images)

    def in_batches(one: DMoEViT, size: int) -> Tensor:
        parts = zip(x.split(size), category.split(size), strict=True)
        return torch.cat([one(a, b).logits for a, b in parts])

    return _networks(
        network, lambda one: in_batches(one, 8), lambda one: in_batches(one, 1), repeats
    )


def _networks(
    network: DMoEViT,
    work: Callable[[DMoEViT], Tensor],
    plain_work: Callable[[DMoEViT], Tensor] | None,
    repeats: int,
) -> dict[str, float]:
    plain = as_published(copy.deepcopy(network))
    work_of_plain = plain_work or work
    return compare(lambda: work(network), lambda: work_of_plain(plain), repeats=repeats)


ROWS = ("layer", "image", "values")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    asked = parser.parse_args()
    torch.manual_seed(0)
    figures: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        if "layer" in asked.rows:
            for width in (24, 48):
                found = layer_of_a_volume(asked.repeats, width)
                figures[f"layer, 110592 x {width}"] = found
            found = layer_in_one_batch(asked.repeats)
            figures["layer, 588 x 768 in one batch"] = found
        network = DMoEViT(ViTConfig()).eval()
        if "image" in asked.rows:
            figures["ViT-B/16, one image"] = network_one_image(network, asked.repeats)
        if "values" in asked.rows:
            few = max(2, asked.repeats // 3)
            found = network_values(network, few, asked.images)
            figures["ViT-B/16, images x 3 values"] = {"images": asked.images, **found}
    report(figures)


if __name__ == "__main__":
    main()
