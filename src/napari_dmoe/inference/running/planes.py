"""A run of a 2D model over the planes of an image, in batches with other such runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.fitting import Placement
from napari_dmoe.imaging.frames import Frames, source_axes, transposed
from napari_dmoe.imaging.memory import refuse_beyond_memory
from napari_dmoe.imaging.pixels import CONSTANT
from napari_dmoe.imaging.preprocessing import Preprocessing, input_placement, prepare
from napari_dmoe.imaging.restoration import best_class, restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.imaging.white import White, white_of_planes
from napari_dmoe.inference.results.provenance import InputDigest, Provenance
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import REMEDY
from napari_dmoe.inference.running.drivers import RouterChoice
from napari_dmoe.inference.running.forward import Answers, Forward
from napari_dmoe.inference.running.likeness import Likeness, mean_loads
from napari_dmoe.inference.running.recording import (
    grid_record,
    provenance_of,
    said_once,
    seen_record,
)
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.waiting import computing, preparing
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.footprint import routing_bytes
from napari_dmoe.models.titles import unit_of
from napari_dmoe.progress import Progress, ProgressHook, part_of, silent

PLANE_AXES = ("y", "x")

TURNED = (
    "the volume was segmented along its axial planes, which were turned to have the "
    "patient's back below and left on the right; the mask lies as the image does"
)

KEPT_PLANES = 8
"""Prepared planes that are kept for the next group of runs, where there are no more."""


class PlaneRun:
    """One of several runs that share their inputs: planes in, results out."""

    def __init__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        choice: RouterChoice,
        settings: InferenceSettings,
        *,
        upright: bool = True,
    ) -> None:
        self.loaded, self.settings = loaded, settings
        self.planes = planes = Frames(image, PLANE_AXES, upright=upright)
        self.forward = Forward(loaded, choice, settings, batch=settings.batch)
        self.digest = InputDigest()
        self.notices = dict.fromkeys(image.notices)
        if planes.backwards & set(PLANE_AXES):
            self.notices[TURNED] = None
        self.constant: set[int] = set()
        self.likeness = Likeness(loaded.card.training_images)
        self._white: White | None = None
        self.preprocessing = preprocessing_of(loaded, settings)
        self.placement = input_placement(planes[0], self.preprocessing)
        self.grid, self.crop = self.placement.grid, self.placement.seen
        self.is_at_source = settings.scored_at == "source"
        shape = planes.frame_shape if self.is_at_source else self.grid.shape
        n, n_values = len(planes), len(choice.categories)
        n_alone = n_values if n_values > 1 else 0
        n_kept = loaded.config.n_classes if settings.probabilities else 0
        gates = n_values * routing_bytes(loaded.config, loaded.input_size)
        self.n_bytes = n * (math.prod(shape) * (1 + n_alone + 4 * n_kept) + gates)
        """What the result takes: its masks, its probabilities and its routing."""
        refuse_beyond_memory(self.n_bytes, what="the result needs", remedy=REMEDY)
        self.labels = np.zeros((n, *shape), np.uint8)
        self.by_value = np.zeros((n_alone, n, *shape), np.uint8)
        self.probabilities = np.zeros((n_kept, n, *shape), np.float32)
        self.gates: list[tuple[Tensor, ...]] = []
        self.sides: tuple[int, ...] = ()
        self._inputs: dict[int, Tensor] = {}
        self._progress: ProgressHook = silent
        self._last = Progress(0, len(planes))

    def follow(self, lead: PlaneRun) -> None:
        """Take inputs, what is known of them, and the device from another run."""
        self._inputs = lead._inputs
        self.digest, self.notices = lead.digest, lead.notices
        self.constant, self.likeness = lead.constant, lead.likeness
        self.forward.batches = lead.forward.batches

    def listen(self, progress: ProgressHook, step: Progress) -> None:
        """Tell a step of the progress, and repeat it while a plane is prepared."""
        self._progress, self._last = progress, step
        progress(step)

    def _pulse(self) -> None:
        """Say again how far the run is, so that Stop acts."""
        self._progress(self._last)

    @property
    def keeps_inputs(self) -> bool:
        """Whether prepared planes are kept for later runs."""
        return len(self.planes) <= KEPT_PLANES

    def inputs(self, chunk: range, progress: ProgressHook, message: str) -> Tensor:
        """Return prepared planes (P, C, S, S)."""
        planes: list[Tensor] = []
        for i in chunk:
            self.listen(progress, Progress(len(planes), len(chunk), message))
            known = self._inputs.get(i)
            with preparing(self.planes.image.data):
                planes.append(self._input(i) if known is None else known)
        if self.keeps_inputs:
            self._inputs.update(zip(chunk, planes, strict=True))
        return torch.stack(planes)

    def _input(self, number: int) -> Tensor:
        plane, n = self.planes[number], len(self.planes)
        if n > 1 and self._white is None:
            self._white = self._white_of_all()
        prepared = prepare(
            plane,
            self.preprocessing,
            n_channels=self.loaded.config.in_channels,
            white=self._white,
            pulse=self._pulse,
        )
        notices = [*prepared.notices, prepared.white.statement]
        if CONSTANT in notices:
            self.constant.add(number)
            if n > 1:  # said of them all in the end
                notices.remove(CONSTANT)
        self.notices.update(dict.fromkeys(filter(None, notices)))
        self.digest.add(prepared.tensor)
        self.likeness.look(number, prepared.raw)
        return prepared.tensor

    def _white_of_all(self) -> White:
        """Decide what is white in the whole stack, so that its planes stay related."""
        planes, channels = self.planes, self.planes.image.n_channels
        seen = math.prod(s.stop - s.start for s in self.crop)
        return white_of_planes(
            (planes[number] for number in range(len(planes))),
            self.crop,
            dtype=np.dtype(planes.image.data.dtype),
            n_values=len(planes) * channels * seen,
            n_planes=len(planes) * channels,
            pulse=self._pulse,
        )

    @property
    def n_restored(self) -> int:
        """Masks and maps that are drawn of a plane."""
        return (1 + len(self.by_value) + bool(len(self.probabilities))) * (
            self.is_at_source
        )

    def take(self, chunk: range, answers: Answers, progress: ProgressHook) -> None:
        """Turn what the network says of some planes into labels and gates."""
        self.sides = tuple(math.isqrt(gates.shape[2]) for gates in answers.gates)
        self.gates.append(tuple(map(self._of_picture, answers.gates)))
        # What is padded is no part of the picture, and never of a mask.
        shown = answers.logits[(..., *self.placement.picture)]
        for place, number in enumerate(chunk):
            part = part_of(progress, place, len(chunk))
            with computing():
                self._keep(number, shown[place], part)

    def _of_picture(self, gates: Tensor) -> Tensor:
        """Return those of the gates (P, V, T, E) whose tokens show the picture."""
        side = math.isqrt(gates.shape[2])
        _, kept = self.placement.tokens(side)
        tokens: Tensor = gates.unflatten(2, (side, side))[:, :, *kept]
        return tokens.flatten(2, 3)

    def _keep(self, number: int, logits: Tensor, progress: ProgressHook) -> None:
        """Turn one plane's logits (V, S, K, h, w) into labels.

        A plane of a single value stays background, whatever the network makes of it;
        at the network's samples, as published, it is what the network makes of it.
        """
        n = max(1, self.n_restored)
        parts = [part_of(progress, i, n) for i in range(n)]
        probabilities = logits.softmax(2).mean(1)
        mixed = self.forward.mixed(probabilities)
        # One known value: logits, as published; their order is the probabilities'.
        is_plain = logits.shape[:2] == (1, 1)
        scores = logits[0, 0] if is_plain else mixed
        if number not in self.constant or not self.is_at_source:
            self._draw(scores, self.labels[number], parts[0])
            # Likewise for each value of a mixture, so that it is what it is alone.
            alone = logits[:, 0] if logits.shape[1] == 1 else probabilities
            for value, kept in enumerate(self.by_value):
                self._draw(alone[value], kept[number], parts[(value + 1) % n])
        if len(self.probabilities):
            shape = self.planes.frame_shape
            kept = self.probabilities[:, number]
            if self.is_at_source:
                out, tell = torch.from_numpy(kept), parts[-1]
                restore_maps(mixed, self.grid, shape, self.crop, out=out, progress=tell)
            else:
                kept[:] = mixed.numpy()

    def _draw(
        self, scores: Tensor, out: NDArray[np.uint8], progress: ProgressHook
    ) -> None:
        """Write the labels of one plane, upright as it is, into its place."""
        if not self.is_at_source:
            out[:] = best_class(scores)
            return
        shape, crop = self.planes.frame_shape, self.crop
        restore_labels(scores, self.grid, shape, crop, out=out, progress=progress)

    def result(self, swept: tuple[str, ...]) -> Segmentation:
        """Return everything in the shape of the source, along its axes."""
        planes, shape = self.planes, self.labels.shape[1:]
        values = self.forward.choice.values if len(self.by_value) else ()
        alone = self._as_stored(self.by_value)
        labels, axes = self._as_stored(self.labels), source_axes(planes.image.axes)
        seen_at, seen = planes.place(self.grid, self.crop)
        return Segmentation(
            labels=labels,
            axes=axes,
            grid=Grid.identity(shape) if self.is_at_source else seen_at.upright()[0],
            classes=self.loaded.card.classes,
            by_value=dict(zip(values, alone, strict=True)),
            probabilities=self._as_stored(self.probabilities)
            if len(self.probabilities)
            else None,
            routing=self._routing(),
            provenance=provenance_of(
                self.forward,
                planes.image,
                labels,
                grid=seen_at,
                seen=seen,
                fit=self.placement.fit,
                input_sha256=self.digest.hexdigest(),
                notices=(
                    *self._unlike(),
                    *said_once(self.notices),
                    *self._constant(),
                    *self._cropped(),
                ),
                swept=swept,
            ),
        )

    def _as_stored(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return samples (..., N, h, w) of the planes along the axes of the source."""
        planes = self.planes
        axes = (*planes.axes, *PLANE_AXES)
        first, size = samples.shape[:-3], samples.shape[-2:]
        whole = samples.reshape(*first, *planes.shape, *size)
        index: tuple[Any, ...] = (..., *planes.flips(axes))
        turned = whole[index]
        return transposed(turned, axes, source_axes(planes.image.axes))

    def _routing(self) -> RoutingMaps | None:
        if not self.gates[0]:
            return None
        planes, choice = self.planes, self.forward.choice
        flips = planes.flips((*planes.axes, *PLANE_AXES))
        blocks = (torch.cat(parts, 0) for parts in zip(*self.gates, strict=True))
        grids = tuple(self._tokens(side) for side in self.sides)
        maps = tuple(
            gates.transpose(0, 1)  # (V, P, T, E)
            .reshape(gates.shape[1], *planes.shape, *grid.shape, gates.shape[-1])
            .numpy()[(slice(None), *flips)]
            for gates, grid in zip(blocks, grids, strict=True)
        )
        return RoutingMaps(
            maps,
            grids,
            choice.values,
            choice.weights,
            planes.axes,
            PLANE_AXES,
            unit=unit_of(self.loaded.architecture),
        )

    def _tokens(self, side: int) -> Grid:
        """Return where tokens that are so many along a side lie in the source."""
        tokens, _ = self.placement.tokens(side)
        return self.planes.place(tokens, self.crop)[0].upright()[0]

    def _unlike(self) -> tuple[str, ...]:
        blocks = [
            torch.cat(part).transpose(0, 1) for part in zip(*self.gates, strict=True)
        ]
        return self.likeness.notices("plane", mean_loads(self.forward, blocks))

    def _constant(self) -> tuple[str, ...]:
        n, of = len(self.constant), len(self.planes)
        if not n or of == 1:
            return ()
        are = "is" if n == 1 else "are"
        words = f"{n} of {of} planes {are} constant: there is nothing to segment there"
        return (words,)

    def _cropped(self) -> tuple[str, ...]:
        if not self.placement.unseen:
            return ()
        return (f"{self.placement.words}, and its label is background",)


