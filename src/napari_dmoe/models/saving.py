"""A network with its card, saved as safetensors.

Whatever a network calls its tensors, files always hold the published names, so that
the authors' own code can read what is saved here.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from safetensors.torch import save as serialise

from napari_dmoe.imaging.atomic import atomic_path
from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.names import to_published
from napari_dmoe.models.weights import CARD_KEY, PAYLOAD_HASH, CheckpointError


def save_checkpoint(path: str | os.PathLike[str], loaded: LoadedModel) -> str:
    """Save a model as safetensors, under the published tensor names.

    The card stands in the header. The file appears whole or not at all; one that was
    there before is replaced only then.

    Parameters
    ----------
    path : str or path-like
        Where to, ending in ``.safetensors``.
    loaded : LoadedModel
        The model.

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
    tensors = to_published(rows, state)
    content = _with_card(serialise(tensors), loaded.card.model_dump_json())
    try:
        with atomic_path(path) as partial, partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.name} cannot be saved: {error}") from error
    return hashlib.sha256(content).hexdigest()


def _with_card(plain: bytes, card: str) -> bytes:
    """Return a safetensors file with the card in its header.

    The library writes a header's entries in random order. Sorted, the same model is
    the same file.
    """
    end = 8 + int.from_bytes(plain[:8], "little")
    payload = plain[end:]
    entries = json.loads(plain[8:end])
    entries["__metadata__"] = {
        "format": "pt",
        CARD_KEY: card,
        PAYLOAD_HASH: hashlib.sha256(payload).hexdigest(),
    }
    header = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + payload
