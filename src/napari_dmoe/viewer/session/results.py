"""What a run leaves in a viewer, and what the next run may do with it.

A mask that somebody painted on is theirs: it is never overwritten. An untouched one is
replaced where it stands, so that its name, opacity and order stay as they are; what it
showed before can be brought back. A mask that the model gave without an expert never
takes the place of its plain one, but that of the what-if before it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers import look, names
from napari_dmoe.viewer.layers import records as badges
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.measuring import (
    AT_ONCE,
    CHANGES_OF_A_MASK,
    Edits,
    differ,
    edits_of,
)
from napari_dmoe.viewer.layers.placement import LayerData
from napari_dmoe.viewer.layers.records import Kind
from napari_dmoe.viewer.layers.slot import put, renamed
from napari_dmoe.viewer.layers.stage import stage_of
from napari_dmoe.viewer.session.requests import Request


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one run found, without the layers that show it."""

    segmentation: Segmentation
    """What the engine returned."""
    request: Request
    """What it was asked for; a result of another request is outdated."""
    seconds: float


@dataclass(eq=False)
class Result:
    """One run's outcome in a viewer."""

    outcome: Outcome
    mask: weakref.ref[Labels]
    original: NDArray[Any]
    """The mask as it was put into that layer; never painted on."""
    before: Outcome | None = None
    """What the mask showed before this run."""
    maps: tuple[weakref.ref[Layer], ...] = ()
    """The probabilities, where they were asked for."""
    given: str = ""
    """The name that was given to the mask's layer; a person may have given another."""
    is_kept: bool = False
    """Whether the next run leaves it as it is, and puts its own beside it."""
    _compared: tuple[Edits, bool] = field(default=((0, 0), False), repr=False)

    def __post_init__(self) -> None:
        """Follow what happens to the mask."""
        mask = self.mask()
        if mask is not None:
            self._compared = (edits_of(mask), False)

    @property
    def segmentation(self) -> Segmentation:
        """What the engine returned."""
        return self.outcome.segmentation

    @property
    def request(self) -> Request:
        """What it was asked for."""
        return self.outcome.request

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.outcome.seconds

    @property
    def kind(self) -> Kind:
        """What sort of result it is; empty for a plain run of the model."""
        return badges.kind(self.segmentation.provenance)

    @property
    def is_plain(self) -> bool:
        """Whether it is a run of the model as it is."""
        return not self.kind

    @property
    def is_compared(self) -> bool:
        """Whether it is known if the mask, as it is now, differs from what was made."""
        mask = self.mask()
        return mask is None or self._compared[0] == edits_of(mask)

    @property
    def is_edited(self) -> bool:
        """Whether the mask differs from what the run gave.

        A small one is compared, whatever napari told of it.
        """
        mask = self.mask()
        if mask is None:
            return False
        if mask.data.size <= AT_ONCE:
            self.note_compared(edits_of(mask), differ(mask.data, self.original))
        return self.looks_edited

    @property
    def looks_edited(self) -> bool:
        """The same, but compares only after napari told of a change.

        A large mask is never compared here, which would take too long. Until
        :meth:`note_compared` has told of it, one that was changed counts as edited.
        """
        mask = self.mask()
        if mask is not None and not self.is_compared:
            if mask.data.size > AT_ONCE:
                return True
            self.note_compared(edits_of(mask), differ(mask.data, self.original))
        return self._compared[1]

    def note_compared(self, edits: Edits, is_edited: bool) -> None:
        """Take note whether the mask differed from what was made, after some edits."""
        self._compared = (edits, is_edited)
        self.note_edits()

    def note_edits(self) -> None:
        """Write into the layer's record whether it was painted on."""
        mask = self.mask()
        if mask is not None and METADATA_KEY in mask.metadata:
            # A mask from a file may have been painted before.
            was_before = self.segmentation.provenance.edited
            mask.metadata[METADATA_KEY]["edited"] = self.looks_edited or was_before

    @property
    def title(self) -> str:
        """Name of the layer that shows it."""
        mask = self.mask()
        return "" if mask is None else str(mask.name)


