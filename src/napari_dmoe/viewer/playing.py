"""A replay from end to end: the model is found, and the result is made again.

It runs in a job's thread and touches neither layers nor widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.what_if.replay.replaying import ReplaySubject

if TYPE_CHECKING:
    from napari_dmoe.inference.replaying.replay import Replay
    from napari_dmoe.models.checkpoint import LoadedModel


@dataclass(frozen=True, eq=False)
class Played:
    """What a replay came to: it was made, its model is missing, or it cannot be.

    Parameters
    ----------
    found : Replay or None
        What was made.
    is_model_missing : bool
        Whether the checkpoint was not found.
    reasons : tuple of str
        What else stands in the way.
    """

    found: Replay | None = None
    is_model_missing: bool = False
    reasons: tuple[str, ...] = ()


def play(
    engines: Engines,
    subject: ReplaySubject,
    loaded: LoadedModel | None,
    names: Sequence[str],
    hook: ProgressHook,
) -> Played:
    """Make a result again.

    Parameters
    ----------
    engines : Engines
        Find models, and replay.
    subject : ReplaySubject
        What is replayed.
    loaded : LoadedModel or None
        The model that is loaded; taken where it is the record's.
    names : sequence of str
        Where else to look, by bundled name or path.
    hook : callable
        Told how it goes; may raise ``Cancelled``.
    """
    from napari_dmoe.inference.replaying.replay import ReplayError  # needs torch

    record = subject.record
    is_loaded = loaded is not None and loaded.sha256 == record.model.sha256
    if loaded is None or not is_loaded or loaded.card.name != record.model.card:
        found = engines.find_model(record, names, hook)
        loaded = found or (loaded if is_loaded else None)
    if loaded is None:
        return Played(is_model_missing=True)
    try:
        made = engines.replay(
            record, loaded, subject.pixels, labels=subject.labels, progress=hook
        )
    except ReplayError as error:
        return Played(reasons=error.reasons)
    return Played(made)
