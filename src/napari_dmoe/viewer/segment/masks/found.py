"""Finds layers that are masks of open images, and makes them what a person says.

A mask that its name and its samples both tell of an open image is made its labels at
once, which is said and can be undone. Of everything else it is asked.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer

from napari_dmoe.imaging.mask_likeness import Certainty, Judgement
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers import found_masks as layers
from napari_dmoe.viewer.layers import undecided
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.measuring import Edits, edits_of
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.records import is_mask
from napari_dmoe.viewer.layers.slot import free_name
from napari_dmoe.viewer.segment.masks.found_view import (
    FoundMasksSection,
    MaskQuestion,
    listed,
)
from napari_dmoe.viewer.session.inquiry import GONE
from napari_dmoe.viewer.session.reopening import show_alone
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from numpy.typing import NDArray


_MOST = 20
"""Masks that are remembered as they came, for an undo: their samples need memory."""


@dataclass(frozen=True, eq=False)
class _Taken:
    """A mask that was made labels, and what it was before."""

    labels: weakref.ref[Labels]
    owner: weakref.ref[Image] | None
    before: tuple[NDArray[Any], dict[str, Any]] | None
    """Samples and arguments of the Image layer that it was; None if it was none."""
    said: str = ""
    edits: Edits = (0, 0)
    """How often the labels had been changed."""


@dataclass(frozen=True)
class _Asked:
    """A layer of which something is asked, and what is known of it."""

    layer: Layer
    judgement: Judgement
    images: tuple[Image, ...]

    @property
    def owners(self) -> list[Image]:
        return [self.images[place] for place in self.judgement.owners]


class FoundMasks(Control):
    """Connects the section that asks about masks with the session."""

    def __init__(self, bench: Bench, section: FoundMasksSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._asked: list[_Asked] = []
        self._taken: list[_Taken] = []
        self._at_work: set[int] = set()
        self._said = ""
        self._refresh = Refresh(
            self, self.show, soon=(session.images_changed, session.image_changed)
        )
        section.labels_requested.connect(self._on_labels)
        section.truth_requested.connect(self._on_truth)
        section.image_requested.connect(self._on_image)
        section.truths_requested.connect(self._on_truths)
        section.undo_requested.connect(self._on_undo)
        section.done_requested.connect(self._on_done)
        self._refresh.soon()

    def look(self) -> None:
        """Look soon for layers of which something is to be asked."""
        self._refresh.soon()

    def show(self) -> None:
        """Take what is certainly a mask, and ask about what may be one."""
        viewer, images = self._session.viewer, self.images
        waiting = undecided.undecided_of(viewer)
        found = [
            _Asked(layer, layers.judged(layer, images), tuple(images))
            for layer in (*waiting, *undecided.new_labels_of(viewer))
            if id(layer) not in self._at_work
        ]
        sure = [a for a in found if a.judgement.certainty is Certainty.CERTAIN]
        for each in sure:
            self._take(each, each.owners[0], is_truth=False)
        self._asked = [a for a in found if a not in sure and _is_worth_asking(a)]
        for each in self._asked:
            is_image = isinstance(each.layer, Image)
            if images and (is_image or each.judgement.named):
                self._session.showing.own(None, each.layer)  # unseen until it is known
        self._ask()
        self._show_taken()
        self._show_results(images)

    def _show_results(self, images: Sequence[Image]) -> None:
        """Let dropped masks that a run made be results of the images of their names."""
        for layer in undecided.dropped_results_of(self._session.viewer):
            judgement = layers.judged(layer, images)
            if not images or not is_mask(layer):
                continue
            undecided.decide(layer, undecided.LABELS)
            if judgement.certainty is Certainty.CERTAIN:
                show_alone(self._session, layer, images[judgement.owners[0]])

    @property
    def images(self) -> list[Image]:
        """The open images, the one that is worked on first."""
        current = self._session.image
        return sorted(self._session.images(), key=lambda image: image is not current)

    def _ask(self) -> None:
        if not self._asked:
            self._said = ""
            self._section.show_question(None)
            return
        first = self._asked[0]
        text = _question(first)
        names = tuple(str(each.name) for each in first.owners)
        is_image = isinstance(first.layer, Image)
        n = len(self._asked)
        self._section.show_question(MaskQuestion(text, names, is_image, n))
        if text != self._said and is_image:
            self._said = text
            self._work.say("What is the layer that was opened? Say it above.")

    def _on_labels(self, place: int, is_for_all: bool) -> None:
        self._answer(place, is_for_all, is_truth=False)

    def _on_truth(self, place: int, is_for_all: bool) -> None:
        self._answer(place, is_for_all, is_truth=True)

    def _answer(self, place: int, is_for_all: bool, *, is_truth: bool) -> None:
        asked = self._asked if is_for_all else self._asked[:1]
        for each in list(asked):
            owners = each.owners
            at = place if each is self._asked[0] else 0
            owner = owners[at] if 0 <= at < len(owners) else None
            self._take(each, owner, is_truth=is_truth)
        self._refresh.now()

    def _on_image(self, is_for_all: bool) -> None:
        session = self._session
        for each in list(self._asked if is_for_all else self._asked[:1]):
            if isinstance(each.layer, Image):
                self._be_image(each.layer)
            else:
                undecided.decide(each.layer, undecided.LABELS)
        session.images_changed.emit()
        self._refresh.now()

    def _be_image(self, layer: Image) -> None:
        undecided.decide(layer, undecided.IMAGE)
        self._session.showing.release(layer)
        self._session.images_changed.emit()
        self._session.choose_image(layer)

    def _take(self, asked: _Asked, owner: Image | None, *, is_truth: bool) -> None:
        layer = asked.layer
        if isinstance(layer, Labels):
            undecided.decide(layer, undecided.LABELS)
            self.note(layer, owner, None, is_truth=is_truth)
            return
        self._at_work.add(id(layer))
        work = partial(_labels_of, layers.SamplesOf.layer(layer))
        name = str(layer.name)
        put = partial(self._put, weakref.ref(layer), owner and weakref.ref(owner))
        order = Order(
            title=f"dMoE: taking {name}",
            status=f"Taking “{name}” as labels …",
            work=work,
            then=partial(put, is_truth=is_truth),
            if_failed=partial(self._on_failed, weakref.ref(layer)),
            if_stopped=partial(self._on_failed, weakref.ref(layer), None),
        )
        self._work.start_beside(order)

    def _on_failed(self, reference: weakref.ref[Image], error: Exception | None) -> str:
        """Leave a layer that can be no labels the image that it is."""
        layer = reference()
        if layer is None:
            return GONE
        self._at_work.discard(id(layer))
        self._be_image(layer)
        why = "stopped" if error is None else str(error)
        return f"“{layer.name}” stays an image: {why}"

    def _put(
        self,
        reference: weakref.ref[Image],
        of: weakref.ref[Image] | None,
        read: tuple[NDArray[Any], tuple[str, ...]],
        *,
        is_truth: bool,
    ) -> str:
        """Put labels where the Image layer was that they came as."""
        viewer, layer = self._session.viewer, reference()
        if layer is not None:
            self._at_work.discard(id(layer))
        owner = of() if of is not None else None
        if viewer is None or layer is None or not stays(viewer, layer):
            return GONE
        owner = owner if stays(viewer, owner) else None
        values, notes, look = layers.in_classes(read[0], self.classes)
        data, arguments, _ = layers.as_labels(layer, values, owner)
        arguments, said = arguments | look, "; ".join((*read[1], *notes))
        before = layer.data, layers.as_it_was(layer)
        leaving_of(viewer).let_go(layer)
        arguments["name"] = free_name(viewer, arguments["name"])
        showing = self._session.showing
        with pointer_away(viewer), showing.adding(owner):
            labels = viewer.add_labels(data, **arguments)
        return self.note(labels, owner, before, is_truth=is_truth, said=said)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the loaded model; none without one."""
        model = self._session.model
        return () if model is None else tuple(model.card.classes)

    def note(
        self,
        labels: Labels,
        owner: Image | None,
        before: tuple[NDArray[Any], dict[str, Any]] | None = None,
        *,
        is_truth: bool = False,
        said: str = "",
    ) -> str:
        """Take note whose labels they are, and say it."""
        if owner is not None:
            self._session.showing.own(owner, labels)
            if is_truth:
                self._session.truths.set(owner, labels)
        of = None if owner is None else weakref.ref(owner)
        taken = _Taken(weakref.ref(labels), of, before, said, edits_of(labels))
        self._taken = [*self._taken, taken][-_MOST:]
        self._show_taken()
        whose = "" if owner is None else f" of “{owner.name}”"
        what = "truth" if is_truth else "labels"
        return f"“{labels.name}” is taken as {what}{whose}."

    def _show_taken(self) -> None:
        viewer, truths = self._session.viewer, self._session.truths
        self._taken = [t for t in self._taken if stays(viewer, t.labels())]
        text = _said_of(self._taken)
        pairs = [(t.owner() if t.owner else None, t.labels()) for t in self._taken]
        may_be_truth = any(
            image is not None and getattr(truths.of(image), "labels", None) is not mask
            for image, mask in pairs
        )
        may_undo = any(t.before is not None for t in self._taken)
        self._section.show_taken(text, may_undo=may_undo, may_be_truth=may_be_truth)

    def _on_truths(self) -> None:
        for each in self._taken:
            owner, labels = each.owner() if each.owner else None, each.labels()
            if owner is not None and labels is not None:
                self._session.truths.set(owner, labels)
        self._show_taken()

    def _on_undo(self) -> None:
        viewer, taken = self._session.viewer, self._taken
        self._taken = []
        for each in taken:
            labels = each.labels()
            if viewer is None or labels is None or each.before is None:
                continue
            if edits_of(labels) != each.edits:
                self._work.say(f"“{labels.name}” stays: it was painted on.")
                continue
            data, arguments = each.before
            leaving_of(viewer).let_go(labels)
            arguments = arguments | {"name": free_name(viewer, arguments["name"])}
            with pointer_away(viewer):
                viewer.add_image(data, **arguments)
        self._refresh.now()

    def _on_done(self) -> None:
        self._taken = []
        self._show_taken()


