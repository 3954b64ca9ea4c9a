"""A layer whose place the next one of its sort takes. Knows no Qt."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.measuring import AT_ONCE, Edits, differ, edits_of
from napari_dmoe.viewer.layers.placement import PLACE, LayerData, plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.stage import stage_of

_SHOWN = ("colormap", "features", "metadata", "contrast_limits")
"""What of a layer goes with its samples, and is no person's to set for good."""

_SET_BY_A_PERSON = ("opacity", "blending")
"""What another sort of layer has otherwise, unless a person has changed it."""

_KINDS: dict[str, type[Layer]] = {"labels": Labels, "image": Image}


@dataclass(eq=False)
class _Held:
    """A layer, and what is known of it."""

    reference: weakref.ref[Layer]
    given: str
    """The name that we gave it."""
    edits: Edits = (0, 0)
    """How often it had been changed when it was filled last, or seen as it was then."""
    samples: NDArray[Any] | None = None
    """What it was filled with, to tell what was undone; None where that is large."""
    looks: dict[str, Any] = field(default_factory=dict)
    """What we set of its look."""

    @classmethod
    def of(cls, layer: Layer) -> _Held:
        held = cls(weakref.ref(layer), str(layer.name))
        held.note_filled(layer)
        return held

    def note_filled(self, layer: Layer) -> None:
        self.edits, self.samples = edits_of(layer), None
        if isinstance(layer, Labels) and layer.data.size <= AT_ONCE:
            self.samples = np.array(layer.data)

    def differs(self, layer: Layer) -> bool:
        """Whether a layer holds other samples; as far as is known of a large one."""
        edits = edits_of(layer)
        if edits == self.edits:
            return False
        if self.samples is None or differ(np.asarray(layer.data), self.samples):
            return True
        self.edits = edits  # every stroke was undone
        return False


class LayerSlot:
    """A layer that was put into a viewer, as long as nobody removes it."""

    def __init__(self) -> None:
        self._held: _Held | None = None
        self._gone: list[_Held] = []

    def within(self, viewer: ViewerModel | None) -> Any:
        """Return the layer; None where it is not in the viewer, or about to go."""
        layer = None if self._held is None else self._held.reference()
        return layer if stays(viewer, layer) else None

    def put(self, viewer: ViewerModel, layer_data: LayerData) -> Any:
        """Put data into the layer, or into another where it cannot be; return it.

        The layer lets another one come that is of another kind or has other axes; while
        that one has not gone, it may come back. One that somebody painted on stays, and
        is no longer the slot's.
        """
        before, left = self.within(viewer), self._held
        is_painted = before is not None and self.is_painted(viewer)
        fitting = before if not is_painted and fits(before, layer_data) else None
        if fitting is None:
            fitting = self._called_back(viewer, layer_data)
        layer = put(viewer, layer_data, fitting)
        if layer is not fitting or self._held is None:
            self._held = _Held.of(layer)
        self._look(self._held, layer, layer_data[1], is_new=layer is not fitting)
        self._held.note_filled(layer)
        if before is not None and layer is not before and not is_painted:
            leaving = leaving_of(viewer)
            leaving.let_go(before)
            known = [each for each in (*self._gone, left) if each is not None]
            self._gone = [each for each in known if each.reference() in leaving]
        self.rename(viewer, str(layer_data[1]["name"]))
        return layer

    def _called_back(self, viewer: ViewerModel, layer_data: LayerData) -> Layer | None:
        """Return a layer of before that fits and has not gone yet."""
        for held in self._gone:
            layer = held.reference()
            if layer is None or not fits(layer, layer_data):
                continue
            if leaving_of(viewer).call_back(layer):
                self._gone = [each for each in self._gone if each is not held]
                self._held = held
                stage_of(viewer).see(layer, True)
                return layer
        return None

    def _look(
        self, held: _Held, layer: Layer, arguments: dict[str, Any], *, is_new: bool
    ) -> None:
        """Give another sort of map its own look, but where a person has changed it."""
        for name in (each for each in _SET_BY_A_PERSON if each in arguments):
            is_ours = not is_new and getattr(layer, name) == held.looks.get(name)
            if is_ours and getattr(layer, name) != arguments[name]:
                setattr(layer, name, arguments[name])
            if is_new or is_ours:
                held.looks[name] = getattr(layer, name)

    def is_painted(self, viewer: ViewerModel | None) -> bool:
        """Whether somebody changed the layer's samples since they were put there.

        A stroke that was undone is no change; of a large layer it counts as one.
        """
        layer, held = self.within(viewer), self._held
        return layer is not None and held is not None and held.differs(layer)

    def take(self, layer: Layer) -> None:
        """Know a layer that was put into the viewer by somebody else."""
        self._held = _Held.of(layer)

    def rename(self, viewer: ViewerModel, name: str) -> None:
        """Give the layer another name, unless a person gave it one."""
        layer, held = self.within(viewer), self._held
        if layer is not None and held is not None:
            held.given = renamed(viewer, layer, name, given=held.given)

    def let_go(self, viewer: ViewerModel | None) -> bool:
        """Let the layer go, unless somebody painted on it; say whether it goes."""
        layer = self.within(viewer)
        if viewer is None or layer is None or self.is_painted(viewer):
            return False
        return leaving_of(viewer).let_go(layer)


