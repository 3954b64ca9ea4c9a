from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.card_files import generic_card, read_card
from napari_dmoe.models.checkpoint import (
    CheckpointError,
    LoadedModel,
    bundled_names,
    load_checkpoint,
    new_model,
    stated_card,
)
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.vit import ViTConfig

Write = Callable[..., Path]
State = dict[str, Tensor]


def answer(loaded: LoadedModel, value: int | None = 0) -> Tensor:
    side = loaded.config.side
    x = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    category = None if value is None else torch.tensor([value])
    with torch.inference_mode():
        return loaded.network(x, category).logits


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("card", "n_routers", "n_classes"),
    [
        ("fairseg-race", 3, 3),
        ("fairseg-sex", 2, 3),
        ("fairseg-age", 5, 3),
        ("ham10000-age", 5, 2),
        ("ham10000-site", 10, 2),
    ],
)
def test_cards_drive_networks_with_their_number_of_routers(
    tiny_checkpoint: Write, card: str, n_routers: int, n_classes: int
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(n_routers, n_classes), card=card)
    expected = read_card(card)
    assert loaded.card.attributes == expected.attributes
    assert loaded.preprocessing.side == 32
    assert loaded.preprocessing.crop == expected.preprocessing.crop
    values = [answer(loaded, i) for i in range(n_routers)]
    assert values[0].shape == (1, n_classes, 32, 32)
    assert not torch.equal(values[0], values[-1])


def test_file_without_a_card_gets_a_generic_one(tiny_checkpoint: Write) -> None:
    loaded = load_checkpoint(tiny_checkpoint(4, 2))
    assert loaded.card == generic_card(
        architecture="dmoe-vit",
        n_classes=2,
        n_routers=4,
        preprocessing=Preprocessing(side=32),
    )
    assert loaded.card.attributes[0].name == "group"
    assert loaded.card.attributes[0].values == ("0", "1", "2", "3")
    assert loaded.card.classes == ("background", "class 1")


def test_loaded_network_is_in_evaluation_mode_on_the_cpu(
    tiny_checkpoint: Write,
) -> None:
    loaded = load_checkpoint(tiny_checkpoint())
    assert not any(module.training for module in loaded.module.modules())
    assert {p.device.type for p in loaded.module.parameters()} == {"cpu"}
    assert {p.dtype for p in loaded.module.parameters()} == {torch.float32}
    assert all(p.requires_grad and p.is_leaf for p in loaded.module.parameters())


def test_facts_state_file_hash_size_and_shape(tiny_checkpoint: Write) -> None:
    path = tiny_checkpoint()
    facts = json.loads(json.dumps(load_checkpoint(path, card="fairseg-race").facts()))
    assert facts["file"] == "tiny.pth"
    assert facts["sha256"] == sha256(path)
    assert facts["bytes"] == path.stat().st_size
    assert facts["architecture"] == "dmoe-vit"
    assert facts["input_size"] == [32, 32]
    assert facts["config"]["n_routers"] == 3
    assert facts["card"]["name"] == "fairseg-race"


def test_single_router_baseline_has_no_driver(tiny_checkpoint: Write) -> None:
    loaded = load_checkpoint(tiny_checkpoint(n_routers=1))
    assert loaded.config.n_routers == 1
    assert loaded.card.attributes == ()
    assert answer(loaded, 0).isfinite().all()


