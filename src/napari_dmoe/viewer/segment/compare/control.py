"""Compares the result that is shown with another mask, with labels or a model."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dmoe.inference.masks.comparison import DIFFERENCES
from napari_dmoe.inference.masks.truth import MISSED_WORDS
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.look import difference_layer
from napari_dmoe.viewer.layers.measuring import Edits, edits_of, pixels_or_voxels
from napari_dmoe.viewer.layers.names import mask_by
from napari_dmoe.viewer.layers.placement import in_order
from napari_dmoe.viewer.layers.truth_layers import ReadTruth
from napari_dmoe.viewer.layers.two_outlines import TwoOutlines
from napari_dmoe.viewer.segment.compare.choices import (
    Choice,
    choices,
    foreground,
    in_common,
    numbers_in,
)
from napari_dmoe.viewer.segment.compare.rows import (
    Compared,
    compared,
    comparison_rows,
    spacing_of,
    with_truth,
)
from napari_dmoe.viewer.segment.compare.view import CompareSection
from napari_dmoe.viewer.segment.truth.asked import AskedTruth, ask
from napari_dmoe.viewer.segment.truth.rows import dice_text
from napari_dmoe.viewer.session.inquiry import Inquiry, holding, if_there
from napari_dmoe.viewer.session.models import title_of
from napari_dmoe.viewer.session.results import Outcome, Result
from napari_dmoe.viewer.session.truths import Truth
from napari_dmoe.viewer.ui.asking import ask_for_checkpoint
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari.layers import Image, Labels

_OWNER = "compare"
_GONE = "The image was removed: nothing was compared."

_Mask = tuple[np.ndarray, tuple[str, ...]]
"""A mask as it stands, and the names of its classes."""


@dataclass(frozen=True)
class _OtherRun:
    """What another model gave for the same image and patient."""

    model: str
    outcome: Outcome
    found: Compared


@dataclass(frozen=True)
class _Sides:
    """The two layers that are compared, as they were then."""

    layers: tuple[weakref.ref[Labels], ...]
    edits: tuple[Edits, ...]
    unit: str
    words: tuple[str, ...] = DIFFERENCES
    meant: Mapping[int, int] | None = None
    """Which class of the first each label of the second stands for."""

    @classmethod
    def of(
        cls,
        *layers: Labels,
        unit: str,
        words: tuple[str, ...] = DIFFERENCES,
        meant: Mapping[int, int] | None = None,
    ) -> _Sides:
        edits = tuple(map(edits_of, layers))
        return cls(tuple(map(weakref.ref, layers)), edits, unit, words, meant)


class CompareControl(Control):
    """Fills the section, and puts both masks and their difference into the viewer."""

    def __init__(self, bench: Bench, section: CompareSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._choices: list[Choice] = []
        self._image: weakref.ref[Image] | None = None
        self._result: weakref.ref[Result] | None = None
        self._sides: _Sides | None = None
        self._outlines = TwoOutlines(session.outlines)
        changes = session.result_changed, session.truths.changed
        self._refresh = Refresh(
            self,
            self.show,
            soon=(*changes, session.images_changed),
            at_once=(*session.subject_changes, session.surroundings_changed),
        )
        section.compare_requested.connect(self._on_requested)
        self.show()

    def show(self) -> None:
        """Offer what there is to compare with, and forget what no longer holds."""
        image, result = self._session.current
        self._choices = choices(self._session, image, result)
        self._section.offer([e.title for e in self._choices], why_not=self._why_not())
        if not self._still_holds():
            self._forget()
        elif self._sides is not None and not self._is_of(image):
            self._sides = None  # what lies on its image stays as it was left
            self._section.show_nothing()

    def _is_of(self, image: Image | None) -> bool:
        return self._image is not None and self._image() is image

    def _still_holds(self) -> bool:
        """Whether what was compared is still there as it was."""
        if self._sides is None:
            return True
        image = None if self._image is None else self._image()
        result = None if self._result is None else self._result()
        if result is None or result not in self._session.results_of(image):
            return False
        layers = [each() for each in self._sides.layers]
        return all(
            layer is not None
            and stays(self._session.viewer, layer)
            and edits_of(layer) == edits
            for layer, edits in zip(layers, self._sides.edits, strict=True)
        )

    def _forget(self) -> None:
        """Show no comparison, and hide a difference that no longer is one."""
        self._sides = None
        self._outlines.end()
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
        if place >= len(self._choices):
            name = ask_for_checkpoint(self._section)
            if name:
                self._compare_models(name)
            return
        chosen = self._choices[place]
        other = None if chosen.result is None else chosen.result()
        labels = None if chosen.labels is None else chosen.labels()
        if other is not None:
            self._compare_results(other)
        elif labels is not None:
            self._compare_labels(labels)
        elif chosen.model:
            self._compare_models(chosen.model)

    def _compare_results(self, other: Result) -> None:
        image, result = self._session.current
        ours, theirs = _layer_of(result), other.mask()
        if image is None or result is None or ours is None or theirs is None:
            return
        spacing, unit = spacing_of(image, _dims(result))
        masks = _mask_of(result), _mask_of(other)
        meant = numbers_in(masks[0][1], masks[1][1])
        sides = _Sides.of(ours, theirs, unit=unit, meant=meant)
        work = partial(_compare, self._engines, *masks, spacing)
        self._work.start(self._order(image, work, partial(self._show, result, sides)))

    def _compare_labels(self, labels: Labels) -> None:
        """Compare with the image's truth, or with labels that somebody drew."""
        image, result = self._session.current
        ours = _layer_of(result)
        if image is None or result is None or ours is None:
            return
        truth = self._session.truths.of(image)
        is_truth = truth is not None and truth.labels is labels
        given = truth if is_truth else Truth(weakref.ref(labels))
        asked = ask(given, image, result)
        if isinstance(asked, ReadTruth):
            self._section.show_problem(f"Not compared: {asked.problem}")
            return
        spacing, unit = spacing_of(image, _dims(result))
        words = MISSED_WORDS if is_truth else DIFFERENCES
        sides = _Sides.of(ours, labels, unit=unit, words=words, meant=asked.meant)
        what = _mask_of(result), asked, spacing, is_truth
        work = partial(_compare_truth, self._engines, *what)
        self._work.start(self._order(image, work, partial(self._show, result, sides)))

    def _compare_models(self, name: str) -> None:
        image, result = self._session.current
        if image is not None and result is not None and result.mask() is not None:
            self._work.begin(partial(self._order_of_model, name, image, result))

    def _order_of_model(self, name: str, image: Image, result: Result) -> Order:
        dims, ours = _dims(result), _layer_of(result)
        spacing, unit = spacing_of(image, dims)
        what = (self._session.inquire(image, dims=dims), _mask_of(result), spacing)
        title = title_of(name, self._session.surroundings)
        work = partial(_run_other, self._engines, (name, title), *what, dims)
        edits = () if ours is None else (edits_of(ours),)
        then = partial(self._on_other, image, result, edits, unit)
        return self._order(image, work, then)

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
        self,
        image: Image,
        result: Result,
        edits: tuple[Edits, ...],
        unit: str,
        other: _OtherRun,
    ) -> str:
        # Neither is replaced by the next run: they are there to be compared.
        shown = self._session.show_outcome(
            image, other.outcome, name=mask_by(other.model), beside=result
        )
        ours, theirs = result.mask(), shown.mask()
        if ours is None or theirs is None:
            return _GONE
        classes = result.segmentation.classes, shown.segmentation.classes
        sides = _Sides.of(ours, theirs, unit=unit, meant=numbers_in(*classes))
        sides = replace(sides, edits=(*edits, edits_of(theirs)))
        return self._show(result, sides, other.found)

    def _show(self, result: Result, sides: _Sides, found: Compared) -> str:
        session, (ours, theirs) = self._session, (each() for each in sides.layers)
        image = session.showing.image_of(result.mask())
        if image is None or ours is None or theirs is None:
            return _GONE
        n, total = found.n_different, found.difference.size
        what = pixels_or_voxels(result.segmentation)
        difference = difference_layer(image, found.difference, words=sides.words)
        session.groups.put(
            image, Group.WHAT_IF, difference, _OWNER, is_under_masks=True
        )
        self._image, self._result = weakref.ref(image), weakref.ref(result)
        self._sides = sides
        session.choose_result(image, result)
        session.showing.see(theirs, True)
        made = result.segmentation
        how = made.classes, made.provenance, sides.meant
        colours = self._outlines.show(ours, theirs, *how)
        summary = (
            f"First: “{ours.name}”. Second: “{theirs.name}”, an outline in other "
            f"colours. They differ in {n} {what} ({n / max(total, 1):.2%})."
        )
        rows = comparison_rows(found, colours, sides.unit, sides.words, what=what)
        self._section.show_comparison(dice_text(found.scores), summary, rows)
        self._refresh.soon()  # another image may be worked on by now
        return f"Compared: {n} {what} differ."


