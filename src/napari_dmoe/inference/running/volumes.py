"""One run of a 3D model over the volumes of an image, window by window.

Of a volume that is too large to be kept no more than a slab is in memory: of what the
network sees, and of what it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_dmoe.imaging.foreground import Box, cropped
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.intensities import Scale
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import (
    VOLUME_AXES,
    ModelVolume,
    known_of_all,
    model_shape,
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
from napari_dmoe.inference.running.empty_windows import EmptyWindows
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.likeness import Likeness
from napari_dmoe.inference.running.overlapping import ReadAhead
from napari_dmoe.inference.running.recording import said_once
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.shares import (
    PREPARING,
    RUNNING,
    beats_of_preparing,
    shares_beforehand,
)
from napari_dmoe.inference.running.slab_inputs import SlabInputs, cutting
from napari_dmoe.inference.running.sums import SlabMeans, WholePlanes
from napari_dmoe.inference.running.volume_masks import SlabHook
from napari_dmoe.inference.running.volume_needs import (
    VolumeNeeds,
    needs_of_volumes,
    refuse_beyond,
)
from napari_dmoe.inference.running.volume_outcome import SeenVolumes, VolumeOutcome
from napari_dmoe.inference.running.waiting import computing, preparing, with_reason
from napari_dmoe.inference.running.windows import Windows
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
        self.box: Box = tuple(slice(0, n) for n in self.volumes.frame_shape)
        """The part of every volume that it sees; known once the foreground is."""
        self._is_resumed = False
        self._empty = EmptyWindows(
            loaded.card.classes[0], are_skipped=settings.skip_empty
        )

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
        made = {"labels_sha256": sha256, "maps": self._into.maps.names}
        return record.model_copy(update=made)

    def _seen(self) -> SeenVolumes:
        """Return what all choices have in common, for their results."""
        return SeenVolumes(
            self.grid,
            self.box,
            self.digest.hexdigest(),
            self.likeness,
            said_once((*self.notices, *self._empty.notices)),
            is_partial=self._is_resumed or self._empty.n_skipped > 0,
        )

    def _draw_all(self, progress: ProgressHook) -> None:
        """Run all volumes, and draw them for every choice."""
        needs = self._needs()
        n, shape = len(self.volumes), self.volumes.frame_shape
        scale, progress = self._known_beforehand(progress)
        seen = self.box
        if self.settings.scored_at == "network":
            part = cropped(self.volumes[0], self.box)
            shape = model_shape(part, self.preprocessing)
            seen = tuple(slice(0, side) for side in shape)
        for outcome in self.outcomes:
            outcome.make_room(n, shape, seen)
        for number in range(n):
            hook, image = part_of(progress, number, n), self.volumes[number]
            phases, n_beats = Phases(hook, self._shares(image)), self._n_beats(image)
            if number == 0:
                phases.of(PREPARING)(Progress(0, n_beats, needs.words))
            pulse = beats(phases.of(PREPARING), n_beats, "preparing the volume")
            with preparing(image.data):
                volume = self._opened(image, scale, pulse)
                windows, inputs, begin = self._begun(volume, shape, pulse)
            # Of a single voxel nobody can tell whether it shows anything.
            is_a_voxel = math.prod(image.spatial_shape) == 1
            for outcome in self.outcomes:
                outcome.masks.is_blank = volume.is_constant and not is_a_voxel
            self.notices.update(dict.fromkeys(volume.notices))
            running = phases.of(RUNNING)
            with self.outcomes[0].masks.written():
                self._segment(number, inputs, windows, shape, running, begin=begin)
            self.likeness.look(number, inputs.looked_at)
            running(Progress(1, 1, "done"))

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
        self, image: SpatialImage, scale: Scale | None, pulse: Pulse
    ) -> ModelVolume:
        """Look at a volume."""
        volume = ModelVolume(
            image,
            self.preprocessing,
            n_channels=self.loaded.config.in_channels,
            scale=scale,
            box=self.box,
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
        # Beside this thread: those of a very large volume take their time to be made.
        made = partial(Windows, volume.grid.shape, patch, overlap)
        with ReadAhead(lambda _: iter([made()]), 1) as ahead:
            windows = ahead.take(pulse)
        begin = first = 0
        if self._into is not None:
            routing = self.outcomes[0].routing
            stages = routing.begin(windows, self.grid)
            done = self._into.begin(windows.axis, volume.checksum, stages, pulse)
            drawing = Drawing(self.grid, shape, windows.axis)
            begin = drawing.first_needed(done.planes)
            begin = min(begin, routing.go_on_behind(done.tokens))
            self._is_resumed = done.planes.stop > done.planes.start
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

        for outcome in self.outcomes:
            outcome.routing.write_with(outcome.masks.writer, say)
        leading = self._n_values, self.loaded.config.n_classes
        blank = torch.cat([outcome.blank for outcome in self.outcomes])
        told = draw if drawing.is_same else WholePlanes(windows, draw).take
        means = SlabMeans(windows, leading, told, begin=begin, blank=blank)
        with cutting(inputs, windows, self.forward.inputs_at_once) as cut:
            while done < n:
                step = self.forward.inputs_at_once  # less once memory ran out
                say()
                chunk = windows.order[done - before :][:step]
                self._take(number * n, chunk, cut(chunk, say), windows, means, say)
                done += len(chunk)
        means.end()
        for outcome in self.outcomes:
            outcome.routing.end(self.grid)
            if outcome.masks.writer is not None:
                outcome.masks.writer.finish(say)

    def _take(
        self,
        before: int,
        chunk: Sequence[int],
        seen: Tensor,
        windows: Windows,
        means: SlabMeans,
        say: Callable[..., None],
    ) -> None:
        """Run some windows (P, C, d, h, w), but for empty ones, and add up the scores.

        There are so many windows `before` those of this volume.
        """
        shown = self._empty.shown(seen)
        if shown:
            numbers = [before + chunk[place] for place in shown]
            answers = self.forward(seen[shown], numbers, done=say)
        for place, window in enumerate(chunk):
            if place in shown:
                own = (windows, window, answers, shown.index(place))
                scores = [outcome.take(*own) for outcome in self.outcomes]
                means.add(window, torch.cat(scores))
                continue
            means.skip(window)
            for outcome in self.outcomes:
                outcome.skip(window)

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
        n_masks = sum(outcome.n_masks for outcome in self.outcomes)
        return shares_beforehand(
            image,
            self.preprocessing,
            self.loaded.config,
            overlap=self.settings.overlap,
            n_rows=self.forward.rows_per_input,
            n_restored=n_masks + self.settings.probabilities,
        )

    def _n_beats(self, image: SpatialImage) -> int:
        """Return about how often preparing a volume pulses."""
        return beats_of_preparing(image, model_shape(image, self.preprocessing))

    def _known_beforehand(
        self, progress: ProgressHook
    ) -> tuple[Scale | None, ProgressHook]:
        """Decide what is seen of all volumes, and what is done to their intensities.

        Volumes of one image stay related. Returns the progress of what is left to be
        done, too.
        """
        n, volumes, how = len(self.volumes), self.volumes, self.preprocessing
        is_scaled = n > 1 and how.measures.are_own
        if not is_scaled and how.crop is None:
            return None, progress
        of_each = self._shares(volumes[0])
        shares = {PREPARING: of_each[PREPARING], RUNNING: sum(of_each.values())}
        phases, n_beats = Phases(progress, shares), n * self._n_beats(volumes[0])
        what = "preparing the volume" + "s" * (n > 1)
        pulse = beats(phases.of(PREPARING), n_beats, what)
        every = [volumes[number] for number in range(n)]
        with preparing(volumes.image.data):
            box, scale, said = known_of_all(
                every,
                how,
                n_channels=self.loaded.config.in_channels,
                is_scaled=is_scaled,
                pulse=pulse,
            )
        self.box = box or self.box
        self.notices.update(dict.fromkeys(said))
        return scale, phases.of(RUNNING)
