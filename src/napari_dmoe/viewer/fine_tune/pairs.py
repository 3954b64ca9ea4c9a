"""Which labels belong to which image, and whether a model can be tuned on them.

Labels belong to an image that they agree with in shape and place. Our own masks know
their image; others go by their names, or by being the only ones.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from napari.layers import Image, Labels

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.viewer.fine_tune.annotations import (
    Content,
    Painted,
    content_of,
    drivers_of,
)
from napari_dmoe.viewer.layers.labels_on import fits, on_image
from napari_dmoe.viewer.layers.records import is_map
from napari_dmoe.viewer.layers.undecided import LABELS, LOOKS_KEY
from napari_dmoe.viewer.session.belonging import named_after
from napari_dmoe.viewer.session.checks import image_problem, patient_problem
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.training.cases.annotation import Annotation

    Look = Callable[[Labels, SpatialImage, Annotation], Painted | None]
    """Finds out what is painted; None while that is not known yet."""

MEASURED_LATER = Content("measuring …", has_foreground=True)


class Bond(IntEnum):
    """What an image and labels are paired by, the surest first."""

    CORRECTED = 0
    NAME = 1
    ONLY = 2
    UNTOUCHED = 3
    SHAPE = 4


_SAID = {
    Bond.CORRECTED: "this image's mask, painted on",
    Bond.NAME: "by name",
    Bond.ONLY: "the only ones",
    Bond.UNTOUCHED: "as the model drew it: paint on it to correct it",
    Bond.SHAPE: "by shape alone",
}


@dataclass(frozen=True)
class Pair:
    """An image with labels to train on."""

    image: weakref.ref[Image]
    labels: weakref.ref[Labels]
    names: tuple[str, str]
    """What the layers are called."""
    bond: Bond
    patient: str
    """The drivers, in words."""
    annotated: str
    """What is annotated, in words."""
    problem: str = ""
    """Why it cannot be trained on; empty where it can."""
    is_chosen: bool = False
    """Whether to train on it unless somebody says otherwise."""
    has_foreground: bool = True
    """Whether anything but background is painted."""
    phantom: str | None = None
    """Kind of phantom that the image was drawn as; None where it may be a real one."""
    n_cases: int = 1
    """Planes, or volumes for a 3D model, that are annotated: each is a case."""

    @property
    def key(self) -> tuple[int, int]:
        """Tells pairs apart for as long as their layers live."""
        return id(self.image()), id(self.labels())

    @property
    def said(self) -> str:
        """What it is paired by, in words."""
        return _SAID[self.bond]


def find_pairs(session: Session, annotation: Annotation, look: Look) -> list[Pair]:
    """Return what of a viewer could be trained on, the surest pair of an image first.

    `annotation` says how labels are to be read; `look` looks through those that lie on
    an image.
    """
    if session.model is None:
        return []
    images, labels, card = session.images(), labels_of(session), session.model.card
    search = _Search(session, card, annotation, look, images, labels)
    return [pair for image in images for pair in search.pairs(image)]


@dataclass(frozen=True)
class _Search:
    """Pairs images with labels, each time for the session as it is."""

    session: Session
    card: ModelCard
    annotation: Annotation
    look: Look
    images: list[Image]
    labels: list[Labels]

    def pairs(self, image: Image) -> Iterator[Pair]:
        """Yield an image's pairs; of those that are sure, the first is chosen."""
        fitting = [layer for layer in self.labels if fits(image, layer)]
        bonds = [(self._bond(image, layer), layer) for layer in fitting]
        own = [self._pair(image, at, bond) for bond, at in bonds if bond is not None]
        return _with_choice(sorted(own, key=lambda pair: pair.bond))

    def _bond(self, image: Image, layer: Labels) -> Bond | None:
        """Say what labels are paired by; None where they belong elsewhere."""
        for other in self.images:
            for result in self.session.results_of(other):
                if result.mask() is layer:
                    return _own_bond(result) if other is image else None
        if layer.metadata.get(LOOKS_KEY) == LABELS:  # somebody said, or was told, whose
            owner = self.session.showing.image_of(layer)
            return Bond.NAME if owner is image else None
        named = named_after(layer.name, [each.name for each in self.images])
        if named is not None:
            return Bond.NAME if self.images[named] is image else None
        if len(self.images) == len(self.labels) == 1:
            return Bond.ONLY
        return Bond.SHAPE

    def _problem(self, image: Image) -> str:
        return image_problem(image, self.card.dims, self.session.n_channels)

    def _pair(self, image: Image, labels: Labels, bond: Bond) -> Pair:
        card, patient = self.card, self.session.patient_of(image)
        drivers = drivers_of(card, patient)
        problem, found = self._problem(image), Content()
        if not problem:
            reading, found = self.annotation, MEASURED_LATER
            seen = self.look(labels, on_image(image, labels, card.dims), reading)
            if seen is not None:
                may_be_empty = bond is Bond.CORRECTED  # somebody erased what was wrong
                found = content_of(seen, card, reading, may_be_empty=may_be_empty)
        return Pair(
            weakref.ref(image),
            weakref.ref(labels),
            (image.name, labels.name),
            bond,
            drivers,
            found.said,
            problem or patient_problem(card, patient) or found.problem,
            has_foreground=found.has_foreground,
            phantom=self.session.phantom_of(image),
            n_cases=found.n_frames,
        )


def _own_bond(result: Result) -> Bond | None:
    """Say what a mask is paired by with its own image."""
    was_painted = result.segmentation.provenance.edited  # before it was saved
    if result.looks_edited or was_painted:
        return Bond.CORRECTED
    # An untouched one that is kept is there to be compared.
    return None if result.is_kept else Bond.UNTOUCHED


def _with_choice(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Choose the first of an image's pairs that can be used and is sure enough."""
    is_open = True
    for pair in pairs:
        is_sure = pair.bond <= Bond.ONLY and not pair.problem
        yield replace(pair, is_chosen=is_open and is_sure)
        is_open &= not is_sure


def labels_of(session: Session) -> list[Labels]:
    """Return the labels that somebody may have painted; the topmost first."""
    viewer = session.viewer
    return [
        layer
        for layer in reversed([] if viewer is None else list(viewer.layers))
        if isinstance(layer, Labels) and layer.editable and not is_map(layer)
    ]
