"""The networks as they are published, of torch's own layers and the plain dMoE layer.

They hold the parameters of the fast ones, so that both sides answer the same; nothing
of this package's faster products, norms and orders in memory is left in them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models.decoder import Decoder
from napari_dmoe.models.gating import Routing, SegmentationOutput
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.products import Linear
from napari_dmoe.models.residual import SLOPE, ResidualBlock
from napari_dmoe.models.unet import DMoEUNet
from plain import plain_gates, plain_mixture


class PlainMoE(nn.Module):
    """The dMoE layer as its formulas read, on the parameters of a fast one."""

    def __init__(self, layer: SparseMoE) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self,
        x: Tensor,
        category: Tensor,
        *,
        noise: torch.Generator | None = None,
        **_: object,
    ) -> tuple[Tensor, Routing]:
        """Route and mix tokens (B, T, C)."""
        epsilon = None
        if noise is not None:
            size = *x.shape[:2], self.layer.n_experts
            epsilon = torch.randn(size, generator=noise, device=noise.device)
            epsilon = epsilon.to(x.device)
        gates = plain_gates(self.layer, x, category, epsilon=epsilon)
        return plain_mixture(self.layer, x, gates), Routing(gates, gates, gates)


class PlainLinear(nn.Linear):
    """A linear layer on the parameters of a fast one."""

    def __init__(self, layer: Linear) -> None:
        super().__init__(1, 1)
        self.weight, self.bias = layer.weight, layer.bias


class PlainBlock(nn.Module):
    """MONAI's residual block, on the parameters of a fast one."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = block.conv1, block.conv2, block.conv3
        self.stride = block.stride

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map (B, C, *S)."""
        conv = F.conv2d if x.ndim == 4 else F.conv3d
        first, second, short = (
            each.get_parameter("conv.weight")
            for each in (self.conv1, self.conv2, self.conv3)
        )
        y = F.instance_norm(conv(x, first, stride=self.stride, padding=1))
        y = F.instance_norm(conv(F.leaky_relu(y, SLOPE), second, padding=1))
        y = y + F.instance_norm(conv(x, short, stride=self.stride))
        return F.leaky_relu(y, SLOPE)


class PlainUNet(nn.Module):
    """The published 3D network, on the parameters of a fast one."""

    def __init__(self, network: DMoEUNet) -> None:
        super().__init__()
        self.config = network.config
        self.stages = nn.ModuleList(PlainBlock(each.layer) for each in network.stages)
        self.moes = nn.ModuleList(PlainMoE(each) for each in network.moes)
        self.doublings = nn.ModuleList(each.transp_conv for each in network.ups)
        self.blocks = nn.ModuleList(PlainBlock(u.conv_block) for u in network.ups)
        self.out = network.out

    def forward(
        self,
        x: Tensor,
        category: Tensor,
        noise: torch.Generator | None = None,
        **_: object,
    ) -> SegmentationOutput:
        """Segment planes or volumes (B, C, *S)."""
        skips = []
        for stage, moe in zip(self.stages, self.moes, strict=True):
            x = stage(x)
            tokens = x.flatten(2).transpose(1, 2)
            mixture, _routing = moe(tokens, category, noise=noise)
            x = x + mixture.transpose(1, 2).unflatten(2, x.shape[2:])
            skips.append(x)
        x = skips.pop()
        for double, block in zip(self.doublings, self.blocks, strict=True):
            x = block(torch.cat((double(x), skips.pop()), 1))
        return SegmentationOutput(self.out(x), ())


class PlainDecoder(nn.Module):
    """The published decoder, on the parameters of a fast one."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.entry, self.stages = decoder.entry, decoder.stages

    def forward(self, x: Tensor) -> Tensor:
        """Double the map (B, C, h, w) four times."""
        x = _plain_units(self.entry, x)
        for stage in self.stages:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            for unit in stage:
                x = _plain_units(unit, x)
        return x


def _plain_units(unit: nn.Module, x: Tensor) -> Tensor:
    conv, norm, _ = unit
    return F.relu_(norm(F.conv2d(x, conv.weight, padding=1)))


def as_published(network: nn.Module) -> nn.Module:
    """Return a network of torch's own layers on the same parameters.

    Its parts are put in place of the fast ones; of a U-Net a new network is made.
    """
    if isinstance(network, DMoEUNet):
        return PlainUNet(network).train(network.training)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SparseMoE):
                setattr(module, name, PlainMoE(child))
            elif isinstance(child, Linear):
                setattr(module, name, PlainLinear(child))
            elif isinstance(child, Decoder):
                setattr(module, name, PlainDecoder(child))
    return network
