"""Networks in files as training scripts of others save them."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from refusal import refused
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.unwrapping import TRANSPARENT
from napari_dmoe.models.weights import UnsafeCheckpointError

formats = pytest.mark.formats
State = dict[str, Tensor]
KINDS = {
    "plain 2D": "vit2d_race3.pth",
    "hybrid": "r50vit2d_gender2.pth",
    "3D": "unet3d_stage5.pth",
}
HEAD = "segmentation_head.0.weight"
ROUTER = "transformer.encoder.sparseMoE.router.0.topkroute_linear.weight"


@pytest.fixture(scope="session")
def states(data_folder: Path) -> dict[str, State]:
    """Return one state dict of each kind of network, under its published names."""
    return {
        kind: torch.load(data_folder / name, weights_only=True)
        for kind, name in KINDS.items()
    }


def under(state: Mapping[str, Tensor], prefix: str) -> State:
    return {f"{prefix}{name}": tensor.clone() for name, tensor in state.items()}


def moved(state: Mapping[str, Tensor], by: float = 0.01) -> State:
    """Return other weights of the same network."""
    return {n: t + by if t.is_floating_point() else t for n, t in state.items()}


def inner(state: Mapping[str, Tensor], wrapper: str) -> State:
    """Return a state whose direct parts were wrapped one by one."""
    parts = {n: n.split(".", 1) for n in state}
    return {f"{a}.{wrapper}.{b}": state[n].clone() for n, (a, b) in parts.items()}


def is_state_of(loaded: LoadedModel, path: Path, state: State) -> bool:
    """Say whether a model answers as one of the bare state does, bit for bit."""
    bare = path.with_name("bare.pth")
    torch.save(state, bare)
    expected = load_checkpoint(bare)
    assert expected.notices == ()
    found, wanted = loaded.module.state_dict(), expected.module.state_dict()
    return found.keys() == wanted.keys() and all(
        torch.equal(found[name], wanted[name]) for name in wanted
    )


OPTIMISER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}

WRAPPED: dict[str, Callable[[State], Any]] = {
    "compiled": lambda s: under(s, "_orig_mod."),
    "ddp": lambda s: under(s, "module."),
    "ddp of compiled": lambda s: under(s, "module._orig_mod."),
    "compiled ddp": lambda s: under(s, "_orig_mod.module."),
    "swa": lambda s: under(s, "module.") | {"n_averaged": torch.tensor(7)},
    "compiled parts": lambda s: inner(s, "_orig_mod"),
    "sharded parts": lambda s: under(inner(s, "_fsdp_wrapped_module"), "model."),
    "lightning": lambda s: {
        "state_dict": under(s, "model.") | {"criterion.weight": torch.ones(3)},
        "optimizer_states": [OPTIMISER],
        "lr_schedulers": [],
        "hyper_parameters": {"lr": 0.1},
        "callbacks": {"EarlyStopping": {"best_score": torch.tensor(0.5)}},
        "epoch": 4,
        "pytorch-lightning_version": "2.4.0",
    },
    "lightning that is the network": lambda s: {
        "state_dict": s
        | {"criterion.weight": torch.ones(3), "val_dice.total": torch.tensor(3)}
    },
    "lightning of a compiled ddp": lambda s: {
        "state_dict": under(s, "model._orig_mod.module.")
    },
    "net": lambda s: {"state_dict": under(s, "net.module.")},
    "nested": lambda s: {"checkpoint": {"model": s}, "epoch": 3},
    "deep": lambda s: {"a": {"b": {"c": [under(s, "x.y.z.")]}}},
    "model": lambda s: {"model": s, "optimizer": OPTIMISER, "scaler": {"scale": 2.0}},
    "ema alone": lambda s: {"ema": under(s, "module.")},
    "ema_model": lambda s: under(s, "ema_model.") | {"step": torch.tensor(3)},
    "twice": lambda s: {"model": s, "compiled": under(s, "_orig_mod.")},
    "heads beside": lambda s: s | {"aux_head.0.weight": torch.ones(2)},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param("compiled", marks=formats("torch.compile (`_orig_mod.`)")),
        pytest.param("ddp", marks=formats("DataParallel and DDP (`module.`)")),
        "ddp of compiled",
        "compiled ddp",
        pytest.param("swa", marks=formats("SWA (`AveragedModel`)")),
        pytest.param("compiled parts", marks=formats("parts wrapped one by one")),
        "sharded parts",
        pytest.param("lightning", marks=formats("Lightning (`state_dict`, `model.`)")),
        pytest.param(
            "lightning that is the network",
            marks=formats("losses, metrics and further heads beside the network"),
        ),
        pytest.param(
            "lightning of a compiled ddp",
            marks=formats("prefixes in any order and depth"),
        ),
        "net",
        pytest.param("nested", marks=formats("dictionaries in dictionaries")),
        "deep",
        "model",
        pytest.param("ema alone", marks=formats("EMA alone (`ema`, `ema_model.`)")),
        "ema_model",
        pytest.param("twice", marks=formats("one network stored twice")),
        "heads beside",
    ],
)
def test_a_wrapped_network_is_the_bare_one_bit_for_bit(
    tmp_path: Path, states: dict[str, State], kind: str, how: str
) -> None:
    path, state = tmp_path / "wrapped.pth", states[kind]
    wrapped = WRAPPED[how](state)
    torch.save(wrapped, path)
    loaded = load_checkpoint(path)
    assert is_state_of(loaded, path, state)
    assert loaded.notices
    if all(isinstance(value, Tensor) for value in wrapped.values()):
        save_file(wrapped, tmp_path / "wrapped.safetensors")
        again = load_checkpoint(tmp_path / "wrapped.safetensors")
        assert is_state_of(again, path, state)


def test_what_torch_itself_wraps_is_read(
    tmp_path: Path, states: dict[str, State]
) -> None:
    class Published(nn.Module):
        """Its parameters have the published names."""

        def __init__(self, state: Mapping[str, Tensor]) -> None:
            super().__init__()
            for name, tensor in state.items():
                *places, last = name.split(".")
                module: nn.Module = self
                for place in places:
                    if place not in module._modules:
                        module.add_module(place, nn.Module())
                    module = module._modules[place]
                module.register_buffer(last, tensor.clone())

    state = states["plain 2D"]
    network = Published(state)
    compiled = torch.compile(network)
    averaged = torch.optim.swa_utils.AveragedModel(compiled)
    averaged.update_parameters(compiled)
    for wrapped in (network, compiled, averaged, nn.DataParallel(compiled)):
        torch.save(wrapped.state_dict(), tmp_path / "t.pth")
        loaded = load_checkpoint(tmp_path / "t.pth")
        assert is_state_of(loaded, tmp_path / "t.pth", state)


def test_what_was_unwrapped_and_left_out_is_said_and_recorded(
    tmp_path: Path, states: dict[str, State]
) -> None:
    path = tmp_path / "wrapped.pth"
    torch.save(WRAPPED["lightning"](states["plain 2D"]), path)
    loaded = load_checkpoint(path)
    (notice,) = loaded.notices
    assert notice == (
        "wrapped.pth: read without the prefix 'state_dict.model.'; left out, as no "
        "part of the network: state_dict.criterion.weight, callbacks"
    )
    assert loaded.facts()["notices"] == [notice]
    result = segment(loaded, torch.zeros(40, 40).numpy())
    assert notice in result.provenance.notices


@pytest.mark.parametrize("how", ["bare", "ddp", "safetensors"])
@formats("state dict as `.pth`, `.pt` or `.safetensors`")
def test_plain_files_are_read_as_before(
    tmp_path: Path, states: dict[str, State], how: str
) -> None:
    state = states["plain 2D"]
    path = tmp_path / ("m.safetensors" if how == "safetensors" else "m.pth")
    if how == "safetensors":
        save_file(state, path)
    else:
        torch.save(under(state, "module.") if how == "ddp" else state, path)
    assert is_state_of(load_checkpoint(path), path, state)


AVERAGES: dict[str, Callable[[State, State], Any]] = {
    "timm": lambda s, e: {"state_dict": s, "state_dict_ema": e},
    "detr": lambda s, e: {"model": s, "model_ema": e, "optimizer": OPTIMISER},
    "ema-pytorch": lambda s, e: under(s, "online_model.") | under(e, "ema_model."),
    "lightning swa": lambda s, e: {
        "state_dict": under(s, "model.")
        | under(e, "swa_model.module.")
        | {"swa_model.n_averaged": torch.tensor(3)}
    },
    "any averaged model": lambda s, e: (
        under(s, "net.")
        | under(e, "best.module._orig_mod.")
        | {"best.n_averaged": torch.tensor(3)}
    ),
    "begun": lambda s, e: (
        under(s, "online_model.")
        | under(e, "ema_model.")
        | {"initted": torch.tensor([True]), "step": torch.tensor([7])}
    ),
    "camel case": lambda s, e: {"model": s, "modelEma": e},
    "suffix": lambda s, e: {"net": s, "netEMA": e},
    "mmengine, which exchanges the two": lambda s, e: {
        "state_dict": e,
        "ema_state_dict": under(s, "module.") | {"steps": torch.tensor(4)},
    },
    "lightning averaging": lambda s, e: {
        "state_dict": under(e, "model."),
        "current_model_state": under(s, "model."),
        "averaging_state": {"n_averaged": torch.tensor(2)},
    },
}


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("timm", marks=formats("weights and their average (EMA, SWA)")),
        *list(AVERAGES)[1:],
    ],
)
def test_of_weights_and_their_average_the_average_is_taken_and_said(
    tmp_path: Path, states: dict[str, State], how: str
) -> None:
    steps = states["plain 2D"]
    average, path = moved(steps), tmp_path / "ema.pth"
    torch.save(AVERAGES[how](steps, average), path)
    loaded = load_checkpoint(path)
    assert is_state_of(loaded, path, average)
    assert "the average was taken" in loaded.notices[0]


def test_an_average_that_is_not_whole_or_not_begun_is_left_out(
    tmp_path: Path, states: dict[str, State]
) -> None:
    steps, path = states["plain 2D"], tmp_path / "ema.pth"
    average = moved(steps)
    torch.save(
        {"model": steps, "ema": {n: t for n, t in average.items() if n != HEAD}}, path
    )
    loaded = load_checkpoint(path)
    assert is_state_of(loaded, path, steps)
    assert "'ema.' was left out, as it cannot be used: is an incomplete" in (
        loaded.notices[0].replace("  ", " ")
    )
    assert f"ema.{HEAD} is missing" in loaded.notices[0]
    torch.save(
        under(steps, "model.")
        | under(average, "swa.module.")
        | {"swa.n_averaged": torch.tensor(0)},
        path,
    )
    loaded = load_checkpoint(path)
    assert is_state_of(loaded, path, steps)
    assert "holds no step yet" in loaded.notices[0]


@pytest.mark.parametrize(
    "counts",
    [
        {"initted": torch.tensor(False), "step": torch.tensor(3)},
        {"initted": torch.tensor([False])},
        {"step": torch.tensor(0)},
        {"num_updates": torch.tensor(0)},
    ],
)
def test_an_average_whose_package_counts_no_step_is_left_out(
    tmp_path: Path, states: dict[str, State], counts: State
) -> None:
    steps, path = states["plain 2D"], tmp_path / "ema.pth"
    average = moved(steps)  # as the network was drawn
    torch.save(
        under(steps, "online_model.") | under(average, "ema_model.") | counts, path
    )
    loaded = load_checkpoint(path)
    assert is_state_of(loaded, path, steps)
    assert "holds no step yet" in loaded.notices[0]


def test_what_was_left_out_is_told_by_its_place_and_not_tensor_by_tensor(
    tmp_path: Path, states: dict[str, State]
) -> None:
    steps, path = states["plain 2D"], tmp_path / "lightning.pth"
    average = moved(steps)
    torch.save(
        {
            "state_dict": under(steps, "model.")
            | under(average, "ema.module.")
            | {"ema.n_averaged": torch.tensor(3), "loss.weight": torch.ones(2)}
        },
        path,
    )
    left = f"state_dict.model ({len(steps)} tensors), state_dict.ema.n_averaged, "
    assert (
        load_checkpoint(path)
        .notices[1]
        .endswith(f"left out, as no part of the network: {left}state_dict.loss.weight")
    )


@pytest.mark.parametrize(
    ("how", "causes"),
    [
        pytest.param(
            lambda s: {"teacher": s, "student": moved(s)},
            ["2 networks", "'student.'", "'teacher.'"],
            marks=formats("two networks, such as teacher and student"),
        ),
        (
            lambda s: under(s, "generator.") | under(moved(s), "critic."),
            ["2 networks", "'critic.'", "'generator.'"],
        ),
        (
            lambda s: {"models": [s, moved(s)]},
            ["2 networks", "'models.0.'", "'models.1.'"],
        ),
        (
            lambda s: s | under(moved(s), "teacher."),
            ["2 networks", "no prefix", "'teacher.'"],
        ),
        (
            lambda s: {"ema": moved(s), "swa": moved(s, 0.02), "model": s},
            ["3 networks", "'ema.'", "'swa.'", "'model.'"],
        ),
    ],
)
def test_two_networks_in_one_file_are_refused_by_name(
    tmp_path: Path, states: dict[str, State], how: Any, causes: list[str]
) -> None:
    path = tmp_path / "two.pth"
    torch.save(how(states["plain 2D"]), path)
    refused(path, *causes, "save the one that is meant alone")


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        (lambda s: s.pop(f"model.{HEAD}"), [f"model.{HEAD} is missing"]),
        (lambda s: s.pop(f"model.{ROUTER}"), [f"model.{ROUTER} is missing"]),
        (
            lambda s: s.pop("model.segmentation_head.0.bias"),
            ["missing: model.segmentation_head.0.bias"],
        ),
        (
            lambda s: s.update({"model.transformer.lora.weight": torch.ones(1)}),
            ["not expected: model.transformer.lora.weight"],
        ),
        (
            lambda s: s.update({"model.pixel_mean": torch.ones(3)}),
            ["not expected: model.pixel_mean"],
        ),
        (
            lambda s: s.update({"model.segmentation_head.0.bias": torch.ones(9)}),
            ["model.segmentation_head.0.bias is (9,)"],
        ),
        (
            lambda s: s.update({f"model.{ROUTER}": torch.tensor(1.0)}),
            [f"model.{ROUTER} has 0 axes"],
        ),
        (
            lambda s: s[f"model.{HEAD}"].fill_(torch.nan),
            [f"model.{HEAD} holds values that are no finite"],
        ),
    ],
)
@formats("a wrapped network that lacks a tensor")
def test_refusals_name_tensors_as_they_are_in_the_file(
    tmp_path: Path, states: dict[str, State], change: Any, causes: list[str]
) -> None:
    path, state = tmp_path / "bad.pth", under(states["plain 2D"], "model.")
    change(state)
    torch.save(state, path)
    refused(path, *causes)


def test_one_name_for_two_tensors_is_refused(
    tmp_path: Path, states: dict[str, State]
) -> None:
    path, state = tmp_path / "twice.pth", dict(states["plain 2D"])
    state["segmentation_head._orig_mod.0.weight"] = state[HEAD] + 1
    torch.save(state, path)
    refused(path, HEAD, "segmentation_head._orig_mod.0.weight", "differ")


class Settings:
    """Stands for any object of a training script."""


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        (Settings(), f"{__name__}.Settings"),
        (argparse.Namespace(lr=1), "argparse.Namespace"),
        (Path("x"), f"pathlib.{type(Path()).__name__}"),
        (print, "builtins.print"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("is_zip", [True, False])
@formats("objects of a training script in a pickle")
def test_an_unsafe_pickle_names_the_object_and_nothing_else(
    tmp_path: Path,
    states: dict[str, State],
    extra: object,
    name: str,
    protocol: int,
    is_zip: bool,
) -> None:
    path = tmp_path / "unsafe.pth"
    torch.save(
        {"state_dict": states["plain 2D"], "hyper_parameters": {"args": extra}},
        path,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=is_zip,
    )
    message = refused(path, kind=UnsafeCheckpointError)
    assert message.startswith(f"unsafe.pth holds more than tensors ({name}), which")


def test_names_that_would_move_the_cursor_are_shown_as_text(
    tmp_path: Path, states: dict[str, State]
) -> None:
    path = tmp_path / "bad.pth"
    odd = {"transformer.\x1b[2J\r\nx": torch.ones(1), "transformer." + "y" * 9999: 0}
    odd = {n: torch.ones(1) for n in odd}
    torch.save(copy.copy(states["plain 2D"]) | odd, path)
    message = refused(path, r"transformer.\x1b[2J\r\nx")
    assert len(message) < 1000


def test_a_file_that_holds_itself_is_read(
    tmp_path: Path, states: dict[str, State]
) -> None:
    path, whole = tmp_path / "loop.pth", {"model": states["plain 2D"]}
    whole["self"] = whole
    deep: Any = torch.ones(1)
    for _ in range(200):
        deep = {"a": deep}
    torch.save({**whole, "deep": deep}, path)
    assert is_state_of(load_checkpoint(path), path, states["plain 2D"])


def test_the_wrappers_are_no_names_of_networks(states: dict[str, State]) -> None:
    parts = {part for state in states.values() for n in state for part in n.split(".")}
    assert parts.isdisjoint(TRANSPARENT)
