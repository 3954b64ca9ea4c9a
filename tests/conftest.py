"""Fixtures for every test: the published example, and tiny networks like it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from places import DATA
from torch import Tensor

from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.names import to_published
from napari_dmoe.models.vit import DMoEViT, ViTConfig

# The same examples every time, and no deadline that a busy machine would miss.
settings.register_profile("tests", derandomize=True, deadline=None, database=None)
settings.load_profile("tests")

TINY = {
    "width": 64,
    "depth": 2,
    "n_heads": 1,
    "mlp_width": 32,
    "grid": 2,
    "n_classes": 3,
    "n_routers": 3,
    "n_experts": 4,
    "expert_width": 32,
    "decoder_entry": 8,
    "decoder_widths": (8, 8, 4, 4),
}


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return DATA


@pytest.fixture(scope="session")
def race_file(data_folder: Path) -> Path:
    return data_folder / "vit2d_race3.pth"


@pytest.fixture(scope="session")
def race_model(race_file: Path) -> LoadedModel:
    return load_checkpoint(race_file, card="fairseg-race")


@pytest.fixture(scope="session")
def race_reference(data_folder: Path) -> dict[str, NDArray[np.generic]]:
    with np.load(data_folder / "vit2d_race3.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def tiny_network() -> Callable[..., DMoEViT]:
    """Build a random network in evaluation mode; changes to ViTConfig by keyword."""

    def build(*, seed: int = 0, **changes: object) -> DMoEViT:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = DMoEViT(ViTConfig.model_validate(TINY | changes)).eval()
            # Logits of an untrained router lie too close together to tell experts.
            if network.moe is not None:
                torch.nn.init.normal_(network.moe.router_weight)
        return network

    return build


@pytest.fixture(scope="session")
def tiny_state(
    tiny_network: Callable[..., DMoEViT],
) -> Callable[..., dict[str, Tensor]]:
    """Return a random network's state dict under the published names."""

    def build(**changes: object) -> dict[str, Tensor]:
        network = tiny_network(**changes)
        state = {n: tensor.detach() for n, tensor in network.state_dict().items()}
        rows = ARCHITECTURES["dmoe-vit"].names(network.config)
        return {n: tensor.clone() for n, tensor in to_published(rows, state).items()}

    return build


@pytest.fixture
def tiny_checkpoint(
    tmp_path: Path, tiny_state: Callable[..., dict[str, Tensor]]
) -> Callable[..., Path]:
    """Write a random network as a published file; n_routers, n_classes and so on."""

    def write(
        n_routers: int = 3,
        n_classes: int = 3,
        *,
        name: str = "tiny.pth",
        **changes: object,
    ) -> Path:
        path = tmp_path / name
        torch.save(
            tiny_state(n_routers=n_routers, n_classes=n_classes, **changes), path
        )
        return path

    return write


@pytest.fixture
def race_net(tiny_checkpoint: Callable[..., Path]) -> list[object]:
    """Return the options that name a tiny network driven by race."""
    return ["--checkpoint", tiny_checkpoint(3, 3), "--card", "fairseg-race"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Return the path of a small grey picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    path = tmp_path / "eye.png"
    iio.imwrite(path, pixels)
    return path