def test_network_without_moe_has_no_routers_and_takes_no_category(
    tiny_checkpoint: Write,
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(n_routers=0), card="fairseg-race")
    assert loaded.config.n_routers == 0
    assert loaded.card.attributes == ()
    assert answer(loaded, None).isfinite().all()
    with pytest.raises(ValueError, match="no MoE"):
        answer(loaded, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_converted_to_float32(
    tmp_path: Path, tiny_state: Callable[..., State], dtype: torch.dtype
) -> None:
    state = tiny_state()
    stored = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
    torch.save(stored, tmp_path / "other.pth")
    loaded = load_checkpoint(tmp_path / "other.pth")
    rounded = {n: t.float() if t.is_floating_point() else t for n, t in stored.items()}
    torch.save(rounded, tmp_path / "rounded.pth")
    assert torch.equal(
        answer(loaded), answer(load_checkpoint(tmp_path / "rounded.pth"))
    )


def test_parameters_stored_instead_of_tensors_load_the_same(
    tmp_path: Path, tiny_state: Callable[..., State]
) -> None:
    state = tiny_state()
    parameters = {
        n: nn.Parameter(t) if t.is_floating_point() else t for n, t in state.items()
    }
    torch.save(parameters, tmp_path / "parameters.pth")
    torch.save(state, tmp_path / "tensors.pth")
    one, other = (
        load_checkpoint(tmp_path / f"{n}.pth") for n in ("parameters", "tensors")
    )
    assert one.n_parameters == other.n_parameters
    assert torch.equal(answer(one), answer(other))


def test_legacy_file_that_is_no_zip_loads(
    tmp_path: Path, tiny_state: Callable[..., State]
) -> None:
    path = tmp_path / "legacy.pt"
    torch.save(tiny_state(), path, _use_new_zipfile_serialization=False)
    assert not path.read_bytes().startswith(b"PK")
    torch.save(tiny_state(), tmp_path / "new.pt")
    new = load_checkpoint(tmp_path / "new.pt")
    assert torch.equal(answer(load_checkpoint(path)), answer(new))


@pytest.mark.parametrize("prefix", ["module.", "net.", "module.net."])
def test_wrappers_prefixes_are_stripped(
    tmp_path: Path, tiny_state: Callable[..., State], prefix: str
) -> None:
    state = {f"{prefix}{name}": tensor for name, tensor in tiny_state().items()}
    torch.save({"net": state, "optimizer": {"lr": 0.1}}, tmp_path / "wrapped.pth")
    assert load_checkpoint(tmp_path / "wrapped.pth").config.n_routers == 3


def test_same_file_twice_gives_the_same_bits(race_file: Path) -> None:
    one, other = (load_checkpoint(race_file) for _ in range(2))
    assert torch.equal(answer(one, 1), answer(other, 1))
    assert one.sha256 == other.sha256


@pytest.mark.parametrize(
    "name",
    ["a b.safetensors", "ünïcode-模型.safetensors", "x" * 180 + ".safetensors"],
)
def test_saving_and_loading_keeps_weights_card_and_hash(
    tmp_path: Path, tiny_checkpoint: Write, name: str
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(), card="fairseg-race")
    path = tmp_path / name
    stated = save_checkpoint(str(path), loaded)
    again = load_checkpoint(path)
    assert stated == again.sha256 == sha256(path)
    assert again.card == loaded.card
    assert again.source == name
    assert torch.equal(answer(again, 2), answer(loaded, 2))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["tiny.pth", name])


def test_saved_payload_hash_is_that_of_the_bytes_behind_the_header(
    tmp_path: Path, tiny_checkpoint: Write
) -> None:
    path = tmp_path / "saved.safetensors"
    save_checkpoint(path, load_checkpoint(tiny_checkpoint()))
    content = path.read_bytes()
    payload = content[8 + int.from_bytes(content[:8], "little") :]
    with safe_open(path, framework="pt") as file:
        stated = file.metadata()["payload_sha256"]
    assert stated == hashlib.sha256(payload).hexdigest()


def test_a_card_given_by_hand_goes_before_the_files_own(
    tmp_path: Path, tiny_checkpoint: Write
) -> None:
    path = tmp_path / "saved.safetensors"
    save_checkpoint(path, load_checkpoint(tiny_checkpoint(), card="fairseg-race"))
    assert (
        load_checkpoint(path, card="fairseg-language").card.attributes[0].name
        == "language"
    )
    card = read_card("fairseg-language").model_copy(update={"name": "mine"})
    (tmp_path / "mine.json").write_text(card.model_dump_json())
    assert load_checkpoint(path, card=tmp_path / "mine.json").card.name == "mine"
    assert load_checkpoint(path, card=card).card.name == "mine"


