"""The frame around what a model will see of an image that it crops. Knows no Qt.

There is at most one on an image, below its masks. It is no annotation: it cannot be
edited, and what somebody hid or took away does not come again for the same part.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_dmoe.viewer.layers import names
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.placement import axis_names, data_to_world, plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import free_name, renamed, selection_kept

Part = tuple[slice, ...]
"""What is seen along y and x, in pixels of the image as it is stored."""

_COLOUR = "#ffd400"
_SHARE = 0.004
"""Width of the line, as a share of the frame's longer side."""


class _Frame:
    """The frame on one image: its layer, what it is around, and the name we gave."""

    def __init__(self, image: Layer, layer: Layer, part: Part) -> None:
        self.image, self.layer = weakref.ref(image), weakref.ref(layer)
        self.part, self.given = part, layer.name


class SeenFrames:
    """The frames on the images of a viewer, which it refers to weakly."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._frames: list[_Frame] = []

    def layer(self, image: Layer) -> Layer | None:
        """Return the frame on an image; None where there is none."""
        frame = self._frame(image)
        return None if frame is None else self._layer(frame)

    def show(self, image: Image, part: Part) -> None:
        """Frame a part of an image; a frame that was taken away stays away."""
        viewer, frame = self._viewer(), self._frame(image)
        if viewer is None or axis_names(image)[-2:] != ("y", "x"):
            return
        name, layer = names.layer_name(image.name, names.SEEN), self.layer(image)
        if frame is not None and layer is not None:
            frame.given = renamed(viewer, layer, name, given=frame.given)
            _put(layer, image, part, is_other=frame.part != part)
            frame.part = part
        elif frame is None or frame.part != part:
            self._forget(frame)
            layer = _added(viewer, image, part, name)
            self._frames.append(_Frame(plain(image), layer, part))

    def keep(self, parts: Mapping[Image, Part | None]) -> None:
        """Take off the frames of images that are gone, or are seen whole by now."""
        for frame in list(self._frames):
            image = frame.image()
            if image is None or parts.get(image) is None:
                self._let_go(frame)
                self._forget(frame)

    def tidy(self, image: Layer) -> int:
        """Take the frame off, and do not put it there again; say how many went."""
        frame = self._frame(image)
        return 0 if frame is None else int(self._let_go(frame))

    def _frame(self, image: Layer) -> _Frame | None:
        own = plain(image)
        return next((each for each in self._frames if each.image() is own), None)

    def _layer(self, frame: _Frame) -> Layer | None:
        layer = frame.layer()
        return layer if stays(self._viewer(), layer) else None

    def _let_go(self, frame: _Frame) -> bool:
        viewer, layer = self._viewer(), self._layer(frame)
        if viewer is None or layer is None:
            return False
        return leaving_of(viewer).let_go(layer)

    def _forget(self, frame: _Frame | None) -> None:
        if frame is not None:
            self._frames.remove(frame)


def _added(viewer: ViewerModel, image: Image, part: Part, name: str) -> Layer:
    """Put a frame on an image, below everything else that lies there; return it."""
    with selection_kept(viewer), pointer_away(viewer):
        layer: Layer = plain(
            viewer.add_shapes(
                [_corners(part)],
                shape_type="rectangle",
                name=free_name(viewer, name),
                edge_color=_COLOUR,
                edge_width=_width(part),
                face_color="transparent",
                affine=_to_world(image),
                units=image.units[-2:],
                axis_labels=image.axis_labels[-2:],
            )
        )
        above = viewer.layers.index(plain(image)) + 1
        viewer.layers.move(viewer.layers.index(layer), above)
    layer.editable = False
    return layer


def _put(layer: Any, image: Image, part: Part, *, is_other: bool) -> None:
    """Put a frame that is there around a part of its image, which may have moved."""
    if is_other:
        layer.data = [_corners(part)]
        layer.edge_width = _width(part)
        layer.editable = False  # which napari sets anew with the data
    affine = _to_world(image)
    if not np.array_equal(layer.affine.affine_matrix, affine):
        layer.affine = affine


def _corners(part: Part) -> NDArray[np.float64]:
    """Return the corners (4, 2) of a part, at the edges of its pixels."""
    (top, bottom), (left, right) = ((p.start - 0.5, p.stop - 0.5) for p in part)
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def _width(part: Part) -> float:
    return max(1.0, _SHARE * max(each.stop - each.start for each in part))


def _to_world(image: Image) -> NDArray[np.float64]:
    """Return the (3, 3) affine of an image's last two axes."""
    return np.asarray(data_to_world(image)[-3:, -3:])
