"""A network with its card, saved as safetensors.

Whatever a network calls its tensors, files always hold the published names, so that
the authors' own code can read what is saved here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save as serialise
from torch import Tensor

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.names import to_published
from napari_dmoe.models.weights import CARD_KEY, PAYLOAD_HASH, CheckpointError
from napari_dmoe.purpose import reason

TRAINING_KEY = "napari-dmoe-training"
"""Header key of how such a file was trained: settings, history and hashes, as JSON."""


def save_checkpoint(
    path: str | os.PathLike[str], loaded: LoadedModel, *, training: str | None = None
) -> str:
    """Save a model as safetensors, under the published tensor names.

    The card stands in the header. The file appears whole or not at all; one that was
    there before is replaced only then.

    Parameters
    ----------
    path : str or path-like
        Where to, ending in ``.safetensors``.
    loaded : LoadedModel
        The model.
    training : str, optional
        How it was trained, as JSON, to stand in the header too.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    CheckpointError
        For another suffix, or when the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path.name}: checkpoints are saved as .safetensors")
    rows = ARCHITECTURES[loaded.architecture].names(loaded.config)
    state = {n: t.detach().cpu() for n, t in loaded.module.state_dict().items()}
    header = {CARD_KEY: loaded.card.model_dump_json()}
    if training:
        header[TRAINING_KEY] = training
    return write_safetensors(path, to_published(rows, state), header=header)


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], *, header: Mapping[str, str]
) -> str:
    """Write named tensors with a header; whole or not at all.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    CheckpointError
        When the file cannot be written.
    """
    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    content = _with_header(serialise(plain), header)
    try:
        with atomic_path(path) as partial, partial.open("wb") as file:
            file.write(content)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path.name} cannot be saved: {reason(error)}"
        ) from error
    return hashlib.sha256(content).hexdigest()


def _with_header(plain: bytes, header: Mapping[str, str]) -> bytes:
    """Return a safetensors file with more in its header, and its payload's hash.

    The library writes a header's entries in random order. Sorted, the same model is
    the same file.
    """
    end = 8 + int.from_bytes(plain[:8], "little")
    payload = plain[end:]
    entries = json.loads(plain[8:end])
    digest = hashlib.sha256(payload).hexdigest()
    entries["__metadata__"] = {"format": "pt", **header, PAYLOAD_HASH: digest}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + payload
