"""The U-Net of planes: the published formulation with two axes, files and cards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.networks.blocks import UnetrBasicBlock
from places import DATA
from plane_networks import PLANE_CARD, PLANE_CONFIG, PREPROCESSING, SIDE, plane_unet
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models import footprint
from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.checkpoint import (
    CheckpointError,
    LoadedModel,
    load_checkpoint,
    new_model,
)
from napari_dmoe.models.names import to_published
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.titles import unit_of
from napari_dmoe.models.unet import DMoEUNet, UNetConfig

ENCODERS = ("encoder1", "encoder2", "encoder3", "encoder4", "encoder10")
DECODERS = ("decoder4", "decoder3", "decoder2", "decoder1")


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return plane_unet()


@pytest.fixture
def planes() -> Tensor:
    return torch.rand(2, 3, SIDE, SIDE + 32, generator=torch.Generator().manual_seed(1))


def published(loaded: LoadedModel) -> dict[str, Tensor]:
    rows = list(ARCHITECTURES[loaded.architecture].names(loaded.config))
    return dict(to_published(rows, loaded.module.state_dict()))


class ByHand:
    """The published U-Net as its text has it, with two axes: SparseMoE written out.

    Plain MONAI and torch, and published names; nothing of the package.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def __call__(self, x: Tensor, category: int) -> tuple[Tensor, list[Tensor]]:
        skips, gates = [], []
        for stage, name in enumerate(ENCODERS):
            block = self.block(f"{name}.layer.", x.shape[1], stride=2)
            x = block(x)
            mixture, own = self.mixture(x, category, stage)
            x = x + mixture
            gates.append(own)
            skips.append(x)
        x = skips.pop()
        for name in DECODERS:
            weight = self.state[f"{name}.transp_conv.conv.weight"]
            up = F.conv_transpose2d(x, weight, stride=2)
            x = torch.cat([up, skips.pop()], 1)
            x = self.block(f"{name}.conv_block.", x.shape[1], stride=1)(x)
        weight = self.state["out.transp_conv.conv.weight"]
        return F.conv_transpose2d(x, weight, stride=2), gates

    def block(self, prefix: str, n_before: int, *, stride: int) -> nn.Module:
        parts = {
            f"layer.{part}.conv.weight": self.state[f"{prefix}{part}.conv.weight"]
            for part in ("conv1", "conv2", "conv3")
        }
        width = len(parts["layer.conv1.conv.weight"])
        made = UnetrBasicBlock(
            2, n_before, width, 3, stride, "instance", res_block=True
        )
        made.load_state_dict(parts, strict=False)  # a shortcut that is there always
        return made.eval()

    def mixture(self, x: Tensor, category: int, stage: int) -> tuple[Tensor, Tensor]:
        rows = x.permute(0, 2, 3, 1)
        part = f"sparseMoE.{stage}."
        router = f"{part}router.{category}.topkroute_linear."
        logits = rows @ self.state[f"{router}weight"].T + self.state[f"{router}bias"]
        best = logits.topk(2, dim=-1)
        gates = torch.zeros_like(logits).scatter(
            -1, best.indices, best.values.softmax(-1)
        )
        mixed = torch.zeros_like(rows)
        for expert in range(logits.shape[-1]):
            net = f"{part}experts.{expert}.net."
            hidden = F.linear(
                rows, self.state[f"{net}0.weight"], self.state[f"{net}0.bias"]
            ).relu()
            said = F.linear(
                hidden, self.state[f"{net}2.weight"], self.state[f"{net}2.bias"]
            )
            mixed = mixed + gates[..., expert : expert + 1] * said
        return mixed.permute(0, 3, 1, 2), gates.flatten(1, 2)


