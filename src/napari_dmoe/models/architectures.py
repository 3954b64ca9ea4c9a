"""The table of networks: how each is recognised, configured, built and named.

A new network is one file beside this one, and one line in :data:`ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from napari_dmoe.models import unet3d_files, vit_files
from napari_dmoe.models.gating import Experts, Noise, SegmentationOutput
from napari_dmoe.models.names import Joined
from napari_dmoe.models.unet3d import DMoEUNet3D, UNet3DConfig
from napari_dmoe.models.vit import DMoEViT, ViTConfig

Shapes = Mapping[str, tuple[int, ...]]
Config = ViTConfig | UNet3DConfig


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
    recognises=unet3d_files.recognises,
    configure=unet3d_files.configure,
    build=DMoEUNet3D,
    names=unet3d_files.names,
)
ARCHITECTURES: Mapping[str, Architecture] = {
    each.name: each for each in (_VIT, _HYBRID, _UNET3D)
}


def recognise(shapes: Shapes) -> Architecture | None:
    """Return the architecture that published tensors belong to; None for another."""
    known = ARCHITECTURES.values()
    return next((each for each in known if each.recognises(shapes)), None)


ANCHORS = (vit_files.POSITIONS, *unet3d_files.ANCHORS)
"""Published names of which each network has one at least."""
