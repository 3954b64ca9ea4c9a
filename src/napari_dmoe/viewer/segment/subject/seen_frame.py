"""Frames what a model that crops will see of the image that is worked on.

It stands there before a run, and is hidden where the model sees the whole picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.layers.seen import Part
from napari_dmoe.viewer.session import checks
from napari_dmoe.viewer.ui.connections import Refresh

if TYPE_CHECKING:
    from napari.layers import Image


class SeenFrame(Control):
    """Keeps the frame on the image, and hides those that are no longer true."""

    def __init__(self, bench: Bench, owner: QObject) -> None:
        super().__init__(bench, owner)
        session = bench.session
        changes = (
            *(session.model_changed, session.image_changed),
            *(session.images_changed, session.settings_changed),
        )
        self._refresh = Refresh(self, self.show, soon=changes)
        self._refresh.soon()

    def show(self) -> None:
        """Frame the image that is worked on, where the model sees a part of it."""
        session = self._session
        frames, image = session.seen_frames, session.image
        frames.keep({each: self._part(each) for each in session.images()})
        part = None if image is None else self._part(image)
        if image is not None and part is not None:
            frames.show(image, part)

    def _part(self, image: Image) -> Part | None:
        """Return what the model sees of an image's planes; None where that is all."""
        session = self._session
        loaded, dims = session.model, session.dims
        if loaded is None or dims == 3:
            return None
        if checks.image_problem(image, dims, session.n_channels):
            return None
        from napari_dmoe.inference.running.placing import as_stored, placement_on

        try:
            pixels = to_image(image, dims)
            placement = placement_on(loaded, pixels, session.settings)
        except ValueError:
            return None  # a run says it
        if placement is None or not placement.unseen:
            return None
        return as_stored(placement, pixels)[1]
