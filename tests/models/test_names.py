from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from napari_dmoe.models.architectures import ARCHITECTURES, recognise
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.names import Joined, from_published, to_published
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.vit import DMoEViT, ViTConfig

State = dict[str, Tensor]

WRAPPINGS = {
    "plain": lambda state: state,
    "module.": lambda state: {f"module.{n}": t for n, t in state.items()},
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state},
    "model and module.": lambda state: {
        "model": {f"module.{n}": t for n, t in state.items()}
    },
}


def published_shapes(config: ViTConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = DMoEViT(config).state_dict()
    published = to_published(ARCHITECTURES["dmoe-vit"].names(config), state)
    return {name: tuple(tensor.shape) for name, tensor in published.items()}


def test_joined_tensors_come_apart_as_they_were() -> None:
    rows = [
        Joined("a", ("one",)),
        Joined("b", ("q", "k"), "cat"),
        Joined("c", ("e0", "e1", "e2"), "stack"),
    ]
    values = torch.arange(20.0)
    published = {
        "one": values[:2],
        "q": values[2:4],
        "k": values[4:6],
        **{f"e{i}": values[6 + i : 8 + i] for i in range(3)},
    }
    state = from_published(rows, published)
    assert state["b"].tolist() == [2, 3, 4, 5]
    assert state["c"].tolist() == [[6, 7], [7, 8], [8, 9]]
    again = to_published(rows, state)
    assert list(again) == list(published)
    for name, tensor in again.items():
        assert torch.equal(tensor, published[name])
        assert tensor.is_contiguous()


def test_published_base_has_297_tensors_and_129_489_699_parameters() -> None:
    shapes = published_shapes(ViTConfig())
    counts = {n: torch.Size(shape).numel() for n, shape in shapes.items()}
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    assert len(shapes) == 297
    assert (
        sum(count for n, count in counts.items() if not n.endswith(buffers))
        == 129_489_699
    )


def test_names_are_exactly_the_published_ones() -> None:
    shapes = published_shapes(ViTConfig())
    kinds = Counter(re.sub(r"\d+", "#", name) for name in shapes)
    root, part = "transformer.", ("weight", "bias")
    norm = (*part, "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{root}embeddings.position_embeddings": 1}
    for stem, number in {
        "embeddings.patch_embeddings": 1,
        "encoder.layer.#.attention_norm": 12,
        "encoder.layer.#.ffn_norm": 12,
        **{f"encoder.layer.#.attn.{n}": 12 for n in ("query", "key", "value", "out")},
        "encoder.layer.#.ffn.fc#": 24,
        "encoder.encoder_norm": 1,
        "encoder.sparseMoE.router.#.topkroute_linear": 3,
        "encoder.sparseMoE.router.#.noise_linear": 3,
        "encoder.sparseMoE.experts.#.net.#": 16,
    }.items():
        expected |= {f"{root}{stem}.{p}": number for p in part}
    expected |= {"decoder.conv_more.#.weight": 2}
    expected |= {f"decoder.conv_more.#.{p}": 1 for p in norm[1:]}
    expected |= {"decoder.blocks.#.conv#.#.weight": 16}
    expected |= {f"decoder.blocks.#.conv#.#.{p}": 8 for p in norm[1:]}
    expected |= {f"segmentation_head.#.{p}": 1 for p in part}
    assert kinds == expected


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("transformer.embeddings.position_embeddings", (1, 196, 768)),
        ("transformer.embeddings.patch_embeddings.weight", (768, 3, 16, 16)),
        ("transformer.encoder.layer.11.attn.query.weight", (768, 768)),
        ("transformer.encoder.layer.0.ffn.fc1.weight", (3072, 768)),
        ("transformer.encoder.sparseMoE.router.2.noise_linear.weight", (8, 768)),
        ("transformer.encoder.sparseMoE.experts.7.net.2.weight", (768, 3072)),
        ("decoder.conv_more.0.weight", (512, 768, 3, 3)),
        ("decoder.blocks.0.conv1.0.weight", (256, 512, 3, 3)),
        ("decoder.blocks.3.conv2.0.weight", (16, 16, 3, 3)),
        ("segmentation_head.0.weight", (3, 16, 3, 3)),
    ],
)
def test_published_shapes(name: str, shape: tuple[int, ...]) -> None:
    assert published_shapes(ViTConfig())[name] == shape


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"width": 1024, "depth": 24, "n_heads": 16, "mlp_width": 4096},
        {"grid": 9, "in_channels": 1, "n_classes": 5, "n_routers": 7, "depth": 2},
        {"n_routers": 1, "n_experts": 5, "expert_width": 99, "depth": 1},
        {"decoder_entry": 7, "decoder_widths": (6, 5, 4, 3), "depth": 1},
    ],
)
def test_configuration_follows_from_names_and_shapes(changes: dict) -> None:
    config = ViTConfig.model_validate({**ViTConfig().model_dump(), **changes})
    shapes = published_shapes(config)
    architecture = recognise(shapes)
    assert architecture is ARCHITECTURES["dmoe-vit"]
    assert architecture.configure(shapes, n_heads=None, top_k=None) == config


