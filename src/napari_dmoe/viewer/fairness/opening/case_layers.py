"""The layers of the cases that were opened: one case is seen at a time.

A second visit finds the layers of the first. Some cases stay open behind the one that
is looked at; further back only those on which somebody made something. Of a case
without an image the truth stands in for it. Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_dmoe.viewer.fairness.opening.layer_data import CaseLayerData
from napari_dmoe.viewer.layers.camera import look_at, show_plane
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.measuring import edits_of
from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import free_name
from napari_dmoe.viewer.layers.two_outlines import TwoOutlines
from napari_dmoe.viewer.layers.undecided import IMAGE, LABELS, decide
from napari_dmoe.viewer.session.reopening import reopened_result
from napari_dmoe.viewer.session.truths import Origin
from napari_dmoe.viewer.session.visits import (
    FROM_TABLE,
    GO_TOGETHER,
    MOST_OPEN,
    Stamp,
    stamp_of,
)

if TYPE_CHECKING:
    from napari_dmoe.evaluation.evaluating.scored import ScoredCase
    from napari_dmoe.viewer.session.session import Session

OWNER = "audit"


@dataclass(frozen=True)
class WhoseCase:
    """Which case of which audit is opened."""

    case: ScoredCase
    audit: Hashable
    """What another audit of the same cases differs in."""
    classes: tuple[str, ...] = ()
    image_path: Path | None = None
    image: weakref.ref[Image] | None = None
    """Its open image, where open layers were audited."""

    @property
    def key(self) -> Hashable:
        """What it is known again by, whichever model was evaluated on it."""
        return self.case.id, self.image_path or self.case.labels

    @property
    def stamp(self) -> Stamp | None:
        """When the prediction's file was written, and its size."""
        path = self.case.prediction
        return None if path is None else stamp_of(path)


@dataclass(eq=False)
class _Open:
    """The layers of one case."""

    lead: weakref.ref[Layer]
    """Its image, or what stands in for one."""
    is_ours: bool = True
    """Whether it was opened here."""
    truth: weakref.ref[Labels] | None = None
    predictions: dict[Hashable, weakref.ref[Labels]] = field(default_factory=dict)
    stamps: dict[Hashable, Stamp | None] = field(default_factory=dict)
    errors_of: Hashable = None
    """Whose errors are marked."""


