"""Takes the pixel size that a person states, where no file does."""

from __future__ import annotations

from collections.abc import Mapping

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.placement import (
    axis_names,
    has_no_size,
    stated_size,
)
from napari_dmoe.viewer.segment.subject.pixel_size_view import PixelSizeButton
from napari_dmoe.viewer.session.pixel_size import state_pixel_size
from napari_dmoe.viewer.ui.connections import Connections


class PixelSizeControl(Control):
    """Connects the button, which owns it, with the image that is worked on."""

    def __init__(self, bench: Bench, button: PixelSizeButton) -> None:
        super().__init__(bench, button)
        self._button = button
        connections, session = Connections(self), bench.session
        for change in (session.image_changed, session.model_changed):
            connections.add(change, self.show)
        button.stated.connect(self._on_stated)
        self.show()

    def show(self) -> None:
        """Offer to state the size, where nobody else does."""
        image, dims = self._session.image, self._session.dims
        if image is None:
            self._button.show_size((), {}, is_offered=False)
            return
        names = axis_names(image, dims)
        axes = [axis for axis in ("x", "z") if axis in names]
        stated = stated_size(image)
        self._button.show_size(axes, stated, is_offered=has_no_size(image, dims))

    def _on_stated(self, mm: Mapping[str, float]) -> None:
        image = self._session.image
        if image is not None and not self._work.is_busy:
            state_pixel_size(self._session, image, mm)
            self.show()