def test_no_moe_tensors_configure_a_network_without_routers() -> None:
    config = ViTConfig(depth=1, n_routers=0, n_experts=0, expert_width=0)
    shapes = published_shapes(config)
    configure = ARCHITECTURES["dmoe-vit"].configure
    assert configure(shapes, n_heads=None, top_k=None) == config


def test_heads_and_top_k_come_from_the_card_where_it_states_them() -> None:
    shapes = published_shapes(ViTConfig(depth=1))
    config = ARCHITECTURES["dmoe-vit"].configure(shapes, n_heads=6, top_k=1)
    assert (config.n_heads, config.top_k) == (6, 1)


def test_networks_are_told_apart_by_their_names() -> None:
    shapes = published_shapes(ViTConfig(depth=1))
    root = {"transformer.embeddings.hybrid_model.root.conv.weight": (64, 3, 7, 7)}
    assert recognise(shapes).name == "dmoe-vit"
    assert recognise(shapes | root).name == "dmoe-r50-vit"
    assert recognise({"encoder1.layer.conv1.conv.weight": ()}).name == "dmoe-unet3d"
    assert recognise({"conv1.weight": (64, 3, 7, 7)}) is None
    assert recognise({}) is None


def round_trip(state: State, wrapped: object, folder: Path) -> int:
    """Load, save, compare; return the number of parameters and leave no file."""
    published, saved = folder / "published.pth", folder / "again.safetensors"
    torch.save(wrapped, published)
    loaded = load_checkpoint(published)
    save_checkpoint(saved, loaded)
    again = load_file(saved)
    for path in (published, saved):
        path.unlink()
    assert again.keys() == state.keys()
    for name, tensor in again.items():
        assert tensor.dtype == state[name].dtype
        assert torch.equal(tensor, state[name]), name
    return loaded.n_parameters


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_published_file_loads_strictly_and_is_saved_as_it_was(
    race_file: Path, tmp_path: Path, wrapping: str
) -> None:
    state = torch.load(race_file, weights_only=True)
    round_trip(state, WRAPPINGS[wrapping](state), tmp_path)


@pytest.mark.parametrize(
    ("changes", "n_parameters"),
    [
        ({"depth": 12, "n_experts": 8}, None),
        pytest.param(
            ViTConfig().model_dump(), 129_489_699, marks=pytest.mark.full, id="full"
        ),
    ],
)
def test_a_network_of_full_depth_loads_strictly_and_is_saved_as_it_was(
    tmp_path: Path, tiny_state: Callable[..., State], changes: dict, n_parameters: int
) -> None:
    state = tiny_state(**changes)
    assert len(state) == 297
    for wrapping in ("plain", "module.", "state_dict", "model"):
        found = round_trip(state, WRAPPINGS[wrapping](state), tmp_path)
        assert found == n_parameters or n_parameters is None
