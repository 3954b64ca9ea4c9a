"""The 2D network in files: its published tensor names, and its shape read from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from napari_dmoe.models.decoder import N_STAGES, decoder_names
from napari_dmoe.models.moe import moe_names
from napari_dmoe.models.names import Joined
from napari_dmoe.models.vit import PATCH, ViTConfig

PUBLISHED_HEAD_WIDTH = 64
"""Features per attention head in every published network."""


def names(config: ViTConfig) -> Iterator[Joined]:
    """Yield how our tensors are made of the published ones."""
    root = "transformer."

    def pair(ours: str, published: str) -> Iterator[Joined]:
        for part in ("weight", "bias"):
            yield Joined(f"{ours}.{part}", (f"{published}.{part}",))

    yield Joined("position_embedding", (f"{root}embeddings.position_embeddings",))
    yield from pair("patch_embedding", f"{root}embeddings.patch_embeddings")
    for i in range(config.depth):
        ours, theirs = f"blocks.{i}.", f"{root}encoder.layer.{i}."
        yield from pair(f"{ours}attention_norm", f"{theirs}attention_norm")
        yield from pair(f"{ours}attention.out", f"{theirs}attn.out")
        for part in ("weight", "bias"):
            fused = tuple(f"{theirs}attn.{n}.{part}" for n in ("query", "key", "value"))
            yield Joined(f"{ours}attention.qkv.{part}", fused, "cat")
        yield from pair(f"{ours}mlp_norm", f"{theirs}ffn_norm")
        yield from pair(f"{ours}mlp.0", f"{theirs}ffn.fc1")
        yield from pair(f"{ours}mlp.3", f"{theirs}ffn.fc2")
    if config.n_routers:
        yield from moe_names(
            "moe.",
            f"{root}encoder.sparseMoE.",
            n_routers=config.n_routers,
            n_experts=config.n_experts,
        )
    yield from pair("final_norm", f"{root}encoder.encoder_norm")
    yield from decoder_names("decoder.")
    yield from pair("head", "segmentation_head.0")


POSITIONS = "transformer.embeddings.position_embeddings"


def recognises(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Say whether published tensor names belong to a plain (not hybrid) 2D network."""
    return POSITIONS in shapes and not any(
        name.startswith("transformer.embeddings.hybrid_model.") for name in shapes
    )


def configure(
    shapes: Mapping[str, tuple[int, ...]], *, n_heads: int | None, top_k: int | None
) -> ViTConfig:
    """Read a network's shape from the shapes of its published tensors.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Published tensor names and shapes.
    n_heads, top_k : int or None
        What the weights cannot tell; None takes heads 64 wide, and 2.

    Raises
    ------
    KeyError
        When a tensor that tells a size is missing.
    ValueError
        When shapes contradict the architecture.
    """
    _, tokens, width = _shape(shapes, POSITIONS, 3)
    grid = math.isqrt(tokens)
    if grid**2 != tokens:
        raise ValueError(f"{tokens} position embeddings are no square grid")
    layer, moe = "transformer.encoder.layer.", "transformer.encoder.sparseMoE."
    n_routers = _count(shapes, f"{moe}router.")
    router: tuple[int, ...] = (0, 0)
    hidden: tuple[int, ...] = (0, 0)
    if n_routers:
        router = _shape(shapes, f"{moe}router.0.topkroute_linear.weight", 2)
        hidden = _shape(shapes, f"{moe}experts.0.net.0.weight", 2)
    heads = n_heads or max(1, width // PUBLISHED_HEAD_WIDTH)
    if width % heads:
        raise ValueError(f"{heads} attention heads do not divide a width of {width}")
    patch = _shape(shapes, "transformer.embeddings.patch_embeddings.weight", 4)
    if patch[2:] != (PATCH, PATCH):
        raise ValueError(f"patches of {patch[2:]} pixels, where {PATCH} are expected")
    decoder = [
        _shape(shapes, f"decoder.blocks.{i}.conv1.0.weight", 4)[0]
        for i in range(N_STAGES)
    ]
    n_classes = _shape(shapes, "segmentation_head.0.weight", 4)[0]
    if n_classes < 2:
        raise ValueError("it has one class, where background and another are expected")
    return ViTConfig(
        width=width,
        depth=_count(shapes, layer),
        n_heads=heads,
        mlp_width=_shape(shapes, f"{layer}0.ffn.fc1.weight", 2)[0],
        grid=grid,
        in_channels=patch[1],
        n_classes=n_classes,
        n_routers=n_routers,
        n_experts=router[0],
        expert_width=hidden[0],
        top_k=top_k or 2,
        decoder_entry=_shape(shapes, "decoder.conv_more.0.weight", 4)[0],
        decoder_widths=tuple(decoder),
    )


def _shape(
    shapes: Mapping[str, tuple[int, ...]], name: str, n_axes: int
) -> tuple[int, ...]:
    shape = shapes[name]
    if len(shape) != n_axes:
        raise ValueError(f"{name} has {len(shape)} axes, where {n_axes} are expected")
    if 0 in shape:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    return shape


def _count(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    """Count how many consecutive indices, from 0, follow a prefix in the names."""
    found = {
        name[len(prefix) :].split(".", 1)[0]
        for name in shapes
        if name.startswith(prefix)
    }
    count = 0
    while str(count) in found:
        count += 1
    return count
