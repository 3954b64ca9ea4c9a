"""Reading weight files that nobody vouches for: no code runs, nothing large is made.

:func:`read_weights` takes PyTorch files (``.pth``, ``.pt``) and safetensors, told apart
by content, and returns named CPU tensors. Every fault becomes a
:class:`CheckpointError`. Which of the tensors are a network is
:mod:`napari_dmoe.models.unwrapping`'s business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from napari_dmoe.foreign import printable
from napari_dmoe.models.pickles import BOMB_FACTOR, load_pickled, state_dict_lacks
from napari_dmoe.models.refusals import CheckpointError, UnsafeCheckpointError
from napari_dmoe.purpose import reason

__all__ = [
    "BOMB_FACTOR",
    "CheckpointError",
    "UnsafeCheckpointError",
    "Weights",
    "check_claims",
    "file_sha256",
    "read_weights",
]

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the state dict, named where there is none."""

MOST_CONTAINERS, DEEPEST = 100_000, 32
"""Dictionaries and lists of a file that are looked into, and how deep."""

CARD_KEY = "napari-dmoe-card"
"""Header key of the card in files that were saved here."""

PAYLOAD_HASH = "payload_sha256"
"""Header key of the SHA-256 of all bytes behind a safetensors header."""

MAX_HEADER_BYTES = 100_000_000
"""Largest header that the safetensors format allows."""


@dataclass(frozen=True)
class Weights:
    """Named tensors of a file, and its header."""

    tensors: Mapping[str, Tensor]
    """CPU tensors under the names in the file; the keys of dictionaries that they lie
    in stand before them, with dots."""
    header: Mapping[str, str]
    """The safetensors header's own entries; empty for PyTorch files."""


def read_weights(path: Path) -> Weights:
    """Read the tensors of a PyTorch or safetensors file.

    Raises
    ------
    UnsafeCheckpointError
        When a PyTorch file holds anything but plain tensors and containers.
    CheckpointError
        When the file is absent, damaged, or something else.
    """
    head = _head(path)
    _refuse_web_page(path, head)
    if _looks_like_safetensors(path, head):
        return Weights(*_read_safetensors(path))
    loaded = load_pickled(path, is_zip=head.startswith(b"PK"))
    tensors: dict[str, Tensor] = {}
    for name, tensor in _named(loaded):
        if name in tensors and tensors[name] is not tensor:
            raise CheckpointError(
                f"{path.name}: two tensors are called {printable(name)}"
            )
        tensors[name] = tensor
    if not tensors:
        raise CheckpointError(
            f"{path.name} holds no state dict: expected named tensors, alone or under "
            f"{' or '.join(map(repr, WRAPPERS))}; found {state_dict_lacks(loaded)}"
        )
    return Weights(tensors, {})


def _named(loaded: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor that has a name, however deep its dictionaries are nested."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), loaded)]
    seen: set[int] = set()  # a pickle can hold itself
    while waiting and len(seen) < MOST_CONTAINERS:
        place, found = waiting.pop()
        if isinstance(found, Tensor) and place:
            yield ".".join(place), found
        is_container = isinstance(found, dict | list | tuple)
        if not is_container or id(found) in seen or len(place) > DEEPEST:
            continue
        seen.add(id(found))
        inside: Iterable[tuple[Any, Any]] = ()
        if isinstance(found, dict):
            inside = found.items()
        elif place:
            inside = ((str(i), each) for i, each in enumerate(found))
        waiting += [((*place, k), v) for k, v in inside if isinstance(k, str)][::-1]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _head(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise IsADirectoryError
        if path.exists() and not path.is_file():
            raise OSError("it is no regular file")
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.name}: there is no such file") from error
    except IsADirectoryError as error:
        raise CheckpointError(
            f"{path.name} is a folder: choose the checkpoint file in it"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path.name}: cannot be opened: {reason(error)}"
        ) from error
    if not head:
        raise CheckpointError(
            f"{path.name} is empty: the download or copy did not finish"
        )
    return head


def _looks_like_safetensors(path: Path, head: bytes) -> bool:
    starts_as_json = len(head) > 8 and head[8:9] == b"{"
    return path.suffix == ".safetensors" or (
        starts_as_json and int.from_bytes(head[:8], "little") < path.stat().st_size
    )


def _refuse_web_page(path: Path, head: bytes) -> None:
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(
            f"{path.name} is a web page, not a checkpoint: Google Drive and others "
            "send one when a quota is used up or a login is needed. Download it again "
            "in a browser"
        )


def check_claims(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that claim more than their file holds.

    Raises
    ------
    CheckpointError
        For sparse and quantized tensors, and shapes beyond the data behind them.
    """
    for name, tensor in tensors.items():
        _check_storage(printable(name), tensor, path)
    claimed = sum(tensor.nbytes for tensor in tensors.values())
    if claimed > BOMB_FACTOR * path.stat().st_size:
        raise CheckpointError(
            f"{path.name}: its tensors share their data and claim "
            f"{claimed / 1e6:,.0f} MB together, so it is refused"
        )


def _check_storage(name: str, tensor: Tensor, path: Path) -> None:
    """Refuse tensors whose shape claims more than the file holds."""
    is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not is_plain or tensor.is_quantized:
        raise CheckpointError(
            f"{path.name}: {name} is sparse, quantized or without data"
        )
    claimed = tensor.numel() * tensor.element_size()
    if claimed > tensor.untyped_storage().nbytes():
        raise CheckpointError(
            f"{path.name}: {name} claims {claimed / 1e6:,.0f} MB, but the file holds "
            f"{tensor.untyped_storage().nbytes()} bytes for it, so it is refused"
        )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata() or {})
            # Copied: they are mapped, and would change or crash with the file.
            tensors = {
                name: file.get_tensor(name).clone()
                for name in file.keys()  # noqa: SIM118
            }
    # The parser raises SafetensorError for what it foresees, and a few others.
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        why = str(error) if isinstance(error, SafetensorError) else reason(error)
        raise CheckpointError(
            f"{path.name} is no safetensors file, or it is damaged: {why}"
        ) from error
    if not tensors:
        raise CheckpointError(f"{path.name} holds no tensors")
    stated = header.get(PAYLOAD_HASH)
    if stated is not None and stated != _payload_sha256(path):
        raise CheckpointError(
            f"{path.name} is damaged: its weights are not those that were saved. "
            "Copy or download it again"
        )
    return tensors, header


def _payload_sha256(path: Path) -> str:
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        file.seek(8 + min(header_bytes, MAX_HEADER_BYTES))
        return hashlib.file_digest(file, "sha256").hexdigest()
