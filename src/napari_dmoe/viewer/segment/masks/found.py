"""Finds layers that are masks of open images, and makes them what a person says.

A mask that its name and its samples both tell of an open image is made its labels at
once, which is said and can be undone. Of everything else it is asked.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial

from napari.layers import Image, Labels

from napari_dmoe.imaging.mask_likeness import Certainty
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers import found_masks as layers
from napari_dmoe.viewer.layers import undecided
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import free_name
from napari_dmoe.viewer.segment.masks.found_view import FoundMasksSection
from napari_dmoe.viewer.segment.masks.questions import Asked, question
from napari_dmoe.viewer.segment.masks.taken import TakenMasks
from napari_dmoe.viewer.session.inquiry import GONE
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order

_SAY_IT = "What is the layer that was opened? Say it above."


class FoundMasks(Control):
    """Connects the section that asks about masks with the session."""

    def __init__(self, bench: Bench, section: FoundMasksSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self.taken = TakenMasks(bench, section)
        self._asked: list[Asked] = []
        self._at_work: set[int] = set()
        self._said = ""
        self._refresh = Refresh(
            self, self.show, soon=(session.images_changed, session.image_changed)
        )
        section.labels_requested.connect(self._on_labels)
        section.truth_requested.connect(self._on_truth)
        section.image_requested.connect(self._on_image)
        self._refresh.soon()

    def look(self) -> None:
        """Look soon for layers of which something is to be asked."""
        self._refresh.soon()

    def show(self) -> None:
        """Take what is certainly a mask, and ask about what may be one."""
        viewer, images = self._session.viewer, self.images
        waiting = undecided.undecided_of(viewer)
        found = [
            Asked(layer, layers.judged(layer, images), tuple(images))
            for layer in (*waiting, *undecided.new_labels_of(viewer))
            if id(layer) not in self._at_work
        ]
        sure = [a for a in found if a.judgement.certainty is Certainty.CERTAIN]
        for each in sure:
            self._take(each, each.owners[0], is_truth=False)
        self._asked = [a for a in found if a not in sure and a.is_worth_asking]
        for each in self._asked:
            self._hide_unknown(each, has_images=bool(images))
        self._ask()
        self.taken.show()

    def _hide_unknown(self, asked: Asked, *, has_images: bool) -> None:
        """Let a layer be unseen until it is known whose it is; alone, it is seen."""
        showing, layer = self._session.showing, asked.layer
        if not has_images:
            showing.release(layer)
        elif isinstance(layer, Image) or asked.is_of_another:
            showing.own(None, layer)

    @property
    def images(self) -> list[Image]:
        """The open images, the one that is worked on first."""
        current = self._session.image
        return sorted(self._session.images(), key=lambda image: image is not current)

    def _ask(self) -> None:
        if not self._asked:
            self._said = ""
            self._section.show_question(None)
            self._work.take_back(_SAY_IT)
            return
        first, asked = self._asked[0], question(self._asked)
        self._section.show_question(asked)
        if asked.text != self._said and isinstance(first.layer, Image):
            self._said = asked.text
            self._work.say(_SAY_IT)

    def _on_labels(self, place: int, is_for_all: bool) -> None:
        self._answer(place, is_for_all, is_truth=False)

    def _on_truth(self, place: int, is_for_all: bool) -> None:
        self._answer(place, is_for_all, is_truth=True)

    def _answer(self, place: int, is_for_all: bool, *, is_truth: bool) -> None:
        """Take the first layer as was said, and all others of which it holds, too."""
        if not self._asked:
            return
        first, *others = self._asked
        chosen = first.owners[place] if 0 <= place < len(first.owners) else None
        self._take(first, chosen, is_truth=is_truth)
        for each in others if is_for_all else ():
            owner = each.owner_like(chosen)
            if owner is not None or not is_truth:
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

    def _take(self, asked: Asked, owner: Image | None, *, is_truth: bool) -> None:
        layer = asked.layer
        if isinstance(layer, Labels):
            undecided.decide(layer, undecided.LABELS)
            self.taken.note(layer, owner, None, is_truth=is_truth)
            return
        self._at_work.add(id(layer))
        work = partial(_labels_of, layers.SamplesOf.layer(layer), self.classes)
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
        read: layers.InClasses,
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
        data, arguments, _ = layers.as_labels(layer, read.labels, owner)
        arguments, said = arguments | read.look, "; ".join(read.said)
        before, name = (layer.data, layers.as_it_was(layer)), str(layer.name)
        leaving_of(viewer).let_go(layer)
        layers.call_plainly(viewer, owner)
        arguments["name"] = free_name(viewer, layers.named_for(name, owner))
        showing = self._session.showing
        with pointer_away(viewer), showing.adding(owner):
            labels = viewer.add_labels(data, **arguments)
        return self.taken.note(labels, owner, before, is_truth=is_truth, said=said)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the loaded model; none without one."""
        model = self._session.model
        return () if model is None else tuple(model.card.classes)


def _labels_of(
    picture: layers.SamplesOf, classes: Sequence[str], hook: ProgressHook
) -> layers.InClasses:
    """Return what labels a picture's samples are; called in a job."""
    hook(Progress(0, 1, "taking labels"))
    values, said = picture.labels()
    return layers.in_classes(values, classes, said)
