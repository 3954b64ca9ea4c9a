"""The planes of an image as a 2D network sees them, shared by the runs on that image.

Where the card has the network look twice, they are first the whole planes, and then a
square around what :mod:`napari_dmoe.inference.running.first_pass` finds in them.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.fitting import Placement
from napari_dmoe.imaging.focusing import around, found_in_any
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.pixels import CONSTANT
from napari_dmoe.imaging.preprocessing import (
    Prepared,
    Preprocessing,
    input_placement,
    prepare,
    prepare_part,
)
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.white import White, white_of_planes
from napari_dmoe.inference.results.provenance import InputDigest
from napari_dmoe.inference.running.likeness import Likeness
from napari_dmoe.inference.running.waiting import preparing
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress, ProgressHook, silent

PLANE_AXES = ("y", "x")

TURNED = (
    "the volume was segmented along its axial planes, which were turned to have the "
    "patient's back below and left on the right; the mask lies as the image does"
)

KEPT_PLANES = 8
"""Prepared planes that are kept for the next group of runs, where there are no more."""

NOTHING_FOUND = (
    "a first pass over the whole picture found nothing: so there is no second one "
    "around it, and the mask is empty"
)

NOTHING_SURE = (
    "a first pass over the whole picture found nothing that it is sure enough of: so "
    "there is no second one around it, and the mask is empty; with Focus off it is "
    "drawn"
)


@dataclass(frozen=True)
class Found:
    """What a first pass found in the planes of an image."""

    planes: frozenset[int]
    """Those in which it found anything; the others stay background."""
    loads: list[list[float]]
    """Mean gate of every expert, block by block, for each plane as a whole."""


class PlaneInputs:
    """Prepares planes, and knows what is to be said of them.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    image : SpatialImage
        The image.
    preprocessing : Preprocessing
        How its planes meet the model.
    upright : bool
        As in :func:`napari_dmoe.inference.running.variants.segment_variants`.

    Raises
    ------
    ImageError
        When the image cannot be used.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        preprocessing: Preprocessing,
        *,
        upright: bool,
    ) -> None:
        self.planes = planes = Frames(image, PLANE_AXES, upright=upright)
        self.preprocessing, self._n_channels = preprocessing, loaded.config.in_channels
        self.whole = input_placement(planes[0], preprocessing)
        """Where a whole plane lies in the input."""
        self.placement = self.whole
        """Where what is seen now lies in it."""
        self.found: Found | None = None
        """What a first pass found; None before it, and where there is none."""
        self.digest = InputDigest()
        self.notices = dict.fromkeys(image.notices)
        if planes.backwards & set(PLANE_AXES):
            self.notices[TURNED] = None
        self.constant: set[int] = set()
        self.likeness = Likeness(loaded.card.training_images)
        self._white: White | None = None
        self._inputs: dict[int, Tensor] = {}
        self._prepared: dict[int, Prepared] = {}
        self._progress: ProgressHook = silent
        self._last = Progress(0, len(planes))

    @property
    def is_kept(self) -> bool:
        """Whether prepared planes are kept for later runs."""
        return len(self.planes) <= KEPT_PLANES

    @property
    def asks_first(self) -> bool:
        """Whether a first pass is still to find what the second one sees."""
        return self.preprocessing.focus is not None and self.found is None

    def focus(
        self,
        masks: list[NDArray[np.bool_]],
        loads: list[list[float]],
        *,
        unsure: Collection[int] = (),
    ) -> None:
        """Go on with the square around what a first pass found in each plane.

        Where it found nothing at all the planes stay whole, so that it can be looked at
        what the network makes of them; their masks stay empty.

        Parameters
        ----------
        masks : list of (h, w) bool array
            What it found in each plane, on the grid of `whole`.
        loads : list of list of float
            As in :class:`Found`.
        unsure : collection of int
            Planes in which something was found, but not as surely as the card asks:
            their masks are empty here.
        """
        how, n = self.preprocessing, len(masks)
        seen = {number for number, mask in enumerate(masks) if mask.any()}
        self.found = Found(frozenset(seen), loads)
        if how.focus is not None:
            resize = how.resize
            found = around(found_in_any(masks), self.whole, how.focus, resize)
            self._go_on(found or self.whole)
        if not seen and n == 1:
            self.notices[NOTHING_SURE if unsure else NOTHING_FOUND] = None
        elif len(seen) < n:
            also = f", or not surely enough ({len(unsure)})" if unsure else ""
            self.notices[
                f"a first pass found nothing in {n - len(seen)} of {n} planes{also}: "
                "their masks are empty"
            ] = None

    def _go_on(self, placement: Placement) -> None:
        if placement.seen != self.whole.seen:
            self._inputs, self.digest = {}, InputDigest()
        self.placement = placement

    def listen(self, progress: ProgressHook, step: Progress) -> None:
        """Tell a step of the progress, and repeat it while a plane is prepared."""
        self._progress, self._last = progress, step
        progress(step)

    def _pulse(self) -> None:
        """Say again how far the run is, so that Stop acts."""
        self._progress(self._last)

    def tensors(self, chunk: range, progress: ProgressHook, message: str) -> Tensor:
        """Return prepared planes (P, C, S, S)."""
        planes: list[Tensor] = []
        for i in chunk:
            self.listen(progress, Progress(len(planes), len(chunk), message))
            known = self._inputs.get(i)
            with preparing(self.planes.image.data):
                planes.append(self._tensor(i) if known is None else known)
        if self.is_kept:
            self._inputs.update(zip(chunk, planes, strict=True))
        return torch.stack(planes)

    def _tensor(self, number: int) -> Tensor:
        is_part = self.placement.seen != self.whole.seen
        tensor = self._part(number) if is_part else self._whole_plane(number)
        if is_part or self.found is None:  # else it was added before
            self.digest.add(tensor)
        return tensor

    def _part(self, number: int) -> Tensor:
        known = self._prepared.pop(number, None)
        white = known.white if known is not None else self._white
        if white is None:
            raise ValueError("this plane was not prepared as a whole")
        return prepare_part(
            self.planes[number],
            self.placement,
            self.preprocessing,
            white=white,
            n_channels=self._n_channels,
            known=known,
            pulse=self._pulse,
        )

    def _whole_plane(self, number: int) -> Tensor:
        n = len(self.planes)
        if n > 1 and self._white is None:
            self._white = self._white_of_all()
        prepared = prepare(
            self.planes[number],
            self.preprocessing,
            n_channels=self._n_channels,
            white=self._white,
            pulse=self._pulse,
        )
        if self.asks_first and self.is_kept:
            self._prepared[number] = prepared
        notices = [*prepared.notices, prepared.white.statement]
        if CONSTANT in notices:
            self.constant.add(number)
            if n > 1:  # said of them all in the end
                notices.remove(CONSTANT)
        self.notices.update(dict.fromkeys(filter(None, notices)))
        self.likeness.look(number, prepared.raw)
        return prepared.tensor

    def _white_of_all(self) -> White:
        """Decide what is white in the whole stack, so that its planes stay related."""
        planes, seen = self.planes, self.whole.seen
        channels = planes.image.n_channels
        n_pixels = math.prod(s.stop - s.start for s in seen)
        return white_of_planes(
            (planes[number] for number in range(len(planes))),
            seen,
            dtype=np.dtype(planes.image.data.dtype),
            n_values=len(planes) * channels * n_pixels,
            n_planes=len(planes) * channels,
            pulse=self._pulse,
        )


def of_picture(gates: Tensor, placement: Placement) -> Tensor:
    """Return those of the gates (P, V, T, E) whose tokens show the picture."""
    side = math.isqrt(gates.shape[2])
    _, kept = placement.tokens(side)
    tokens: Tensor = gates.unflatten(2, (side, side))[:, :, *kept]
    return tokens.flatten(2, 3)
