"""One run of a 3D model over the volumes of an image, window by window.

Of a volume that is too large to be kept no more than a slab is in memory: of what the
network sees, and of what it says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_dmoe.imaging.frames import Frames
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
from napari_dmoe.inference.results.routing import (
    ALL_ROUTING,
    NO_ROUTING,
    KeptRouting,
)
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drawing import Drawing, DrawnSlab, Place, of_itself
from napari_dmoe.inference.running.drivers import RouterChoice, joined
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.likeness import Likeness
from napari_dmoe.inference.running.overlapping import ReadAhead, WriteBehind
from napari_dmoe.inference.running.recording import said_once
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.shares import (
    PREPARING,
    RUNNING,
    beats_of_preparing,
    shares_of_volume,
)
from napari_dmoe.inference.running.slab_inputs import SlabInputs, cutting
from napari_dmoe.inference.running.sums import SlabMeans, WholePlanes
from napari_dmoe.inference.running.volume_masks import (
    SlabHook,
)
from napari_dmoe.inference.running.volume_needs import (
    VolumeNeeds,
    needs_of_volumes,
    refuse_beyond,
)
from napari_dmoe.inference.running.volume_outcome import SeenVolumes, VolumeOutcome
from napari_dmoe.inference.running.waiting import computing, preparing, with_reason
from napari_dmoe.inference.running.windows import Windows, n_windows
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.footprint import refuse_patch
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.progress import (
    Phases,
    Progress,
    ProgressHook,
    Pulse,
    beats,
    part_of,
)

if TYPE_CHECKING:
    from napari_dmoe.inference.running.mask_files import Destination

SLABS_WAITING = 8
"""Slabs of a mask that wait to be written at most."""

VOXELS_AT_ONCE = 2 * 96**3
"""Voxels in one forward pass at most, so that it takes about a second and can stop."""

FOR_PLANES = (
    "focus, keep and fill are for 2D models: this one went window by window, and its "
    "mask is as it came"
)


class VolumeRun:
    """Runs that go through the volumes of an image together: a result for each choice.

    They are read once, and every window of theirs is run for all choices. `into` takes
    the mask of a single volume and choice, which is all that :meth:`to_disk` makes.
    `finished` is told of each slab of a mask in memory that is done, and `keep` says
    what is kept of the routing.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        choices: Sequence[RouterChoice],
        settings: InferenceSettings,
        *,
        keep: KeptRouting = ALL_ROUTING,
        into: Destination | None = None,
        finished: SlabHook | None = None,
    ) -> None:
        self.loaded, self.settings = loaded, settings
        self._into, self._keep = into, keep
        self.volumes = Frames(image, VOLUME_AXES)
        if not isinstance(loaded.preprocessing, VolumePreprocessing):
            raise ImageError("the model's card states no preprocessing of volumes")
        self.preprocessing = loaded.preprocessing
        at_once = max(1, VOXELS_AT_ONCE // math.prod(self.preprocessing.patch))
        batch = min(settings.batch, at_once)
        joint, places = joined(choices)
        self.forward = Forward(loaded, joint, settings, batch=batch)
        kept = NO_ROUTING if into is not None else keep
        self.outcomes = [
            VolumeOutcome(
                self.forward.of_choice(choice),
                self.volumes,
                where,
                keep=kept,
                into=into,
                finished=finished,
            )
            for choice, where in zip(choices, places, strict=True)
        ]
        self.digest = InputDigest()
        self.likeness = Likeness(loaded.card.training_images)
        self.notices = dict.fromkeys(image.notices)
        if {settings.focus, settings.keep, settings.fill} & {"on", "largest"}:
            self.notices[FOR_PLANES] = None
        self.grid = Grid.identity(self.volumes.frame_shape)
        """Where what the network sees lies in the image; known once it is read."""
        self._is_resumed = False

    def work(
        self, progress: ProgressHook, *, swept: tuple[str, ...] = ()
    ) -> list[Segmentation]:
        """Segment all volumes, and return the result of each choice.

        `swept` are the attributes that differ between them, for the records.
        """
        self._draw_all(progress)
        return [outcome.result(self._seen(), swept) for outcome in self.outcomes]

    def to_disk(self, progress: ProgressHook) -> Provenance:
        """Segment the only volume into its destination, and return the record."""
        if self._into is None or len(self.outcomes) != 1:
            raise ValueError("a destination takes one mask, and none was given")
        self._draw_all(progress)

        def pulse() -> None:
            progress(Progress(1, 1, "finishing the file"))

        sha256 = self._into.end(pulse)
        self.notices.update(dict.fromkeys(self._into.notices))
        nothing = np.zeros((0,) * 3, np.uint8)
        record = self.outcomes[0].record(self._seen(), nothing)
        return record.model_copy(update={"labels_sha256": sha256})

    def _seen(self) -> SeenVolumes:
        """Return what all choices have in common, for their results."""
        return SeenVolumes(
            self.grid,
            self.digest.hexdigest(),
            self.likeness,
            said_once(self.notices),
            is_resumed=self._is_resumed,
        )

    def _draw_all(self, progress: ProgressHook) -> None:
        """Run all volumes, and draw them for every choice."""
        needs = self._needs()
        n, shape = len(self.volumes), self.volumes.frame_shape
        if self.settings.scored_at == "network":
            shape = model_shape(self.volumes[0], self.preprocessing)
        for outcome in self.outcomes:
            outcome.make_room(n, shape)
        window, progress = self._window_of_all(progress)
        for number in range(n):
            part, image = part_of(progress, number, n), self.volumes[number]
            phases, n_beats = Phases(part, self._shares(image)), self._n_beats(image)
            if number == 0:
                phases.of(PREPARING)(Progress(0, n_beats, needs.words))
            pulse = beats(phases.of(PREPARING), n_beats, "preparing the volume")
            with preparing(image.data):
                volume = self._opened(image, window, pulse)
                windows, inputs, begin = self._begun(volume, shape, pulse)
            # Of a single voxel nobody can tell whether it shows anything.
            is_a_voxel = math.prod(image.spatial_shape) == 1
            for outcome in self.outcomes:
                outcome.masks.is_blank = volume.is_constant and not is_a_voxel
            self.notices.update(dict.fromkeys(volume.notices))
            running = phases.of(RUNNING)
            with self._written():
                self._segment(number, inputs, windows, shape, running, begin=begin)
            self.likeness.look(number, inputs.looked_at)
            running(Progress(1, 1, "done"))

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Write what is drawn to a disk while the network goes on."""
        if self._into is None:
            yield
            return
        with WriteBehind(SLABS_WAITING) as self.outcomes[0].masks.writer:
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
            n_values=self._n_values,
            n_masks=sum(outcome.n_masks for outcome in self.outcomes),
            keep=self._keep if self._into is None else None,
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
        self, volume: ModelVolume, shape: Sequence[int], pulse: Pulse
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
            drawing = Drawing(self.grid, shape, windows.axis)
            begin = drawing.first_needed(done)
            self._is_resumed = done.stop > done.start
            windows.order = windows.reaching(begin)
            if begin and windows.order:
                first = windows.place(windows.order[0])[windows.axis].start
        inputs = SlabInputs(
            volume,
            windows,
            self.digest,
            begin=first,
            is_looked_at=self.likeness.is_known,
            pulse=pulse,
        )
        return windows, inputs, begin

    def _segment(
        self,
        number: int,
        inputs: SlabInputs,
        windows: Windows,
        shape: Sequence[int],
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
        drawing = Drawing(grid, shape, windows.axis, windows.second)

        def draw(place: Place, scores: Tensor) -> None:
            say()
            with computing():
                if slab := drawing.part(place, scores):
                    self._draw(number, slab, say)

        leading = self._n_values, self.loaded.config.n_classes
        told = draw if drawing.is_same else WholePlanes(windows, draw).take
        means = SlabMeans(windows, leading, told, begin=begin)
        with cutting(inputs, windows, self.forward.inputs_at_once) as cut:
            while done < n:
                step = self.forward.inputs_at_once  # less once memory ran out
                say()
                chunk = windows.order[done - before :][:step]
                numbers = [number * n + i for i in chunk]
                answers = self.forward(cut(chunk, say), numbers, done=say)
                for place, window in enumerate(chunk):
                    own = (windows, window, answers, place)
                    scores = [outcome.take(*own) for outcome in self.outcomes]
                    means.add(window, torch.cat(scores))
                done += len(chunk)
        means.end()
        for outcome in self.outcomes:
            if outcome.masks.writer is not None:
                outcome.masks.writer.finish(say)
            outcome.routing.end(self.grid)

    @property
    def _n_values(self) -> int:
        """Combinations of values of all choices, whose scores are added up."""
        return sum(outcome.n_values for outcome in self.outcomes)

    def _draw(self, number: int, slab: DrawnSlab, pulse: Pulse) -> None:
        """Draw a slab of volume `number` for every choice."""
        first = 0
        for outcome in self.outcomes:
            own = slab.scores[first : first + outcome.n_values]
            outcome.masks.draw(number, replace(slab, scores=own), pulse)
            first += outcome.n_values

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
        patch = self.preprocessing.patch
        shape = model_shape(image, self.preprocessing)
        n_seen = n_windows(shape, patch, self.settings.overlap) * math.prod(patch)
        n_masks = sum(outcome.n_masks for outcome in self.outcomes)
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
