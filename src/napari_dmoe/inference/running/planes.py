"""A run of a 2D model over the planes of an image, in batches with other such runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.fitting import Placement
from napari_dmoe.imaging.frames import source_axes, transposed
from napari_dmoe.imaging.memory import refuse_beyond_memory
from napari_dmoe.imaging.parts import tidied
from napari_dmoe.imaging.restoration import best_class, restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.results.provenance import FocusRecord
from napari_dmoe.inference.results.routing import ALL_ROUTING, KeptRouting, RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import REMEDY
from napari_dmoe.inference.running.drivers import RouterChoice
from napari_dmoe.inference.running.forward import Answers, Forward
from napari_dmoe.inference.running.likeness import mean_loads
from napari_dmoe.inference.running.placing import preprocessing_of
from napari_dmoe.inference.running.plane_inputs import (
    PLANE_AXES,
    PlaneInputs,
    of_picture,
)
from napari_dmoe.inference.running.recording import (
    provenance_of,
    said_once,
    seen_record,
)
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.waiting import computing
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.footprint import routing_bytes
from napari_dmoe.models.titles import unit_of
from napari_dmoe.progress import ProgressHook, part_of

MAPS_AS_THEY_ARE = (
    "the probabilities are as the network gives them: nothing is left out of them, or "
    "filled"
)

FOR_VOLUMES = "skipping empty windows is for 3D models: every plane was run"


class PlaneRun:
    """One of several runs that share their inputs: planes in, results out."""

    def __init__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        choice: RouterChoice,
        settings: InferenceSettings,
        *,
        keep: KeptRouting = ALL_ROUTING,
        upright: bool = True,
    ) -> None:
        self.loaded, self.settings, self._keep = loaded, settings, keep
        how = preprocessing_of(loaded, settings)
        self.inputs = PlaneInputs(loaded, image, how, upright=upright)
        self.planes = planes = self.inputs.planes
        self.forward = Forward(loaded, choice, settings, batch=settings.batch)
        self.is_at_source = settings.scored_at == "source"
        shape = planes.frame_shape if self.is_at_source else self.placement.grid.shape
        n, n_values = len(planes), len(choice.categories)
        n_alone = n_values if n_values > 1 else 0
        n_kept = loaded.config.n_classes if settings.probabilities else 0
        gates = 0 if keep.blocks == () else n_values
        gates *= routing_bytes(loaded.config, loaded.input_size)
        self.n_bytes = n * (math.prod(shape) * (1 + n_alone + 4 * n_kept) + gates)
        """What the result takes: its masks, its probabilities and its routing."""
        refuse_beyond_memory(self.n_bytes, what="the result needs", remedy=REMEDY)
        self.labels = np.zeros((n, *shape), np.uint8)
        self.by_value = np.zeros((n_alone, n, *shape), np.uint8)
        self.probabilities = np.zeros((n_kept, n, *shape), np.float32)
        self._gates: list[dict[int, Tensor]] = []
        self._loads: list[tuple[Tensor, ...]] = []
        self._sides: tuple[int, ...] = ()
        self._of_mask: dict[str, None] = {}

    @property
    def placement(self) -> Placement:
        """Where what is seen of a plane lies in the input."""
        return self.inputs.placement

    def follow(self, lead: PlaneRun) -> None:
        """Take inputs, what is known of them, and the device from another run."""
        self.inputs = lead.inputs
        self.forward.batches = lead.forward.batches

    def _on_grid(self) -> None:
        """Make room for masks at the network's samples, of which a square has others.

        A square is padded otherwise than the whole plane.
        """
        shape = self.placement.grid.shape
        if not self.is_at_source and self.labels.shape[1:] != shape:
            self.labels = np.zeros((len(self.labels), *shape), np.uint8)
            self.by_value = np.zeros((*self.by_value.shape[:2], *shape), np.uint8)
            kept = self.probabilities.shape[:2]
            self.probabilities = np.zeros((*kept, *shape), np.float32)

    @property
    def n_restored(self) -> int:
        """Masks and maps that are drawn of a plane."""
        return (1 + len(self.by_value) + bool(len(self.probabilities))) * (
            self.is_at_source
        )

    def take(self, chunk: range, answers: Answers, progress: ProgressHook) -> None:
        """Turn what the network says of some planes into labels and gates."""
        self._on_grid()
        self._sides = tuple(math.isqrt(gates.shape[2]) for gates in answers.gates)
        placement = self.placement
        gates = [of_picture(each, placement) for each in answers.gates]
        self._loads.append(tuple(each.mean(2, keepdim=True) for each in gates))
        self._gates.append(self._kept(gates))
        # What is padded is no part of the picture, and never of a mask.
        shown = answers.logits[(..., *placement.picture)]
        for place, number in enumerate(chunk):
            part = part_of(progress, place, len(chunk))
            with computing():
                self._keep_mask(number, shown[place], part)

    def _kept(self, gates: Sequence[Tensor]) -> dict[int, Tensor]:
        """Return what is kept of gates (P, V, T, E), by the number of the block."""
        shares, kept = torch.tensor(self.forward.choice.weights), {}
        for block, each in enumerate(gates):
            dtype = self._keep.dtype_of(block)
            if dtype is None:
                continue
            if not self._keep.each_value and each.shape[1] > 1:
                each = torch.tensordot(shares, each, ([0], [1])).unsqueeze(1)
            # A view would hold all of what the network said.
            kept[block] = each.to(getattr(torch, dtype))
        return kept

    def _keep_mask(self, number: int, logits: Tensor, progress: ProgressHook) -> None:
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
        if not self._is_empty(number):
            said = self._draw(scores, self.labels[number], parts[0])
            self._of_mask.update(dict.fromkeys(said))
            # Likewise for each value of a mixture, so that it is what it is alone.
            alone = logits[:, 0] if logits.shape[1] == 1 else probabilities
            for value, kept in enumerate(self.by_value):
                self._draw(alone[value], kept[number], parts[(value + 1) % n])
        if len(self.probabilities):
            shape = self.planes.frame_shape
            kept = self.probabilities[:, number]
            if self.is_at_source:
                out, tell = torch.from_numpy(kept), parts[-1]
                grid, seen = self.placement.grid, self.placement.seen
                restore_maps(mixed, grid, shape, seen, out=out, progress=tell)
            else:
                kept[:] = mixed.numpy()

    def _is_empty(self, number: int) -> bool:
        """Whether a plane is background, whatever the network makes of it."""
        found = self.inputs.found
        if found is not None and number not in found.planes:
            return True
        return number in self.inputs.constant and self.is_at_source

    def _draw(
        self, scores: Tensor, out: NDArray[np.uint8], progress: ProgressHook
    ) -> tuple[str, ...]:
        """Write the labels of one plane, upright as it is, into its place.

        Says what was left out of the mask, or filled in it.
        """
        if not self.is_at_source:
            out[:] = best_class(scores)
        else:
            shape, seen = self.planes.frame_shape, self.placement.seen
            grid = self.placement.grid
            restore_labels(scores, grid, shape, seen, out=out, progress=progress)
        how = self.inputs.preprocessing
        made = tidied(out, keep=how.keep, fill=how.fill)
        if made.labels is not out:
            out[:] = made.labels
        return made.notices

    def result(self, swept: tuple[str, ...]) -> Segmentation:
        """Return everything in the shape of the source, along its axes."""
        planes, shape = self.planes, self.labels.shape[1:]
        values = self.forward.choice.values if len(self.by_value) else ()
        alone = self._as_stored(self.by_value)
        labels, axes = self._as_stored(self.labels), source_axes(planes.image.axes)
        placement, how = self.placement, self.inputs.preprocessing
        seen_at, seen = planes.place(placement.grid, placement.seen)
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
                fit=placement.fit,
                focus=self._focus(),
                keep=how.keep,
                fill=how.fill,
                input_sha256=self.inputs.digest.hexdigest(),
                notices=(
                    *self._unlike(),
                    *said_once(self.inputs.notices),
                    *self._of_volumes(),
                    *self._constant(),
                    *self._cropped(),
                    *said_once(self._of_mask),
                    *self._not_in_maps(),
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
        if not self._gates[0]:
            return None
        planes, choice = self.planes, self.forward.choice
        flips = planes.flips((*planes.axes, *PLANE_AXES))
        maps, grids = [], []
        for block in self._gates[0]:
            gates = torch.cat([part[block] for part in self._gates]).transpose(0, 1)
            grid = self._tokens(self._sides[block])
            size = (len(gates), *planes.shape, *grid.shape, gates.shape[-1])
            maps.append(gates.reshape(size).numpy()[(slice(None), *flips)])
            grids.append(grid)
        return self._keep.maps(
            maps,
            grids,
            choice.values,
            choice.weights,
            axes=planes.axes,
            token_axes=PLANE_AXES,
            unit=unit_of(self.loaded.architecture),
        )

    def _tokens(self, side: int) -> Grid:
        """Return where tokens that are so many along a side lie in the source."""
        tokens, _ = self.placement.tokens(side)
        return self.planes.place(tokens, self.placement.seen)[0].upright()[0]

    def _focus(self) -> FocusRecord | None:
        """Return how a first pass decided what the network saw; None without one."""
        found, focus = self.inputs.found, self.inputs.preprocessing.focus
        if found is None or focus is None:
            return None
        whole = self.inputs.whole
        _, searched = self.planes.place(whole.grid, whole.seen)
        return FocusRecord(
            margin=focus.margin,
            least=focus.least,
            sure=focus.sure,
            searched=seen_record(searched),
            found=bool(found.planes),
        )

    def _unlike(self) -> tuple[str, ...]:
        """Say whether the planes are unlike the training's, as wholes."""
        inputs = self.inputs
        if inputs.found is not None:
            return inputs.likeness.notices("plane", inputs.found.loads)
        blocks = [
            torch.cat(part).transpose(0, 1) for part in zip(*self._loads, strict=True)
        ]
        return inputs.likeness.notices("plane", mean_loads(self.forward, blocks))

    def _of_volumes(self) -> tuple[str, ...]:
        return (FOR_VOLUMES,) if self.forward.settings.skip_empty else ()

    def _constant(self) -> tuple[str, ...]:
        n, of = len(self.inputs.constant), len(self.planes)
        if not n or of == 1:
            return ()
        are = "is" if n == 1 else "are"
        words = f"{n} of {of} planes {are} constant: there is nothing to segment there"
        return (words,)

    def _cropped(self) -> tuple[str, ...]:
        if not self.placement.unseen:
            return ()
        return (f"{self.placement.words}, and its label is background",)

    def _not_in_maps(self) -> tuple[str, ...]:
        """Say that the maps are not changed with the mask."""
        found = self.inputs.found
        is_other = self._of_mask or (found and len(found.planes) < len(self.planes))
        return (MAPS_AS_THEY_ARE,) if len(self.probabilities) and is_other else ()
