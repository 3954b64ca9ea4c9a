"""What is seen of a volume's mask while its run goes on: finished slabs, a preview.

Both are layers of their own that are marked, and taken out when the run ends, however
it does: the result takes their place, or nothing. The engine's thread touches neither:
it leaves what it has, and each step of the run's progress looks whether there is more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.placement import LayerData, axis_names, samples_of
from napari_dmoe.viewer.layers.slot import put, selection_kept
from napari_dmoe.viewer.layers.stage import stage_of
from napari_dmoe.viewer.layers.unfinished import (
    GrowingMask,
    growing_layer,
    is_seen,
    preview_layer,
)

if TYPE_CHECKING:
    from napari_dmoe.inference.running.slice_preview import SlicePreview
    from napari_dmoe.inference.running.volume_masks import FinishedSlab
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.viewer.engines import Engines
    from napari_dmoe.viewer.session.inquiry import Inquiry

SHOWN_AFTER_S = 1.0
"""Seconds of a run before slabs are shown: those of a short one would only flicker."""

_RESTS = 10
"""Times as long as it took to draw a slice or a volume, it is not drawn again."""

Slice = tuple[str, int]
"""The axis that a slice cuts, and its number there."""


@dataclass
class Coming:
    """What a run has found so far; filled in its thread."""

    mask: GrowingMask
    slice: Slice | None = None
    """The slice that was shown when the run began; None where all is shown, in 3D."""
    preview: SlicePreview | None = None
    is_replaced: bool = False
    """Whether the slice of the preview is finished."""
    is_whole: bool = False
    """Whether its mask is a copy of the result's, which nobody else has."""

    def take(self, slab: FinishedSlab) -> None:
        """Take a finished slab."""
        self.mask.take(slab.place, slab.labels)
        if self.slice is not None:
            axis, number = self.slice
            part = slab.place[self.mask.axes.index(axis)]
            self.is_replaced |= part.start <= number < part.stop

    def note_preview(self, preview: SlicePreview) -> None:
        """Take the preview of the slice."""
        self.preview = preview

    @property
    def words(self) -> str:
        """What is to be said of what is seen; nothing where there is no preview."""
        if self.preview is None or self.is_replaced:
            return ""
        return f"{self.preview.axis} {self.preview.number} is a preview"


@dataclass
class _Shown:
    """The run whose mask is shown, and how."""

    image: Image
    classes: tuple[str, ...]
    coming: Coming
    began: float = field(default_factory=time.monotonic)
    layer: Labels | None = None
    preview: Labels | None = None
    is_replaced: bool = False
    """Whether the preview was hidden, as its slice is finished."""
    is_stale: bool = False
    drawn_again: float = 0.0
    """When it may be drawn again."""
    hidden: list[Labels] = field(default_factory=list)


