from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from refusal import refused
from safetensors.torch import save_file

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint

Header = dict[str, object]
GOOD: Header = {
    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad.safetensors"


def file_of(header: Header | bytes, n_bytes: int = 16) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(n_bytes)


def with_b(**changes: object) -> Header:
    return GOOD | {"b": GOOD["b"] | changes}


def test_the_untouched_header_is_read(path: Path) -> None:
    path.write_bytes(file_of(GOOD))
    refused(path, "no dMoE network that is known here", "such as a, b")


DUPLICATE = (
    b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
    b'"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}'
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((0).to_bytes(8, "little"), id="header of no length"),
        pytest.param((2**40).to_bytes(8, "little") + b"{}", id="header too large"),
        pytest.param((64).to_bytes(8, "little") + b"{}", id="header beyond the file"),
        pytest.param(b"\x01\x02", id="no room for a length"),
        pytest.param(file_of(b"not json"), id="no JSON"),
        pytest.param(file_of(b"\xff\xfe{}"), id="no UTF-8"),
        pytest.param(file_of(b"[1, 2]"), id="a list"),
        pytest.param(file_of(b'{"a": 1}'), id="no tensor entry"),
        pytest.param(file_of(b'{"a":' * 5000), id="nested without end"),
        pytest.param(file_of(DUPLICATE), id="duplicate key"),
        pytest.param(file_of(with_b(data_offsets=[4, 12])), id="overlapping"),
        pytest.param(file_of(with_b(data_offsets=[12, 20]), 20), id="hole"),
        pytest.param(file_of(with_b(data_offsets=[16, 8])), id="reversed"),
        pytest.param(file_of(with_b(data_offsets=[8, 99])), id="beyond the file"),
        pytest.param(file_of(with_b(data_offsets=[-8, 16])), id="negative offset"),
        pytest.param(file_of(with_b(dtype="F99")), id="unknown dtype"),
        pytest.param(file_of(with_b(dtype="F64")), id="other dtype"),
        pytest.param(file_of(with_b(shape=[3])), id="shape unequal to bytes"),
        pytest.param(file_of(with_b(shape=[-2])), id="negative size"),
        pytest.param(file_of(with_b(shape=[2**62, 2**62])), id="overflowing size"),
        pytest.param(file_of(GOOD, 15), id="truncated"),
        pytest.param(file_of(GOOD, 17), id="trailing bytes"),
        pytest.param(file_of({"__metadata__": {"x": 1}} | GOOD), id="metadata type"),
    ],
)
def test_malformed_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "no safetensors file, or it is damaged")


def test_header_of_more_than_100_megabytes_is_refused(path: Path) -> None:
    with path.open("wb") as file:
        file.write((100_000_008).to_bytes(8, "little") + b"{")
        file.truncate(100_000_100)  # sparse: takes no room on the disk
    refused(path, "header too large")


def test_file_without_tensors_is_refused(path: Path) -> None:
    path.write_bytes(file_of({}, 0))
    refused(path, "holds no tensors")


def test_pickle_renamed_to_safetensors_is_refused(path: Path) -> None:
    torch.save({"a": torch.ones(2)}, path)
    refused(path, "no safetensors file, or it is damaged")


def test_safetensors_under_another_suffix_are_known_by_their_content(
    tmp_path: Path, tiny_checkpoint: Callable[..., Path]
) -> None:
    saved = tmp_path / "saved.safetensors"
    save_checkpoint(saved, load_checkpoint(tiny_checkpoint(), card="fairseg-race"))
    renamed = saved.rename(tmp_path / "saved.pth")
    assert load_checkpoint(renamed).card.name == "fairseg-race"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_flipped_bit_in_the_payload_of_a_saved_file_is_caught(
    path: Path, tiny_checkpoint: Callable[..., Path], share: float
) -> None:
    save_checkpoint(path, load_checkpoint(tiny_checkpoint()))
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start + int(share * (len(content) - 1 - start))] ^= 1
    path.write_bytes(content)
    refused(path, "its weights are not those that were saved")


@pytest.mark.parametrize(
    ("card", "cause"),
    [
        ("{", "is no card"),
        ("[" * 100_000, "is no card"),
        ('{"schema_version": 2}', "card version 2"),
        ('{"name": "x", "title": "x", "classes": ["a", "b"], "eval": 1}', "eval"),
        ('{"name": "x", "title": "x", "classes": ["a", "b", "c"]}', "states 0"),
    ],
)
def test_a_broken_card_in_the_header_is_refused(
    path: Path, tiny_checkpoint: Callable[..., Path], card: str, cause: str
) -> None:
    state = torch.load(tiny_checkpoint(), weights_only=True)
    save_file(state, path, {"napari-dmoe-card": card})
    refused(path, cause)
    good = load_checkpoint(path, card="fairseg-race")
    assert good.card.name == "fairseg-race"