def _is_worth_asking(asked: _Asked) -> bool:
    """Say whether to ask: of Labels only where an image has their size."""
    if isinstance(asked.layer, Labels):
        return bool(asked.judgement.owners)
    return asked.judgement.certainty is not Certainty.NO


def _question(asked: _Asked) -> str:
    """Say what a layer looks like, and what is to be known of it."""
    name, judgement = f"“{asked.layer.name}”", asked.judgement
    if judgement.other_size is not None:
        image = asked.images[judgement.other_size]
        own, other = size_of(asked.layer), size_of(image)
        return (
            f"{name} is called like the mask of “{image.name}”, but has {own} pixels "
            f"where that has {other}: it cannot be its mask. Save it in that size."
        )
    owners = asked.owners
    if judgement.named:
        one = f"“{owners[0].name}”" if len(owners) == 1 else "an open one"
        other = f" By its size it could be that of {one}." if owners else ""
        return (
            f"{name} looks like the mask of “{judgement.named}”, which is not open: "
            f"open it, and the mask goes to it.{other}"
        )
    is_labels = isinstance(asked.layer, Labels)
    looks = "may be labels" if is_labels else "looks like a mask"
    if len(owners) == 1:
        return f"{name} {looks} of “{owners[0].name}”."
    if owners:
        return f"{name} {looks}. Of which image?"
    size = size_of(asked.layer)
    return f"{name} looks like a mask, but no open image has its {size} pixels."


def size_of(layer: Layer) -> str:
    """Return the size of a layer, width first."""
    return " × ".join(map(str, reversed(undecided.picture_of(layer).shape)))


def _said_of(taken: Sequence[_Taken]) -> str:
    if not taken:
        return ""
    names = [str(labels.name) for t in taken if (labels := t.labels()) is not None]
    said = " ".join(
        f"{s[:1].upper()}{s[1:]}." for s in {t.said for t in taken if t.said}
    )
    owners = [t.owner() if t.owner else None for t in taken]
    if len(taken) > 1:
        return f"{listed(names)} are taken as labels of their images. {said}".strip()
    owner = owners[0]
    whose = "" if owner is None else f" of “{owner.name}”"
    return f"{listed(names)} is taken as labels{whose}. {said}".strip()


def _labels_of(
    picture: layers.SamplesOf, hook: ProgressHook
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return what labels a picture's samples are; called in a job."""
    hook(Progress(0, 1, "taking labels"))
    return picture.labels()