class UnfinishedMask(Control):
    """Shows what there is of the mask of a volume while its run goes on."""

    def __init__(self, bench: Bench, owner: QObject) -> None:
        super().__init__(bench, owner)
        self._shown: _Shown | None = None
        bench.work.progressed.connect(self._look)

    def engine(
        self,
        image: Image,
        inquiry: Inquiry,
        loaded: LoadedModel,
        segment: Callable[..., Any],
    ) -> Callable[..., Any]:
        """Return what segments in a run that begins now, and follow that.

        Of models of planes nothing is shown before the end, nor of masks that are
        scored at the network's voxels.
        """
        pixels = inquiry.pixels
        if loaded.card.dims != 3 or inquiry.settings.scored_at != "source":
            return segment
        axes = source_axes(pixels.axes)
        sizes = dict(zip(pixels.axes, pixels.data.shape, strict=True))
        mask = GrowingMask(axes, [sizes[axis] for axis in axes])
        coming = Coming(mask, self._slice(image))
        self._shown = _Shown(image, loaded.card.classes, coming)
        return partial(_followed, self._engines, segment, coming)

    def _slice(self, image: Image) -> Slice | None:
        """Return which slice of a volume is seen; None where it is seen in 3D."""
        viewer = self._session.viewer
        if viewer is None or viewer.dims.ndisplay != 2:
            return None
        offset = viewer.dims.ndim - image.ndim
        at = image.world_to_data(viewer.dims.point[offset:])
        names = axis_names(image, len(SPATIAL_AXES))
        sliced = (each - offset for each in viewer.dims.not_displayed)
        for axis in (each for each in sliced if 0 <= each < image.ndim):
            if names[axis] in SPATIAL_AXES:
                last = int(samples_of(image).shape[axis]) - 1
                return names[axis], min(max(0, round(float(at[axis]))), last)
        return None

    def end(self) -> NDArray[np.uint8] | None:
        """Take out what is shown of a run; masks that it hid are seen again.

        Returns a copy of the whole mask where the run ended well and there is one.
        """
        shown, self._shown, viewer = self._shown, None, self._session.viewer
        if shown is None or viewer is None:
            return None
        for layer in (shown.layer, shown.preview):
            if layer is not None:
                leaving_of(viewer).let_go(layer)
        for mask in shown.hidden:
            stage_of(viewer).see(mask, True)
        coming = shown.coming
        return coming.mask.labels if coming.is_whole else None

    def _look(self, _: object) -> None:
        """Show what is new."""
        shown, viewer = self._shown, self._session.viewer
        if shown is None or viewer is None or shown.image not in viewer.layers:
            return
        coming = shown.coming
        if coming.preview is not None and shown.preview is None:
            shown.preview = self._add(shown, _previewed(shown, coming.preview))
        news = coming.mask.news()
        if shown.layer is None:
            if news:
                shown.is_stale = True
            if shown.is_stale and time.monotonic() - shown.began >= SHOWN_AFTER_S:
                self._begin(shown)
            return
        layer, image = shown.layer, shown.image
        shown.is_stale |= any(
            is_seen(viewer, layer, image, coming.mask, place) for place in news
        )
        if coming.is_replaced and not shown.is_replaced and shown.preview is not None:
            shown.is_replaced = True
            stage_of(viewer).see(shown.preview, False)
        if shown.is_stale and time.monotonic() >= shown.drawn_again:
            self._draw(shown, layer)

    def _begin(self, shown: _Shown) -> None:
        """Put the finished slabs into the viewer, in place of the mask before."""
        for result in self._session.results_of(shown.image):
            mask, is_own = result.mask(), result.is_plain and not result.is_kept
            if mask is None or not is_own or result.looks_edited or not mask.visible:
                continue
            stage_of(self._session.viewer).see(mask, False)
            shown.hidden.append(mask)
        data = growing_layer(shown.image, shown.coming.mask, shown.classes)
        shown.layer, shown.is_stale = self._add(shown, data), False

    def _add(self, shown: _Shown, data: LayerData) -> Labels | None:
        viewer = self._session.viewer
        if viewer is None:
            return None
        with stage_of(viewer).adding(shown.image), selection_kept(viewer):
            layer: Labels = put(viewer, data, None)
        layer.editable = False
        return layer

    def _draw(self, shown: _Shown, layer: Labels) -> None:
        """Draw what is seen anew: the slice, or in 3D the volume, and not too often."""
        if not stays(self._session.viewer, layer):
            return
        began = time.monotonic()
        layer.refresh(thumbnail=False, highlight=False, extent=False)
        now = time.monotonic()
        shown.is_stale, shown.drawn_again = False, now + _RESTS * (now - began)


def _previewed(shown: _Shown, preview: SlicePreview) -> LayerData:
    return preview_layer(
        shown.image,
        preview.labels,
        shown.classes,
        axes=preview.axes,
        at=(preview.axis, preview.number),
    )


def _followed(
    engines: Engines,
    segment: Callable[..., Any],
    coming: Coming,
    *inputs: Any,
    progress: ProgressHook,
    **how: Any,
) -> Any:
    """Look at the slice that is shown, and segment; called in the work's thread."""

    def say(step: Progress) -> None:
        message = ", ".join(filter(None, (step.message, coming.words)))
        progress(replace(step, message=message))

    how |= {"progress": say, "finished": coming.take}
    if coming.slice is None:
        made = segment(*inputs, **how)
    else:
        how |= {"at": coming.slice, "told": coming.note_preview}
        made = engines.with_preview(segment, *inputs, **how)
    if type(made.labels) is np.ndarray:  # and lies in no file
        coming.is_whole = coming.mask.becomes(made.labels)
    return made
