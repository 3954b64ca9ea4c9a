"""Begins and ends the runs: from the session's image and patient to its result."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_dmoe.estimate import Estimate
from napari_dmoe.inference.running.waiting import Timed
from napari_dmoe.progress import ProgressHook, part_of
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.camera import reveal
from napari_dmoe.viewer.segment.large_volumes import IntoFile, into_file, stopped_into
from napari_dmoe.viewer.segment.unfinished import UnfinishedMask
from napari_dmoe.viewer.session.checks import why_not_again
from napari_dmoe.viewer.session.inquiry import holding, if_there
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome, Result
from napari_dmoe.viewer.ui.work import STOPPED, Order

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel


@dataclass(frozen=True)
class Run:
    """One run and how it ended."""

    image: weakref.ref[Image]
    name: str
    """Name of that layer when the run began."""
    was_asked_for: bool
    """Whether a person wanted it, or a changed driver."""
    result: Result | None = None
    """What it gave; None where it was stopped or failed."""
    said: str = ""
    """How it ended, in words."""
    was_stopped: bool = False


@dataclass(frozen=True)
class Part:
    """Which run of several it is: they have one estimate, of all of them."""

    estimate: Estimate
    number: int
    """Counted from 0."""
    total: int

    def of(self, order: Order) -> Order:
        """Return the order as a part of the whole."""
        words = f"layer {self.number + 1} of {self.total}"
        work = partial(_in_part, order.work, self.number, self.total, words)
        return replace(order, work=work, estimate=self.estimate)


def _in_part(
    work: Callable[[ProgressHook], Any],
    number: int,
    total: int,
    words: str,
    hook: ProgressHook,
) -> Any:
    return work(part_of(hook, number, total, words))


class RunControl(Control):
    """Runs the engine on an image, and puts its result into the viewer."""

    ended = Signal(object)
    """A :class:`Run` ended; the next may begin."""

    def __init__(self, bench: Bench, owner: QObject) -> None:
        super().__init__(bench, owner)
        self._run: Run | None = None
        self._may_rerun, self._rerun_wanted = True, False
        self._unfinished = UnfinishedMask(bench, self)
        bench.work.ended.connect(self._on_ended)

    @property
    def is_busy(self) -> bool:
        """Whether the dock is at work, on a run or something else."""
        return self._work.is_busy

    def begin(
        self,
        was_asked_for: bool = False,
        image: Image | None = None,
        part: Part | None = None,
        into: IntoFile | None = None,
    ) -> Exception | None:
        """Segment an image for its patient; nothing while the dock is at work.

        It is the one that is worked on by default; the run may be `part` of several.
        The mask of a volume may be written `into` a file as it comes, with maps.
        Returns why it could not begin, which has been said; None where it did.
        """
        loaded = self._session.model
        image = self._session.image if image is None else image
        if image is None or loaded is None or self.is_busy:
            return None
        error = self._work.begin(partial(self._order, loaded, image, part, into))
        if error is None:
            self._rerun_wanted = False
            self._run = Run(weakref.ref(image), image.name, was_asked_for)
        return error

    def _order(
        self,
        loaded: LoadedModel,
        image: Image,
        part: Part | None,
        into: IntoFile | None,
    ) -> Order:
        inquiry = self._session.inquire(image)
        show = partial(self._on_returned, image, inquiry.request(loaded), into)
        if_gone = partial(self._say, "The image was removed: its result was dropped.")
        engine = self._engines.segment
        if into is not None:
            engine = into_file(self._engines, into)
        engine = self._unfinished.engine(image, inquiry, loaded, engine)
        order = Order(
            title=f"dMoE: segmenting {image.name}",
            status=f"Segmenting “{image.name}” …",
            work=inquiry.work(engine, loaded),
            shorter=inquiry.shorter(loaded),
            then=if_there(self._session, image, show, if_gone=if_gone),
            if_failed=self._on_failed,
            if_stopped=partial(self._on_stopped, into),
            problem=holding(self._session, image),
        )
        return order if part is None else part.of(order)

    def stop(self) -> None:
        """Tell the dock's work to stop; it does at the engine's next step."""
        self._rerun_wanted = False
        self._work.stop()

    def rerun(self) -> None:
        """Segment again where that is wanted, short, and overwrites nobody's work."""
        if self.is_busy:
            self._rerun_wanted = True
            return
        session = self._session
        image, result = session.current
        if image is None or result is None or not self._may_rerun:
            return
        if why_not_again(result):
            return
        if not session.why_not() and session.outdated(image, result.request):
            self.begin()

    def allow_reruns(self, are_allowed: bool) -> None:
        """Let :meth:`rerun` do something, or not."""
        self._may_rerun = are_allowed

    def _on_returned(
        self, image: Image, request: Request, into: IntoFile | None, done: Timed
    ) -> str:
        own = self._unfinished.end()
        outcome = Outcome(done.found, request, done.seconds)
        result = self._session.show_outcome(image, outcome, own=own)
        text = f"Done in {done.seconds:.1f} s"
        text += f": {done.why_slow}." if done.why_slow else "."
        if into is not None:
            text += f" {into.said}"
        run, viewer, mask = self._run, self._session.viewer, result.mask()
        may_move = run is not None and run.was_asked_for and viewer is not None
        may_move = may_move and self._session.showing.is_shown(image)
        if may_move and mask is not None and reveal(viewer, mask):
            text += " Moved to the plane with most of the mask."
        return self._say(text, result)

    def _on_failed(self, error: Exception) -> str:
        self._rerun_wanted = False
        return self._say(f"Failed: {error}")

    def _on_stopped(self, into: IntoFile | None) -> str:
        lost, kept = self._work.lost, "" if into is None else stopped_into(into.path)
        return self._say(lost or kept or STOPPED, was_stopped=not lost)

    def _say(
        self, text: str, result: Result | None = None, *, was_stopped: bool = False
    ) -> str:
        """Note how the run ended."""
        run = self._run
        if run is not None:
            self._run = replace(run, result=result, said=text, was_stopped=was_stopped)
        return text

    def _on_ended(self) -> None:
        run, self._run = self._run, None
        self._unfinished.end()
        if run is not None:
            self.ended.emit(run)
        if self._rerun_wanted and not self.is_busy:
            self._rerun_wanted = False
            self.rerun()
