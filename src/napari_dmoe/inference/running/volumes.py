"""One run of a 3D model over the volumes of an image, window by window.

Of a volume that is too large to be kept no more than a slab is in memory: of what the
network sees, and of what it says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.frames import Frames, source_axes, transposed
from napari_dmoe.imaging.intensities import Window
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.imaging.volumes import (
    VOLUME_AXES,
    ModelVolume,
    VolumePreprocessing,
    model_shape,
    window_of_all,
)
from napari_dmoe.inference.results.provenance import InputDigest, Provenance
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drawing import Drawing, of_itself
from napari_dmoe.inference.running.drivers import RouterChoice
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.likeness import Likeness, mean_loads
from napari_dmoe.inference.running.mask_files import Destination
from napari_dmoe.inference.running.overlapping import ReadAhead, WriteBehind
from napari_dmoe.inference.running.recording import provenance_of, said_once
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.shares import (
    PREPARING,
    RUNNING,
    beats_of_preparing,
    shares_of_volume,
)
from napari_dmoe.inference.running.slab_inputs import SlabInputs, cutting
from napari_dmoe.inference.running.sums import SlabMeans
from napari_dmoe.inference.running.volume_masks import (
    SlabHook,
    VolumeMasks,
    teller,
)
from napari_dmoe.inference.running.volume_needs import (
    VolumeNeeds,
    needs_of_volumes,
    refuse_beyond,
)
from napari_dmoe.inference.running.volume_routing import VolumeRouting, as_blocks
from napari_dmoe.inference.running.waiting import computing, preparing, with_reason
from napari_dmoe.inference.running.windows import Windows, n_windows
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.footprint import refuse_patch
from napari_dmoe.models.titles import unit_of
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.progress import (
    Phases,
    Progress,
    ProgressHook,
    Pulse,
    beats,
    part_of,
)

SLABS_WAITING = 8
"""Slabs of a mask that wait to be written at most."""

VOXELS_AT_ONCE = 2 * 96**3
"""Voxels in one forward pass at most, so that it takes about a second and can stop."""

FOR_PLANES = (
    "focus, keep and fill are for 2D models: this one went window by window, and its "
    "mask is as it came"
)


class VolumeRun:
    """One call of :func:`segment`: volumes in, results out.

    `into` takes the mask of a single volume, which is all that :meth:`to_disk` makes.
    `finished` is told of each slab of a mask in memory that is done.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        choice: RouterChoice,
        settings: InferenceSettings,
        *,
        into: Destination | None = None,
        finished: SlabHook | None = None,
    ) -> None:
        self.loaded, self.settings = loaded, settings
        self._into, self._finished = into, finished
        self.volumes = Frames(image, VOLUME_AXES)
        if not isinstance(loaded.preprocessing, VolumePreprocessing):
            raise ImageError("the model's card states no preprocessing of volumes")
        self.preprocessing = loaded.preprocessing
        at_once = max(1, VOXELS_AT_ONCE // math.prod(self.preprocessing.patch))
        batch = min(settings.batch, at_once)
        self.forward = Forward(loaded, choice, settings, batch=batch)
        self.digest = InputDigest()
        self.likeness = Likeness(loaded.card.training_images)
        self.notices = dict.fromkeys(image.notices)
        if {settings.focus, settings.keep, settings.fill} & {"on", "largest"}:
            self.notices[FOR_PLANES] = None
        self.grid = Grid.identity(self.volumes.frame_shape)
        """Where what the network sees lies in the image; known once it is read."""
        self.routing = VolumeRouting(is_kept=into is None)
        self._is_resumed = False

    def work(self, progress: ProgressHook) -> Segmentation:
        """Segment all volumes."""
        return self._result(self._drawn(progress))

    def to_disk(self, progress: ProgressHook) -> Provenance:
        """Segment the only volume into its destination, and return the record."""
        if self._into is None:
            raise ValueError("no destination was given for the mask")
        self._drawn(progress)

        def pulse() -> None:
            progress(Progress(1, 1, "finishing the file"))

        sha256 = self._into.end(pulse)
        self.notices.update(dict.fromkeys(self._into.notices))
        nothing = np.zeros((0,) * 3, np.uint8)
        record = self._record(nothing, self.routing.stages())
        return record.model_copy(update={"labels_sha256": sha256})

    def _drawn(self, progress: ProgressHook) -> VolumeMasks:
        """Run all volumes, and return what is drawn of them."""
        needs = self._needs()
        n, shape = len(self.volumes), self.volumes.frame_shape
        if self.settings.scored_at == "network":
            shape = model_shape(self.volumes[0], self.preprocessing)
        told = teller(self.volumes, self._finished) if self._finished else None
        masks = VolumeMasks(self.forward, n, shape, into=self._into, told=told)
        window, progress = self._window_of_all(progress)
        for number in range(n):
            part, image = part_of(progress, number, n), self.volumes[number]
            phases, n_beats = Phases(part, self._shares(image)), self._n_beats(image)
            if number == 0:
                phases.of(PREPARING)(Progress(0, n_beats, needs.words))
            pulse = beats(phases.of(PREPARING), n_beats, "preparing the volume")
            with preparing(image.data):
                volume = self._opened(image, window, pulse)
                windows, inputs, begin = self._begun(volume, masks, pulse)
            # Of a single voxel nobody can tell whether it shows anything.
            is_a_voxel = math.prod(image.spatial_shape) == 1
            masks.is_blank = volume.is_constant and not is_a_voxel
            self.notices.update(dict.fromkeys(volume.notices))
            running = phases.of(RUNNING)
            with self._written(masks):
                self._segment(number, inputs, windows, masks, running, begin=begin)
            self.likeness.look(number, inputs.looked_at)
            running(Progress(1, 1, "done"))
        return masks

    @contextmanager
    def _written(self, masks: VolumeMasks) -> Iterator[None]:
        """Write what is drawn to a disk while the network goes on."""
        if self._into is None:
            yield
            return
        with WriteBehind(SLABS_WAITING) as masks.writer:
            yield

    def _needs(self) -> VolumeNeeds:
        """Return what is needed; refuse what cannot be had, before anything is read."""
        patch = self.preprocessing.patch
        shape = model_shape(self.volumes[0], self.preprocessing)
        if isinstance(config := self.loaded.config, UNetConfig):
            on_cpu = str(self.forward.batches.device).startswith("cpu")
            refuse_patch(config, patch, shape, on_cpu=on_cpu)
        needs = needs_of_volumes(
            self.loaded,
            self.volumes,
            self.settings,
            n_values=len(self.forward.choice.categories),
            in_memory=self._into is None,
        )
        refuse_beyond(needs)
        return needs

    def _opened(
        self, image: SpatialImage, window: Window | None, pulse: Pulse
    ) -> ModelVolume:
        """Look at a volume."""
        volume = ModelVolume(
            image,
            self.preprocessing,
            n_channels=self.loaded.config.in_channels,
            window=window,
            pulse=pulse,
        )
        self.grid = volume.grid
        return volume

    def _begun(
        self, volume: ModelVolume, masks: VolumeMasks, pulse: Pulse
    ) -> tuple[Windows, SlabInputs, int]:
        """Make ready to cut windows from a volume.

        Returns the first plane of its grid that is not done yet, too: of a mask on a
        disk some may be.
        """
        patch, overlap = self.preprocessing.patch, self.settings.overlap
        # The first ones of a process import MONAI, during which no Stop could act.
        made = partial(Windows, volume.grid.shape, patch, overlap)
        with ReadAhead(lambda _: iter([made()]), 1) as ahead:
            windows = ahead.take(pulse)
        begin = first = 0
        if self._into is not None:
            done = self._into.begin(windows.axis, volume.checksum)
            drawing = Drawing(self.grid, masks.shape, windows.axis)
            begin = drawing.first_needed(done)
            self._is_resumed = done.stop > done.start
            windows.order = windows.reaching(begin)
            if begin and windows.order:
                first = windows.place(windows.order[0])[windows.axis].start
        inputs = SlabInputs(volume, windows, self.digest, begin=first, pulse=pulse)
        return windows, inputs, begin

    def _segment(
        self,
        number: int,
        inputs: SlabInputs,
        windows: Windows,
        masks: VolumeMasks,
        progress: ProgressHook,
        *,
        begin: int = 0,
    ) -> None:
        """Run every window of a volume from a plane on, and draw each slab of it."""
        n, rows = len(windows), self.forward.rows_per_input
        done = before = n - len(windows.order)

        def say(n_rows: int = 0) -> None:
            self._say(progress, number * n + done, done * rows + n_rows, n)

        is_at_source = self.settings.scored_at == "source"
        grid = self.grid if is_at_source else of_itself(self.grid)
        drawing = Drawing(grid, masks.shape, windows.axis)

        def draw(first: int, scores: Tensor) -> None:
            say()
            with computing():
                if slab := drawing.slab(first, scores):
                    masks.draw(number, slab, say)

        leading = len(self.forward.choice.categories), self.loaded.config.n_classes
        means = SlabMeans(windows, leading, draw, begin=begin)
        with cutting(inputs, windows, self.forward.inputs_at_once) as cut:
            while done < n:
                step = self.forward.inputs_at_once  # less once memory ran out
                say()
                chunk = windows.order[done - before :][:step]
                numbers = [number * n + i for i in chunk]
                answers = self.forward(cut(chunk, say), numbers, done=say)
                for place, window in enumerate(chunk):
                    means.add(window, self.forward.scores(answers.logits[place]))
                    gates = [block[place] for block in answers.gates]
                    self.routing.add(windows, window, gates)
                done += len(chunk)
        means.end()
        if masks.writer is not None:
            masks.writer.finish(say)
        self.routing.end(self.grid)

    def _say(self, progress: ProgressHook, before: int, n_rows: int, n: int) -> None:
        """Tell how many rows of a volume's n windows are done, and let Stop act.

        `before` windows of this volume and the others are done.
        """
        of = n * len(self.volumes)
        message = f"window {min(before + 1, of)} of {of}" if of > 1 else "segmenting"
        total = n * self.forward.rows_per_input
        progress(Progress(n_rows, total, with_reason(message)))

    def _shares(self, image: SpatialImage) -> Mapping[str, float]:
        """Return the shares of a volume before anything of it is read."""
        patch, n_values = self.preprocessing.patch, len(self.forward.choice.categories)
        shape = model_shape(image, self.preprocessing)
        n_seen = n_windows(shape, patch, self.settings.overlap) * math.prod(patch)
        n_masks = n_values + 1 if n_values > 1 else 1
        return shares_of_volume(
            voxels=math.prod(image.spatial_shape),
            seen=n_seen * self.forward.rows_per_input,
            config=self.loaded.config,
            n_restored=n_masks + self.settings.probabilities,
            n_classes=self.loaded.config.n_classes,
        )

    def _n_beats(self, image: SpatialImage) -> int:
        """Return about how often preparing a volume pulses."""
        is_lazy = not isinstance(image.data, np.ndarray)
        voxels, have = math.prod(image.spatial_shape), image.spatial_shape
        shape = model_shape(image, self.preprocessing)
        return beats_of_preparing(
            voxels=voxels,
            resampled=0 if sorted(shape) == sorted(have) else math.prod(shape),
            lazy_bytes=voxels * image.data.dtype.itemsize if is_lazy else 0,
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

    def _result(self, masks: VolumeMasks) -> Segmentation:
        """Return everything in the shape of the source, along its axes."""
        shape = self.volumes.frame_shape
        is_at_source = self.settings.scored_at == "source"
        labels = self._as_stored(masks.labels)
        stages = self.routing.stages()
        values, kept = self.forward.choice.values, masks.probabilities
        return Segmentation(
            labels=labels,
            axes=source_axes(self.volumes.image.axes),
            grid=Grid.identity(shape) if is_at_source else self.grid.upright()[0],
            classes=self.loaded.card.classes,
            by_value=dict(
                zip(values, map(self._as_stored, masks.by_value), strict=False)
            ),
            probabilities=None if kept is None else self._as_stored(kept, 1),
            routing=self._routing(stages),
            provenance=self._record(labels, stages),
        )

    def _record(
        self, labels: NDArray[np.uint8], stages: Sequence[NDArray[np.float32]]
    ) -> Provenance:
        """Return the record of the run, by labels along the axes of the source."""
        shape = self.volumes.frame_shape
        loads = [] if self._is_resumed else mean_loads(self.forward, as_blocks(stages))
        return provenance_of(
            self.forward,
            self.volumes.image,
            labels,
            grid=self.grid,
            seen=tuple(slice(0, n) for n in shape),
            input_sha256=self.digest.hexdigest(),
            notices=(
                *self.likeness.notices("volume", loads),
                *said_once(self.notices),
            ),
        )

    def _as_stored(self, samples: NDArray[Any], n_first: int = 0) -> NDArray[Any]:
        """Return samples (*first, N, z, y, x) along the axes of the source.

        Of the axes before the volumes' there are `n_first`, such as that of classes.
        """
        samples, volumes = self._apart(samples, n_first), self.volumes
        axes = (*volumes.axes, *VOLUME_AXES)
        return transposed(samples, axes, source_axes(volumes.image.axes))

    def _apart(self, samples: NDArray[Any], n_first: int) -> NDArray[Any]:
        """Return samples (*first, N, *S) along the axes that are run over."""
        first, size = samples.shape[:n_first], samples.shape[n_first + 1 :]
        return samples.reshape(*first, *self.volumes.shape, *size)

    def _routing(self, stages: Sequence[NDArray[np.float32]]) -> RoutingMaps | None:
        if not stages:
            return None
        return RoutingMaps(
            tuple(self._apart(gates, 1) for gates in stages),
            self.routing.grids,
            self.forward.choice.values,
            self.forward.choice.weights,
            self.volumes.axes,
            VOLUME_AXES,
            unit=unit_of(self.loaded.architecture),
        )
