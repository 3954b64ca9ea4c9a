"""Begins and ends the runs: from the session's image and patient to its result."""

from __future__ import annotations

import time
import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_dmoe.inference.settings import InferenceSettings
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer import results
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers import to_image
from napari_dmoe.viewer.session import Session
from napari_dmoe.viewer.widgets._job import JobRunner, Task, notify_error
from napari_dmoe.viewer.widgets.run_footer import RunFooter

if TYPE_CHECKING:
    from napari_dmoe.inference.segmentation import Segmentation

SHORT_RUN_SECONDS = 2.0
"""A run that took less is repeated by itself when the driver changes."""


@dataclass(frozen=True)
class _Run:
    """What is being segmented."""

    image: weakref.ref[Image]
    request: Hashable
    was_asked_for: bool


class RunControl(QObject):
    """Runs the engine on the session's image and puts its result into the viewer.

    Parameters
    ----------
    session : Session
        Gives the image, its patient and the model; keeps the result.
    engines : Engines
        What segments.
    footer : RunFooter
        Where it is shown how the run goes.
    """

    ended = Signal(bool)
    """A run ended; tells whether a person had asked for it."""

    def __init__(
        self,
        session: Session,
        engines: Engines,
        footer: RunFooter,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = InferenceSettings()
        self._session, self._engines, self._footer = session, engines, footer
        self._run: _Run | None = None
        self._may_rerun, self._rerun_wanted = True, False
        self._experts_shown = False
        self._runner = JobRunner(self)
        self._runner.progressed.connect(footer.show_progress)
        self._runner.returned.connect(self._on_returned)
        self._runner.failed.connect(self._on_failed)
        self._runner.stopped.connect(self._on_stopped)
        self._runner.finished.connect(self._on_finished)

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        return self._runner.is_busy

    def begin(self, was_asked_for: bool = False) -> None:
        """Segment the session's image for its patient; nothing while a run goes on."""
        session, image, loaded = self._session, self._session.image, self._session.model
        if image is None or loaded is None or self.is_busy:
            return
        try:
            pixels = to_image(image, loaded.card.dims)
            request = session.request(image, self.settings)
        except ValueError as error:
            self._on_failed(error)
            return
        self._rerun_wanted = False
        self._run = _Run(weakref.ref(image), request, was_asked_for)
        self._footer.show_running(True)
        self._footer.show_status(f"Segmenting “{image.name}” …")
        patient = session.patient_of(image)
        work = partial(
            _segment, self._engines.segment, loaded, pixels, patient, self.settings
        )
        self._runner.start(Task(f"dMoE: segmenting {image.name}", work))

    def stop(self) -> None:
        """Tell the run to stop; it does at the engine's next step."""
        self._rerun_wanted = False
        self._runner.stop()

    def rerun(self) -> None:
        """Segment again where that is wanted, short, and overwrites nobody's work."""
        if self.is_busy:
            self._rerun_wanted = True
            return
        image = self._session.image
        result = None if image is None else self._session.result_of(image)
        if image is None or result is None or not self._may_rerun:
            return
        if result.is_edited or result.seconds >= SHORT_RUN_SECONDS:
            return
        if self._request_now(image) not in (None, result.request):
            self.begin()

    def allow_reruns(self, are_allowed: bool) -> None:
        """Let :meth:`rerun` do something, or not."""
        self._may_rerun = are_allowed

    def show_experts(self, are_shown: bool) -> None:
        """Show the layer of experts that the next run adds, or hide it."""
        self._experts_shown = are_shown

    def outdated(self, image: Image, result: results.Result) -> str:
        """Say why a result does not belong to what is entered; nothing if it does."""
        if self._request_now(image) == result.request:
            return ""
        return "Outdated: the driver, model, image or settings changed. Segment again."

    def _request_now(self, image: Image) -> Hashable | None:
        try:
            return self._session.request(image, self.settings)
        except ValueError:
            return None

    def _on_returned(self, outcome: tuple[Segmentation, float]) -> None:
        segmentation, seconds = outcome
        run, viewer = self._run, self._session.viewer
        image = None if run is None else run.image()
        if run is None or viewer is None or image is None or image not in viewer.layers:
            self._footer.show_status("The image was removed: its result was dropped.")
            return
        result = results.show(
            viewer,
            image,
            segmentation,
            request=run.request,
            seconds=seconds,
            previous=self._session.result_of(image),
            show_experts=self._experts_shown,
        )
        self._session.set_result(image, result)
        self._footer.show_status(f"Done in {result.seconds:.1f} s.")

    def _on_failed(self, error: Exception) -> None:
        notify_error(error)
        self._rerun_wanted = False
        self._footer.show_status(f"Failed: {error}")

    def _on_stopped(self) -> None:
        self._footer.show_status("Stopped. No layer was changed.")

    def _on_finished(self) -> None:
        was_asked_for = self._run is not None and self._run.was_asked_for
        self._run = None
        self._footer.show_running(False)
        self.ended.emit(was_asked_for)
        if self._rerun_wanted:
            self._rerun_wanted = False
            self.rerun()


def _segment(
    engine: Any,
    loaded: Any,
    image: Any,
    patient: Any,
    settings: InferenceSettings,
    hook: ProgressHook,
) -> tuple[Segmentation, float]:
    """Return the result, and the seconds that the engine took."""
    began = time.perf_counter()
    result = engine(loaded, image, patient, settings=settings, progress=hook)
    return result, time.perf_counter() - began
