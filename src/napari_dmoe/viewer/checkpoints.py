"""The checkpoint that a record names, among those at hand. Loads torch when called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.progress import Progress, ProgressHook

if TYPE_CHECKING:
    from napari_dmoe.inference.results.provenance import Provenance
    from napari_dmoe.models.checkpoint import LoadedModel


def find_model(
    record: Provenance, names: Sequence[str], progress: ProgressHook
) -> LoadedModel | None:
    """Load the checkpoint with the record's SHA-256; None where there is none.

    Parameters
    ----------
    record : Provenance
        Names the checkpoint and its card.
    names : sequence of str
        Bundled names and paths to look at.
    progress : callable
        Called before each; may raise ``Cancelled``.

    Notes
    -----
    A file of another name counts, one of other content does not. Where the file brings
    another card than the record's, a published card of that name is laid over it.
    """
    from napari_dmoe.models.checkpoint import bundled_names

    bundled = bundled_names()
    wanted = record.model.sha256
    # The name that the record gives is the likeliest, and bundled files are small.
    ordered = sorted(names, key=lambda name: Path(name).stem not in record.model.file)
    for number, name in enumerate(ordered if wanted else ()):
        progress(Progress(number, len(ordered), f"looking at {Path(name).name}"))
        if name in bundled or _has_hash(Path(name), wanted):
            loaded = _loaded(name, record)
            if loaded.sha256 == wanted:
                return loaded
    return None


def _has_hash(path: Path, wanted: str) -> bool:
    from napari_dmoe.models.weights import file_sha256

    try:
        return file_sha256(path) == wanted
    except OSError:
        return False  # removed or not readable: it is not at hand


def _loaded(name: str, record: Provenance) -> LoadedModel:
    from napari_dmoe.models.card_files import card_names
    from napari_dmoe.models.checkpoint import load_checkpoint

    loaded = load_checkpoint(name)
    card = record.model.card
    if loaded.sha256 == record.model.sha256 and loaded.card.name != card:
        return load_checkpoint(name, card) if card in card_names() else loaded
    return loaded