def test_new_model_keeps_its_heads_and_top_k_through_a_file(tmp_path: Path) -> None:
    config = ViTConfig(
        width=64, depth=1, n_heads=4, top_k=1, mlp_width=8, grid=2, expert_width=8,
        decoder_entry=4, decoder_widths=(4, 4, 2, 2),
    )  # fmt: skip
    card = read_card("fairseg-race")
    loaded = new_model("dmoe-vit", config, card)
    save_checkpoint(tmp_path / "new.safetensors", loaded)
    again = load_checkpoint(tmp_path / "new.safetensors")
    assert again.config == config
    assert torch.equal(answer(again), answer(loaded))


def test_new_model_refuses_a_card_of_other_routers() -> None:
    with pytest.raises(CheckpointError, match=r"new model has 4 routers.*states 3"):
        new_model("dmoe-vit", ViTConfig(n_routers=4), read_card("fairseg-race"))


def test_saving_over_the_file_that_was_loaded_is_safe(
    tmp_path: Path, tiny_checkpoint: Write
) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, load_checkpoint(tiny_checkpoint()))
    loaded = load_checkpoint(path)
    before = answer(loaded)
    path.write_bytes(bytes(path.stat().st_size))  # mapped weights would change now
    assert torch.equal(answer(loaded), before)
    save_checkpoint(path, loaded)
    assert torch.equal(answer(load_checkpoint(path)), before)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, tiny_checkpoint: Write, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "model.safetensors"
    loaded = load_checkpoint(tiny_checkpoint())
    save_checkpoint(path, loaded)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        *((os, "fsync") if step == "fsync" else (Path, "replace")), full
    )
    other = replace(loaded, card=loaded.card.model_copy(update={"title": "other"}))
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*No space left"):
        save_checkpoint(path, other)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"tiny.pth", "model.safetensors"}


@pytest.mark.parametrize(
    "name",
    ["model.pth", "absent/x.safetensors", "tiny.pth/x.safetensors", "n\0.safetensors",
     "y" * 300 + ".safetensors", "folder.safetensors"],
)  # fmt: skip
def test_places_that_cannot_be_written_are_refused(
    tmp_path: Path, tiny_checkpoint: Write, name: str
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    loaded = load_checkpoint(tiny_checkpoint())
    with pytest.raises(
        CheckpointError, match=r"cannot be saved|saved as \.safetensors"
    ):
        save_checkpoint(tmp_path / name, loaded)
    assert {p.name for p in tmp_path.iterdir()} == {"tiny.pth", "folder.safetensors"}


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_models_load_by_name(name: str) -> None:
    loaded = load_checkpoint(name)
    assert loaded.card.name == name
    assert loaded.source == f"{name}.safetensors"
    of_photographs = loaded.card.training.phantoms is None
    assert loaded.n_bytes <= (12_000_000 if of_photographs else 6_000_000)


def test_a_named_card_replaces_the_files_own_and_says_so(
    tmp_path: Path, race_model: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "race.safetensors"
    save_checkpoint(path, race_model)
    load_checkpoint(path)
    assert not caplog.records
    assert load_checkpoint(path, "fairseg-language").card.name == "fairseg-language"
    assert "fairseg-language replaces the file's own" in caplog.text


def test_a_card_is_known_without_loading_the_model(tmp_path: Path) -> None:
    bundled = stated_card("skin-phantom")
    assert bundled is not None
    assert (bundled.dims, bundled.classes) == (2, ("background", "lesion"))
    own = tmp_path / "own.safetensors"
    save_checkpoint(own, load_checkpoint("skin-phantom"))
    found = stated_card(str(own))
    assert found is not None
    assert (found.name, found.dims) == (bundled.name, bundled.dims)
    assert found.classes == bundled.classes


def test_nothing_is_known_of_files_that_state_no_card(
    tiny_checkpoint: Write, tmp_path: Path
) -> None:
    assert stated_card(str(tiny_checkpoint(3, 3))) is None
    assert stated_card(str(tmp_path / "none.safetensors")) is None
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no header")
    assert stated_card(str(broken)) is None
    no_card = tmp_path / "no_card.safetensors"
    save_file({"weight": torch.zeros(1)}, no_card, metadata={"napari-dmoe-card": "{"})
    assert stated_card(str(no_card)) is None