def preprocessing_of(loaded: LoadedModel, settings: InferenceSettings) -> Preprocessing:
    """Return how a 2D model meets an image: as its card says, or as a person chose.

    Raises
    ------
    ImageError
        For a model of volumes.
    """
    how = loaded.preprocessing
    if not isinstance(how, Preprocessing):
        raise ImageError("the model's card states no preprocessing of planes")
    return how if settings.fit == "card" else how.fitted(settings.fit)


def placement_on(
    loaded: LoadedModel, image: SpatialImage, settings: InferenceSettings
) -> Placement | None:
    """Return where each plane of an image lies in a 2D model; None for a 3D one.

    No pixel is read: it can be told before a run what of them will be seen.

    Raises
    ------
    ImageError
        For an image without planes.
    """
    if loaded.card.dims == 3:
        return None
    height, width = Frames(image, PLANE_AXES).frame_shape
    return preprocessing_of(loaded, settings).place((height, width))


def as_stored(
    placement: Placement, image: SpatialImage
) -> tuple[Grid, tuple[slice, ...]]:
    """Return where the samples of a plane lie, and what is seen, in the image's pixels.

    Planes of a volume are turned upright before a model sees them.
    """
    planes = Frames(image, PLANE_AXES, upright=True)
    return planes.place(placement.grid, placement.seen)


def is_placed_as(
    record: Provenance,
    loaded: LoadedModel,
    image: SpatialImage,
    settings: InferenceSettings,
) -> bool:
    """Whether a run would show its network the image as the run of a record did.

    Cards may say by now that another part of it is seen, or in other proportions.
    """
    placement = placement_on(loaded, image, settings)
    if placement is None:
        return True
    grid, seen = as_stored(placement, image)
    return grid_record(grid) == record.grid and seen_record(seen) == record.seen