def _layer_of(result: Result | None) -> Labels | None:
    return None if result is None else result.mask()


def _dims(result: Result) -> int:
    return len(result.segmentation.grid.shape)


def _mask_of(result: Result) -> _Mask:
    """Return a copy of a result's mask, and the names of its classes."""
    mask = result.mask()
    if mask is None:
        raise ValueError("the mask was removed")
    return np.array(mask.data), result.segmentation.classes


def _compare(
    engines: Engines, first: _Mask, second: _Mask, spacing: Any, hook: ProgressHook
) -> Compared:
    hook(Progress(0, 1, "comparing"))
    return compared(first, second, engines.compare(first, second, spacing=spacing))


def _compare_truth(
    engines: Engines,
    first: _Mask,
    asked: AskedTruth,
    spacing: Any,
    is_truth: bool,
    hook: ProgressHook,
) -> Compared:
    """Compare a mask with labels, read as its classes."""
    hook(Progress(0, 1, "reading the labels"))
    read = asked.read()
    if read.values is None:
        raise ValueError(read.problem)
    hook(Progress(0, 1, "comparing"))
    ours, theirs = with_truth(first[0], read.values, first[1], read.lacks)
    pair = (ours, first[1]), (theirs, first[1])
    found = compared(*pair, engines.compare(*pair, spacing=spacing), read.lacks)
    return found.against_truth() if is_truth else found


def _run_other(
    engines: Engines,
    other: tuple[str, str],
    inquiry: Inquiry,
    first: _Mask,
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
    if not in_common(first[1], loaded.card.classes):
        ours, theirs = (
            ", ".join(foreground(e)) for e in (first[1], loaded.card.classes)
        )
        raise ValueError(
            f"{title} finds {theirs}, and the result shows {ours}: they have no class "
            "in common"
        )
    outcome = inquiry.outcome(engines.segment, loaded, hook)
    found = outcome.segmentation
    labels = in_order(inquiry.axes, found.labels, axes=found.axes)
    hook(Progress(1, 1, "comparing"))
    second = labels, found.classes
    comparison = engines.compare(first, second, spacing=spacing)
    return _OtherRun(title, outcome, compared(first, second, comparison))
