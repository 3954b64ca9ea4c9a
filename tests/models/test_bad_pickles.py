from __future__ import annotations

import argparse
import contextlib
import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from refusal import refused
from torch import Tensor

from napari_dmoe.models.checkpoint import UnsafeCheckpointError

State = dict[str, Tensor]
MakeState = Callable[..., State]


class Payload:
    """Unpickled with code allowed, it makes a marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, (str(self.marker), "w"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad model.pth"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


def legacy(loaded: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(loaded, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("place", ["alone", "nested", "legacy", "pickle"])
def test_code_in_a_pickle_is_refused_and_does_not_run(
    path: Path,
    marker: Path,
    tiny_state: MakeState,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    forced: bool,
) -> None:
    payload = Payload(marker)
    nested = {"state_dict": tiny_state(), "optimizer": {"state": [{"step": payload}]}}
    if place == "pickle":
        path.write_bytes(pickle.dumps(payload))
    elif place == "legacy":
        path.write_bytes(legacy(nested))
    else:
        torch.save(nested if place == "nested" else payload, path)
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    refused(path, "open", "plain state dict", kind=UnsafeCheckpointError)
    assert not marker.exists()
    with contextlib.suppress(pickle.UnpicklingError, RuntimeError):
        torch.load(path, weights_only=False)
    assert marker.exists(), "the payload is dead, so nothing was proved"


def test_code_in_a_legacy_tar_does_not_run(path: Path, marker: Path) -> None:
    content = pickle.dumps(Payload(marker))
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    refused(path, "no PyTorch checkpoint")
    assert not marker.exists()


def test_message_names_the_function_that_would_have_run(path: Path) -> None:
    path.write_bytes(b"cposix\nsystem\n(S'echo'\ntR.")
    refused(path, "posix.system", kind=UnsafeCheckpointError)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (torch.nn.Linear(2, 2), "Linear"),
        ({"state_dict": {}, "args": argparse.Namespace(lr=1)}, "argparse.Namespace"),
        ({"model": {}, "best": np.float64(0.9)}, "scalar"),
        (np.ones(3), "numpy"),
    ],
)
def test_objects_other_than_tensors_are_named(
    path: Path, content: object, cause: str
) -> None:
    torch.save(content, path)
    refused(path, cause, "torch.save(model.state_dict()", kind=UnsafeCheckpointError)
