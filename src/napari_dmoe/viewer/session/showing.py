"""One picture at a time: the image that is worked on is the one that is seen.

Whatever chooses another image goes through :meth:`Showing.show`: it hides the others
with all that belongs to them, brings the layers of this one as they were left, and
frames it. Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_dmoe.viewer.layers.camera import fit, go_back, place_in
from napari_dmoe.viewer.layers.found_masks import may_be_of_another
from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.outline_line import is_line
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.records import is_input, is_map
from napari_dmoe.viewer.layers.stage import stage_of
from napari_dmoe.viewer.session.belonging import image_for
from napari_dmoe.viewer.session.images import inputs_of

_IMAGE, _LAYER = "image", "layer"


class Showing:
    """Shows one image of a viewer, which it refers to weakly, with what belongs to it.

    Layers that belong to no image, such as points of a person's own, are left alone.
    """

    changed = Signal()
    """Another image is shown, or none."""
    deleted = Signal()
    """A layer that was selected goes: who listens calls :meth:`settle` soon."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer, self._stage = weakref.ref(viewer), stage_of(viewer)
        self._image: weakref.ref[Layer] | None = None
        self._places: WeakKeyDictionary[Layer, Sequence[float]] = WeakKeyDictionary()
        """Where the sliders stood when another image was chosen."""
        self._selected: WeakKeyDictionary[Layer, weakref.ref[Layer]] = (
            WeakKeyDictionary()
        )
        self._is_to_frame = False
        self._last_active: Callable[[], Layer | None] = lambda: None
        self._deleted: set[str] = set()
        """What was deleted since napari was last at rest: an image, or another."""
        viewer.layers.events.removing.connect(self._on_removing)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.selection.events.active.connect(self._on_active)
        # Behind napari, which must know by then along which axes there is anything.
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._frame, position="last")
        for layer in list(viewer.layers):
            self._link(layer)

    @property
    def image(self) -> Image | None:
        """The image that is shown and worked on; None where there is none."""
        shown = self.shown
        return shown if is_input(shown) else None

    @property
    def shown(self) -> Layer | None:
        """The image that is shown, or what stands in for one; None without either."""
        shown = None if self._image is None else self._image()
        return shown if self._is_there(shown) else None

    def stand_in(self, layer: Layer) -> None:
        """Let a layer be shown as an image is: alone, with what belongs to it.

        Nothing can be worked on meanwhile. It is for cases of which there is no image.
        """
        self._stage.stand_in(layer)

    def _is_there(self, image: Layer | None) -> bool:
        viewer = self._viewer()
        if viewer is None or image is None:
            return False
        return self._stage.leads(image) and image in viewer.layers

    @property
    def _images(self) -> list[Image]:
        return inputs_of(self._viewer())

    def own(self, image: Layer | None, layer: Layer) -> None:
        """Say that a layer belongs to an image: it is seen with that one alone.

        Where the image is None, it is one that is not here.
        """
        self._stage.own(image, layer)

    def release(self, layer: Layer) -> None:
        """Take back which image a layer belongs to; it is looked for anew."""
        self._stage.release(layer)
        self._link(plain(layer))

    def image_of(self, layer: Layer | None) -> Layer | None:
        """Return the image that a layer belongs to, or that it is; None without one."""
        return self._stage.image_of(layer)

    def layers_of(self, image: Layer) -> list[Layer]:
        """Return the layers that belong to an image, the lowest first."""
        return self._stage.layers_of(image)

    @property
    def is_adding(self) -> bool:
        """Whether what comes into the viewer now belongs to an image, as was said."""
        return self._stage.is_adding

    def is_held(self, active: Layer | None) -> bool:
        """Say whether a layer is selected, and its image is not to be shown for it.

        It is so while layers are added, and where somebody deleted a layer: napari
        selects its neighbour, which may be another image's. Only who deletes an image
        comes to the one beside it.
        """
        if self.is_adding or not self._deleted:
            return self.is_adding
        owner = self.image_of(active)
        return owner is None or (_IMAGE not in self._deleted and owner != self.shown)

    def settle(self) -> None:
        """Leave the selection with the image that is shown, after a deletion."""
        viewer, image = self._viewer(), self.shown
        self._deleted.clear()
        if viewer is not None and image is not None:
            self._select(viewer, image)

    def _on_removing(self, event: Any) -> None:
        viewer = self._viewer()
        layer = None if viewer is None else plain(viewer.layers[event.index])
        if viewer is None or layer is None:
            return
        # Its list has let go of the selection already, where there is a window.
        if layer not in viewer.layers.selection and layer is not self._last_active():
            return
        if len(self.deleted):  # else nobody says when napari is at rest again
            self._deleted.add(_IMAGE if self._stage.leads(layer) else _LAYER)
            self.deleted.emit()

    def adding(self, image: Layer | None) -> AbstractContextManager[None]:
        """Let what is added meanwhile belong to an image; unseen where that one is."""
        return self._stage.adding(image)

    def see(self, layer: Layer, is_seen: bool) -> None:
        """Show or hide a layer: now, or else once its image is shown."""
        self._stage.see(layer, is_seen)

    def is_seen(self, layer: Layer) -> bool:
        """Say whether a layer is seen, or is once its image is shown."""
        return self._stage.is_seen(layer)

    def is_shown(self, image: Layer | None) -> bool:
        """Say whether an image is the one that is shown."""
        return image is not None and plain(image) is self.image

    def show(self, image: Layer | None, *, is_settled: bool = True) -> None:
        """Show an image with its layers, and no other; frame it if it is another one.

        While napari is in the midst of taking layers in or out it `is_settled` only
        afterwards, and the image is framed then. An image that is not in the viewer
        is not shown.
        """
        viewer, image, before = self._viewer(), plain(image), self.shown
        if viewer is None or (image is not None and not self._is_there(image)):
            return
        is_another = image is not before
        if is_another and before is not None:
            self._places[before] = place_in(viewer, before)
        self._image = None if image is None else weakref.ref(image)
        # Who opens the dock beside the only image goes on seeing what they saw.
        is_alone = before is None and is_settled and not self._others_seen(image)
        self._is_to_frame |= is_another and image is not None and not is_alone
        with pointer_away(viewer):
            slide = self._slide if is_another and is_settled else lambda: None
            self._stage.show(image, slide)
            if image is not None:
                self._select(viewer, image)
                if is_settled:
                    self._frame()
        if is_another:
            self.changed.emit()

    def look_for(self, *, is_settled: bool = True) -> None:
        """Show an image where none is shown: one that is seen, the topmost first."""
        images = self._images
        seen = [each for each in images if each.visible]
        first = next(iter(seen or images), None)
        if self.shown is None and first is not None:
            self.show(first, is_settled=is_settled)

    def _others_seen(self, image: Layer | None) -> bool:
        return any(each.visible and each is not image for each in self._images)

    def _select(self, viewer: ViewerModel, image: Layer) -> None:
        """Let nobody paint on what belongs to another image, and is not seen."""
        active = plain(viewer.layers.selection.active)
        owner = self._stage.image_of(active)
        is_of_none = active is None or not (
            self._stage.leads(active) or self._stage.is_bound(active)
        )
        if is_of_none or owner is image:
            return
        kept = self._selected.get(image, lambda: None)()
        is_there = kept is not None and stays(viewer, kept)
        is_its = is_there and self._stage.image_of(kept) is image
        viewer.layers.selection.active = kept if is_its else image

    def _slide(self) -> None:
        """Go to the plane that was seen of the image, or to one that it has."""
        viewer, image = self._viewer(), self.shown
        if viewer is not None and image is not None:
            go_back(viewer, image, self._places.get(image))

    def _frame(self, event: Any = None) -> None:
        viewer, image = self._viewer(), self.shown
        if not self._is_to_frame or viewer is None or image is None:
            return
        self._is_to_frame = False
        self._slide()
        fit(viewer, image)

    def _on_active(self, event: Any = None) -> None:
        viewer = self._viewer()
        active = None if viewer is None else plain(viewer.layers.selection.active)
        if active is not None:
            self._last_active = weakref.ref(active)
        image = self._stage.image_of(active)
        if image is not None and active is not None and not is_line(active):
            self._selected[image] = weakref.ref(active)

    def _on_inserted(self, event: Any) -> None:
        layer = plain(event.value)
        self._link(layer)
        viewer = self._viewer()
        if is_input(layer) and viewer is not None:
            for each in list(viewer.layers):
                self._link(each)

    def _link(self, layer: Layer) -> None:
        """Find out which image labels belong to, where nobody said it.

        What may be a mask, though it came as an image, waits until somebody says it.
        """
        stage = self._stage
        if stage.is_adding or stage.is_bound(layer) or is_map(layer):
            return
        if isinstance(layer, Labels):
            if may_be_of_another(layer, self._images):
                stage.own(None, layer)  # until it is known whose it is
                return
            image = image_for(layer, self._images, self.image)
            if image is not None:
                stage.own(image, layer)
        elif isinstance(layer, Image) and not is_input(layer) and self._images:
            stage.own(None, layer)
