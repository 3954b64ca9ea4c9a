"""The 2D network in files: its published tensor names, and its shape read from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from napari_dmoe.imaging.spatial import MOST_CLASSES
from napari_dmoe.models.decoder import N_STAGES, decoder_names
from napari_dmoe.models.moe import moe_names
from napari_dmoe.models.names import Joined, count, pair, shape_of
from napari_dmoe.models.resnet import N_STAGES as RESNET_STAGES
from napari_dmoe.models.resnet import ResNetConfig, stem_names
from napari_dmoe.models.vit import PATCH, ViTConfig

PUBLISHED_HEAD_WIDTH = 64
"""Features per attention head in every published network."""


def names(config: ViTConfig) -> Iterator[Joined]:
    """Yield how our tensors are made of the published ones."""
    root = "transformer."
    yield Joined("position_embedding", (f"{root}embeddings.position_embeddings",))
    if config.stem is not None:
        yield from stem_names(config.stem, "stem.", HYBRID)
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
HYBRID = "transformer.embeddings.hybrid_model."


def recognises(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Say whether published tensor names belong to a 2D network without a ResNet."""
    return POSITIONS in shapes and not any(name.startswith(HYBRID) for name in shapes)


def recognises_hybrid(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Say whether published tensor names belong to a 2D network behind a ResNet."""
    return POSITIONS in shapes and any(name.startswith(HYBRID) for name in shapes)


def configure(
    shapes: Mapping[str, tuple[int, ...]], *, n_heads: int | None, top_k: int | None
) -> ViTConfig:
    """Read a network's shape from the shapes of its published tensors."""
    _, tokens, width = shape_of(shapes, POSITIONS, 3)
    grid = math.isqrt(tokens)
    if grid**2 != tokens:
        raise ValueError(f"{tokens} position embeddings are no square grid")
    layer, moe = "transformer.encoder.layer.", "transformer.encoder.sparseMoE."
    n_routers = count(shapes, f"{moe}router.")
    n_experts, hidden = 0, 0
    if n_routers:
        n_experts = shape_of(shapes, f"{moe}router.0.topkroute_linear.weight", 2)[0]
        hidden = shape_of(shapes, f"{moe}experts.0.net.0.weight", 2)[0]
    heads = n_heads or max(1, width // PUBLISHED_HEAD_WIDTH)
    if width % heads:
        raise ValueError(f"{heads} attention heads do not divide a width of {width}")
    stem, in_channels = _entrance(shapes)
    decoder = [
        shape_of(shapes, f"decoder.blocks.{i}.conv1.0.weight", 4)[0]
        for i in range(N_STAGES)
    ]
    n_classes = shape_of(shapes, "segmentation_head.0.weight", 4)[0]
    if n_classes < 2:
        raise ValueError("it has one class, where background and another are expected")
    if n_classes > MOST_CLASSES:
        raise ValueError(f"it has {n_classes} classes, and masks hold {MOST_CLASSES}")
    return ViTConfig(
        width=width,
        depth=count(shapes, layer),
        n_heads=heads,
        mlp_width=shape_of(shapes, f"{layer}0.ffn.fc1.weight", 2)[0],
        grid=grid,
        in_channels=in_channels,
        stem=stem,
        n_classes=n_classes,
        n_routers=n_routers,
        n_experts=n_experts,
        expert_width=hidden,
        top_k=top_k or 2,
        decoder_entry=shape_of(shapes, "decoder.conv_more.0.weight", 4)[0],
        decoder_widths=tuple(decoder),
    )


def _entrance(shapes: Mapping[str, tuple[int, ...]]) -> tuple[ResNetConfig | None, int]:
    """Read what stands before the transformer, and the channels of the input."""
    patch = shape_of(shapes, "transformer.embeddings.patch_embeddings.weight", 4)
    stem = _stem(shapes) if recognises_hybrid(shapes) else None
    side = PATCH if stem is None else 1
    if patch[2:] != (side, side):
        raise ValueError(f"patches of {patch[2:]} pixels, where {side} are expected")
    if stem is None:
        return None, patch[1]
    return stem, shape_of(shapes, f"{HYBRID}root.conv.weight", 4)[1]


def _stem(shapes: Mapping[str, tuple[int, ...]]) -> ResNetConfig:
    """Read the shape of the ResNet."""
    blocks = (f"{HYBRID}body.block{stage + 1}.unit" for stage in range(RESNET_STAGES))
    units = [count(shapes, block, first=1) for block in blocks]
    if 0 in units:
        raise ValueError(f"a stage of its ResNet has no units: {units}")
    width = shape_of(shapes, f"{HYBRID}root.conv.weight", 4)[0]
    return ResNetConfig(width=width, units=(units[0], units[1], units[2]))
