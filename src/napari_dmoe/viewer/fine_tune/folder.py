"""The private folder of a viewer's tunings: what goes in, what stays, what goes.

It holds copies of corrected cases, so it is its owner's alone and is deleted with the
dock, at the latest; after a window that was killed, when the next one opens. Kept cases
stay in it until then, to be rehearsed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.progress import Progress, ProgressHook

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import Case
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.training.cases.annotation import Annotation

# As in napari_dmoe.training.tuning.process and its run folder, which need torch.
_MODEL, _CASES, _REPLAY, _RUN = "model.safetensors", "cases", "replay", "run"
_TUNED, _LAST = "tuned.safetensors", "last.safetensors"
_KEPT_MODEL = "kept.safetensors"


class TuningFolder:
    """A private folder, made when it is needed first."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._kept: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The folder."""
        if self._path is None or not self._path.is_dir():
            from napari_dmoe.training.child.private import private_folder

            self._path = private_folder("tuning")
        return self._path

    @property
    def exists(self) -> bool:
        """Whether there is anything on the disk."""
        return self._path is not None and self._path.is_dir()

    def rehearsed(self, without: Sequence[int] = ()) -> tuple[str, ...]:
        """Return the ids of the kept cases, but for those of some images' numbers."""
        kept = self._kept if self.exists else ()
        return tuple(i for i in kept if int(i.partition(".")[0]) not in without)

    def tuned_model(self) -> Path | None:
        """Return the file of the tuned model; of the last epoch before it is ready."""
        found = (self.path / name for name in (_TUNED, f"{_RUN}/{_LAST}"))
        return next((p for p in found if p.is_file()), None) if self.exists else None

    def keep(self) -> None:
        """Put the tuned model by, and the cases to be rehearsed; the rest goes."""
        if not self.exists:
            return
        from napari_dmoe.training.tuning.corrected import StoredCases, free_path

        replay = self.path / _REPLAY
        replay.mkdir(mode=0o700, exist_ok=True)
        for path in sorted((self.path / _CASES).glob("*.npz")):
            path.replace(free_path(replay))
        self._kept = StoredCases.of(replay).ids()
        tuned = self.tuned_model()
        if tuned is not None:
            tuned.replace(self.path / _KEPT_MODEL)
        self._empty(_REPLAY, _KEPT_MODEL)

    def kept_model(self) -> Path | None:
        """Return the file of the model that was kept last; None before any was."""
        path = self.path / _KEPT_MODEL if self.exists else None
        return path if path is not None and path.is_file() else None

    def discard(self) -> None:
        """Delete everything but what was kept: its model, its cases to be rehearsed."""
        if self.exists:
            self._empty(_REPLAY, _KEPT_MODEL)

    def _empty(self, *kept: str) -> None:
        for entry in self.path.iterdir():
            if entry.name not in kept and entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name not in kept:
                entry.unlink(missing_ok=True)

    def forget(self) -> None:
        """Leave the folder to a process that takes it away itself."""
        self._path = None

    def remove(self) -> None:
        """Delete everything."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None


def hand_over(
    folder: Path,
    loaded: LoadedModel,
    cases: Sequence[Case],
    annotation: Annotation,
    progress: ProgressHook,
) -> None:
    """Write a model and cases, as they were painted, into a private folder.

    Raises
    ------
    TrainingError
        For labels that cannot be trained on.
    CheckpointError, OSError
        When the folder cannot be written.
    """
    from napari_dmoe.models.saving import save_checkpoint
    from napari_dmoe.training.tuning.corrected import annotated_case, write_cases

    progress(Progress(0, len(cases) + 1, "handing the cases over"))
    ready = [annotated_case(case, loaded.card, annotation) for case in cases]
    write_cases(folder / _CASES, ready, progress=progress)
    save_checkpoint(folder / _MODEL, loaded)
