"""The convolutional stem of the hybrid 2D network: a BiT ResNet of three stages.

It turns an image into the map of features that the transformer takes as patches, 16
pixels apart. Its skip connections to a decoder are not used.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import BaseModel, Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models.names import Joined, pair

N_STAGES = 3
GROUPS = 32
EXPANSION = 4
"""A unit's output has so many times the features of its 3x3 convolution."""


MOST_UNITS = 200
"""Units of a stage; the deepest published ResNets have 36."""


class ResNetConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of the stem; the published one is the default."""

    width: int = Field(
        64, gt=0, le=4096, description="features after the first convolution"
    )
    units: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (3, 4, 9), description="units of each stage"
    )

    @model_validator(mode="after")
    def _is_no_tower(self) -> ResNetConfig:
        if max(self.units) > MOST_UNITS:
            raise ValueError(f"a stage has {MOST_UNITS} units at most")
        return self

    @property
    def stage_widths(self) -> tuple[int, ...]:
        """Features of each stage's 3x3 convolutions."""
        return tuple(self.width * 2**stage for stage in range(N_STAGES))

    @property
    def out_channels(self) -> int:
        """Features of the stem's output."""
        return EXPANSION * self.stage_widths[-1]


class StandardisedConv(nn.Conv2d):
    """Convolution whose weights have zero mean and unit variance for each output."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        variance, mean = torch.var_mean(
            self.weight, dim=(1, 2, 3), keepdim=True, unbiased=False
        )
        weight = (self.weight - mean) / torch.sqrt(variance + 1e-5)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def _conv(before: int, after: int, side: int, stride: int = 1) -> StandardisedConv:
    return StandardisedConv(
        before, after, side, stride=stride, padding=side // 2, bias=False
    )


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, eps=1e-6)


class Unit(nn.Module):
    """Bottleneck unit: 1x1, 3x3 and 1x1 convolution, each normed, and a shortcut."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = EXPANSION * width
        self.conv1, self.gn1 = _conv(before, width, 1), _norm(width)
        self.conv2, self.gn2 = _conv(width, width, 3, stride), _norm(width)
        self.conv3, self.gn3 = _conv(width, after, 1), _norm(after)
        self.has_projection = stride != 1 or before != after
        if self.has_projection:
            self.downsample = _conv(before, after, 1, stride)
            self.gn_proj = nn.GroupNorm(after, after)  # one group a channel, eps 1e-5

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, 4 x width, h, w)."""
        shortcut = self.gn_proj(self.downsample(x)) if self.has_projection else x
        x = F.relu(self.gn1(self.conv1(x)))
        x = F.relu(self.gn2(self.conv2(x)))
        return F.relu(shortcut + self.gn3(self.conv3(x)))


class ResNetStem(nn.Module):
    """Weight-standardised ResNet, from an image to features 16 pixels apart.

    References
    ----------
    .. [1] Kolesnikov et al., "Big Transfer (BiT)", ECCV 2020, arXiv:1912.11370.
    """

    def __init__(self, config: ResNetConfig, in_channels: int) -> None:
        super().__init__()
        self.conv = StandardisedConv(
            in_channels, config.width, 7, stride=2, padding=3, bias=False
        )
        self.gn = _norm(config.width)
        before, stages = config.width, []
        widths = zip(config.stage_widths, config.units, strict=True)
        for stage, (width, n_units) in enumerate(widths):
            units = []
            for unit in range(n_units):
                stride = 2 if stage > 0 and unit == 0 else 1
                units.append(Unit(before, width, stride))
                before = EXPANSION * width
            stages.append(nn.Sequential(*units))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, C, H / 16, W / 16) of images (B, 3, H, W)."""
        x = F.relu(self.gn(self.conv(x)))
        x = F.max_pool2d(x, 3, stride=2)
        features: Tensor = self.stages(x)
        return features


def stem_names(config: ResNetConfig, ours: str, published: str) -> Iterator[Joined]:
    """Yield how the stem's tensors are made of the published ones.

    `ours` and `published` are its prefixes in both state dicts, with their dots.
    """
    yield from pair(f"{ours}conv", f"{published}root.conv", ["weight"])
    yield from pair(f"{ours}gn", f"{published}root.gn")
    for stage, n_units in enumerate(config.units):
        for unit in range(n_units):
            mine = f"{ours}stages.{stage}.{unit}."
            theirs = f"{published}body.block{stage + 1}.unit{unit + 1}."
            parts = [("conv1", "gn1"), ("conv2", "gn2"), ("conv3", "gn3")]
            if unit == 0:
                parts.append(("downsample", "gn_proj"))
            for conv, norm in parts:
                yield from pair(f"{mine}{conv}", f"{theirs}{conv}", ["weight"])
                yield from pair(f"{mine}{norm}", f"{theirs}{norm}")
