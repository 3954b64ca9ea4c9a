"""ImageNet weights in their JAX layout, made small, become a network's transformer."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from imagenet_arrays import DEPTH, HEADS, MLP, Arrays, H, jax_arrays
from torch import nn
from training_cases import CARD, cube_model

from napari_dmoe.models.checkpoint import CheckpointError, LoadedModel, new_model
from napari_dmoe.models.imagenet import (
    imagenet_config,
    read_imagenet,
    start_from_imagenet,
)
from napari_dmoe.models.resnet import ResNetConfig
from napari_dmoe.models.vit import ViTConfig

REST = {
    "n_classes": 3,
    "n_experts": 4,
    "expert_width": 32,
    "decoder_entry": 8,
    "decoder_widths": (8, 8, 4, 4),
}


def written(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


def model_for(path: Path, **changes: object) -> LoadedModel:
    config = imagenet_config(path, n_routers=3, **(REST | {"grid": 2} | changes))
    kind = "dmoe-vit" if config.stem is None else "dmoe-r50-vit"
    side = {"side": config.side}
    preprocessing = CARD.preprocessing.model_copy(update=side)
    card = CARD.model_copy(
        update={"architecture": kind, "preprocessing": preprocessing}
    )
    return new_model(kind, config, card)


def plain_encoder(arrays: Arrays, x: torch.Tensor) -> torch.Tensor:
    """Run the transformer as JAX's layout reads, on tokens (T, H) of one image."""
    t = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        layer = (t[f"{name}/scale"], t[f"{name}/bias"])
        return nn.functional.layer_norm(x, (H,), *layer, eps=1e-6)

    for i in range(DEPTH):
        block = f"Transformer/encoderblock_{i}/"
        attention = f"{block}MultiHeadDotProductAttention_1/"
        y = norm(x, f"{block}LayerNorm_0")
        q, k, v = (
            torch.einsum("th,hnd->ntd", y, t[f"{attention}{part}/kernel"])
            + t[f"{attention}{part}/bias"][:, None]
            for part in ("query", "key", "value")
        )
        mixed = (q @ k.mT / (H // HEADS) ** 0.5).softmax(-1) @ v
        out = torch.einsum("ntd,ndh->th", mixed, t[f"{attention}out/kernel"])
        x = x + out + t[f"{attention}out/bias"]
        y = norm(x, f"{block}LayerNorm_2") @ t[f"{block}MlpBlock_3/Dense_0/kernel"]
        y = nn.functional.gelu(y + t[f"{block}MlpBlock_3/Dense_0/bias"])
        y = y @ t[f"{block}MlpBlock_3/Dense_1/kernel"]
        x = x + y + t[f"{block}MlpBlock_3/Dense_1/bias"]
    return norm(x, "Transformer/encoder_norm")


def test_the_transformer_computes_what_jax_would(tmp_path: Path) -> None:
    arrays = jax_arrays()
    path = written(tmp_path / "ViT-tiny.npz", arrays)
    network = start_from_imagenet(model_for(path), path).network
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    patches = image[0].unfold(1, 16, 16).unfold(2, 16, 16)  # (c, row, column, y, x)
    kernel = torch.from_numpy(arrays["embedding/kernel"])
    tokens = torch.einsum("crdyx,yxch->rdh", patches, kernel).flatten(0, 1)
    tokens = tokens + torch.from_numpy(arrays["embedding/bias"])
    positions = arrays["Transformer/posembed_input/pos_embedding"][0, 1:]
    expected = plain_encoder(arrays, tokens + torch.from_numpy(positions))
    seen = {}
    network.final_norm.register_forward_hook(lambda m, i, o: seen.update(out=o))
    network(image, None)
    torch.testing.assert_close(seen["out"][0], expected, atol=1e-4, rtol=1e-4)


def test_what_imagenet_does_not_know_stays(tmp_path: Path) -> None:
    path = written(tmp_path / "ViT.npz", jax_arrays())
    before = model_for(path)
    state = {n: t.clone() for n, t in before.module.state_dict().items()}
    after = start_from_imagenet(before, path).module.state_dict()
    same = {n for n in state if torch.equal(state[n], after[n])}
    assert all(n.startswith(("moe.", "decoder.", "head.")) for n in same)
    assert {n for n in state if n.startswith(("moe.", "head."))} <= same
    now = before.module.state_dict()
    assert all(torch.equal(state[n], now[n]) for n in state)


def test_positions_of_another_grid_are_resized_bilinearly(tmp_path: Path) -> None:
    arrays = jax_arrays(side=3)
    plane = np.arange(3.0)[:, None] + 10 * np.arange(3.0)
    name = "Transformer/posembed_input/pos_embedding"
    arrays[name][0, 1:] = plane.reshape(-1, 1)
    path = written(tmp_path / "ViT.npz", arrays)
    model = start_from_imagenet(model_for(path, grid=6), path)
    found = model.network.position_embedding[0, :, 0].view(6, 6)
    at = torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2])
    torch.testing.assert_close(found, at[:, None] + 10 * at)