class CaseLayers:
    """Opens cases in the viewer of a session, and shows one at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: dict[Hashable, _Open] = {}
        self._outlined: WeakKeyDictionary[Layer, TwoOutlines] = WeakKeyDictionary()

    def lead(self, whose: WhoseCase) -> Layer | None:
        """Return the open image of a case, or what stands in for one."""
        known = self._open.get(whose.key)
        lead = None if known is None else known.lead()
        if stays(self._session.viewer, lead):
            return lead
        return self._image_elsewhere(whose)

    def _image_elsewhere(self, whose: WhoseCase) -> Image | None:
        """Return an image of the case that somebody else opened."""
        viewer = self._session.viewer
        image = None if whose.image is None else whose.image()
        if stays(viewer, image):
            return image
        for each in self._session.images():
            source, wanted = each.source.path, whose.image_path
            is_it = source is not None and wanted is not None and Path(source) == wanted
            if is_it and stays(viewer, each):
                return each
        return None

    def is_whole(self, whose: WhoseCase) -> bool:
        """Say whether all layers of a case are there, and its files as they were."""
        known = self._known(whose)
        if known is None or known.errors_of != whose.audit:
            return False
        prediction = self._prediction(known, whose.audit)
        is_old = known.stamps.get(whose.audit) != whose.stamp
        if prediction is None or (is_old and not _is_painted(prediction)):
            return False
        lead = known.lead()
        return self._session.groups.layer(lead, Group.WHAT_IF, OWNER) is not None

    def _known(self, whose: WhoseCase) -> _Open | None:
        known = self._open.get(whose.key)
        is_there = known is not None and stays(self._session.viewer, known.lead())
        return known if is_there else None

    def _prediction(self, known: _Open, audit: Hashable) -> Labels | None:
        reference = known.predictions.get(audit)
        layer = None if reference is None else reference()
        return layer if stays(self._session.viewer, layer) else None

    def show(self, whose: WhoseCase, made: CaseLayerData | None = None) -> None:
        """Show a case and no other; put what was read of it into the viewer before.

        Raises
        ------
        RuntimeError
            When the viewer is gone, or there is nothing to show of it.
        """
        if self._session.viewer is None:
            raise RuntimeError("the viewer is gone")
        if made is not None:
            self._put(whose, made)
        known = self._known(whose)
        lead = None if known is None else known.lead()
        if known is None or lead is None:
            raise RuntimeError("there is nothing to show of this case")
        self._show_prediction(known, whose)
        self._session.showing.show(lead)
        if made is not None:
            _look_at(self._session.viewer, lead, made)
        self._open[whose.key] = self._open.pop(whose.key)  # the latest comes last
        self.let_go()

    def _put(self, whose: WhoseCase, made: CaseLayerData) -> None:
        known = self._known(whose) or self._opened(whose, made)
        lead = known.lead()
        if lead is None:
            return
        self._put_truth(known, lead, whose, made.truth)
        self._put_prediction(known, lead, whose, made.prediction)
        self._put_errors(known, lead, whose, made.errors)

    def _opened(self, whose: WhoseCase, made: CaseLayerData) -> _Open:
        """Add what leads a case: its image, or else its truth or prediction."""
        lead = self._image_elsewhere(whose)
        is_ours = lead is None
        known = None
        if lead is None and made.image is not None:
            data, arguments, _ = made.image
            lead = Image(data, **arguments, visible=False)  # until the others are not
            decide(lead, IMAGE)  # whatever it looks like: it was listed as one
            self._add(lead, None)
        elif lead is None:
            known = self._stand_in(whose, made)
        if known is None:
            known = _Open(weakref.ref(lead), is_ours)
        self._open[whose.key] = known
        if isinstance(lead, Image):
            self._bring_patient(whose, lead)
        return known

    def _stand_in(self, whose: WhoseCase, made: CaseLayerData) -> _Open:
        """Let the truth of a case without an image be seen as one, or the prediction.

        Raises
        ------
        RuntimeError
            When it has neither.
        """
        given = made.truth or made.prediction
        if given is None:
            raise RuntimeError("there is nothing to show of this case")
        lead = _labels(given)
        self._session.showing.stand_in(lead)
        self._add(lead, lead)
        known = _Open(weakref.ref(lead))
        if made.truth is not None:
            known.truth = weakref.ref(lead)
        else:
            known.predictions[whose.audit] = weakref.ref(lead)
        return known

    def _add(self, layer: Layer, lead: Layer | None) -> None:
        viewer = self._session.viewer
        if viewer is None:
            return
        layer.name = free_name(viewer, str(layer.name))
        with pointer_away(viewer):
            if lead is None:
                viewer.add_layer(layer)
                return
            with self._session.showing.adding(lead):
                viewer.add_layer(layer)

    def _bring_patient(self, whose: WhoseCase, image: Image) -> None:
        """Bring the patient of the case, unless somebody said something of them."""
        session, patient = self._session, whose.case.patient
        if session.patient_of(image).known():
            return
        if session.model is not None:  # no form could correct what it does not show
            from napari_dmoe.models.naming import heard_of  # it imports torch

            names = [each.name for each in session.model.card.attributes]
            patient = heard_of(patient, names)
        session.set_patient(image, patient, FROM_TABLE)

    def _put_truth(
        self, known: _Open, lead: Layer, whose: WhoseCase, made: LayerData | None
    ) -> None:
        there = None if known.truth is None else known.truth()
        if made is None or stays(self._session.viewer, there):
            return
        of_image = self._session.truths.of(lead) if isinstance(lead, Image) else None
        if of_image is not None and of_image.labels is not None:
            known.truth = of_image.reference  # somebody brought it before
            return
        truth = _labels(made)
        self._add(truth, lead)
        known.truth = weakref.ref(truth)
        if isinstance(lead, Image):
            path = whose.case.labels
            self._session.truths.set(lead, truth, origin=Origin.TABLE, path=path)

    def _put_prediction(
        self, known: _Open, lead: Layer, whose: WhoseCase, made: LayerData | None
    ) -> None:
        there = self._prediction(known, whose.audit)
        if made is None or there is lead or (there and _is_painted(there)):
            return
        viewer = self._session.viewer
        if there is not None and viewer is not None:
            if known.stamps.get(whose.audit) == whose.stamp:
                return
            leaving_of(viewer).let_go(there)  # its file is another by now
        mask = _labels(made)
        self._add(mask, lead)
        known.predictions[whose.audit] = weakref.ref(mask)
        known.stamps[whose.audit] = whose.stamp
        result = reopened_result(mask, lead) if isinstance(lead, Image) else None
        if result is not None and isinstance(lead, Image):
            self._session.set_result(lead, result)

    def _put_errors(
        self, known: _Open, lead: Layer, whose: WhoseCase, made: LayerData | None
    ) -> None:
        groups = self._session.groups
        known.errors_of = whose.audit
        if made is None:
            groups.let_go(lead, Group.WHAT_IF, OWNER)
            return
        name = str(made[1]["name"])
        data = made[0], made[1] | {"name": name}, made[2]
        groups.put(lead, Group.WHAT_IF, data, OWNER, is_under_masks=True)

    def _show_prediction(self, known: _Open, whose: WhoseCase) -> None:
        """Let the prediction of one audit be seen, and mask and truth as outlines."""
        showing, lead = self._session.showing, known.lead()
        for audit in known.predictions:
            layer = self._prediction(known, audit)
            if layer is not None and layer is not lead:
                showing.see(layer, audit == whose.audit)
        truth = None if known.truth is None else known.truth()
        mask = self._prediction(known, whose.audit)
        if lead is None or truth is None or mask is None or not whose.classes:
            return
        both = self._outlined.get(lead)
        if both is None:
            both = self._outlined[lead] = TwoOutlines(self._session.outlines)
        if not both.holds(mask, truth):
            both.show(mask, truth, whose.classes, None)

    def let_go(self) -> None:
        """Let the layers of cases go that were left behind some cases ago."""
        viewer, now = self._session.viewer, self._session.showing.shown
        if viewer is None:
            return
        there = {k: o for k, o in self._open.items() if stays(viewer, o.lead())}
        self._open = there
        behind = list(there.values())[: -MOST_OPEN - 1]
        going = [each for each in behind if self._may_go(each, now)]
        if len(going) < GO_TOGETHER:
            return
        for each in going:
            lead = each.lead()
            if lead is not None:
                for layer in [*self._session.showing.layers_of(lead), lead]:
                    leaving_of(viewer).let_go(layer)

    def _may_go(self, known: _Open, now: Layer | None) -> bool:
        """Say whether nobody made anything on a case that would be lost."""
        lead, session = known.lead(), self._session
        if lead is None or lead is now or not known.is_ours or _is_painted(lead):
            return False
        given = (known.truth, *known.predictions.values())
        ours = {layer for each in given if each is not None and (layer := each())}
        ours |= set(session.groups.layers(lead))
        frame = session.seen_frames.layer(lead) if isinstance(lead, Image) else None
        ours |= {frame} if frame is not None else set()
        layers = session.showing.layers_of(lead)
        return all(each in ours and not _is_painted(each) for each in layers)


def _look_at(viewer: ViewerModel, lead: Layer, made: CaseLayerData) -> None:
    """Show the plane in which most is wrong; of masks alone, what there is of them."""
    if made.plane is not None:
        show_plane(viewer, lead, made.plane)
    if made.ends is not None:
        named = {} if made.plane is None else {"z": float(made.plane)}
        look_at(viewer, lead, named, dict(zip("yx", made.ends, strict=True)))


def _labels(made: LayerData) -> Labels:
    labels = Labels(made[0], **made[1])
    decide(labels, LABELS)  # nobody is to be asked what they are
    return labels


def _is_painted(layer: Layer) -> bool:
    """Say whether somebody painted on a layer, and did not undo it."""
    return isinstance(layer, Labels) and layer.editable and edits_of(layer)[1] > 0
