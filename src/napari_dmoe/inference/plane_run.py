"""One run of a 2D model over the planes of an image."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.planes import PLANE_AXES, Planes
from napari_dmoe.imaging.preprocessing import prepare
from napari_dmoe.imaging.restoration import restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.devices import Batches, choose_device
from napari_dmoe.inference.drivers import RouterChoice
from napari_dmoe.inference.provenance import (
    ImageRecord,
    InputDigest,
    ModelRecord,
    Provenance,
    now,
    versions,
)
from napari_dmoe.inference.routing import RoutingMaps
from napari_dmoe.inference.segmentation import Segmentation
from napari_dmoe.inference.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import SegmentationOutput
from napari_dmoe.progress import Progress, ProgressHook


class PlaneRun:
    """One call of :func:`segment`: planes in, results out, chunk by chunk."""

    def __init__(
        self,
        loaded: LoadedModel,
        planes: Planes,
        choice: RouterChoice,
        settings: InferenceSettings,
    ) -> None:
        self.loaded, self.planes = loaded, planes
        self.choice, self.settings = choice, settings
        self.n_samples = settings.samples if settings.noise else 1
        self.device = choose_device(settings.device)
        self.batches = Batches(self.device.device, settings.batch)
        self.digest = InputDigest()
        self.notices: dict[str, None] = {}
        first = prepare(planes[0], loaded.preprocessing)
        self.grid, self.crop = first.grid, first.crop
        self.is_at_source = settings.scored_at == "source"
        shape = planes.plane_shape if self.is_at_source else self.grid.shape
        n, n_values = len(planes), len(choice.routers)
        self.labels = np.zeros((n, *shape), np.uint8)
        self.by_value = np.zeros((n_values if n_values > 1 else 0, n, *shape), np.uint8)
        n_kept = loaded.config.n_classes if settings.probabilities else 0
        self.probabilities = np.zeros((n_kept, n, *shape), np.float32)
        self.gates: list[NDArray[np.float32]] = []

    def work(self, progress: ProgressHook) -> None:
        """Segment all planes."""
        self.loaded.module.eval()
        rows_per_plane = len(self.choice.routers) * self.n_samples
        step = max(1, self.settings.batch // rows_per_plane)
        n = len(self.planes)
        for begin in range(0, n, step):
            progress(Progress(begin, n, f"image {begin + 1} of {n}"))
            chunk = range(begin, min(begin + step, n))
            inputs = torch.stack([self._input(number) for number in chunk])
            logits, gates = self._forward(inputs, chunk)
            self.gates.append(gates)
            for number, scores in zip(chunk, logits, strict=True):
                self._keep(number, scores)
        progress(Progress(n, n, "done"))

    def _input(self, number: int) -> Tensor:
        prepared = prepare(self.planes[number], self.loaded.preprocessing)
        self.notices.update(dict.fromkeys(prepared.notices))
        self.digest.add(prepared.tensor)
        return prepared.tensor

    def _forward(
        self, inputs: Tensor, chunk: range
    ) -> tuple[Tensor, NDArray[np.float32]]:
        """Run planes x values x samples: logits (P, V, S, K, h, w), gates (P, V, ...).

        The gates are averaged over the noise samples.
        """
        shape = (len(inputs), len(self.choice.routers), self.n_samples)
        logits, gates, done = [], [], 0
        with torch.inference_mode():
            while done < math.prod(shape):
                rows = range(done, math.prod(shape))
                out = self.batches.run(
                    rows, lambda part, device: self._rows(inputs, chunk, part, device)
                )
                logits.append(out.logits)
                if out.routing:
                    gates.append(torch.stack([r.gates for r in out.routing], 1))
                done += len(out.logits)
        together = torch.cat(logits)
        routed = torch.cat(gates) if gates else together.new_zeros(len(together), 0)
        return (
            together.unflatten(0, shape),
            routed.unflatten(0, shape).mean(2).numpy(),
        )

    def _rows(
        self, inputs: Tensor, chunk: range, part: range, device: torch.device
    ) -> SegmentationOutput:
        """Run some of the rows; row = (plane * V + value) * S + sample."""
        n_values, n_samples = len(self.choice.routers), self.n_samples
        planes = [row // (n_values * n_samples) for row in part]
        routers = [self.choice.routers[row // n_samples % n_values] for row in part]
        category = None if routers[0] is None else torch.tensor(routers)
        noise = None
        if self.settings.noise:
            noise = [
                noise_generator(self.settings.seed, chunk[plane], row % n_samples)
                for plane, row in zip(planes, part, strict=True)
            ]
        network = self.loaded.network
        self.loaded.module.to(device)
        return network(inputs[planes].to(device), category, noise=noise).cpu()

    def _keep(self, number: int, logits: Tensor) -> None:
        """Turn one plane's logits (V, S, K, h, w) into labels."""
        probabilities = logits.softmax(2).mean(1)
        weights = torch.tensor(self.choice.weights)
        mixed = torch.einsum("v,vkhw->khw", weights, probabilities)
        # One known value: logits, as published; their order is the probabilities'.
        is_plain = logits.shape[:2] == (1, 1)
        self.labels[number] = self._restored(logits[0, 0] if is_plain else mixed)
        for value, kept in enumerate(self.by_value):
            kept[number] = self._restored(probabilities[value])
        if len(self.probabilities):
            maps = mixed
            if self.is_at_source:
                maps = restore_maps(mixed, self.grid, self.planes.plane_shape)
            self.probabilities[:, number] = maps.numpy()

    def _restored(self, scores: Tensor) -> NDArray[np.uint8]:
        if not self.is_at_source:
            return scores.argmax(0).to(torch.uint8).numpy()
        return restore_labels(scores, self.grid, self.planes.plane_shape, self.crop)

    def result(self) -> Segmentation:
        """Return everything in the shape of the source."""
        extra = self.planes.shape
        values = self.choice.values if len(self.by_value) else ()
        shape = self.labels.shape[1:]
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
            provenance=self._provenance(),
        )

    def _routing(self) -> RoutingMaps | None:
        if self.choice.routers == (None,):
            return None
        side = self.loaded.config.grid
        gates = np.moveaxis(np.concatenate(self.gates), 0, 2)  # (V, L, P, T, E)
        shape = (*gates.shape[:2], *self.planes.shape, side, side, gates.shape[-1])
        return RoutingMaps(
            gates=gates.reshape(shape),
            values=self.choice.values,
            weights=self.choice.weights,
            axes=self.planes.axes,
            grid=self.grid.resize((side, side), "half-pixel"),
        )

    def _provenance(self) -> Provenance:
        loaded, image = self.loaded, self.planes.image
        notices = (*self.notices, *self.batches.notices, *self._cropped())
        return Provenance(
            created=now(),
            versions=versions(),
            device=f"{self.batches.device}: {self.device.reason}",
            model=ModelRecord(
                card=loaded.card.name,
                title=loaded.card.title,
                architecture=loaded.architecture,
                file=loaded.source,
                sha256=loaded.sha256,
                notice=loaded.card.notice,
            ),
            driver=self.choice.record,
            image=ImageRecord(
                shape=tuple(image.data.shape),
                axes=image.axes,
                dtype=str(image.data.dtype),
                affine=tuple(map(tuple, image.affine.tolist())),
                unit=image.unit,
                input_sha256=self.digest.hexdigest(),
            ),
            settings=self.settings.model_dump(mode="json"),
            classes=loaded.card.classes,
            grid={
                "shape": self.grid.shape,
                "start": self.grid.start,
                "step": self.grid.step,
            },
            seen=tuple((s.start, s.stop) for s in self.crop),
            notices=notices,
        )

    def _cropped(self) -> tuple[str, ...]:
        seen = tuple(s.stop - s.start for s in self.crop)
        if seen == self.planes.plane_shape:
            return ()
        return (
            f"the model saw the middle {seen[0]} x {seen[1]} pixels; "
            "outside them the label is background",
        )


def noise_generator(seed: int, plane: int, sample: int) -> torch.Generator:
    """Return the source of the gating noise of one plane and sample.

    It depends on nothing else, so results do not depend on the batch or its order,
    and all values of a driver meet the same noise.
    """
    state = np.random.SeedSequence([seed, plane, sample]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
