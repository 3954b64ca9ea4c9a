"""The U-Net in files: its published tensor names, and its shape read from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from napari_dmoe.imaging.spatial import MOST_CLASSES
from napari_dmoe.models.moe import moe_names
from napari_dmoe.models.names import Joined, count, shape_of
from napari_dmoe.models.unet import N_STAGES, UNetConfig

ENCODERS = ("encoder1", "encoder2", "encoder3", "encoder4", "encoder10")
"""Published names of the stages, in order."""

DECODERS = ("decoder4", "decoder3", "decoder2", "decoder1")
"""Published names of the doublings, in order."""

_CONVS = ("conv1", "conv2", "conv3")
_FIRST = "encoder1.layer.conv1.conv.weight"
_LAST = "out.transp_conv.conv.weight"

ANCHORS = (_FIRST, f"{ENCODERS[-1]}.layer.conv1.conv.weight")
"""Names of which the network has one at least."""


def names(config: UNetConfig) -> Iterator[Joined]:
    """Yield how our tensors are made of the published ones."""
    for stage, encoder in enumerate(ENCODERS):
        for conv in _CONVS:
            part = f"layer.{conv}.conv.weight"
            yield Joined(f"stages.{stage}.{part}", (f"{encoder}.{part}",))
    if config.n_routers:
        for stage in range(N_STAGES):
            yield from moe_names(
                f"moes.{stage}.",
                f"sparseMoE.{stage}.",
                n_routers=config.n_routers,
                n_experts=config.n_experts,
            )
    parts = ("transp_conv.conv", *(f"conv_block.{conv}.conv" for conv in _CONVS))
    for index, decoder in enumerate(DECODERS):
        for part in parts:
            yield Joined(f"ups.{index}.{part}.weight", (f"{decoder}.{part}.weight",))
    yield Joined("out.conv.weight", (_LAST,))


def recognises(shapes: Mapping[str, tuple[int, ...]], *, dims: int) -> bool:
    """Say whether published tensors belong to the U-Net of planes, or of volumes."""
    found = [shapes[anchor] for anchor in ANCHORS if anchor in shapes]
    is_plane = bool(found) and len(found[0]) == 2 + 2
    return bool(found) and is_plane == (dims == 2)


def configure(
    shapes: Mapping[str, tuple[int, ...]], *, n_heads: int | None, top_k: int | None
) -> UNetConfig:
    """Read a network's shape from its published tensors; it has no attention heads."""
    dims: Literal[2, 3] = 2 if recognises(shapes, dims=2) else 3
    first = shape_of(shapes, _FIRST, 2 + dims)
    n_classes = shape_of(shapes, _LAST, 2 + dims)[1]
    if n_classes < 2:
        raise ValueError("it has one class, where background and another are expected")
    if n_classes > MOST_CLASSES:
        raise ValueError(f"it has {n_classes} classes, and masks hold {MOST_CLASSES}")
    routers = [count(shapes, f"sparseMoE.{i}.router.") for i in range(N_STAGES)]
    if len(set(routers)) > 1:
        raise ValueError(f"its stages differ in routers: {routers}")
    n_experts, widths = 0, None
    if routers[0]:
        router = "sparseMoE.0.router.0.topkroute_linear.weight"
        n_experts = shape_of(shapes, router, 2)[0]
        widths = tuple(
            shape_of(shapes, f"sparseMoE.{i}.experts.0.net.0.weight", 2)[0]
            for i in range(N_STAGES)
        )
    return UNetConfig(
        dims=dims,
        feature_size=first[0],
        in_channels=first[1],
        n_classes=n_classes,
        n_routers=routers[0],
        n_experts=n_experts,
        expert_widths=widths,
        top_k=top_k or 2,
    )
