"""Residual blocks against MONAI's, and instance norm with its activation in one."""

from __future__ import annotations

import pytest
import torch
from monai.networks.blocks import UnetResBlock, UnetrUpBlock
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models import residual
from napari_dmoe.models.products import onednn_takes
from napari_dmoe.models.residual import (
    SLOPE,
    Doubling,
    ResidualBlock,
    channels_last,
    normed,
)

SIDES = {2: (6, 10), 3: (4, 6, 8)}


def a_map(*shape: int, seed: int = 3) -> Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return drawn.double()


def learnt(module: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """Return what a module makes of maps, and the gradients of these and weights."""
    inputs = tuple(x.clone().requires_grad_() for x in inputs)
    out = module(*inputs)
    loss = (out * a_map(*out.shape, seed=4).to(out.dtype)).sum()
    return [out, *torch.autograd.grad(loss, [*inputs, *module.parameters()])]


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("before", "stride"), [(3, 2), (12, 1)])
def test_a_block_is_monais_from_the_same_seed_with_its_gradients(
    dims: int, before: int, stride: int
) -> None:
    torch.manual_seed(0)
    ours = ResidualBlock(dims, before, 6, stride=stride).double()
    torch.manual_seed(0)
    monais = UnetResBlock(dims, before, 6, 3, stride, "instance").double()
    x = a_map(2, before, *SIDES[dims])
    for own, published in zip(learnt(ours, x), learnt(monais, x), strict=True):
        torch.testing.assert_close(own, published)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_doubling_is_monais_from_the_same_seed_with_its_gradients(dims: int) -> None:
    torch.manual_seed(0)
    ours = Doubling(dims, 8, 4).double()
    torch.manual_seed(0)
    monais = UnetrUpBlock(dims, 8, 4, 3, 2, "instance", res_block=True).double()
    maps = a_map(2, 8, *SIDES[dims]), a_map(2, 4, *(2 * n for n in SIDES[dims]))
    for own, published in zip(learnt(ours, *maps), learnt(monais, *maps), strict=True):
        torch.testing.assert_close(own, published)


@pytest.mark.parametrize("slope", [None, SLOPE])
@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (1, 2, 2, 1), (2, 2, 2, 4, 2)])
@pytest.mark.parametrize("block", [2**18, 16, 1])
def test_gradients_of_a_norm_are_those_of_finite_differences(
    monkeypatch: pytest.MonkeyPatch,
    slope: float | None,
    shape: tuple[int, ...],
    block: int,
) -> None:
    monkeypatch.setattr(residual, "_BLOCK", block)
    x = a_map(*shape).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: normed(x, slope=slope), (x,))


@pytest.mark.parametrize("shape", [(2, 16, 64, 64), (1, 24, 32, 32, 32)])
def test_a_norm_of_a_large_map_far_from_zero_is_exact(shape: tuple[int, ...]) -> None:
    x = (a_map(*shape) / 8 + 5).float()
    expected = F.leaky_relu(F.instance_norm(x.double()), SLOPE).float()
    torch.testing.assert_close(normed(x, slope=SLOPE), expected, atol=2e-5, rtol=0)


def test_maps_stay_channels_last_through_a_block() -> None:
    for dims, order in ((2, torch.channels_last), (3, torch.channels_last_3d)):
        block = ResidualBlock(dims, 4, 8, stride=2).double()
        out = block(channels_last(a_map(2, 4, *SIDES[dims])))
        assert out.is_contiguous(memory_format=order)


def test_a_norm_leaves_its_input_alone() -> None:
    x = channels_last(a_map(2, 3, 4, 4))
    before = x.clone()
    normed(x, slope=SLOPE)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_small_map_is_convolved_the_same_without_onednn(dims: int) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(dims, 4, 8, stride=2)
    x = channels_last(a_map(1, 4, *SIDES[dims]).float())
    found = learnt(block, x)
    with torch.backends.mkldnn.flags(enabled=False):
        assert not onednn_takes(x, x)
        without = learnt(block, x)
    for one, other in zip(found, without, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
