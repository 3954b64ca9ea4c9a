"""The 3D network against the published one, its shape and its refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from places import DATA
from torch import nn

from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.checkpoint import CheckpointError, LoadedModel, load_checkpoint
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.models.names import to_published
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.unet import DMoEUNet, UNetConfig

ARCHITECTURE = ARCHITECTURES["dmoe-unet3d"]
TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage")


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    with np.load(DATA / "unet3d_stage5.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture
def small() -> DMoEUNet:
    torch.manual_seed(0)
    config = UNetConfig(feature_size=4, n_routers=3, n_experts=3)
    return DMoEUNet(config).eval()


def assert_matches(found: torch.Tensor, expected: np.ndarray) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    assert np.abs(found.numpy() - expected).max() <= TOLERANCE * scale


@pytest.mark.parametrize("value", [0, 3])
def test_logits_and_gates_are_the_published_ones(
    loaded: LoadedModel, published: dict[str, np.ndarray], value: int
) -> None:
    x = torch.from_numpy(published["x"])
    with torch.inference_mode():
        out = loaded.network(x, torch.full((len(x),), value))
    assert_matches(out.logits, published[f"logits_attr{value}"])
    assert len(out.gates) == 5
    for stage in range(1, 5):
        assert_matches(out.gates[stage], published[f"gates{stage}_attr{value}"])


def test_it_is_recognised_with_its_shape(loaded: LoadedModel) -> None:
    assert loaded.architecture == "dmoe-unet3d"
    config = loaded.config
    assert (config.feature_size, config.in_channels, config.n_classes) == (8, 1, 2)
    assert (config.n_routers, config.n_experts, config.top_k) == (5, 8, 2)
    assert config.stage_widths == (8, 8, 16, 32, 64)
    assert config.hidden_widths == (32, 32, 64, 128, 256)
    assert loaded.card.categories is not None
    assert loaded.card.n_routers == 5
    assert len(loaded.card.attributes[0].values) == 4


def test_without_a_card_it_gets_a_generic_one_for_volumes() -> None:
    generic = load_checkpoint(DATA / "unet3d_stage5.pth")
    assert generic.card.dims == 3
    assert generic.input_size == (96, 96, 96)
    assert generic.card.attributes[0].values == ("0", "1", "2", "3", "4")


def test_nothing_but_a_moe_has_biases_and_its_dropout_is_the_published_one(
    small: DMoEUNet,
) -> None:
    convs = (nn.Conv3d, nn.ConvTranspose3d)
    assert all(m.bias is None for m in small.modules() if isinstance(m, convs))
    assert small.moes[0].dropout.p == 0.1


def test_tokens_are_the_stages_voxels_in_order(small: DMoEUNet) -> None:
    x = torch.rand(1, 1, 32, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        out = small(x, torch.tensor([0]))
    assert out.logits.shape == (1, 2, 32, 64, 96)
    n_voxels = [32 * 64 * 96 // step**3 for step in small.config.token_steps]
    assert [gates.shape[1] for gates in out.gates] == n_voxels
    changed = x.clone()
    changed[..., -8:] += 3  # the end of the last axis, in a stage without far sight
    with torch.inference_mode():
        first = small.stages[0](x), small.stages[0](changed)
    differs = (first[0] - first[1]).abs().sum(1)[0]
    assert differs[..., -4:].min() > 0


def test_experts_of_one_stage_can_be_pinned(small: DMoEUNet) -> None:
    x = torch.rand(1, 1, 32, 32, 64)
    with torch.inference_mode():
        out = small(x, torch.tensor([1]), experts=ExpertControl(pin={2: 1}))
    assert (out.gates[2][..., 1] == 1).all()
    assert not (out.gates[1][..., 1] == 1).all()


def test_noise_depends_on_its_seed_alone(small: DMoEUNet) -> None:
    x = torch.rand(1, 1, 32, 32, 64)

    def answer(seed: int | None) -> torch.Tensor:
        noise = None if seed is None else torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            return small(x, torch.tensor([0]), noise=noise).logits

    assert torch.equal(answer(1), answer(1))
    assert not torch.equal(answer(1), answer(2))
    assert not torch.equal(answer(1), answer(None))


def test_without_category_or_routers_there_is_no_moe(small: DMoEUNet) -> None:
    x = torch.rand(1, 1, 32, 32, 64)
    assert small(x, None).routing == ()
    bare = DMoEUNet(UNetConfig(feature_size=4, n_routers=0))
    assert len(bare.moes) == 0
    with pytest.raises(ValueError, match="no MoE: category must be None"):
        bare(x, torch.tensor([0]))


@pytest.mark.parametrize(
    "shape",
    [(1, 1, 32, 32, 32), (1, 1, 48, 64, 64), (1, 2, 64, 64, 64), (1, 64, 64, 64)],
)
def test_volumes_of_other_shapes_are_refused(
    small: DMoEUNet, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="multiple of 32 and one at least 64: found"):
        small(torch.zeros(shape), torch.tensor([0]))


@pytest.mark.parametrize(("n_routers", "millions"), [(5, 25.899), (0, 13.126)])
def test_the_large_layout_builds_and_loads_without_allocating(
    n_routers: int, millions: float
) -> None:
    config = UNetConfig(feature_size=48, n_routers=n_routers)
    with torch.device("meta"):
        network = ARCHITECTURE.build(config)
    n_parameters = sum(p.numel() for p in network.parameters())
    assert n_parameters / 1e6 == pytest.approx(millions, abs=1e-3)
    shapes = shapes_of(config)
    found = ARCHITECTURE.configure(shapes, n_heads=None, top_k=None)
    assert (found.feature_size, found.n_routers) == (48, n_routers)
    assert not n_routers or found.hidden_widths == config.hidden_widths
    network.load_state_dict(network.state_dict(), assign=True)


def shapes_of(config: UNetConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = ARCHITECTURE.build(config).state_dict()
    published = to_published(list(ARCHITECTURE.names(config)), state)
    return {name: tuple(tensor.shape) for name, tensor in published.items()}


def test_stages_that_differ_in_routers_are_refused() -> None:
    shapes = shapes_of(UNetConfig(feature_size=4, n_routers=3, n_experts=3))
    for name in list(shapes):
        if name.startswith("sparseMoE.2.router.2."):
            del shapes[name]
    with pytest.raises(ValueError, match=r"differ in routers: \[3, 3, 2, 3, 3\]"):
        ARCHITECTURE.configure(shapes, n_heads=None, top_k=None)


def test_one_class_is_refused() -> None:
    shapes = shapes_of(UNetConfig(feature_size=4, n_classes=1, n_routers=0))
    with pytest.raises(ValueError, match="one class"):
        ARCHITECTURE.configure(shapes, n_heads=None, top_k=None)


def test_a_2d_card_is_refused_with_what_was_found() -> None:
    with pytest.raises(CheckpointError, match="3D dMoE U-Net, but the card"):
        load_checkpoint(DATA / "unet3d_stage5.pth", card="ham10000-age")


def test_saving_keeps_names_values_and_card(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "net.safetensors", loaded)
    again = load_checkpoint(tmp_path / "net.safetensors")
    assert again.card == loaded.card
    for name, tensor in loaded.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], tensor)