@pytest.mark.parametrize("value", [0, 2])
def test_it_is_the_published_network_with_two_axes(
    loaded: LoadedModel, planes: Tensor, value: int
) -> None:
    with torch.inference_mode():
        out = loaded.network(planes, torch.full((2,), value))
        logits, gates = ByHand(published(loaded))(planes, value)
    torch.testing.assert_close(out.logits, logits, atol=1e-5, rtol=1e-5)
    assert len(gates) == len(out.gates) == 5
    for own, by_hand in zip(out.gates, gates, strict=True):
        torch.testing.assert_close(own, by_hand, atol=1e-5, rtol=1e-5)
    other = loaded.network(planes, torch.full((2,), 1)).logits
    assert not torch.allclose(other, logits, atol=1e-3)


def test_tokens_are_those_of_five_sizes_row_by_row(
    loaded: LoadedModel, planes: Tensor
) -> None:
    with torch.inference_mode():
        out = loaded.network(planes, torch.tensor([0, 1]))
    assert out.logits.shape == (2, 3, SIDE, SIDE + 32)
    sizes = [SIDE // step * (SIDE + 32) // step for step in loaded.config.token_steps]
    assert [gates.shape for gates in out.gates] == [(2, n, 4) for n in sizes]


def test_files_hold_the_published_names_and_come_back(
    loaded: LoadedModel, planes: Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "planes.safetensors"
    save_checkpoint(path, loaded)
    names = set(load_file(path))
    assert names == set(published(loaded))
    assert "sparseMoE.4.router.2.topkroute_linear.weight" in names
    again = load_checkpoint(path)
    assert again.architecture == "dmoe-unet2d"
    assert again.config == loaded.config
    assert again.card == loaded.card
    assert again.input_size == (SIDE, SIDE)
    category = torch.tensor([0, 1])
    with torch.inference_mode():
        found = again.network(planes, category).logits
        assert torch.equal(found, loaded.network(planes, category).logits)


def test_planes_and_volumes_are_told_by_their_tensors(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    save_file(published(loaded), tmp_path / "planes.safetensors")
    assert load_checkpoint(tmp_path / "planes.safetensors").config.dims == 2
    of_volumes = load_checkpoint(DATA / "unet3d_stage5.pth")
    assert (of_volumes.architecture, of_volumes.config.dims) == ("dmoe-unet3d", 3)
    # One network for both: the same parts under the same names.
    config = UNetConfig(feature_size=4, n_routers=3, n_experts=4, in_channels=3)
    three = DMoEUNet(config).state_dict()
    two = DMoEUNet(config.model_copy(update={"dims": 2})).state_dict()
    assert list(two) == list(three)


def test_without_a_card_it_takes_planes_of_the_published_size(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    save_file(published(loaded), tmp_path / "planes.safetensors")
    generic = load_checkpoint(tmp_path / "planes.safetensors")
    assert (generic.card.dims, generic.input_size) == (2, (224, 224))
    assert generic.card.attributes[0].values == ("0", "1", "2")
    x = torch.rand(1, 3, 224, 224)
    assert generic.network(x, torch.tensor([2])).logits.shape == (1, 3, 224, 224)


@pytest.mark.parametrize("side", [32, 80, 100])
def test_a_card_of_a_side_that_cannot_be_halved_so_often_is_refused(
    side: int, loaded: LoadedModel, tmp_path: Path
) -> None:
    how = PREPROCESSING.model_copy(update={"side": side})
    card = PLANE_CARD.model_copy(update={"preprocessing": how})
    said = f"an input side of {side} pixels, but a U-Net takes multiples of 32, 64 at"
    with pytest.raises(CheckpointError, match=said):
        new_model("dmoe-unet2d", PLANE_CONFIG, card)
    save_file(published(loaded), tmp_path / "planes.safetensors")
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(tmp_path / "planes.safetensors", card=card)


def test_a_card_of_volumes_is_refused_with_what_was_found(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    save_file(published(loaded), tmp_path / "planes.safetensors")
    said = "is a 2D dMoE U-Net, but the card 'prostate-tstage' is for a 3D network"
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(tmp_path / "planes.safetensors", card="prostate-tstage")


@pytest.mark.parametrize(
    "name",
    [
        "encoder1.layer.conv1.conv.weight",
        "encoder10.layer.conv1.conv.weight",
        "decoder2.transp_conv.conv.weight",
        "sparseMoE.3.experts.1.net.2.bias",
    ],
)
def test_a_file_that_lacks_a_tensor_says_which(
    name: str, loaded: LoadedModel, tmp_path: Path
) -> None:
    state = published(loaded)
    del state[name]
    save_file(state, tmp_path / "planes.safetensors")
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        load_checkpoint(tmp_path / "planes.safetensors", card=PLANE_CARD)


def test_tensors_of_planes_among_those_of_volumes_are_refused(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    state = published(loaded)
    name = "decoder1.conv_block.conv2.conv.weight"
    state[name] = state[name].unsqueeze(-1).contiguous()
    save_file(state, tmp_path / "planes.safetensors")
    with pytest.raises(CheckpointError, match=r"decoder1\.conv_block\.conv2"):
        load_checkpoint(tmp_path / "planes.safetensors", card=PLANE_CARD)


def test_baselines_come_back_without_routers_or_with_one(tmp_path: Path) -> None:
    alone = PLANE_CARD.model_copy(update={"attributes": ()})
    x, path = torch.rand(1, 3, SIDE, SIDE), tmp_path / "net.safetensors"
    for n_routers, category in ((0, None), (1, torch.tensor([0]))):
        made = plane_unet(card=alone, n_routers=n_routers)
        save_file(published(made), path)
        again = load_checkpoint(path, card=alone)
        assert again.config.n_routers == n_routers
        assert again.config.n_blocks == (5 if n_routers else 0)
        with torch.inference_mode():
            found = again.network(x, category)
            assert torch.equal(found.logits, made.network(x, category).logits)
        assert len(found.routing) == again.config.n_blocks


@pytest.mark.parametrize(
    "shape", [(1, 3, 32, 32), (1, 3, 48, 64), (1, 2, 64, 64), (1, 3, 64, 64, 64)]
)
def test_planes_of_other_shapes_are_refused(
    loaded: LoadedModel, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"takes planes of shape \(B, 1 or 3, H, W\)"):
        loaded.network(torch.zeros(shape), torch.tensor([0]))


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_what_has_experts_is_called_a_stage_in_u_nets_alone(name: str) -> None:
    is_unet = ARCHITECTURES[name].build is DMoEUNet
    assert unit_of(name) == ("stage" if is_unet else "block")


def test_its_time_grows_with_what_it_sees() -> None:
    config = UNetConfig(dims=2, feature_size=16)
    small, large = (
        footprint.pass_seconds(config, 10**6, (side, side)) for side in (128, 256)
    )
    # Measured: 25 and 80 ms on one core of a busy machine.
    assert 0.025 / 3 < small < 0.025 * 3
    assert 0.08 / 3 < large < 0.08 * 3


def test_an_input_that_this_machine_cannot_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(footprint, "installed_bytes", lambda: 2**20)
    said = "the new model: an input of 128 x 128 pixels, which the card 'tiny-unet'"
    card = PLANE_CARD.model_copy(
        update={"preprocessing": PREPROCESSING.model_copy(update={"side": 128})}
    )
    with pytest.raises(CheckpointError, match=said):
        new_model("dmoe-unet2d", PLANE_CONFIG, card)


def test_gates_take_the_memory_that_is_told(
    loaded: LoadedModel, race_model: LoadedModel
) -> None:
    for made in (loaded, race_model):
        size = made.input_size
        with torch.inference_mode():
            out = made.network(torch.rand(1, 3, *size), torch.tensor([0]))
        taken = sum(gates.numel() * gates.element_size() for gates in out.gates)
        assert footprint.routing_bytes(made.config, size) == taken
    bare = loaded.config.model_copy(update={"n_routers": 0})
    assert footprint.routing_bytes(bare, loaded.input_size) == 0
