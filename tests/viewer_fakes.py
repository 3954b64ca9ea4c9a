"""Engines that answer at once, or when they are told to; and results made by hand."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field

import numpy as np

from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.provenance import (
    DriverRecord,
    ImageRecord,
    ModelRecord,
    Provenance,
)
from napari_dmoe.inference.routing import RoutingMaps
from napari_dmoe.inference.segmentation import Segmentation
from napari_dmoe.inference.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.requests import Request
from napari_dmoe.viewer.results import Outcome

SIDE = 3
DRIVER_VALUES = ("healthy", "suspect", "glaucoma")
N_BLOCKS, N_EXPERTS = 4, 5


def make_segmentation(
    image: SpatialImage,
    *,
    classes: tuple[str, ...] = ("background", "rim", "cup"),
    value: str | None = "suspect",
    values: tuple[str, ...] = ("healthy", "suspect", "glaucoma"),
    has_routing: bool = True,
) -> Segmentation:
    """Return a mask whose cup is the larger the later the value comes."""
    axes = tuple(a for a in image.axes if a not in ("y", "x", "c"))
    sizes = dict(zip(image.axes, image.data.shape, strict=True))
    extra = tuple(sizes[axis] for axis in axes)
    plane = (sizes["y"], sizes["x"])
    used = values if value is None else (value,)
    masks = {name: _mask(extra, plane, values.index(name)) for name in used}
    gates = [
        np.zeros((len(used), *extra, SIDE, SIDE, N_EXPERTS), np.float32)
        for _ in range(N_BLOCKS)
    ]
    for block in range(N_BLOCKS):
        gates[block][..., block % N_EXPERTS] = 1
    routing = RoutingMaps(
        gates=tuple(gates),
        grids=(Grid.identity(plane).resize((SIDE,) * 2, "half-pixel"),) * N_BLOCKS,
        values=used,
        weights=(1 / len(used),) * len(used),
        axes=axes,
        token_axes=("y", "x"),
    )
    return Segmentation(
        labels=masks[used[len(used) // 2]],
        axes=(*axes, "y", "x"),
        grid=Grid.identity(plane),
        classes=classes,
        by_value=masks if value is None else {},
        probabilities=None,
        routing=routing if has_routing else None,
        provenance=_provenance(image, classes, value, used),
    )


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
) -> Provenance:
    return Provenance(
        created="2026-01-01T00:00:00+00:00",
        versions={},
        device="cpu: CPU (no GPU found)",
        model=ModelRecord(
            card="fake",
            title="Fake",
            architecture="dmoe-vit",
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
        settings: object,
        progress: ProgressHook,
    ) -> Segmentation:
        self.calls.append(patient)
        self.threads.add(threading.get_ident())
        self.started.set()
        progress(Progress(0, 2, "image 1 of 1"))
        while not self.gate.wait(0.01):
            progress(Progress(1, 2, "image 1 of 1"))
        if self.error is not None:
            raise self.error
        progress(Progress(2, 2, "done"))
        return make_segmentation(image, value=patient.severity)
