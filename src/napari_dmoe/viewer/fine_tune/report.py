"""Shows what a tuning changed, and does what is decided about it."""

from __future__ import annotations

import shutil
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QEventLoop

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fine_tune import words
from napari_dmoe.viewer.fine_tune.closing import MODEL_FILES, named_as_model
from napari_dmoe.viewer.fine_tune.report_view import OutcomeSection
from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.ui.asking import ask_for_file
from napari_dmoe.viewer.ui.jobs import Ending, Job, JobQueue, JobRunner, notify_error
from napari_dmoe.viewer.ui.work import NOT_SAVED

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel


class OutcomeControl(Control):
    """Connects the outcome section with the tuning and the session."""

    def __init__(self, bench: Bench, tuning: Tuning, section: OutcomeSection) -> None:
        super().__init__(bench, section)
        self._tuning, self._folder, self._section = tuning, tuning.folder, section
        self._kept: weakref.ref[LoadedModel] | None = None
        self._loading = JobRunner(self)
        self._loading.returned.connect(self._on_loaded)
        self._loading.failed.connect(notify_error)
        self._saving = JobQueue(self)
        self._saved: Path | None = None
        section.keep_requested.connect(self.keep)
        section.save_requested.connect(self._on_save)

    def show(self) -> None:
        """Show the outcome, where there is one."""
        report, state = self._tuning.report, self._tuning.state
        if report is None or state not in (State.DONE, State.KEPT):
            self._section.show_nothing()
            return
        self._section.show_outcome(
            report.said,
            words.report_lines(report),
            notices=[n[:1].upper() + n[1:] + "." for n in report.notices],
            to_accept=words.acceptance(report),
            is_kept=state is State.KEPT,
        )

    def keep(self) -> None:
        """Work with the tuned model from now on."""
        path = self._folder.tuned_model()
        is_open = self._tuning.state is State.DONE and not self._loading.is_busy
        if path is not None and is_open:
            work = partial(_load, self._engines, path)
            self._loading.start(Job("dMoE: loading the tuned model", work))

    def _on_loaded(self, loaded: LoadedModel) -> None:
        self._folder.keep()
        self._kept = weakref.ref(loaded)
        self._session.set_model(loaded, f"{loaded.card.name} (not saved)")
        self._tuning.become(
            State.KEPT,
            "Kept: the tuned model is at work. Save it, or it is gone with the window.",
        )

    def _on_save(self) -> None:
        model = self._tuning.parent
        name = "tuned" if model is None else model.card.name.removesuffix("-tuned")
        proposed, title = f"{name}-tuned.safetensors", "Save the tuned model"
        section = self._section
        path = ask_for_file(section, title, proposed, MODEL_FILES, named_as_model)
        if path is not None:
            self.save(path)

    def save(self, path: Path) -> None:
        """Save the tuned model in the background; say why where that fails."""
        target, source = named_as_model(path), self._folder.tuned_model()
        if source is None:
            notify_error(ValueError("there is no tuned model to save any more"))
            return
        task = Job(f"dMoE: saving {target.name}", partial(_copy, source, target))
        ending = Ending(self._on_saved, notify_error, lambda: show_info(NOT_SAVED))
        self._saving.add(task, ending)

    def save_before_closing(self, path: Path) -> bool:
        """Save the tuned model while its window is drawn, but takes no input.

        Returns
        -------
        bool
            Whether it was saved; it has been said why not.
        """
        self._saved, loop = None, QEventLoop()
        self.save(path)
        if self._saving.is_busy:
            self._saving.emptied.connect(loop.quit)
            loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        return self._saved is not None

    def _on_saved(self, target: Path) -> None:
        self._saved = target
        self._tuning.saved.emit()
        kept = None if self._kept is None else self._kept()
        if kept is not None and kept is self._session.model:
            self._session.set_model(kept, str(target))
        show_info(f"Saved {target.name}")


def _copy(source: Path, target: Path, hook: ProgressHook) -> Path:
    hook(Progress(0, 1, f"saving {target.name}"))
    with atomic_path(target) as partial_path:
        shutil.copyfile(source, partial_path)
    return target


def _load(engines: Engines, path: Path, hook: ProgressHook) -> Any:
    hook(Progress(0, 1, "loading the tuned model"))
    return engines.load_checkpoint(str(path), None)
