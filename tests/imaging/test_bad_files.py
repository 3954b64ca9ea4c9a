from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from refusal import refused
from torch import Tensor

State = dict[str, Tensor]
MakeState = Callable[..., State]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad model.pth"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "empty: the download or copy did not finish"),
        (b"\x80", "no PyTorch checkpoint, or it is damaged"),
        (b"version 1\nsha256 45\n", "no PyTorch checkpoint"),
        (b"just some text", "no PyTorch checkpoint"),
        (b"\xff\xd8\xff\xe0 a picture", "no PyTorch checkpoint"),
        (bytes(1000), "no PyTorch checkpoint"),
        (b"PK\x03\x04 and then nothing", "cut off or damaged"),
        (b"<!DOCTYPE html><html>quota exceeded", "Google Drive"),
        (b"\n  <HTML><body>sign in</body>", "Google Drive"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_files_of_another_kind_are_refused(
    path: Path, content: bytes, cause: str, suffix: str
) -> None:
    path = path.with_suffix(suffix)
    path.write_bytes(content)
    says_which = suffix != ".safetensors" or cause.startswith(("empty", "Google"))
    refused(path, cause if says_which else "no safetensors file")


@pytest.mark.parametrize("share", [0.25, 0.5, 0.99])
@pytest.mark.parametrize("is_legacy", [False, True])
def test_truncated_files_are_refused(
    path: Path, tiny_state: MakeState, share: float, is_legacy: bool
) -> None:
    torch.save(tiny_state(), path, _use_new_zipfile_serialization=not is_legacy)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "damaged")


@pytest.mark.parametrize(
    ("members", "cause"),
    [
        (["word/document.xml"], "zip archive of something else, such as word/"),
        ([], "such as nothing"),
        (["m/data.pkl", "m/constants.pkl", "m/code/m.py"], "TorchScript program"),
        (["m/data.pkl", "m/version"], "no PyTorch checkpoint"),
    ],
)
def test_other_zip_archives_are_refused(
    path: Path, members: list[str], cause: str
) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, b"content")
    head = path.read_bytes()[:2]
    assert head == b"PK"
    refused(path, cause)


def peak_megabytes() -> float:
    resource = pytest.importorskip("resource")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_compressed_bomb_is_refused_before_it_is_unpacked(path: Path) -> None:
    torch.save({"weight": torch.zeros(2**24)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert path.stat().st_size < 200_000
    torch.load(path, weights_only=True)  # PyTorch itself unpacks it
    before = peak_megabytes()
    refused(path, "would unpack to 67 MB")
    assert peak_megabytes() - before < 20


@pytest.mark.parametrize("is_legacy", [False, True])
def test_expanded_tensor_is_refused(path: Path, is_legacy: bool) -> None:
    bomb = {"segmentation_head.0.weight": torch.zeros(1).expand(10**6, 10**6)}
    torch.save(bomb, path, _use_new_zipfile_serialization=not is_legacy)
    refused(path, "segmentation_head.0.weight claims 4,000,000 MB")


def test_tensors_that_share_their_data_many_times_are_refused(
    path: Path, tiny_state: MakeState
) -> None:
    shared = torch.zeros(100_000)
    torch.save({f"router.{i}": shared for i in range(1000)} | tiny_state(), path)
    refused(path, "share their data and claim 4")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.eye(3).to_sparse(),
        torch.empty(3, device="meta"),
    ],
    ids=["sparse", "meta"],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_not_plain_are_refused(path: Path, tensor: Tensor) -> None:
    torch.save({"weight": tensor}, path)
    refused(path)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("absent.pth", "there is no such file"),
        ("../absent.pth", "there is no such file"),
        ("C:\\models\\absent.pth", "there is no such file"),
        ("nul\0byte.pth", "cannot be opened"),
        ("x" * 300 + ".pth", "cannot be opened"),
        ("ünï code.pth", "there is no such file"),
        ("a folder.pth", "is a folder: choose the checkpoint file in it"),
    ],
)
def test_places_without_a_file_are_refused(
    tmp_path: Path, name: str, cause: str
) -> None:
    (tmp_path / "a folder.pth").mkdir()
    refused(tmp_path / name, cause)
    assert [p.name for p in tmp_path.iterdir()] == ["a folder.pth"]


def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    pipe = tmp_path / "pipe.pth"
    os.mkfifo(pipe)
    caught: list[str] = []
    thread = threading.Thread(target=lambda: caught.append(refused(pipe)), daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert caught
    assert "no regular file" in caught[0]
