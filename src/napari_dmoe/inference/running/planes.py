"""One run of a 2D model over the planes of an image."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.memory import refuse_beyond_memory
from napari_dmoe.imaging.preprocessing import Preprocessing, input_grid, prepare
from napari_dmoe.imaging.restoration import best_class, restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.inference.results.provenance import InputDigest
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import REMEDY
from napari_dmoe.inference.running.drivers import RouterChoice
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.recording import Run, provenance_of, said_once
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress, ProgressHook, silent

PLANE_AXES = ("y", "x")


class PlaneRun:
    """One call of :func:`segment`: planes in, results out, chunk by chunk."""

    def __init__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        choice: RouterChoice,
        settings: InferenceSettings,
    ) -> None:
        self.loaded, self.settings = loaded, settings
        self.planes = planes = Frames(image, PLANE_AXES)
        self.forward = Forward(loaded, choice, settings, batch=settings.batch)
        self.digest = InputDigest()
        self.notices = dict.fromkeys(image.notices)
        if not isinstance(loaded.preprocessing, Preprocessing):
            raise ImageError("the model's card states no preprocessing of planes")
        self.preprocessing = loaded.preprocessing
        self.grid, self.crop = input_grid(planes[0], self.preprocessing)
        self.is_at_source = settings.scored_at == "source"
        shape = planes.frame_shape if self.is_at_source else self.grid.shape
        n, n_values = len(planes), len(choice.categories)
        n_kept = loaded.config.n_classes if settings.probabilities else 0
        n_masks = 1 + (n_values if n_values > 1 else 0)
        refuse_beyond_memory(
            n * math.prod(shape) * (n_masks + 4 * n_kept),
            what="the result needs",
            remedy=REMEDY,
        )
        self.labels = np.zeros((n, *shape), np.uint8)
        self.by_value = np.zeros((n_values if n_values > 1 else 0, n, *shape), np.uint8)
        self.probabilities = np.zeros((n_kept, n, *shape), np.float32)
        self.gates: list[tuple[Tensor, ...]] = []
        self._progress: ProgressHook = silent
        self._last = Progress(0, len(planes))

    def work(self, progress: ProgressHook) -> None:
        """Segment all planes."""
        self._progress = progress
        begin, n = 0, len(self.planes)
        while begin < n:
            step = self.forward.inputs_at_once  # less once memory ran out
            self._say(begin, 0)
            chunk = range(begin, min(begin + step, n))
            inputs = torch.stack([self._input(i) for i in chunk])
            answers = self.forward(inputs, chunk, done=partial(self._say, begin))
            self._say(begin, len(chunk) * self.forward.rows_per_input)
            self.gates.append(answers.gates)
            for number, scores in zip(chunk, answers.logits, strict=True):
                self._keep(number, scores)
            begin = chunk.stop
        self._say(n, 0)

    def _say(self, begin: int, n_rows: int) -> None:
        """Tell how many rows of the network are done, and let Stop act."""
        rows, n = self.forward.rows_per_input, len(self.planes)
        message = f"image {begin + 1} of {n}" if begin < n else "done"
        self._last = Progress(begin * rows + n_rows, n * rows, message)
        self._pulse()

    def _pulse(self) -> None:
        """Say again how far the run is, so that Stop acts."""
        self._progress(self._last)

    def _input(self, number: int) -> Tensor:
        plane = self.planes[number]
        prepared = prepare(plane, self.preprocessing, pulse=self._pulse)
        self.notices.update(dict.fromkeys(prepared.notices))
        self.digest.add(prepared.tensor)
        return prepared.tensor

    def _keep(self, number: int, logits: Tensor) -> None:
        """Turn one plane's logits (V, S, K, h, w) into labels."""
        probabilities = logits.softmax(2).mean(1)
        mixed = self.forward.mixed(probabilities)
        # One known value: logits, as published; their order is the probabilities'.
        is_plain = logits.shape[:2] == (1, 1)
        self._draw(logits[0, 0] if is_plain else mixed, self.labels[number])
        # Likewise for each value of a mixture, so that it is what it is alone.
        alone = logits[:, 0] if logits.shape[1] == 1 else probabilities
        for value, kept in enumerate(self.by_value):
            self._draw(alone[value], kept[number])
        if len(self.probabilities):
            maps = mixed
            if self.is_at_source:
                shape = self.planes.frame_shape
                maps = restore_maps(mixed, self.grid, shape, pulse=self._pulse)
            self.probabilities[:, number] = maps.numpy()

    def _draw(self, scores: Tensor, out: NDArray[np.uint8]) -> None:
        """Write the labels of one plane into its place in the result."""
        if not self.is_at_source:
            out[:] = best_class(scores)
            return
        restore_labels(
            scores,
            self.grid,
            self.planes.frame_shape,
            self.crop,
            out=out,
            pulse=self._pulse,
        )

    def result(self) -> Segmentation:
        """Return everything in the shape of the source."""
        extra, shape = self.planes.shape, self.labels.shape[1:]
        choice = self.forward.choice
        values = choice.values if len(self.by_value) else ()
        run = Run(
            image=self.planes.image,
            grid=self.grid,
            seen=self.crop,
            input_sha256=self.digest.hexdigest(),
            notices=(*said_once(self.notices), *self._cropped()),
        )
        return Segmentation(
            labels=self.labels.reshape(*extra, *shape),
            axes=(*self.planes.axes, *PLANE_AXES),
            grid=Grid.identity(shape) if self.is_at_source else self.grid,
            classes=self.loaded.card.classes,
            by_value={
                value: labels.reshape(*extra, *shape)
                for value, labels in zip(values, self.by_value, strict=True)
            },
            probabilities=self.probabilities.reshape(-1, *extra, *shape)
            if len(self.probabilities)
            else None,
            routing=self._routing(),
            provenance=provenance_of(self.forward, run),
        )

    def _routing(self) -> RoutingMaps | None:
        if not self.gates[0]:
            return None
        side = math.isqrt(self.gates[0][0].shape[2])
        tokens = self.grid.resize((side, side), "half-pixel")
        blocks = (torch.cat(parts, 0) for parts in zip(*self.gates, strict=True))
        maps = tuple(
            gates.transpose(0, 1)  # (V, P, T, E)
            .reshape(gates.shape[1], *self.planes.shape, *tokens.shape, gates.shape[-1])
            .numpy()
            for gates in blocks
        )
        choice = self.forward.choice
        return RoutingMaps(
            gates=maps,
            grids=(tokens,) * len(maps),
            values=choice.values,
            weights=choice.weights,
            axes=self.planes.axes,
            token_axes=PLANE_AXES,
        )

    def _cropped(self) -> tuple[str, ...]:
        seen = tuple(s.stop - s.start for s in self.crop)
        if seen == self.planes.frame_shape:
            return ()
        return (
            f"the model saw the middle {seen[0]} x {seen[1]} pixels; "
            "outside them the label is background",
        )
