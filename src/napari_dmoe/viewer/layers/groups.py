"""The layers that lie on an image besides its masks: at most one of each group.

Whoever shows something on an image puts it into its group: what was there is replaced
in place, whoever put it there. Who wants theirs again makes it anew. A map of the
routing and a what-if are never seen together: what comes up hides the other. What
somebody painted on is nobody's to replace or to take away. Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Labels, Layer
from psygnal import Signal

from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.placement import LayerData, plain
from napari_dmoe.viewer.layers.slot import LayerSlot
from napari_dmoe.viewer.layers.stage import stage_of


class Group(Enum):
    """What of an image's layers there is one of."""

    ROUTING = "routing"
    """A map of the routing."""
    WHAT_IF = "what-if"
    """A sweep's masks, a map of noise samples, or where two masks differ."""
    SWEEP_MAP = "sweep map"
    """A map on a sweep's masks, which goes with them."""


_WHAT_IFS = (Group.WHAT_IF, Group.SWEEP_MAP)


@dataclass(eq=False)
class _OfImage:
    """The groups of one image."""

    slots: dict[Group, LayerSlot] = field(
        default_factory=lambda: defaultdict(LayerSlot)
    )
    owners: dict[Group, str] = field(default_factory=dict)
    others: list[LayerSlot] = field(default_factory=list)
    """Layers of no group, such as what a replay made."""


class Groups:
    """The layers on the images of a viewer, by group; it is referred to weakly."""

    changed = Signal()
    """A layer of a group took the place of another owner's."""
    tidied = Signal()
    """Layers were let go because a person wants none of them."""
    yielded = Signal(object, object)
    """A layer of this image, and of this :class:`Group`, was hidden for another."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer, self._stage = weakref.ref(viewer), stage_of(viewer)
        self._images: WeakKeyDictionary[Layer, _OfImage] = WeakKeyDictionary()

    @property
    def images(self) -> list[Layer]:
        """The images that something was put on."""
        return list(self._images)

    def layer(self, image: Layer | None, group: Group, owner: str = "") -> Layer | None:
        """Return the layer of a group that is in the viewer, if its owner put it there.

        By default it is returned whoever put it there.
        """
        of_image = None if image is None else self._images.get(plain(image))
        if of_image is None or group not in of_image.slots:
            return None
        if owner and of_image.owners.get(group) != owner:
            return None
        layer: Layer | None = of_image.slots[group].within(self._viewer())
        return layer

    def put(
        self,
        image: Layer,
        group: Group,
        layer_data: LayerData,
        owner: str,
        *,
        is_under_masks: bool = False,
    ) -> Layer:
        """Show something in a group of an image, instead of what was there.

        The layer cannot be painted on, and none other is selected for it. A new one
        comes on top, or next to the image.

        Raises
        ------
        RuntimeError
            When the viewer is gone.
        """
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer is gone")
        of_image = self._images.setdefault(plain(image), _OfImage())
        slot, selected = of_image.slots[group], set(viewer.layers.selection)
        before, owned = slot.within(viewer), of_image.owners.get(group)
        with self._stage.adding(image):
            layer: Layer = slot.put(viewer, layer_data)
        of_image.owners[group] = owner
        if layer is not before:
            if is_under_masks:
                place = viewer.layers.index(plain(image)) + 1
                viewer.layers.move(viewer.layers.index(layer), place)
            kept = {each for each in selected if stays(viewer, each)}
            viewer.layers.selection = kept  # a painter keeps their layer
        if isinstance(layer, Labels) and layer.editable:
            layer.editable = False
        if group is Group.WHAT_IF:  # whatever lay on the one before
            self.let_go(image, Group.SWEEP_MAP)
        self.show(image, group)
        if before is not None and owned != owner:
            self.changed.emit()
        return layer

    def layers(self, image: Layer) -> list[Layer]:
        """Return all layers that were put on an image and are in the viewer."""
        of_image, viewer = self._images.get(plain(image)), self._viewer()
        if of_image is None:
            return []
        slots = (*of_image.slots.values(), *of_image.others)
        return [layer for each in slots if (layer := each.within(viewer)) is not None]

    def show(self, image: Layer, group: Group) -> None:
        """Let a group's layer be seen, and what cannot be seen with it no longer."""
        hidden = (Group.ROUTING,) if group in _WHAT_IFS else _WHAT_IFS
        for each in hidden:
            layer = self.layer(image, each)
            if self._see(layer, False):
                self.yielded.emit(plain(image), each)
        self._see(self.layer(image, group), True)

    def hide(self, image: Layer | None, group: Group, owner: str = "") -> None:
        """Hide a group's layer, if its owner put it there."""
        self._see(self.layer(image, group, owner), False)

    def is_seen(self, image: Layer | None, group: Group, owner: str = "") -> bool:
        """Say whether a group's layer is seen, or is once its image is shown."""
        layer = self.layer(image, group, owner)
        return layer is not None and self._stage.is_seen(layer)

    def _see(self, layer: Layer | None, is_seen: bool) -> bool:
        """Show or hide a layer, once its image is shown; say whether it was not so."""
        if layer is None or self._stage.is_seen(layer) is is_seen:
            return False
        self._stage.see(layer, is_seen)
        return True

    def let_go(self, image: Layer | None, group: Group, owner: str = "") -> bool:
        """Let a group's layer go, unless it was painted on; say whether it goes."""
        if image is None or self.layer(image, group, owner) is None:
            return False
        return self._images[plain(image)].slots[group].let_go(self._viewer())

    def note(self, image: Layer, layer: Layer) -> None:
        """Take note of a layer on an image that belongs to no group."""
        of_image, slot = self._images.setdefault(plain(image), _OfImage()), LayerSlot()
        slot.take(layer)
        of_image.others.append(slot)
        self._stage.own(image, layer)

    def tidy(self, image: Layer) -> int:
        """Let all of an image's layers go that nobody painted on; say how many."""
        of_image, viewer = self._images.get(plain(image)), self._viewer()
        if of_image is None:
            return 0
        slots = (*of_image.slots.values(), *of_image.others)
        n = sum(slot.let_go(viewer) for slot in slots)
        self.tidied.emit()
        return n
