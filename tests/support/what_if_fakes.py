"""Ablations, votes and replays made by hand, and engines that answer with them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from viewer_fakes import make_segmentation

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.masks.comparison import compare_masks
from napari_dmoe.inference.masks.measures import ClassSize
from napari_dmoe.inference.results.provenance import ControlRecord
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.what_if.ablation import Ablation, ExpertEffect
from napari_dmoe.inference.what_if.uncertainty import SizeInterval, Uncertainty
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook

N_EXPERTS = 4
RIM, CUP = 1, 2


def muted(
    plain: Segmentation,
    mute: list[tuple[int | None, int]],
    pin: dict[int | None, int] | None = None,
) -> Segmentation:
    """Return the same without the cup, with a record of what was done."""
    labels = np.where(plain.labels == CUP, 0, plain.labels).astype(np.uint8)
    control = ControlRecord(mute=tuple(mute), pin=tuple((pin or {}).items()))
    update = {"experts": control}
    record = plain.provenance.model_copy(update=update)
    return replace(plain, labels=labels, provenance=record)


@dataclass
class FakeAblate:
    """Takes the cup away; of the effects, expert e changes e pixels."""

    gate: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        patient: Patient,
        *,
        progress: ProgressHook,
        plain: Segmentation | None,
        **options: Any,
    ) -> Ablation:
        self.calls.append({"plain": plain, "patient": patient, **options})
        progress(Progress(0, 1, "muting"))
        while not self.gate.wait(0.01):
            progress(Progress(0, 1, "muting"))
        if self.error is not None:
            raise self.error
        value = patient.severity
        plain = plain or make_segmentation(image, value=value)
        mute = options.get("mute") or []
        pin = options.get("pin")
        result = muted(plain, mute, pin) if mute or pin else plain
        classes = plain.classes
        return Ablation(
            plain=plain,
            result=result,
            comparison=compare_masks((plain.labels, classes), (result.labels, classes)),
            block=options.get("block"),
            effects=tuple(map(_effect, range(N_EXPERTS))) if options["effects"] else (),
        )


def _effect(expert: int) -> ExpertEffect:
    sizes = (ClassSize("rim", 10, 10.0, "px"), ClassSize("cup", 4, 4.0, "px"))
    return ExpertEffect(
        expert=expert,
        load=expert / 10,
        n_different=expert,
        sizes=sizes,
        changes=(0.0, -float(expert)),
        dice=(1.0, float("nan")),
    )


@dataclass
class FakeUncertainty:
    """All samples agree, but for the image's first pixel along each axis."""

    error: Exception | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self,
        loaded: LoadedModel,
        image: SpatialImage,
        patient: Patient,
        *,
        samples: int,
        seed: int,
        settings: object,
        progress: ProgressHook,
        experts: bool,
    ) -> Uncertainty:
        assert not experts  # no map of the window needs them
        self.calls.append({"samples": samples, "seed": seed})
        progress(Progress(0, samples, "drawing"))
        if self.error is not None:
            raise self.error
        dims = loaded.card.dims
        made = make_segmentation(image, value=patient.severity, dims=dims)
        entropy = np.zeros(made.labels.shape, np.float32)
        entropy[(0,) * entropy.ndim] = 1
        classes = range(len(made.classes))
        update = {"made_by": "uncertainty", "settings": {"samples": samples}}
        return Uncertainty(
            n_samples=samples,
            seed=seed,
            labels=made.labels,
            votes=np.stack([samples * (made.labels == k) for k in classes]).astype(
                np.uint8
            ),
            entropy=entropy,
            intervals=tuple(
                SizeInterval(name, "px", (), 1.0, 2.0, 3.5) for name in made.classes[1:]
            ),
            expert_votes=(),
            expert_entropy=(),
            token_grids=(),
            classes=made.classes,
            axes=made.axes,
            grid=made.grid,
            provenance=made.provenance.model_copy(update=update),
        )