def test_the_hybrid_takes_its_resnet_too(tmp_path: Path) -> None:
    arrays = jax_arrays(stem=(1, 2, 1))
    path = written(tmp_path / "R50.npz", arrays)
    config = imagenet_config(path)
    assert config.stem == ResNetConfig(width=32, units=(1, 2, 1))
    network = start_from_imagenet(model_for(path), path).network
    unit = network.stem.stages[1][0]
    kernel = arrays["block2/unit1/conv2/kernel"]
    assert unit.conv2.weight[3, 2, 1, 0].item() == kernel[1, 0, 2, 3]
    scale = torch.from_numpy(arrays["block2/unit1/gn_proj/scale"]).flatten()
    assert torch.equal(unit.gn_proj.weight.detach(), scale)
    root = torch.from_numpy(arrays["conv_root/kernel"]).permute(3, 2, 0, 1)
    assert torch.equal(network.stem.conv.weight.detach(), root)
    assert network(torch.rand(1, 3, 32, 32), torch.tensor([0])).logits.isfinite().all()


def test_the_shape_is_read_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "ViT.npz", jax_arrays())
    config = imagenet_config(path, n_classes=4)
    assert (config.width, config.depth, config.n_heads) == (H, DEPTH, HEADS)
    assert (config.mlp_width, config.n_classes, config.stem) == (MLP, 4, None)
    assert isinstance(config, ViTConfig)


def test_files_that_are_no_imagenet_weights_are_refused(tmp_path: Path) -> None:
    good = written(tmp_path / "good.npz", jax_arrays())
    model = model_for(good)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, **{"embedding/kernel": np.array([{"a": 1}], object)})
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("embedding/kernel.npy", b"\0" * 10_000_000)
    text = tmp_path / "text.npz"
    text.write_text("hello")
    nan = jax_arrays()
    nan["Transformer/encoder_norm/bias"][3] = np.nan
    missing = jax_arrays()
    del missing["Transformer/encoderblock_1/MlpBlock_3/Dense_0/kernel"]
    for path, message in (
        (pickled, "cannot be loaded when allow_pickle=False|Object arrays"),
        (bomb, "would unpack to 10 MB: refused"),
        (text, "holds no ImageNet weights that can be read"),
        (tmp_path / "absent.npz", "absent.npz holds no ImageNet"),
        (written(tmp_path / "other.npz", {"a": np.zeros(2)}), "kernel is missing"),
        (written(tmp_path / "nan.npz", nan), "encoder_norm/bias holds no finite"),
        (written(tmp_path / "m.npz", missing), "does not fit .*Dense_0/kernel"),
    ):
        with pytest.raises(CheckpointError, match=message):
            start_from_imagenet(model, path)
    assert "embedding/kernel" in read_imagenet(good)


def test_another_shape_of_network_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "ViT.npz", jax_arrays())
    hybrid = written(tmp_path / "R50.npz", jax_arrays(stem=(1, 1, 1)))
    with pytest.raises(CheckpointError, match="4 heads: it has 2 heads"):
        start_from_imagenet(model_for(path, n_heads=4), path)
    with pytest.raises(CheckpointError, match="one of the two has a ResNet"):
        start_from_imagenet(model_for(path), hybrid)
    with pytest.raises(CheckpointError, match=r"mlp.0.weight is \(48, 64\), where"):
        start_from_imagenet(model_for(path, mlp_width=32), path)
    with pytest.raises(CheckpointError, match="the model is 3D"):
        start_from_imagenet(cube_model(), path)