class MaskWatch:
    """Calls something when one of the masks was changed, undone or renamed."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._edits: WeakKeyDictionary[Layer, Edits] = WeakKeyDictionary()

    def follow(self, mask: Layer | None) -> None:
        """Follow a mask from now on."""
        if mask is None or mask in self._edits:
            return
        self._edits[mask] = edits_of(mask)
        for change in (*CHANGES_OF_A_MASK, "name"):
            getattr(mask.events, change).connect(self._on_mask)
        mask.events.set_data.connect(self._on_drawn)

    def _on_drawn(self, event: Any) -> None:
        """Notice what was undone: of it napari tells only that it draws anew."""
        if self._edits.get(event.source) != edits_of(event.source):
            self._on_mask(event)

    def _on_mask(self, event: Any) -> None:
        self._edits[event.source] = edits_of(event.source)
        self._on_change()


def show(
    viewer: ViewerModel,
    source: Image,
    outcome: Outcome,
    *,
    previous: Result | None = None,
    name: str = "",
    own: NDArray[Any] | None = None,
) -> Result:
    """Put a run's mask into a viewer, and the probabilities where there are any.

    The mask of `previous`, the image's result so far, is replaced where it is still
    there, was not painted on, is not kept, and both or neither are of the plain model;
    then the new result remembers it. Otherwise a new layer is added. That is called
    `name` after the image's name; by default ``mask``, or what was done to the model.
    `own` is a copy of the labels that the layer may have, made where nobody waits.
    """
    made = outcome.segmentation
    data, arguments, kind = look.mask_layer(source, made, own=own)
    if name:
        arguments["name"] = names.layer_name(source.name, name)
    is_plain = not badges.kind(made.provenance)
    is_alike = previous is not None and previous.is_plain == is_plain
    existing = _reusable_mask(viewer, previous, data.ndim) if is_alike else None
    was_lazy = existing is not None and not isinstance(existing.data, np.ndarray)
    with stage_of(viewer).adding(source):
        mask = put(viewer, (data, arguments, kind), existing)
    if was_lazy or not isinstance(data, np.ndarray):
        # What is read from a disk chunk by chunk cannot be painted on.
        mask.editable = isinstance(data, np.ndarray)
    replaced = None if existing is None else previous
    given = str(mask.name)
    if replaced is not None:
        given = renamed(viewer, mask, arguments["name"], given=replaced.given)
    maps = look.probability_layers(source, made)
    with stage_of(viewer).adding(source):
        maps_there = _put_maps(viewer, maps, () if replaced is None else replaced.maps)
    return Result(
        outcome=outcome,
        mask=weakref.ref(mask),
        original=look.in_layer_order(source, made, made.labels),
        before=None if replaced is None else _earlier(replaced, outcome),
        maps=maps_there,
        given=given,
    )


def _earlier(replaced: Result, outcome: Outcome) -> Outcome | None:
    """Return what a mask showed that was another than an outcome; None without it.

    The same run again gives the same mask: to bring that back would change nothing.
    """
    is_again = replaced.request == outcome.request
    return replaced.before if is_again else replaced.outcome


def _put_maps(
    viewer: ViewerModel,
    maps: Sequence[LayerData],
    replaced: Sequence[weakref.ref[Layer]],
) -> tuple[weakref.ref[Layer], ...]:
    """Put maps where those of a replaced result are; take away what is left of them."""
    there = [layer for each in replaced if stays(viewer, layer := each())]
    for layer in there[len(maps) :]:
        if layer is not None:
            leaving_of(viewer).let_go(layer)
    existing = [*there, *[None] * len(maps)]
    put_there = (put(viewer, *pair) for pair in zip(maps, existing, strict=False))
    return tuple(weakref.ref(layer) for layer in put_there)


def let_go(viewer: ViewerModel, result: Result) -> int:
    """Let all layers of a result go but a mask that is plain, painted or kept.

    Says how many go.
    """
    mask = result.mask()
    layers = [layer for each in result.maps if (layer := each()) is not None]
    if mask is not None and not (result.is_plain or result.is_kept):
        layers += [] if result.is_edited else [mask]
    return sum(map(leaving_of(viewer).let_go, layers))


def show_previous(viewer: ViewerModel, source: Image, result: Result) -> Result:
    """Bring back what a mask showed before its last run; again, and it is swapped."""
    if result.before is None:
        return result
    return show(viewer, source, result.before, previous=result)


def latest(
    shown: Sequence[Result], chosen: Result | None = None, *, is_plain: bool = True
) -> Result | None:
    """Return the result that a new one would replace, or stand beside.

    Of those `shown` on an image, oldest first; the one that is looked at goes first.
    A run of the model as it is replaces such a run, any what-if the last what-if.
    """
    alike = [each for each in shown if each.is_plain == is_plain]
    if chosen in alike:
        return chosen
    free = [each for each in alike if not each.is_kept] or alike
    return free[-1] if free else None


def _reusable_mask(
    viewer: ViewerModel, previous: Result | None, ndim: int
) -> Labels | None:
    if previous is None or previous.is_kept or previous.is_edited:
        return None
    mask = previous.mask()
    is_there = stays(viewer, mask)
    return mask if is_there and mask is not None and mask.data.ndim == ndim else None
