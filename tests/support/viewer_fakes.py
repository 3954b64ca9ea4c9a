"""Engines that answer at once, or when they are told to; and results made by hand."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field

import numpy as np

from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.results.provenance import (
    DriverRecord,
    ImageRecord,
    ModelRecord,
    Provenance,
    pixels_sha256,
)
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.titles import unit_of
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome

SIDE = 3
DRIVER_VALUES = ("healthy", "suspect", "glaucoma")
N_BLOCKS, N_EXPERTS = 4, 5
_NETWORKS = {2: "dmoe-vit", 3: "dmoe-unet3d"}


def make_segmentation(
    image: SpatialImage,
    *,
    classes: tuple[str, ...] = ("background", "rim", "cup"),
    value: str | None = "suspect",
    values: tuple[str, ...] = ("healthy", "suspect", "glaucoma"),
    has_routing: bool = True,
    has_probabilities: bool = False,
    dims: int = 2,
) -> Segmentation:
    """Return a mask whose cup is the larger the later the value comes.

    In block b every token belongs to expert b alone, but for the first one, which
    gives 0.29 of itself to the next expert. The probability of each class is 0.75 in
    its mask and 0 elsewhere.
    """
    along = ("z", "y", "x")[-dims:]
    axes = tuple(a for a in image.axes if a not in (*along, "c"))
    sizes = dict(zip(image.axes, image.data.shape, strict=True))
    extra = tuple(sizes[axis] for axis in axes)
    frame = tuple(sizes[axis] for axis in along)
    used = values if value is None else (value,)
    last = len(classes) - 1
    masks = {
        name: np.minimum(_mask((*extra, *frame[:-2]), frame[-2:], number), last)
        for number, name in enumerate(values)
        if name in used
    }
    labels = masks[used[len(used) // 2]]
    routing = RoutingMaps(
        gates=tuple(_gates(len(used), extra, dims, b) for b in range(N_BLOCKS)),
        grids=(Grid.identity(frame).resize((SIDE,) * dims, "half-pixel"),) * N_BLOCKS,
        values=used,
        weights=(1 / len(used),) * len(used),
        axes=axes,
        token_axes=along,
        unit=unit_of(_NETWORKS[dims]),
    )
    maps = np.stack([0.75 * (labels == i) for i in range(len(classes))])
    return Segmentation(
        labels=labels,
        axes=(*axes, *along),
        grid=Grid.identity(frame),
        classes=classes,
        by_value=masks if value is None else {},
        probabilities=maps.astype(np.float32) if has_probabilities else None,
        routing=routing if has_routing else None,
        provenance=_provenance(image, classes, value, used, _NETWORKS[dims]),
    )


def _gates(n: int, extra: tuple[int, ...], dims: int, block: int) -> np.ndarray:
    gates = np.zeros((n, *extra, *(SIDE,) * dims, N_EXPERTS), np.float32)
    gates[..., block % N_EXPERTS] = 1
    first = (..., *(0,) * dims)
    gates[(*first, block % N_EXPERTS)] = 0.71
    gates[(*first, (block + 1) % N_EXPERTS)] = 0.29
    return gates


def _mask(extra: tuple[int, ...], plane: tuple[int, int], number: int) -> np.ndarray:
    labels = np.zeros((*extra, *plane), np.uint8)
    labels[..., : plane[0] // 2, : plane[1] // 2] = 1
    labels[..., : number + 1, : number + 1] = 2
    return labels


def _provenance(
    image: SpatialImage,
    classes: tuple[str, ...],
    value: str | None,
    used: tuple[str, ...],
    network: str,
) -> Provenance:
    return Provenance(
        created="2026-01-01T00:00:00+00:00",
        versions={},
        device="cpu: CPU (no GPU found)",
        model=ModelRecord(
            card="fake",
            title="Fake",
            architecture=network,
            file="",
            sha256="",
            notice="the differences are invented",
        ),
        drivers=(
            DriverRecord(
                attribute="severity",
                value=value,
                values=used,
                routers=tuple(range(len(used))),
                weights=(1 / len(used),) * len(used),
            ),
        ),
        image=ImageRecord(
            shape=tuple(image.data.shape),
            axes=image.axes,
            dtype=str(image.data.dtype),
            affine=tuple(map(tuple, image.affine.tolist())),
            unit=image.unit,
            input_sha256="",
            pixels_sha256=pixels_sha256(image.data),
        ),
        settings={},
        classes=classes,
        grid={"shape": (1, 1), "start": (0, 0), "step": (1, 1)},
        seen=((0, 1), (0, 1)),
        notices=("a notice of the run",),
    )


def make_outcome(made: Segmentation, seconds: float = 0.1) -> Outcome:
    """Return a run's outcome, as if it had been asked for a model that is gone."""
    request = Request(weakref.ref(set()), (None,), InferenceSettings(), 0)
    return Outcome(made, request, seconds)


@dataclass
class FakeSegment:
    """Segments at once, or waits at its gate and reports until it is told to stop."""

    error: Exception | None = None
    has_routing: bool = True
    gate: threading.Event = field(default_factory=threading.Event)
    calls: list[Patient] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    started: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        patient: Patient,
        *,
        settings: InferenceSettings,
        progress: ProgressHook,
        finished: object = None,
    ) -> Segmentation:
        self.calls.append(patient)
        self.threads.add(threading.get_ident())
        self.started.set()
        progress(Progress(0, 2, "segmenting"))
        while not self.gate.wait(0.01):
            progress(Progress(1, 2, "segmenting"))
        if self.error is not None:
            raise self.error
        progress(Progress(2, 2, "done"))
        card = loaded.card
        return make_segmentation(
            image,
            classes=card.classes if card.dims == 3 else ("background", "rim", "cup"),
            value=patient.severity if card.dims == 2 else DRIVER_VALUES[0],
            has_routing=self.has_routing,
            has_probabilities=settings.probabilities,
            dims=card.dims,
        )
