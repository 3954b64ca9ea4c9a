"""The frame around what a model will see of an image that it crops. Knows no Qt.

There is at most one on an image, below its masks. It is no image and no annotation, and
what somebody hid or took away does not come again for the same part. Where the model
sees all, it is hidden, and stays with its image: vispy may end the program when it
draws after a layer was taken out.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers import names
from napari_dmoe.viewer.layers.placement import (
    LayerData,
    axis_names,
    data_to_world,
    placement,
    plain,
    samples_of,
)
from napari_dmoe.viewer.layers.slot import LayerSlot, selection_kept
from napari_dmoe.viewer.layers.stage import stage_of

Part = tuple[slice, ...]
"""What is seen along y and x, in pixels of the image as it is stored."""

_COLOUR = (255, 212, 0, 255)
_MOST_SAMPLES = 256
"""Along a side of the frame, whose line is one of them wide."""


class _Frame:
    """The frame on one image: its layer, and what it is around."""

    def __init__(self, image: Layer, part: Part) -> None:
        self.image, self.part = weakref.ref(image), part
        self.slot, self.lies = LayerSlot(), b""
        self.is_put_by = False
        """Whether it is hidden because the whole image is seen."""


class SeenFrames:
    """The frames on the images of a viewer, which it refers to weakly."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer, self._stage = weakref.ref(viewer), stage_of(viewer)
        self._frames: list[_Frame] = []

    def layer(self, image: Layer) -> Layer | None:
        """Return the frame on an image; None where there is none."""
        frame = self._frame(image)
        layer: Layer | None = frame and frame.slot.within(self._viewer())
        return layer

    def show(self, image: Image, part: Part) -> None:
        """Frame a part of an image; a frame that was taken away stays away."""
        viewer, frame = self._viewer(), self._frame(image)
        if viewer is None:
            return
        if frame is None:
            frame = _Frame(plain(image), part)
            self._frames.append(frame)
        elif frame.part == part and self.layer(image) is None:
            return
        before, lies = self.layer(image), data_to_world(image).tobytes()
        if frame.is_put_by and before is not None:
            self._stage.see(before, True)
        frame.is_put_by = False
        if before is not None:
            frame.slot.rename(viewer, names.layer_name(image.name, names.SEEN))
        if before is None or (frame.part, frame.lies) != (part, lies):
            frame.part, frame.lies = part, lies
            with selection_kept(viewer), self._stage.adding(image):
                layer = frame.slot.put(viewer, _look(image, part))
                if layer is not before:
                    above = viewer.layers.index(plain(image)) + 1
                    viewer.layers.move(viewer.layers.index(layer), above)

    def keep(self, parts: Mapping[Image, Part | None]) -> None:
        """Hide the frames of images that are seen whole; let go those of images gone.

        `parts` are what is seen of the images that are there; None for all of it.
        """
        viewer = self._viewer()
        for frame in list(self._frames):
            image, layer = frame.image(), frame.slot.within(viewer)
            if image is None or image not in parts:
                frame.slot.let_go(viewer)
                self._frames.remove(frame)
            elif parts[image] is None and layer is not None:
                frame.is_put_by |= self._stage.is_seen(layer)
                self._stage.see(layer, False)

    def tidy(self, image: Layer) -> int:
        """Take the frame off, and do not put it there again; say how many went."""
        frame = self._frame(image)
        return 0 if frame is None else int(frame.slot.let_go(self._viewer()))

    def _frame(self, image: Layer) -> _Frame | None:
        own = plain(image)
        return next((each for each in self._frames if each.image() is own), None)


def _look(image: Image, part: Part) -> LayerData:
    """Return a frame on a part of an image, on every plane of it."""
    seen = dict(zip(("y", "x"), part, strict=True))
    sizes, start, step = [], [], []
    for name, n in zip(axis_names(image), samples_of(image).shape, strict=False):
        where = seen.get(name, slice(0, n))
        length = where.stop - where.start
        size = min(length, _MOST_SAMPLES) if name in seen else 1
        sizes.append(size)
        step.append(length / size)
        start.append(where.start + (length / size - 1) / 2)
    along = [axis_names(image).index(name) for name in seen]
    grid = Grid(tuple(sizes), tuple(start), tuple(step))
    arguments = {
        "name": names.layer_name(image.name, names.SEEN),
        "metadata": {METADATA_KEY: {"shows": names.SEEN}},
        "rgb": True,
        **placement(image, grid),
    }
    return _line(grid.shape, along), arguments, "image"


def _line(shape: tuple[int, ...], along: list[int]) -> NDArray[np.uint8]:
    """Return a frame (*shape, 4) in RGBA, at the ends of some of its axes."""
    pixels = np.zeros((*shape, 4), np.uint8)
    for axis in along:
        ends: list[slice | list[int]] = [slice(None)] * len(shape)
        ends[axis] = [0, -1]
        pixels[tuple(ends)] = _COLOUR
    return pixels
