"""The hybrid 2D network: its ResNet against the published one, and its constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from places import DATA
from torch import nn

from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.names import to_published
from napari_dmoe.models.resnet import ResNetConfig, ResNetStem, StandardisedConv, Unit
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.vit import ViTConfig

TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def hybrid() -> LoadedModel:
    return load_checkpoint(DATA / "r50vit2d_gender2.pth", card="ham10000-sex")


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    with np.load(DATA / "r50vit2d_gender2.npz") as file:
        return {name: file[name] for name in file.files}


def assert_matches(found: torch.Tensor, expected: np.ndarray) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    assert np.abs(found.numpy() - expected).max() <= TOLERANCE * scale


def test_it_is_recognised_with_its_shape(hybrid: LoadedModel) -> None:
    assert hybrid.architecture == "dmoe-r50-vit"
    assert hybrid.config.stem == ResNetConfig(width=64, units=(1, 1, 1))
    assert (hybrid.config.n_heads, hybrid.config.side) == (1, 64)


@pytest.mark.parametrize("value", [0, 1])
def test_logits_gates_and_noise_are_the_published_ones(
    hybrid: LoadedModel, published: dict[str, np.ndarray], value: int
) -> None:
    x = torch.from_numpy(published["x"])
    with torch.inference_mode():
        out = hybrid.network(x, torch.full((len(x),), value))
    assert_matches(out.logits, published[f"logits_attr{value}"])
    assert_matches(torch.stack(out.gates), published[f"gates_attr{value}"])
    scales = torch.stack([routing.noise_std for routing in out.routing])
    assert_matches(scales, published[f"noise_std_attr{value}"])


def test_mixed_batches_and_no_moe_are_the_published_ones(
    hybrid: LoadedModel, published: dict[str, np.ndarray]
) -> None:
    x = torch.from_numpy(published["x"])
    with torch.inference_mode():
        mixed = hybrid.network(x, torch.from_numpy(published["attr_mixed"]))
        without = hybrid.network(x, None)
    assert_matches(mixed.logits, published["logits_mixed"])
    assert_matches(without.logits, published["logits_no_moe"])


def test_weights_are_standardised_by_their_biased_variance() -> None:
    conv = StandardisedConv(2, 1, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1))
    # mean 2, biased variance 1: the weights become -1 and 1, but for the epsilon.
    found = conv(torch.tensor([5.0, 7.0]).view(1, 2, 1, 1)).item()
    assert found == pytest.approx(2 / np.sqrt(1 + 1e-5), abs=1e-6)


def test_norms_and_strides_are_the_published_ones() -> None:
    stem = ResNetStem(ResNetConfig(), 3)
    units = [unit for unit in stem.modules() if isinstance(unit, Unit)]
    assert [len(stage) for stage in stem.stages] == [3, 4, 9]
    for unit in units:
        for norm in (unit.gn1, unit.gn2, unit.gn3):
            assert (norm.num_groups, norm.eps) == (32, 1e-6)
        if unit.has_projection:
            assert unit.gn_proj.num_groups == unit.gn_proj.num_channels
            assert unit.gn_proj.eps == 1e-5
    assert [stage[0].conv2.stride[0] for stage in stem.stages] == [1, 2, 2]
    assert stem(torch.zeros(1, 3, 224, 224)).shape == (1, 1024, 14, 14)
    assert all(
        module.bias is None
        for module in stem.modules()
        if isinstance(module, nn.Conv2d)
    )


def test_saving_keeps_the_published_names(hybrid: LoadedModel, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "hybrid.safetensors", hybrid)
    again = load_checkpoint(tmp_path / "hybrid.safetensors")
    for name, tensor in hybrid.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], tensor)


@pytest.mark.parametrize(
    ("name", "config", "n_tensors", "millions"),
    [
        ("dmoe-r50-vit", ViTConfig(stem=ResNetConfig()), 453, 141.58),
        (
            "dmoe-vit",
            ViTConfig(
                width=1024, depth=24, n_heads=16, mlp_width=4096, expert_width=4096
            ),
            489,
            377.55,
        ),
    ],
)
def test_full_size_layouts_build_and_load_without_allocating(
    name: str, config: ViTConfig, n_tensors: int, millions: float
) -> None:
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        network = architecture.build(config)
    state = network.state_dict()
    published = to_published(list(architecture.names(config)), state)
    assert len(published) == n_tensors
    n_parameters = sum(p.numel() for p in network.parameters())
    assert n_parameters / 1e6 == pytest.approx(millions, abs=0.01)
    shapes = {key: tuple(tensor.shape) for key, tensor in published.items()}
    assert [a.name for a in ARCHITECTURES.values() if a.recognises(shapes)] == [name]
    assert architecture.configure(shapes, n_heads=None, top_k=None) == config
    network.load_state_dict(state, assign=True)


def test_a_hybrid_without_units_is_refused() -> None:
    config = ViTConfig(stem=ResNetConfig(units=(1, 1, 1)))
    with torch.device("meta"):
        network = ARCHITECTURES["dmoe-r50-vit"].build(config)
    rows = list(ARCHITECTURES["dmoe-r50-vit"].names(config))
    shapes = {
        name: tuple(t.shape)
        for name, t in to_published(rows, network.state_dict()).items()
        if ".block2." not in name
    }
    with pytest.raises(ValueError, match=r"no units: \[1, 0, 1\]"):
        ARCHITECTURES["dmoe-r50-vit"].configure(shapes, n_heads=None, top_k=None)
