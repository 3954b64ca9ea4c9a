"""The table of networks: how each is recognised, configured, built and named.

A new network is one file beside this one, and one line in :data:`ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from napari_dmoe.models import unet_files, vit_files
from napari_dmoe.models.gating import Experts, Noise, SegmentationOutput
from napari_dmoe.models.names import Joined
from napari_dmoe.models.unet import DMoEUNet, UNetConfig
from napari_dmoe.models.vit import DMoEViT, ViTConfig

Shapes = Mapping[str, tuple[int, ...]]
Config = ViTConfig | UNetConfig


class Network(Protocol):
    """What the engines ask of a network: a segmentation with its routing."""

    config: Config

    def __call__(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: Noise | None = None,
        experts: Experts | None = None,
    ) -> SegmentationOutput:
        """Segment a batch."""


class Configure(Protocol):
    """Reads a configuration from published shapes and what only a card can state."""

    def __call__(
        self, shapes: Shapes, *, n_heads: int | None, top_k: int | None
    ) -> Config:
        """Return the configuration; None takes heads 64 wide, and the best 2 experts.

        Raises
        ------
        KeyError
            When a tensor that tells a size is missing.
        ValueError
            When shapes contradict the architecture.
        """


@dataclass(frozen=True)
class Architecture:
    """One kind of network."""

    name: str
    """Key in cards and provenance."""
    title: str
    """Name for a person."""
    dims: Literal[2, 3]
    """Spatial axes of its input."""
    recognises: Callable[[Shapes], bool]
    """Whether published tensor names and shapes are of this kind."""
    configure: Configure
    """Configuration from those shapes."""
    build: Callable[[Any], nn.Module]
    """Untrained network from a configuration."""
    names: Callable[[Any], Iterator[Joined]]
    """Our tensor names and the published ones they are made of."""


_VIT = Architecture(
    name="dmoe-vit",
    title="2D dMoE ViT",
    dims=2,
    recognises=vit_files.recognises,
    configure=vit_files.configure,
    build=DMoEViT,
    names=vit_files.names,
)
_HYBRID = replace(
    _VIT,
    name="dmoe-r50-vit",
    title="2D dMoE R50-ViT hybrid",
    recognises=vit_files.recognises_hybrid,
)
_UNET3D = Architecture(
    name="dmoe-unet3d",
    title="3D dMoE U-Net",
    dims=3,
    recognises=partial(unet_files.recognises, dims=3),
    configure=unet_files.configure,
    build=DMoEUNet,
    names=unet_files.names,
)
_UNET2D = replace(
    _UNET3D,
    name="dmoe-unet2d",
    title="2D dMoE U-Net",
    dims=2,
    recognises=partial(unet_files.recognises, dims=2),
)
ARCHITECTURES: Mapping[str, Architecture] = {
    each.name: each for each in (_VIT, _HYBRID, _UNET2D, _UNET3D)
}


def recognise(shapes: Shapes) -> Architecture | None:
    """Return the architecture that published tensors belong to; None for another."""
    known = ARCHITECTURES.values()
    return next((each for each in known if each.recognises(shapes)), None)


ANCHORS = (vit_files.POSITIONS, *unet_files.ANCHORS)
"""Published names of which each network has one at least."""
