"""How a picture of any shape meets a network's square: padded, cropped or stretched.

Only geometry: no pixel is read. The pixels follow in
:mod:`napari_dmoe.imaging.preprocessing`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from napari_dmoe.imaging.spatial import Grid, ResizeRule

Fit = Literal["pad", "crop", "stretch"]

Crop = int | Literal["square"]
"""Side of a centre crop in pixels, or the largest centre square."""


LEAST_SAMPLES = 2
"""Along the shorter side: both its edges, and torch smooths no width of 1 rightly."""


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in a network's input, and what of it the network sees."""

    source: tuple[int, int]
    """Size of the picture along y and x, in pixels."""
    fit: Fit
    """How it meets the network."""
    seen: tuple[slice, slice]
    """The part of the picture that the network sees, in its pixels."""
    grid: Grid
    """Where the samples that show the picture lie, in its pixels."""
    picture: tuple[slice, slice]
    """The part of the input that shows the picture; the rest of it is padding."""
    side: int
    """Side of the input, in samples."""
    is_focused: bool = False
    """Whether it is what a second pass sees, around what a first one found."""

    @property
    def is_padded(self) -> bool:
        """Whether part of the input shows no picture."""
        return self.grid.shape != (self.side, self.side)

    @property
    def unseen(self) -> float:
        """Share of the picture that the network does not see, in [0, 1]."""
        seen: int = math.prod(part.stop - part.start for part in self.seen)
        height, width = self.source
        return 1 - seen / (height * width)

    @property
    def words(self) -> str:
        """Say what of the picture the network sees.

        Examples
        --------
        >>> place((1411, 700), side=160, fit="pad").words
        'the whole picture is seen'
        >>> place((1411, 700), side=160, fit="crop", crop="square").words
        'the middle 700 x 700 pixels are seen: 50 % of the picture is not'
        """
        if self.unseen:
            height, width = (part.stop - part.start for part in self.seen)
            share = min(max(round(100 * self.unseen), 1), 99)
            if self.is_focused:
                return (
                    f"a second pass saw {height} x {width} pixels around what the "
                    f"first one found: {share} % of the picture lies outside"
                )
            return (
                f"the middle {height} x {width} pixels are seen: {share} % of the "
                "picture is not"
            )
        height, width = self.source
        if self.fit == "pad" or height == width:
            return "the whole picture is seen"
        return "the whole picture is seen, stretched to a square"

    def tokens(self, along: int) -> tuple[Grid, tuple[slice, slice]]:
        """Return the blocks of the input that show the picture, `along` a side of it.

        Returns
        -------
        Grid
            Where their centres lie, in the picture's pixels.
        tuple of slice
            Which of the `along` x `along` blocks they are: those whose centre lies in
            the picture, and where that is too thin for any, the nearest.
        """
        before = [part.start for part in self.picture]
        whole = self.grid.pad(before, (self.side, self.side))
        blocks = whole.resize((along, along), "half-pixel")
        kept = tuple(centred_tokens(part, self.side, along) for part in self.picture)
        shape = [part.stop - part.start for part in kept]
        return blocks.crop([part.start for part in kept], shape), (kept[0], kept[1])


def place(
    shape: Sequence[int],
    *,
    side: int,
    fit: Fit,
    crop: Crop | None = None,
    resize: ResizeRule = "half-pixel",
) -> Placement:
    """Place a picture in a network's input.

    Parameters
    ----------
    shape : (int, int)
        Size of the picture along y and x, in pixels.
    side : int
        Side of the input, in samples.
    fit : {"pad", "crop", "stretch"}
        ``pad``: the longer side fills the input, and the other keeps its proportion,
        in the middle; ``crop``: the middle alone; ``stretch``: each side fills it.
    crop : int or "square", optional
        Of ``fit="crop"``: how much is seen. Along an axis that is shorter all is seen.
    resize : {"corner-aligned", "half-pixel"}
        As in :meth:`Grid.resize`.
    """
    height, width = shape
    grid, size = Grid.identity((height, width)), (side, side)
    wanted = (height, width)
    if fit == "crop" and crop is not None:
        wanted = (min(shape),) * 2 if crop == "square" else (crop, crop)
    grid, seen = grid.centre_crop(wanted)
    if fit == "pad":
        least, scale = min(LEAST_SAMPLES, side), side / max(shape)
        height, width = (max(least, math.floor(n * scale + 0.5)) for n in shape)
        size = (height, width)
    first = [(side - n) // 2 for n in size]
    rows, columns = (slice(at, at + n) for at, n in zip(first, size, strict=True))
    return Placement(
        source=(int(shape[0]), int(shape[1])),
        fit=fit,
        seen=(seen[0], seen[1]),
        grid=grid.resize(size, resize),
        picture=(rows, columns),
        side=side,
    )


def centred_tokens(part: slice, side: int, along: int) -> slice:
    """Return the blocks along one side whose centres lie in a part of the input.

    There are `along` of them on the `side` samples; the nearest to the part's middle
    where it is too thin for any. A centre on either edge lies in it, so that blocks
    that are half padding are kept at both ends, or at none.
    """
    step = side / along
    # Block i is centred on i * step + (step - 1) / 2; samples reach half to each side.
    first = math.ceil(part.start / step - 0.5)
    last = math.floor(part.stop / step - 0.5) + 1
    if first < last:
        return slice(first, last)
    nearest = min(int((part.start + part.stop) / 2 / step), along - 1)
    return slice(nearest, nearest + 1)
