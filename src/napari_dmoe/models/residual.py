"""Residual blocks of convolutions, and instance norm with its activation in one.

On a CPU features lie channels last: convolutions are a quarter to a third faster so,
and every position is a row, which a dMoE layer takes as a token without a copy. Norms
of :mod:`torch` would convert them there and back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from napari_dmoe.models.products import onednn_takes

SLOPE = 0.01
"""Of the leaky ReLU."""

_EPSILON = 1e-5

_BLOCK = 2**18
"""Numbers in work at a time: they fit into a core's own cache."""

_Block = tuple[slice, slice]

leaky_relu_backward = torch.ops.aten.leaky_relu_backward


class ResidualBlock(nn.Module):
    """Two convolutions of 3 a side, and one of 1 as their shortcut, each with its norm.

    Convolutions have no bias, norms no parameters. The block is nnU-Net's as MONAI has
    it (``UnetResBlock``), and begins with the same weights from the same seed.

    Parameters
    ----------
    dims : int
        Spatial axes, 2 or 3.
    before, after : int
        Channels.
    stride : int
        How many times smaller what comes out is.
    """

    def __init__(self, dims: int, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        conv = _Conv2d if dims == 2 else _Conv3d
        self.stride = stride
        self.conv1 = _named(conv(before, after, 3, stride, padding=1, bias=False))
        self.conv2 = _named(conv(after, after, 3, padding=1, bias=False))
        self.conv3 = _named(conv(before, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map (B, C, *S)."""
        y = normed(self.conv1(x), slope=SLOPE)
        y = normed(self.conv2(y)) + normed(self._shortcut(x))
        return F.leaky_relu_(y, SLOPE)

    def _shortcut(self, x: Tensor) -> Tensor:
        # A strided convolution of 1 a side is slow, and the gradient of its weight
        # writes out of bounds in torch 2.13 if that lies channels last.
        weight = self.conv3.get_parameter("conv.weight")
        kept = slice(None, None, self.stride)
        positions = x.movedim(1, -1)[(slice(None), *[kept] * (x.ndim - 2))]
        return F.linear(positions, weight.flatten(1)).movedim(-1, 1)


class _Conv2d(nn.Conv2d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        found = _convolved(x, self)
        return super()._conv_forward(x, weight, bias) if found is None else found


class _Conv3d(nn.Conv3d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        found = _convolved(x, self)
        return super()._conv_forward(x, weight, bias) if found is None else found


def _convolved(x: Tensor, conv: _Conv2d | _Conv3d) -> Tensor | None:
    """Convolve by oneDNN, which torch leaves aside for a small map; None where not."""
    if not onednn_takes(x, conv.weight):
        return None
    padding = [side // 2 for side in conv.kernel_size]
    out: Tensor = torch.mkldnn_convolution(
        x, conv.weight, None, padding, conv.stride, conv.dilation, conv.groups
    )
    return out


class Stage(nn.Module):
    """A residual block that halves a map."""

    def __init__(self, dims: int, before: int, after: int) -> None:
        super().__init__()
        self.layer = ResidualBlock(dims, before, after, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map (B, C, *S)."""
        out: Tensor = self.layer(x)
        return out


class Doubling(nn.Module):
    """A transposed convolution to twice the size, beside which a skip is laid."""

    def __init__(self, dims: int, before: int, after: int) -> None:
        super().__init__()
        self.transp_conv = doubled(dims, before, after)
        self.conv_block = ResidualBlock(dims, 2 * after, after, stride=1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Double a map (B, C, *s) to the size of its skip connection (B, C, *S)."""
        out: Tensor = self.conv_block(torch.cat((self.transp_conv(x), skip), 1))
        return out


def doubled(dims: int, before: int, after: int) -> nn.Module:
    """Return a transposed convolution of 2 a side, without bias."""
    conv = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
    return _named(conv(before, after, 2, stride=2, bias=False))


def _named(conv: nn.Module) -> nn.Sequential:
    """Let a convolution's weight be called ``conv.weight``, as published files do."""
    return nn.Sequential(OrderedDict(conv=conv))


def normed(x: Tensor, *, slope: float | None = None) -> Tensor:
    """Return instance norm of a map, and leaky ReLU of that where it has a slope.

    Parameters
    ----------
    x : (B, C, *S) tensor
        On a CPU channels last; it is copied into that order otherwise.
    slope : float, optional
        Of the leaky ReLU; none for no activation.

    Returns
    -------
    (B, C, *S) tensor
        Mean 0 and variance 1 over S, before the activation.
    """
    if x.device.type == "cpu":
        last = channels_last(x)
        out: Tensor = _Normed.apply(last, slope)  # type: ignore[no-untyped-call]
        return out
    out = F.group_norm(x, x.shape[1], eps=_EPSILON)
    return out if slope is None else F.leaky_relu_(out, slope)


def channels_last(x: Tensor) -> Tensor:
    """Return a map (B, C, *S) with its channels last in memory, or as it is if so."""
    order = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    return x.contiguous(memory_format=order)


class _Normed(torch.autograd.Function):
    """Instance norm of rows, block by block: what lies between stays in the cache.

    Deviations are squared after the mean is taken off, which torch's group norm of maps
    that lie channels last does not do: a large map loses four digits there.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float | None) -> Tensor:
        rows = _rows(x)
        mean = rows.mean(1, keepdim=True)
        squares = torch.zeros_like(mean)
        for block in _blocks(rows):
            deviation = rows[block] - mean[block[0]]
            squares[block[0]] += deviation.square_().sum(1, keepdim=True)
        scale = (squares / rows.shape[1] + _EPSILON).rsqrt()
        offset = -mean * scale
        y = torch.empty_like(x)
        for block in _blocks(rows):
            samples, out = block[0], _rows(y)[block]
            torch.addcmul(offset[samples], rows[block], scale[samples], out=out)
            if slope is not None:
                F.leaky_relu_(out, slope)
        ctx.save_for_backward(x, mean, scale, None if slope is None else y)
        ctx.slope = slope
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the map."""
        x, mean, scale, y = ctx.saved_tensors
        rows, of_rows = _rows(x), _rows(channels_last(grad))

        def before_activation(block: _Block) -> Tensor:
            own = of_rows[block]
            if y is None:
                return own
            found: Tensor = leaky_relu_backward(own, _rows(y)[block], ctx.slope, True)
            return found

        total, along = torch.zeros_like(mean), torch.zeros_like(mean)
        for block in _blocks(rows):
            own = before_activation(block)
            total[block[0]] += own.sum(1, keepdim=True)
            along[block[0]] += (own * rows[block]).sum(1, keepdim=True)
        n = rows.shape[1]
        slope = -(scale**3) * (along - mean * total) / n
        offset = -scale * total / n - slope * mean
        found = torch.empty_like(x)
        for block in _blocks(rows):
            samples, out = block[0], _rows(found)[block]
            own = before_activation(block)
            torch.addcmul(offset[samples], own, scale[samples], out=out)
            out.addcmul_(rows[block], slope[samples])
        return found, None


def _rows(x: Tensor) -> Tensor:
    """Return a view (B, N, C) of a map that lies channels last."""
    return x.movedim(1, -1).flatten(1, -2)


def _blocks(rows: Tensor) -> Iterator[_Block]:
    """Yield parts of rows (B, N, C): some whole samples, or some rows of one."""
    batch, n, channels = rows.shape
    at_once = max(_BLOCK // (n * channels), 1)
    step = n if at_once > 1 else max(_BLOCK // channels, 1)
    for sample in range(0, batch, at_once):
        for begin in range(0, n, step):
            yield slice(sample, sample + at_once), slice(begin, begin + step)
