from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from refusal import refused
from torch import Tensor

from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import CheckpointError, load_checkpoint

State = dict[str, Tensor]
MakeState = Callable[..., State]
ROUTER = "transformer.encoder.sparseMoE.router.0.topkroute_linear.weight"
EXPERT = "transformer.encoder.sparseMoE.experts.0.net.0.weight"
HEAD = "segmentation_head.0.weight"
POSITIONS = "transformer.embeddings.position_embeddings"
PATCH = "transformer.embeddings.patch_embeddings.weight"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad model.pth"


@pytest.mark.parametrize(
    ("loaded", "cause"),
    [
        ({}, "holds no state dict"),
        ([torch.ones(1)], "found list"),
        (torch.ones(3), "found Tensor"),
        ({"epoch": 3, "lr": 0.1}, "a dict with the keys epoch, lr"),
        ({1: torch.ones(1)}, "a dict with the keys 1"),
        ({"state_dict": {"a": 1}}, "holds no state dict"),
    ],
)
def test_files_without_a_state_dict_are_refused(
    path: Path, loaded: object, cause: str
) -> None:
    torch.save(loaded, path)
    refused(path, cause)


def test_a_classifier_is_refused(path: Path) -> None:
    names = ("conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "fc.weight")
    torch.save(OrderedDict((name, torch.ones(2, 2)) for name in names), path)
    refused(path, "no dMoE network that is known here", "conv1.weight")


def changed(state: State, **changes: Tensor | None) -> State:
    names = {
        "router": ROUTER,
        "expert": EXPERT,
        "head": HEAD,
        "positions": POSITIONS,
        "patch": PATCH,
    }
    changes = {names.get(name, name): tensor for name, tensor in changes.items()}
    return {n: t for n, t in (state | changes).items() if t is not None}


@pytest.mark.parametrize(
    ("changes", "causes"),
    [
        ({"head": None}, ["incomplete", f"{HEAD} is missing"]),
        ({"router": None}, ["incomplete", f"{ROUTER} is missing"]),
        ({"expert": None}, ["incomplete", f"{EXPERT} is missing"]),
        ({"segmentation_head.0.bias": None}, ["1 of ", "missing", "head.0.bias"]),
        ({"extra": torch.ones(1)}, ["1 of ", "not expected: extra"]),
        ({"segmentation_head.0.bias": torch.ones(7)}, ["(7,), expected (3,)"]),
        ({"router": torch.tensor(1.0)}, [ROUTER, "0 axes, where 2 are"]),
        ({"expert": torch.tensor(1.0)}, [EXPERT, "0 axes, where 2 are"]),
        ({"router": torch.zeros(0, 64)}, [ROUTER, "is empty"]),
        ({"positions": torch.zeros(1, 0, 64)}, [POSITIONS, "is empty"]),
        ({"positions": torch.zeros(1, 5, 64)}, ["5 position embeddings", "square"]),
        ({"positions": torch.zeros(4, 64)}, [POSITIONS, "2 axes"]),
        ({"positions": None}, ["no dMoE network"]),
        ({"patch": torch.zeros(64, 3, 8, 8)}, ["patches of (8, 8) pixels, where 16"]),
        ({"head": torch.zeros(1, 4, 3, 3)}, ["one class"]),
        ({"head": torch.zeros(3, 4, 3, 3, dtype=torch.int64)}, [HEAD, "torch.int64"]),
        ({"head": torch.zeros(3, 4, 3, 3).cfloat()}, [HEAD, "torch.complex64"]),
        ({"head": torch.full((3, 4, 3, 3), torch.nan)}, [HEAD, "no finite numbers"]),
        ({"head": torch.full((3, 4, 3, 3), torch.inf)}, [HEAD, "no finite numbers"]),
        ({"head": torch.zeros(3, 4, 3, 3).double() + 1e300}, [HEAD, "no finite"]),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(
    path: Path,
    tiny_state: MakeState,
    changes: dict[str, Tensor | None],
    causes: list[str],
) -> None:
    torch.save(changed(tiny_state(), **changes), path)
    refused(path, *causes)


def test_many_faults_are_counted_and_the_first_ten_named(
    path: Path, tiny_state: MakeState
) -> None:
    state = {n: t for n, t in tiny_state().items() if ".layer.0.attn" not in n}
    torch.save(state | {f"extra.{i}": torch.ones(1) for i in range(14)}, path)
    message = refused(path, "8 of ", "are missing", "14 of ", "and 4 more")
    assert "extra.9" in message
    assert "extra.10" not in message


def test_a_part_of_the_moe_is_an_error(path: Path, tiny_state: MakeState) -> None:
    state = {n: t for n, t in tiny_state().items() if ".router." not in n}
    torch.save(state, path)
    refused(path, "16 of ", "not expected", "experts.0.net.0.weight")


@pytest.mark.parametrize(
    ("card", "cause"),
    [
        ("fairseg-sex", "3 routers, but the card 'fairseg-sex' states 2 (sex)"),
        ("fairseg-age", "3 routers, but the card 'fairseg-age' states 5 (age)"),
        ("prostate-tstage", "2D dMoE ViT, but the card 'prostate-tstage' is for a 3D"),
        ("no-such-card", "there is no card 'no-such-card': name one of fairseg-age"),
        ("../fairseg-race", "there is no card '../fairseg-race'"),
        ("c\0ard", "there is no card"),
        ("c" * 300, "there is no card"),
    ],
)
def test_cards_that_do_not_fit_are_refused(
    tiny_checkpoint: Callable[..., Path], card: str, cause: str
) -> None:
    path = tiny_checkpoint()
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, card=card)
    assert cause in str(caught.value)


def test_heads_that_do_not_divide_the_width_are_refused(
    tiny_checkpoint: Callable[..., Path],
) -> None:
    card = read_card("fairseg-race").model_copy(update={"n_heads": 5})
    with pytest.raises(CheckpointError, match=r"5 attention heads do not divide .* 64"):
        load_checkpoint(tiny_checkpoint(), card=card)


def test_class_count_other_than_the_cards_is_refused(
    tiny_checkpoint: Callable[..., Path],
) -> None:
    path = tiny_checkpoint(n_routers=3, n_classes=2)
    with pytest.raises(
        CheckpointError, match=r"2 classes, but .* states 3 \(background"
    ):
        load_checkpoint(path, card="fairseg-race")
