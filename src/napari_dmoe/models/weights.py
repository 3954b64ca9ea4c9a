"""Reading weight files that nobody vouches for: no code runs, nothing large is made.

:func:`read_weights` takes PyTorch files (``.pth``, ``.pt``) and safetensors, told apart
by content, and returns named CPU tensors. Every fault becomes a
:class:`CheckpointError`. What the tensors mean is another file's business
(:mod:`napari_dmoe.models.identification`).
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net")
"""Keys under which training scripts store the state dict beside other things."""

PREFIXES = ("module.", "net.")
"""Prefixes that wrappers such as DataParallel put before every name."""

CARD_KEY = "napari-dmoe-card"
"""Header key of the card in files that were saved here."""

PAYLOAD_HASH = "payload_sha256"
"""Header key of the SHA-256 of all bytes behind a safetensors header."""

MAX_HEADER_BYTES = 100_000_000
"""Largest header that the safetensors format allows."""

BOMB_FACTOR = 4
"""A file that unpacks to more than this many times its size is refused."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used: which file, why, and what to do."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint holds objects other than tensors, which may run code."""


@dataclass(frozen=True)
class Weights:
    """Named tensors of a file, and its header."""

    tensors: Mapping[str, Tensor]
    """CPU tensors under the names in the file, without wrappers' prefixes."""
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
        tensors, header = _read_safetensors(path)
    else:
        if head.startswith(b"PK"):
            _check_zip(path)
        tensors, header = _state_dict(_unpickle(path), path), {}
    for name, tensor in tensors.items():
        _check_storage(name, tensor, path)
    claimed = sum(tensor.nbytes for tensor in tensors.values())
    if claimed > BOMB_FACTOR * path.stat().st_size:
        raise CheckpointError(
            f"{path.name}: its tensors share their data and claim "
            f"{claimed / 1e6:,.0f} MB together, so it is refused"
        )
    return Weights(_without_prefix(tensors), header)


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
        raise CheckpointError(f"{path.name}: cannot be opened: {error}") from error
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


def _check_zip(path: Path) -> None:
    """Read only the directory of a PyTorch zip file, before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f"{path.name} is cut off or damaged: download or copy it again"
        ) from error
    names = [member.filename for member in members]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise CheckpointError(
            f"{path.name} is a TorchScript program: save the model's state_dict instead"
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path.name} is a zip archive of something else, such as "
            f"{names[0] if names else 'nothing'}: expected a PyTorch checkpoint"
        )
    unpacked = sum(member.file_size for member in members)
    is_compressed = any(m.compress_type != zipfile.ZIP_STORED for m in members)
    if is_compressed or unpacked > BOMB_FACTOR * path.stat().st_size:
        raise CheckpointError(
            f"{path.name} is compressed and would unpack to {unpacked / 1e6:,.0f} MB: "
            "PyTorch never writes such files, so it is refused"
        )


def _unpickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        names = _refused_names(path, str(error))
        if not names:
            raise CheckpointError(
                f"{path.name} is no PyTorch checkpoint, or it is damaged"
            ) from error
        raise UnsafeCheckpointError(
            f"{path.name} holds more than tensors ({', '.join(names)}), which could "
            "run code, so it was not opened. Ask its author for a plain state dict: "
            "torch.save(model.state_dict(), path)"
        ) from error
    # Damaged and foreign files raise almost anything here (KeyError, EOFError,
    # RuntimeError, UnicodeDecodeError ...), and all of it means the same.
    except Exception as error:
        raise CheckpointError(
            f"{path.name} is no PyTorch checkpoint, or it is damaged "
            f"({type(error).__name__})"
        ) from error


_DOTTED = re.compile(r"\w+(\.\w+)+")


def _refused_names(path: Path, message: str) -> list[str]:
    """List the objects that a pickle asks for and weights-only loading refuses."""
    named = re.findall(
        r"(?:GLOBAL|Unsupported (?:class|global):?)\s+`?([\w.]+)", message
    )
    try:
        named += torch.serialization.get_unsafe_globals_in_checkpoint(path)
    # It reads zip files only, and any damage raises.
    except Exception:  # noqa: BLE001
        named = named or [n for n in _pickled_names(path) if _DOTTED.fullmatch(n)]
    return sorted(set(named))


def _pickled_names(path: Path) -> Iterator[str]:
    """Read, and do not run, which objects a bare pickle asks for."""
    texts: list[str] = []
    with path.open("rb") as file, contextlib.suppress(ValueError, IndexError):
        for operation, argument, _ in pickletools.genops(file):
            if operation.name in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".")
            elif operation.name == "STACK_GLOBAL":
                yield ".".join(texts[-2:])
            elif isinstance(argument, str):
                texts.append(argument)


def _state_dict(loaded: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(loaded, Mapping):
        for candidate in (loaded, *(loaded.get(key) for key in WRAPPERS)):
            if isinstance(candidate, Mapping) and _holds_tensors(candidate):
                return dict(candidate)
    found = type(loaded).__name__
    if isinstance(loaded, Mapping):
        found = f"a dict with the keys {', '.join(map(str, list(loaded)[:6]))}"
    raise CheckpointError(
        f"{path.name} holds no state dict: expected named tensors, alone or under "
        f"{' or '.join(map(repr, WRAPPERS[:3]))}; found {found}"
    )


def _holds_tensors(candidate: Mapping[Any, Any]) -> bool:
    return bool(candidate) and all(
        isinstance(name, str) and isinstance(value, Tensor)
        for name, value in candidate.items()
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


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = dict(tensors)
    for prefix in PREFIXES:
        if named and all(name.startswith(prefix) for name in named):
            named = {name.removeprefix(prefix): t for name, t in named.items()}
    return named


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
        raise CheckpointError(
            f"{path.name} is no safetensors file, or it is damaged: {error}"
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
