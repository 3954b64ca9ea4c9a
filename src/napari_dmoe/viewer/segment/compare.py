"""Compares the result that is shown with another model's, or with another result."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.look import difference_layer
from napari_dmoe.viewer.layers.names import mask_by
from napari_dmoe.viewer.layers.placement import in_order
from napari_dmoe.viewer.segment.compare_rows import comparison_rows, spacing_of
from napari_dmoe.viewer.segment.compare_view import CompareSection
from napari_dmoe.viewer.session.inquiry import Inquiry, holding, if_there
from napari_dmoe.viewer.session.models import title_of
from napari_dmoe.viewer.session.results import Outcome, Result
from napari_dmoe.viewer.ui.asking import ask_for_checkpoint
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.inference.masks.comparison import Comparison

_OWNER = "compare"
_GONE = "The image was removed: nothing was compared."


@dataclass(frozen=True)
class _OtherRun:
    """What another model gave for the same image and patient."""

    model: str
    outcome: Outcome
    comparison: Comparison


class CompareControl(Control):
    """Fills the section, and puts both masks and their difference into the viewer."""

    def __init__(self, bench: Bench, section: CompareSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._choices: list[Callable[[], None]] = []
        self._image: weakref.ref[Image] | None = None
        self._compared: list[weakref.ref[Result]] = []
        self._refresh = Refresh(
            self,
            self.show,
            soon=[session.result_changed],
            at_once=(*session.subject_changes, session.surroundings_changed),
        )
        section.compare_requested.connect(self._on_requested)
        self.show()

    def show(self) -> None:
        """Offer what there is to compare with, and forget what no longer holds."""
        image, result = self._session.current
        models, origin = self._session.surroundings.models, self._session.model_origin
        others = [e for e in self._session.results_of(image) if e is not result]
        offered = [name for name in models if name != origin]
        self._choices = [
            *(partial(self._compare_results, weakref.ref(each)) for each in others),
            *(partial(self._compare_models, name) for name in offered),
        ]
        titles = [f"result “{each.title}”" for each in others]
        names = [title_of(name, self._session.surroundings) for name in offered]
        self._section.offer([*titles, *names], why_not=self._why_not())
        if not self._still_holds():
            self._forget()
        elif self._image is not None and self._image() is not image:
            self._compared, self._image = [], None  # what is on it stays as it was left
            self._section.show_nothing()

    def _still_holds(self) -> bool:
        """Whether the results that were compared are still there as they were."""
        image = None if self._image is None else self._image()
        there = self._session.results_of(image)
        return all(reference() in there for reference in self._compared)

    def _forget(self) -> None:
        """Show no comparison, and hide a difference that no longer is one."""
        self._compared = []
        self._section.show_nothing()
        image = None if self._image is None else self._image()
        self._session.groups.hide(image, Group.WHAT_IF, _OWNER)

    def _why_not(self) -> str:
        image, result = self._session.current
        if image is None or result is None:
            return "Segment first: two masks of one image are compared."
        if result.segmentation.provenance.settings.get("scored_at") == "network":
            return "Segment with “Labels at: source” first."
        return ""

    def _on_requested(self, place: int) -> None:
        if place < len(self._choices):
            self._choices[place]()
            return
        name = ask_for_checkpoint(self._section)
        if name:
            self._compare_models(name)

    def _compare_results(self, other: weakref.ref[Result]) -> None:
        image, result = self._session.current
        compared = other()
        first, second = _mask_of(result), _mask_of(compared)
        if image is None or result is None or compared is None:
            return
        if first is None or second is None:
            return
        spacing, unit = spacing_of(image, _dims(result))
        work = partial(_compare, self._engines, first, second, spacing)
        show = partial(self._show, image, result, compared, unit)
        self._work.start(self._order(image, work, show))

    def _compare_models(self, name: str) -> None:
        image, result = self._session.current
        if image is not None and result is not None and result.mask() is not None:
            self._work.begin(partial(self._order_of_model, name, image, result))

    def _order_of_model(self, name: str, image: Image, result: Result) -> Order:
        dims = _dims(result)
        spacing, unit = spacing_of(image, dims)
        what = (self._session.inquire(image, dims=dims), _mask_of(result), spacing)
        title = title_of(name, self._session.surroundings)
        work = partial(_run_other, self._engines, (name, title), *what, dims)
        return self._order(image, work, partial(self._on_other, image, result, unit))

    def _order(
        self,
        image: Image,
        work: Callable[[ProgressHook], Any],
        show: Callable[[Any], str],
    ) -> Order:
        return Order(
            title=f"dMoE: comparing on {image.name}",
            status=f"Comparing on “{image.name}” …",
            work=work,
            then=if_there(self._session, image, show, if_gone=lambda: _GONE),
            problem=holding(self._session, image),
            if_failed=self._on_failed,
        )

    def _on_failed(self, error: Exception) -> str:
        self._refresh.now()  # else it would soon say that all is well
        self._forget()  # else an older comparison would look like this one
        self._section.show_problem(f"Not compared: {error}")
        return f"Failed: {error}"

    def _on_other(
        self, image: Image, result: Result, unit: str, other: _OtherRun
    ) -> str:
        # Neither is replaced by the next run: they are there to be compared.
        shown = self._session.show_outcome(
            image, other.outcome, name=mask_by(other.model), beside=result
        )
        return self._show(image, result, shown, unit, other.comparison)

    def _show(
        self,
        image: Image,
        result: Result,
        other: Result,
        unit: str,
        comparison: Comparison,
    ) -> str:
        session = self._session
        difference = difference_layer(image, comparison.difference)
        session.groups.put(image, Group.WHAT_IF, difference, _OWNER)
        self._image = weakref.ref(image)
        there = session.results_of(image)
        self._compared = [weakref.ref(e) for e in (result, other) if e in there]
        # The first as an outline; of both, nobody could tell which is which.
        session.choose_result(image, result)
        session.outlines.add(result.mask())
        n, total = comparison.n_different, comparison.difference.size
        summary = (
            f"First: “{result.title}”. Second: “{other.title}”. They differ in {n} "
            f"pixels ({n / max(total, 1):.2%})."
        )
        rows = comparison_rows(comparison, result.segmentation.classes, unit)
        self._section.show_comparison(summary, rows)
        self._refresh.soon()  # another image may be worked on by now
        return f"Compared: {n} pixels differ."


def _dims(result: Result) -> int:
    return len(result.segmentation.grid.shape)


def _mask_of(result: Result | None) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Return a result's mask as it stands, and the names of its classes."""
    mask = None if result is None else result.mask()
    if result is None or mask is None:
        return None
    return np.array(mask.data), result.segmentation.classes


def _compare(
    engines: Engines, first: Any, second: Any, spacing: Any, hook: ProgressHook
) -> Comparison:
    hook(Progress(0, 1, "comparing"))
    return engines.compare(first, second, spacing=spacing)


def _run_other(
    engines: Engines,
    other: tuple[str, str],
    inquiry: Inquiry,
    first: Any,
    spacing: Any,
    dims: int,
    hook: ProgressHook,
) -> _OtherRun:
    """Load another model, run it on the same image and patient, and compare.

    The other one is given by what it is loaded as, and by its title.
    """
    name, title = other
    hook(Progress(0, 1, "loading the other model"))
    loaded = engines.load_checkpoint(name, None)
    if loaded.card.dims != dims:
        raise ValueError(
            f"{title} is a {loaded.card.dims}D model, and the result is of "
            f"a {dims}D one: choose another model"
        )
    outcome = inquiry.outcome(engines.segment, loaded, hook)
    found = outcome.segmentation
    labels = in_order(inquiry.axes, found.labels, axes=found.axes)
    hook(Progress(1, 1, "comparing"))
    comparison = engines.compare(first, (labels, found.classes), spacing=spacing)
    return _OtherRun(title, outcome, comparison)