@contextmanager
def selection_kept(viewer: ViewerModel | None) -> Iterator[None]:
    """Let the same layers be selected afterwards: nobody who paints loses theirs."""
    selected = set() if viewer is None else set(viewer.layers.selection)
    yield
    if viewer is not None:
        viewer.layers.selection = {each for each in selected if stays(viewer, each)}


def fits(layer: Layer | None, layer_data: LayerData) -> bool:
    """Say whether a layer can hold data: it is of their kind, and has their axes."""
    data, _, kind = layer_data
    return isinstance(layer, _KINDS[kind]) and layer.ndim == data.ndim


def put(viewer: ViewerModel, layer_data: LayerData, existing: Layer | None) -> Any:
    """Put data into a layer that fits, or add one under a free name; return it.

    What a person may have set in one that is there stays: its name, opacity and whether
    it is seen; so does what `layer_data` does not state.
    """
    data, arguments, kind = layer_data
    if existing is not None and fits(existing, layer_data):
        _replace(existing, data, arguments)
        return existing
    name = free_name(viewer, str(arguments["name"]))
    add = viewer.add_labels if kind == "labels" else viewer.add_image
    with pointer_away(viewer):
        return plain(add(data, **(arguments | {"name": name})))


def renamed(viewer: ViewerModel, layer: Layer, name: str, *, given: str) -> str:
    """Give a layer another name, unless a person gave it one; return what we gave.

    It was `given` its name by us.
    """
    if layer.name != given:
        return given
    layer.name = free_name(viewer, name, besides=layer)
    return str(layer.name)


def free_name(viewer: ViewerModel, name: str, besides: Layer | None = None) -> str:
    """Return a name, or the next that no layer has besides one."""
    taken = {layer.name for layer in viewer.layers if layer is not besides}
    free, number = name, 2
    while free in taken:
        free, number = f"{name} [{number}]", number + 1
    return free


def _replace(layer: Layer, data: Any, arguments: dict[str, Any]) -> None:
    """Change a layer's samples and place; only what differs, for each is drawn."""
    was_editable = layer.editable  # which napari sets anew with the samples
    layer.data = data
    if layer.editable != was_editable:
        layer.editable = was_editable
    for name in (each for each in (*PLACE, *_SHOWN) if each in arguments):
        if name in _SHOWN or not _is(getattr(layer, name), arguments[name]):
            setattr(layer, name, arguments[name])


def _is(now: Any, wanted: Any) -> bool:
    """Whether a layer's place is as wanted: an affine, an array or a tuple."""
    matrix = getattr(now, "affine_matrix", now)
    is_array = isinstance(matrix, np.ndarray)
    return bool(np.array_equal(matrix, wanted) if is_array else matrix == wanted)
