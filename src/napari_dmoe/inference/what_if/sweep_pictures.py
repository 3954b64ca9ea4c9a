"""A sweep as one picture: the mask of each value side by side, and where they differ.

Of a stack or a volume, the plane is drawn in which most labels change.
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import SPATIAL_AXES, Grid, SpatialImage
from napari_dmoe.inference.pictures.colours import MARK_COLOUR
from napari_dmoe.inference.pictures.drawing import Picture, mask_picture, picture_of
from napari_dmoe.inference.pictures.result_pictures import radiological, slice_picture
from napari_dmoe.inference.results.provenance import RESEARCH_ONLY
from napari_dmoe.inference.what_if.sweep_result import Sweep

TILE = 300
"""Width of a tile in pixels."""

MOST_COLUMNS = 6

_GAP, _CAPTION, _LINE = 8, 24, 18
_LARGE, _LARGE_LINE = 15, 24
_PLAIN = str.maketrans({"²": "2", "³": "3", "“": '"', "”": '"'})
"""What the font that comes with Pillow lacks."""
_INK, _PAPER = (30, 30, 30), (255, 255, 255)
_CHANGE = np.array(MARK_COLOUR, np.float32)


def sweep_picture(image: SpatialImage, sweep: Sweep) -> Picture:
    """Draw the mask of every value, and a map of the pixels that change.

    The tiles stand in rows, each with its value's name; pairs of two drivers make a
    grid. Below stand the summary and what must be said of it.
    """
    plane = _Plane(image, sweep)
    values = sweep.values
    titles = [f"{v.name} (the patient)" if v.is_chosen else v.name for v in values]
    drawn = (plane.with_mask(value.labels) for value in values)
    tiles = list(zip(titles, drawn, strict=True))
    tiles.append(("where the label changes", plane.with_change(sweep.entropy)))
    columns = sweep.shape[1] if len(sweep.shape) == 2 else min(len(tiles), MOST_COLUMNS)
    said = (sweep.headline, f"{sweep.background} {RESEARCH_ONLY}")
    return _laid_out(tiles, columns, *(each.translate(_PLAIN) for each in said))


class _Plane:
    """The plane of an image that is drawn, and how masks and maps are brought to it."""

    def __init__(self, image: SpatialImage, sweep: Sweep) -> None:
        n_axes = len(sweep.grid.shape)
        self.sweep, self.n_extra = sweep, len(sweep.axes) - n_axes
        frames = Frames(image, SPATIAL_AXES[-n_axes:])
        split = self._by_frame(sweep.votes.max(0) < len(sweep.values))
        along = tuple(range(self.n_extra, split.ndim))
        self.frame = np.unravel_index(int(split.sum(along).argmax()), frames.shape or 1)
        frame = frames[int(np.ravel_multi_index(self.frame, frames.shape or (1,)))]
        self.shape = frames.frame_shape
        self.flips: tuple[slice, ...] = (slice(None), slice(None))
        self.place: tuple[int, ...] = ()
        if n_axes == 3:
            inside = self._at_source(split)
            self.place = (int(inside.sum((1, 2)).argmax()),)
            self.flips = radiological(frame)
            self.base = slice_picture(frame, self.place[0])
        else:
            self.base = picture_of(frame)

    def _by_frame(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a map of the sweep with the axes of its frames behind the others."""
        return self.sweep.values[0].result.by_frame(values)

    def _at_source(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return one frame of a map on the image's own pixels, by nearest sample."""
        frame = values[self.frame] if self.n_extra else values
        if self.sweep.grid == Grid.identity(self.shape):
            return frame
        index = [
            np.clip(np.rint(where), 0, n - 1).astype(int)
            for where, n in zip(
                self.sweep.grid.samples_at_source(self.shape), frame.shape, strict=True
            )
        ]
        return np.asarray(frame[np.ix_(*index)])

    def with_mask(self, labels: NDArray[np.uint8]) -> Picture:
        """Draw a mask."""
        plane = self._at_source(self._by_frame(labels))[self.place]
        return mask_picture(self.base, plane, self.sweep.classes)[self.flips]

    def with_change(self, entropy: NDArray[np.float32]) -> Picture:
        """Tint what changes, the stronger the more evenly the values vote."""
        here = self._at_source(self._by_frame(entropy))[self.place]
        plane = np.asarray(here, np.float32)
        share = np.clip(plane / max(float(plane.max()), 1e-6), 0, 1)[..., np.newaxis]
        grey = self.base.mean(-1, keepdims=True).repeat(3, -1)
        tinted = np.asarray((1 - share) * grey + share * _CHANGE, np.uint8)
        return tinted[self.flips]


def _laid_out(
    tiles: list[tuple[str, Picture]], columns: int, headline: str, text: str
) -> Picture:
    pictures = [(name, _fitted(picture)) for name, picture in tiles]
    height = max(picture.height for _, picture in pictures) + _CAPTION + _GAP
    n_rows = -(-len(pictures) // columns)
    width = columns * (TILE + _GAP) + _GAP
    heads = textwrap.wrap(headline, width // 9)
    lines = textwrap.wrap(text, width // 7)
    begin = n_rows * height + _GAP
    below = begin + _LARGE_LINE * len(heads)
    size = (width, below + _LINE * len(lines) + _GAP)
    page = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default()
    for number, (name, picture) in enumerate(pictures):
        row, column = divmod(number, columns)
        place = (_GAP + column * (TILE + _GAP), _GAP + row * height)
        draw.text((place[0], place[1] + 4), name, _INK, font)
        page.paste(picture, (place[0], place[1] + _CAPTION))
    large = ImageFont.load_default(_LARGE)
    for number, line in enumerate(heads):
        draw.text((_GAP, begin + number * _LARGE_LINE), line, _INK, large)
    for number, line in enumerate(lines):
        draw.text((_GAP, below + number * _LINE), line, _INK, font)
    return np.asarray(page)


def _fitted(picture: Picture) -> Image.Image:
    height, width = picture.shape[:2]
    size = (TILE, max(1, round(TILE * height / width)))
    return Image.fromarray(np.ascontiguousarray(picture)).resize(size)
