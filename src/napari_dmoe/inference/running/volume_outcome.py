"""What one choice of routers gets of a run over volumes: masks, maps, routing, record.

Several choices may share the windows; :mod:`napari_dmoe.inference.running.volumes` runs
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.frames import Frames, source_axes, transposed
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.routing import KeptRouting, RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.empty_windows import BACKGROUND_LOGIT
from napari_dmoe.inference.running.forward import Answers, Forward
from napari_dmoe.inference.running.likeness import Likeness, mean_loads
from napari_dmoe.inference.running.recording import provenance_of
from napari_dmoe.inference.running.volume_masks import (
    SlabHook,
    VolumeMasks,
    teller,
)
from napari_dmoe.inference.running.volume_routing import VolumeRouting
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.models.titles import unit_of

if TYPE_CHECKING:
    from napari_dmoe.inference.running.mask_files import Destination


@dataclass(frozen=True)
class SeenVolumes:
    """What is known of volumes once they were read, for whatever they were run for."""

    grid: Grid
    """Where the voxels that the network saw lie in the image."""
    seen: tuple[slice, ...]
    """The part of the image that it saw."""
    input_sha256: str
    """Of what it saw."""
    likeness: Likeness
    """How it compares with what the model was trained on."""
    notices: tuple[str, ...]
    """What is to be said of it."""
    is_partial: bool = False
    """Whether not all of their windows were run now, so that the loads are not of all
    of them."""


class VolumeOutcome:
    """Collects what a network says of volumes for one choice of routers.

    Parameters
    ----------
    forward : Forward
        The model and the choice.
    volumes : Frames
        The volumes.
    places : sequence of int
        Where the choice's combinations stand among those that are run.
    keep : KeptRouting
        What is kept of the routing.
    into, finished
        As those of :class:`napari_dmoe.inference.running.volumes.VolumeRun`.
    """

    def __init__(
        self,
        forward: Forward,
        volumes: Frames,
        places: Sequence[int],
        *,
        keep: KeptRouting,
        into: Destination | None = None,
        finished: SlabHook | None = None,
    ) -> None:
        self._forward, self._volumes, self._places = forward, volumes, list(places)
        self._into, self._finished = into, finished
        self._keep = keep
        self.routing = VolumeRouting(forward.choice.weights, keep, into)

    @property
    def n_values(self) -> int:
        """Combinations of values, whose scores are added up."""
        return len(self._places)

    @property
    def n_masks(self) -> int:
        """Masks that are drawn: the mixture's, and those of its values."""
        return self.n_values + 1 if self.n_values > 1 else 1

    def make_room(
        self, n_volumes: int, shape: Sequence[int], seen: tuple[slice, ...]
    ) -> None:
        """Make room for the masks of some volumes of a shape; `seen` is their part."""
        told = teller(self._volumes, self._finished) if self._finished else None
        self.masks = VolumeMasks(
            self._forward, n_volumes, shape, seen=seen, into=self._into, told=told
        )

    def take(
        self, windows: Windows, window: int, answers: Answers, place: int
    ) -> Tensor:
        """Return the scores (V, K, *size) of a window that are added up.

        `place` is that of the window among the inputs that were answered.
        """
        gates = [block[place, self._places] for block in answers.gates]
        self.routing.add(windows, window, gates)
        return self._forward.scores(answers.logits[place, self._places])

    def skip(self, window: int) -> None:
        """Pass over a window that shows nothing."""
        self.routing.skip(window)

    @property
    def blank(self) -> Tensor:
        """Scores (V, K) of what shows nothing: those of the background."""
        n_classes = self._forward.loaded.config.n_classes
        scores = torch.zeros(self.n_values, n_classes)
        scores[:, 0] = BACKGROUND_LOGIT if self._forward.is_plain else 1.0
        return scores

    def result(self, seen: SeenVolumes, swept: tuple[str, ...]) -> Segmentation:
        """Return everything in the shape of the source, along its axes."""
        shape, masks = self._volumes.frame_shape, self.masks
        is_at_source = self._forward.settings.scored_at == "source"
        labels = self._as_stored(masks.labels)
        values, kept = self._forward.choice.values, masks.probabilities
        return Segmentation(
            labels=labels,
            axes=source_axes(self._volumes.image.axes),
            grid=Grid.identity(shape) if is_at_source else seen.grid.upright()[0],
            classes=self._forward.loaded.card.classes,
            by_value=dict(
                zip(values, map(self._as_stored, masks.by_value), strict=False)
            ),
            probabilities=None if kept is None else self._as_stored(kept, 1),
            routing=self._routing(),
            provenance=self.record(seen, labels, swept),
        )

    def record(
        self,
        seen: SeenVolumes,
        labels: NDArray[np.uint8],
        swept: tuple[str, ...] = (),
    ) -> Provenance:
        """Return the record of the run, by labels along the axes of the source."""
        loads: list[list[float]] = []
        if not seen.is_partial:
            loads = mean_loads(self._forward, *self.routing.loads())
        return provenance_of(
            self._forward,
            self._volumes.image,
            labels,
            grid=seen.grid,
            seen=seen.seen,
            input_sha256=seen.input_sha256,
            notices=(*seen.likeness.notices("volume", loads), *seen.notices),
            swept=swept,
        )

    def _as_stored(self, samples: NDArray[Any], n_first: int = 0) -> NDArray[Any]:
        """Return samples (*first, N, z, y, x) along the axes of the source.

        Of the axes before the volumes' there are `n_first`, such as that of classes.
        """
        samples, volumes = self._apart(samples, n_first), self._volumes
        axes = (*volumes.axes, *VOLUME_AXES)
        return transposed(samples, axes, source_axes(volumes.image.axes))

    def _apart(self, samples: NDArray[Any], n_first: int) -> NDArray[Any]:
        """Return samples (*first, N, *S) along the axes that are run over."""
        first, size = samples.shape[:n_first], samples.shape[n_first + 1 :]
        return samples.reshape(*first, *self._volumes.shape, *size)

    def _routing(self) -> RoutingMaps | None:
        stages = self.routing.stages()
        if not stages:
            return None
        return self._keep.maps(
            [self._apart(gates, 1) for gates in stages.values()],
            [self.routing.grids[stage] for stage in stages],
            self._forward.choice.values,
            self._forward.choice.weights,
            axes=self._volumes.axes,
            token_axes=VOLUME_AXES,
            unit=unit_of(self._forward.loaded.architecture),
        )
