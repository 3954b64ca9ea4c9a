"""One run of a 3D model over the volumes of an image, window by window, in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.frames import Frames, source_axes, transposed
from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.pixels import CONSTANT
from napari_dmoe.imaging.restoration import best_class, restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.imaging.volumes import (
    VOLUME_AXES,
    PreparedVolume,
    VolumePreprocessing,
    Window,
    model_shape,
    prepare_volume,
    window_of_all,
)
from napari_dmoe.inference.results.provenance import InputDigest
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import RouterChoice
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.likeness import Likeness, mean_loads
from napari_dmoe.inference.running.recording import provenance_of, said_once
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.shares import (
    PREPARING,
    RESTORING,
    RUNNING,
    beats_of_preparing,
    shares_of_volume,
)
from napari_dmoe.inference.running.waiting import computing, preparing, with_reason
from napari_dmoe.inference.running.windows import (
    GateSum,
    WeightedSum,
    Windows,
    n_windows,
)
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.footprint import refuse_patch
from napari_dmoe.models.titles import unit_of
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.progress import Phases, Progress, ProgressHook, beats, part_of

_DRAWING = "drawing the mask"

VOXELS_AT_ONCE = 2 * 96**3
"""Voxels in one forward pass at most, so that it takes about a second and can stop."""

FOR_PLANES = (
    "focus, keep and fill are for 2D models: this one went window by window, and its "
    "mask is as it came"
)


class VolumeRun:
    """One call of :func:`segment`: volumes in, results out."""

    def __init__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        choice: RouterChoice,
        settings: InferenceSettings,
    ) -> None:
        self.loaded, self.settings = loaded, settings
        self.volumes = Frames(image, VOLUME_AXES)
        if not isinstance(loaded.preprocessing, VolumePreprocessing):
            raise ImageError("the model's card states no preprocessing of volumes")
        self.preprocessing = loaded.preprocessing
        at_once = max(1, VOXELS_AT_ONCE // math.prod(self.preprocessing.patch))
        batch = min(settings.batch, at_once)
        self.forward = Forward(loaded, choice, settings, batch=batch)
        self.is_at_source = settings.scored_at == "source"
        self.digest = InputDigest()
        self.likeness = Likeness(loaded.card.training_images)
        self.notices = dict.fromkeys(image.notices)
        if {settings.focus, settings.keep, settings.fill} & {"on", "largest"}:
            self.notices[FOR_PLANES] = None
        self.labels: list[NDArray[np.uint8]] = []
        self.by_value: list[list[NDArray[np.uint8]]] = []
        self.probabilities: list[NDArray[np.float32]] = []
        self.gates: list[tuple[NDArray[np.float32], ...]] = []
        self.grid = Grid.identity(self.volumes.frame_shape)
        self.token_grids: tuple[Grid, ...] = ()

    def work(self, progress: ProgressHook) -> Segmentation:
        """Segment all volumes."""
        n, n_channels = len(self.volumes), self.loaded.config.in_channels
        window, progress = self._window_of_all(progress)
        for number in range(n):
            part, volume = part_of(progress, number, n), self.volumes[number]
            phases, n_beats = Phases(part, self._shares(volume)), self._n_beats(volume)
            pulse = beats(phases.of(PREPARING), n_beats, "preparing the volume")
            with preparing(volume.data):
                prepared = prepare_volume(
                    volume,
                    self.preprocessing,
                    n_channels=n_channels,
                    window=window,
                    pulse=pulse,
                )
            self.notices.update(dict.fromkeys(prepared.notices))
            self.digest.add(prepared.tensor, pulse=pulse)
            self.likeness.look(number, prepared.tensor)
            self.grid = prepared.grid
            windows = self._windows(prepared.grid.shape)
            scores = self._scores(number, prepared, windows, phases.of(RUNNING))
            with computing():
                self._keep(scores, phases.of(RESTORING))
            # Of a single voxel nobody can tell whether it shows anything.
            if CONSTANT in prepared.notices and math.prod(volume.spatial_shape) > 1:
                self._empty_last()
            phases.of(RESTORING)(Progress(1, 1, "done"))
        return self._result()

    def _windows(self, shape: Sequence[int]) -> Windows:
        return Windows(shape, self.preprocessing.patch, self.settings.overlap)

    def _shares(self, volume: SpatialImage) -> Mapping[str, float]:
        """Return the shares of a volume before anything of it is read."""
        patch, n_values = self.preprocessing.patch, len(self.forward.choice.categories)
        shape = model_shape(volume, self.preprocessing)
        n_seen = n_windows(shape, patch, self.settings.overlap) * math.prod(patch)
        n_masks = n_values + 1 if n_values > 1 else 1
        n_restored = (n_masks + self.settings.probabilities) * self.is_at_source
        return shares_of_volume(
            voxels=math.prod(volume.spatial_shape),
            seen=n_seen * self.forward.rows_per_input,
            config=self.loaded.config,
            n_restored=n_restored,
            n_classes=self.loaded.config.n_classes,
        )

    def _n_beats(self, volume: SpatialImage) -> int:
        """Return about how often preparing a volume pulses."""
        is_lazy = not isinstance(volume.data, np.ndarray)
        voxels, have = math.prod(volume.spatial_shape), volume.spatial_shape
        shape = model_shape(volume, self.preprocessing)
        return beats_of_preparing(
            voxels=voxels,
            resampled=0 if sorted(shape) == sorted(have) else math.prod(shape),
            lazy_bytes=voxels * volume.data.dtype.itemsize if is_lazy else 0,
        )

    def _window_of_all(
        self, progress: ProgressHook
    ) -> tuple[Window | None, ProgressHook]:
        """Decide what is 0 and 1 in all volumes together, so that they stay related.

        Returns the progress of what is left to be done, too.
        """
        n, volumes = len(self.volumes), self.volumes
        if n == 1 or self.preprocessing.window is not None:
            return None, progress
        of_each = self._shares(volumes[0])
        shares = {PREPARING: of_each[PREPARING], RUNNING: sum(of_each.values())}
        phases, n_beats = Phases(progress, shares), n * self._n_beats(volumes[0])
        window, notices = window_of_all(
            (volumes[number] for number in range(n)),
            self.preprocessing,
            number=n,
            n_channels=self.loaded.config.in_channels,
            pulse=beats(phases.of(PREPARING), n_beats, "preparing the volumes"),
        )
        self.notices.update(dict.fromkeys(notices))
        return window, phases.of(RUNNING)

    def _scores(
        self,
        number: int,
        prepared: PreparedVolume,
        windows: Windows,
        progress: ProgressHook,
    ) -> Tensor:
        """Run every window: logits (1, K, *S), or probabilities (V, K, *S) to mix."""
        patch = self.preprocessing.patch
        if isinstance(config := self.loaded.config, UNetConfig):
            on_cpu = str(self.forward.batches.device).startswith("cpu")
            refuse_patch(config, patch, prepared.grid.shape, on_cpu=on_cpu)
        n_values = len(self.forward.choice.categories)
        total = _empty_sum(windows, (n_values, self.loaded.config.n_classes))
        stages: list[GateSum] = []
        begin, n = 0, len(windows)
        while begin < n:
            step = self.forward.inputs_at_once  # less once memory ran out
            say = partial(self._say, progress, number * n, begin, n)
            say(0)
            chunk = range(begin, min(begin + step, n))
            begin = chunk.stop
            inputs = torch.stack([windows.cut(prepared.tensor, i) for i in chunk])
            numbers = [number * n + i for i in chunk]
            answers = self.forward(inputs, numbers, done=say)
            stages = stages or [_gate_sum(windows, gates) for gates in answers.gates]
            for place, window in enumerate(chunk):
                logits = answers.logits[place]
                answer = logits[:, 0] if self._is_plain else logits.softmax(2).mean(1)
                total.add(window, answer)
                for stage, gates in zip(stages, answers.gates, strict=True):
                    stage.add(window, gates[place])
        self._keep_gates(stages)
        return total.result(pulse=partial(self._say, progress, number * n, n, n, 0))

    def _say(
        self, progress: ProgressHook, before: int, done: int, n: int, n_rows: int
    ) -> None:
        """Tell how many rows of a volume's windows are done, and let Stop act.

        The windows of the volumes before count in what is said.
        """
        rows = self.forward.rows_per_input
        of = n * len(self.volumes)
        at = min(before + done + 1, of)
        message = f"window {at} of {of}" if of > 1 else "segmenting"
        progress(Progress(done * rows + n_rows, n * rows, with_reason(message)))

    @property
    def _is_plain(self) -> bool:
        """Whether logits are blended, as published, and not probabilities to mix."""
        return self.forward.rows_per_input == 1

    def _keep_gates(self, stages: list[GateSum]) -> None:
        grids, maps = [], []
        for stage in stages:
            gates = stage.result().numpy()
            coarse = self.grid.every(stage.step, stage.first_centre, gates.shape[1:-1])
            grid, flips = coarse.upright()
            grids.append(grid)
            maps.append(gates[(slice(None), *flips)])
        self.token_grids = tuple(grids)
        self.gates.append(tuple(maps))

    def _keep(self, scores: Tensor, progress: ProgressHook) -> None:
        """Turn one volume's scores (V, K, *S) into labels."""
        mixed = scores[0] if self._is_plain else self.forward.mixed(scores)
        n_alone = len(scores) if len(scores) > 1 else 0
        n = 1 + n_alone + self.settings.probabilities
        parts = [part_of(progress, number, n, _DRAWING) for number in range(n)]
        self.labels.append(self._labels(mixed, parts[0]))
        if n_alone:
            alone = zip(scores, parts[1:], strict=False)
            self.by_value.append([self._labels(value, part) for value, part in alone])
        if self.settings.probabilities:
            maps, shape = mixed, self.volumes.frame_shape
            maps = maps.softmax(0) if self._is_plain else maps
            if self.is_at_source:
                restored = restore_maps(maps, self.grid, shape, progress=parts[-1])
                self.probabilities.append(restored.numpy())
            else:
                flips = (slice(None), *self.grid.upright()[1])
                self.probabilities.append(maps.numpy()[flips])

    def _empty_last(self) -> None:
        """Let a volume of a single value be background, whatever the network says."""
        alone = self.by_value[-1] if self.by_value else []
        for labels in (self.labels[-1], *alone):
            labels.fill(0)

    def _labels(self, scores: Tensor, progress: ProgressHook) -> NDArray[np.uint8]:
        if self.is_at_source:
            shape = self.volumes.frame_shape
            return restore_labels(scores, self.grid, shape, progress=progress)
        return best_class(scores)[self.grid.upright()[1]]

    def _result(self) -> Segmentation:
        """Return everything in the shape of the source, along its axes."""
        shape, stored = self.volumes.frame_shape, self._as_stored
        labels = stored(self._together(self.labels))
        values = self.forward.choice.values if self.by_value else ()
        alone = map(self._together, zip(*self.by_value, strict=True))
        kept = self.probabilities
        return Segmentation(
            labels=labels,
            axes=source_axes(self.volumes.image.axes),
            grid=Grid.identity(shape) if self.is_at_source else self.grid.upright()[0],
            classes=self.loaded.card.classes,
            by_value=dict(zip(values, map(stored, alone), strict=True)),
            probabilities=stored(self._maps_together(kept)) if kept else None,
            routing=self._routing(),
            provenance=provenance_of(
                self.forward,
                self.volumes.image,
                labels,
                grid=self.grid,
                seen=tuple(slice(0, n) for n in shape),
                input_sha256=self.digest.hexdigest(),
                notices=(*self._unlike(), *said_once(self.notices)),
            ),
        )

    def _as_stored(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return samples (..., *extra, z, y, x) along the axes of the source."""
        volumes = self.volumes
        axes = (*volumes.axes, *VOLUME_AXES)
        return transposed(samples, axes, source_axes(volumes.image.axes))

    def _unlike(self) -> tuple[str, ...]:
        blocks = [
            torch.from_numpy(np.stack(gates, 1))
            for gates in zip(*self.gates, strict=True)
        ]
        return self.likeness.notices("volume", mean_loads(self.forward, blocks))

    def _together(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        return np.stack(frames).reshape(*self.volumes.shape, *frames[0].shape)

    def _maps_together(
        self, frames: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return maps (N, *extra, *S) from those of each volume, (N, *S)."""
        n, *shape = frames[0].shape
        return np.stack(frames, 1).reshape(n, *self.volumes.shape, *shape)

    def _routing(self) -> RoutingMaps | None:
        if not self.token_grids:
            return None
        gates = tuple(map(self._maps_together, zip(*self.gates, strict=True)))
        grids, choice, axes = self.token_grids, self.forward.choice, self.volumes.axes
        return RoutingMaps(
            gates,
            grids,
            choice.values,
            choice.weights,
            axes,
            VOLUME_AXES,
            unit=unit_of(self.loaded.architecture),
        )


def _empty_sum(windows: Windows, leading: tuple[int, int]) -> WeightedSum:
    n_bytes = 4 * (math.prod(leading) + 1) * math.prod(windows.shape)
    what = "the scores of the volume need"
    remedy = "crop the volume, or give the driver's value, so that one mask is made"
    refuse_beyond_memory(n_bytes, what=what, remedy=remedy)
    try:
        return WeightedSum(windows, leading)
    except MemoryError as error:
        raise NotEnoughMemory(
            f"{what} {n_bytes / 2**30:.1f} GiB, more than there is: {remedy}"
        ) from error


def _gate_sum(windows: Windows, gates: Tensor) -> GateSum:
    """Return an empty sum for a stage, from its gates (P, V, T, E) of some windows."""
    _, n_values, n_tokens, n_experts = gates.shape
    return GateSum(windows, n_values=n_values, n_tokens=n_tokens, n_experts=n_experts)
