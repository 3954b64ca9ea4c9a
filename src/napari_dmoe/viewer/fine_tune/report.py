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
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.checkpoints import TUNED
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fine_tune import words
from napari_dmoe.viewer.fine_tune.closing import MODEL_FILES, named_as_model
from napari_dmoe.viewer.fine_tune.report_view import OutcomeSection
from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.session.models import is_unsaved, offer_model
from napari_dmoe.viewer.ui.asking import ask_for_file
from napari_dmoe.viewer.ui.jobs import Ending, Job, JobQueue, JobRunner, notify_error
from napari_dmoe.viewer.ui.turns import turns_within
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
        self._loading.finished.connect(self._on_loading_ended)
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
            own_cases=words.own_cases(report),
            legend=words.legend(report),
            notices=[
                f"{words.sentence(in_dock(notice))}." for notice in report.notices
            ],
            to_accept=words.acceptance(report),
            is_kept=state is State.KEPT,
        )

    def keep(self) -> None:
        """Work with the tuned model from now on, instead of one that may go."""
        path = self._folder.tuned_model()
        is_open = self._tuning.state is State.DONE and not self._loading.is_busy
        if path is not None and is_open and self._session.leaving.may_go():
            self._section.show_keeping(True)
            work = partial(_load, self._engines, path)
            self._loading.start(Job("dMoE: loading the tuned model", work))

    def _on_loaded(self, loaded: LoadedModel) -> None:
        tuning, parent = self._tuning, self._tuning.parent
        self._folder.keep()
        self._kept, is_saved = weakref.ref(loaded), tuning.saved_as is not None
        origin = "" if tuning.saved_as is None else str(tuning.saved_as)
        said = "Kept: the tuned model is at work."
        if not is_saved:
            origin = words.tuned_title(loaded if parent is None else parent, self._n)
            said += " Save it, or it is gone with the window."
        self._session.set_model(loaded, origin)
        tuning.become(State.KEPT, said)

    def _on_loading_ended(self) -> None:
        self._section.show_keeping(False)

    @property
    def _n(self) -> int:
        """How many images were trained on."""
        return len({id(pair.image()) for pair in self._tuning.pairs})

    def _on_save(self) -> None:
        self._ask_and_save(self._tuning.model_file)

    def save_loaded(self) -> None:
        """Ask where to save the model that is loaded, and was kept; do that."""
        self._ask_and_save(self._folder.kept_model())

    def _ask_and_save(self, source: Path | None) -> None:
        loaded, parent = self._session.model, self._tuning.parent
        model = parent or loaded
        name = "tuned" if model is None else model.card.name.removesuffix(TUNED)
        proposed, title = f"{name}-tuned.safetensors", "Save the tuned model"
        section = self._section
        path = ask_for_file(section, title, proposed, MODEL_FILES, named_as_model)
        if path is not None:
            self.save(path, source)

    def save(self, path: Path, source: Path | None) -> None:
        """Save a tuned model in the background; say why where that fails.

        That is a file of the private folder. Where this is gone with an earlier dock,
        what is loaded is written anew.
        """
        target, loaded = named_as_model(path), self._session.model
        if source is None and not is_unsaved(self._session):
            loaded = None
        what = source or loaded
        if what is None:
            notify_error(ValueError("there is no tuned model to save any more"))
            return
        work = partial(_write, self._engines, what, target)
        then = partial(self._on_saved, source)
        ending = Ending(then, notify_error, lambda: show_info(NOT_SAVED))
        self._saving.add(Job(f"dMoE: saving {target.name}", work), ending)

    def save_before_closing(self, path: Path, source: Path | None) -> bool:
        """Save a tuned model while the window is drawn, but takes no input.

        Returns
        -------
        bool
            Whether it was saved; it has been said why not.
        """
        self._saved, loop = None, QEventLoop()
        self.save(path, source)
        if self._saving.is_busy:
            self._saving.emptied.connect(loop.quit)
            with turns_within():
                loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        return self._saved is not None

    def _on_saved(self, source: Path | None, target: Path) -> None:
        self._saved, session = target, self._session
        if source is not None and source == self._tuning.model_file:
            self._tuning.saved_as = target
        self._tuning.saved.emit()
        is_loaded = source is None or source == self._folder.kept_model()
        if is_loaded and is_unsaved(session):
            session.set_model(session.model, str(target))
        offer_model(session, str(target))
        show_info(f"Saved {target.name}")


def _write(
    engines: Engines, what: Path | LoadedModel, target: Path, hook: ProgressHook
) -> Path:
    """Copy a model's file, or write a model; it is among the recent ones from now."""
    hook(Progress(0, 1, f"saving {target.name}"))
    if isinstance(what, Path):
        with atomic_path(target) as partial_path:
            shutil.copyfile(what, partial_path)
    else:
        from napari_dmoe.models.saving import save_checkpoint

        save_checkpoint(target, what)
    engines.remember_model(str(target))
    return target


def _load(engines: Engines, path: Path, hook: ProgressHook) -> Any:
    hook(Progress(0, 1, "loading the tuned model"))
    return engines.load_checkpoint(str(path), None)
