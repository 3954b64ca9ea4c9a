"""PyTorch files: their pickle is read with weights alone allowed, and never run.

What a pickle asks for beyond tensors and containers is named, so that a person can tell
a harmless leftover of a training script from an attack.
"""

from __future__ import annotations

import contextlib
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from napari_dmoe.foreign import printable
from napari_dmoe.models.refusals import CheckpointError, UnsafeCheckpointError, listed

BOMB_FACTOR = 4
"""A file that unpacks to more than this many times its size is refused."""

MOST_BYTES_SCANNED = 64 * 2**20
"""Bytes of a pickle that are searched for names. Pickles of tensors hold no numbers."""


def load_pickled(path: Path, *, is_zip: bool) -> Any:
    """Return what a PyTorch file holds, if it is made of tensors and containers.

    Raises
    ------
    UnsafeCheckpointError
        When it asks for anything else; the message names it.
    CheckpointError
        When it is damaged, something else, or would unpack to far more than its size.
    """
    if is_zip:
        _check_zip(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another pickle protocol
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        names = _refused_names(path, str(error), is_zip=is_zip)
        if not names:
            raise CheckpointError(
                f"{path.name} is no PyTorch checkpoint, or it is damaged"
            ) from error
        raise UnsafeCheckpointError(
            f"{path.name} holds more than tensors ({listed(names)}), which could "
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
            f"{printable(names[0]) if names else 'nothing'}: expected a PyTorch "
            "checkpoint"
        )
    unpacked = sum(member.file_size for member in members)
    is_compressed = any(m.compress_type != zipfile.ZIP_STORED for m in members)
    if is_compressed or unpacked > BOMB_FACTOR * path.stat().st_size:
        raise CheckpointError(
            f"{path.name} is compressed and would unpack to {unpacked / 1e6:,.0f} MB: "
            "PyTorch never writes such files, so it is refused"
        )


_FIRST = re.compile(r"(?:GLOBAL|[Uu]nsupported class)\s+`?([\w.]+)")
"""How torch names the object that stopped it; the word GLOBAL itself is no object."""

_DOTTED = re.compile(r"\w+(\.\w+)+")

_OF_TENSORS = re.compile(
    r"torch\.(_utils\._rebuild\w+|_tensor\._rebuild\w+|nn\.parameter\.\w+"
    r"|\w+Storage|storage\.\w+|Size|device|Tensor|serialization\.\w+)"
    r"|collections\.(OrderedDict|Counter)|_codecs\.encode"
    r"|builtins\.(set|int|long|complex|bytearray)"
)
"""What tensors and state dicts are made of, so that a list of names leaves it out."""


def _refused_names(path: Path, message: str, *, is_zip: bool) -> list[str]:
    """List the objects that a pickle asks for and weights-only loading refuses."""
    found: set[str] = set()
    if is_zip:
        # Any damage raises, and torch knows best what it allows.
        with contextlib.suppress(Exception):
            found = set(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    found = found or set(_asked_for(path, is_zip=is_zip))
    named = {name.replace("__builtin__", "builtins") for name in found}
    last = {name.rpartition(".")[2] for name in named}
    # The message names the first alone, at times without its module.
    return sorted(named | {n for n in _FIRST.findall(message) if n not in last})


def _asked_for(path: Path, *, is_zip: bool) -> Iterator[str]:
    """Read, and do not run, which objects the pickles of a file ask for."""
    try:
        if not is_zip:
            with path.open("rb") as file:
                yield from _foreign(file)
            return
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    with archive.open(name) as file:
                        yield from _foreign(file)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
        return


def _foreign(file: IO[bytes]) -> Iterator[str]:
    for asked in _globals(file):
        name = asked.replace("__builtin__", "builtins")
        if _DOTTED.fullmatch(name) and not _OF_TENSORS.fullmatch(name):
            yield name


def _globals(file: IO[bytes]) -> Iterator[str]:
    """Yield every global that pickles one after another ask for, as module.name."""
    with contextlib.suppress(ValueError, IndexError, KeyError, OverflowError):
        while file.tell() < MOST_BYTES_SCANNED:
            yield from _globals_of_one(file)


def _globals_of_one(file: IO[bytes]) -> Iterator[str]:
    texts: list[str] = []
    noted: dict[int, str] = {}
    was_text = False
    for operation, argument, position in pickletools.genops(file):
        if (position or 0) > MOST_BYTES_SCANNED:
            return
        name = operation.name
        if name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif name == "MEMOIZE" or "PUT" in name:
            place = len(noted) if argument is None else int(argument)
            noted[place] = texts[-1] if was_text else ""
            continue
        elif "GET" in name:
            texts.append(noted.get(int(argument or 0), ""))
        was_text = isinstance(argument, str) and name not in ("GLOBAL", "INST")
        if was_text:
            texts.append(str(argument))
        del texts[:-2]


def state_dict_lacks(loaded: Any) -> str:
    """Say what a file holds that has no named tensors."""
    if not isinstance(loaded, dict):
        return type(loaded).__name__
    keys: Sequence[str] = [printable(str(key)) for key in list(loaded)[:6]]
    return f"a dict with the keys {', '.join(keys)}"
