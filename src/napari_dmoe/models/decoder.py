"""The convolutional decoder of the 2D networks: four doublings, no skip connections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models.names import Joined, pair

N_STAGES = 4
"""Doublings; together they undo a patch of 16 pixels."""


class ConvNormReLU(nn.Sequential):
    """3x3 convolution without bias, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Decoder(nn.Module):
    """From tokens on a 14 x 14 map to features at the input's size."""

    def __init__(self, width: int, entry: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.entry = ConvNormReLU(width, entry)
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNormReLU(before, after), ConvNormReLU(after, after))
            for before, after in zip((entry, *widths), widths, strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Double the map (B, C, h, w) four times."""
        x = self.entry(x)
        for stage in self.stages:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = stage(x)
        return x


def decoder_names(prefix: str) -> Iterator[Joined]:
    """Yield how the decoder's tensors are made of the published ones."""
    yield from _conv_norm_names(f"{prefix}entry", "decoder.conv_more")
    for i in range(N_STAGES):
        for j in range(2):
            yield from _conv_norm_names(
                f"{prefix}stages.{i}.{j}", f"decoder.blocks.{i}.conv{j + 1}"
            )


def _conv_norm_names(ours: str, published: str) -> Iterator[Joined]:
    yield from pair(f"{ours}.0", f"{published}.0", ["weight"])
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    yield from pair(f"{ours}.1", f"{published}.1", norm)
