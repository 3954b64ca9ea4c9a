"""A result made again from its record, or what stands in the way.

On a CPU the mask is the same bit for bit where versions, threads and processor are.
Elsewhere at least 99.99 % of the labels are, and those that are not are near ties.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_dmoe.imaging.fitting import Fit
from napari_dmoe.imaging.frames import one_channel
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.replaying.record_comparison import compare_records
from napari_dmoe.inference.replaying.recorded_choice import company, recorded_choice
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.record_rules import impossible
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import DeviceError, choose_device
from napari_dmoe.inference.running.drivers import with_facts_of
from napari_dmoe.inference.running.placing import focus_of
from napari_dmoe.inference.running.settings import InferenceSettings, as_recorded
from napari_dmoe.inference.running.threads import fixed_threads
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.inference.what_if.uncertainty import Uncertainty, count_samples
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import ProgressHook, silent
from napari_dmoe.purpose import reason
from napari_dmoe.validation import said

NEAR = 0.9999
"""Share of equal labels from which masks of unlike machines count as the same."""

_CHOSEN = ("device", "fit", "focus", "keep", "fill")
"""Settings that a replay takes from what a record says was done."""

Verdict = Literal["equal", "near", "different", "unknown"]


class ReplayError(ValueError):
    """A result cannot be made again; `reasons` says what is missing or changed."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(f"this cannot be replayed: {'; '.join(reasons)}")
        self.reasons = reasons


@dataclass(frozen=True)
class Replay:
    """A result that was made again.

    Parameters
    ----------
    result : Segmentation or Uncertainty
        The new result.
    verdict : {"equal", "near", "different", "unknown"}
        ``"equal"``: bit for bit; ``"near"``: at least 99.99 % of the labels;
        ``"unknown"``: the record is older than the hash of labels, and no mask was
        given to compare with.
    agreement : float or None
        Share of equal labels; None where the first mask is not at hand.
    differences : tuple of str
        What was not as before, in words.
    """

    result: Segmentation | Uncertainty
    verdict: Verdict
    agreement: float | None
    differences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The verdict for a person."""
        share = "" if self.agreement is None else f" ({self.agreement:.4%} of labels)"
        text = {
            "equal": "The mask was rebuilt bit for bit.",
            "near": f"The mask was rebuilt but for near ties{share}.",
            "different": f"The mask is another one{share}."
            if share
            else "The mask is not the same; without the first one nobody can say by "
            "how much.",
            "unknown": "The mask was made again, but there is nothing to compare with.",
        }[self.verdict]
        changed = "; ".join(self.differences)
        return f"{text} Not as before: {changed}." if changed else text


def obstacles(
    record: Provenance, loaded: LoadedModel, image: SpatialImage
) -> tuple[str, ...]:
    """Return what keeps a record from being replayed, before anything is run.

    Parameters
    ----------
    record : Provenance
        The record.
    loaded : LoadedModel
        The model to replay it with.
    image : SpatialImage
        The image to replay it on.

    Returns
    -------
    tuple of str
        One phrase for each thing that is missing or changed; empty where nothing is.
    """
    fault = impossible(record)
    if fault:
        return (f"the record cannot be: {fault}",)
    return (
        *_model_obstacles(record, loaded),
        *_image_obstacles(record, image),
        *_settings_obstacles(record),
    )


def _model_obstacles(record: Provenance, loaded: LoadedModel) -> Iterator[str]:
    if record.model.sha256 != loaded.sha256:
        yield (
            f"the checkpoint is {loaded.source or 'not saved'} with SHA-256 "
            f"{loaded.sha256[:12] or 'unknown'}, the record names "
            f"{record.model.file or 'an unsaved one'} with {record.model.sha256[:12]}"
        )
    known = {
        attribute.name: (attribute, first)
        for attribute, first in zip(
            loaded.card.attributes, loaded.card.first_routers, strict=True
        )
    }
    if record.classes != loaded.card.classes:
        yield (
            f"the model's classes are {', '.join(loaded.card.classes)}, the record's "
            f"{', '.join(record.classes)}"
        )
    if tuple(driver.attribute for driver in record.drivers) != tuple(known):
        yield (
            f"the card's drivers are {', '.join(known) or 'none'}, the record's "
            f"{', '.join(d.attribute for d in record.drivers) or 'none'}"
        )
        return
    for driver in record.drivers:
        attribute, first = known[driver.attribute]
        for value, router in zip(driver.values, driver.routers, strict=True):
            place = router - first
            there = attribute.values[place : place + 1] if place >= 0 else ()
            if there != (value,):
                yield f"router {router} is not the card's {attribute.name} {value}"


def _image_obstacles(record: Provenance, image: SpatialImage) -> Iterator[str]:
    shape, known = tuple(map(int, image.data.shape)), record.image
    if shape != known.shape or image.axes != known.axes:
        yield (
            f"the image has the axes {', '.join(image.axes)} and the size {shape}, the "
            f"record's {', '.join(known.axes)} and {known.shape}"
        )


def _settings_obstacles(record: Provenance) -> Iterator[str]:
    try:
        InferenceSettings.model_validate(record.settings)
    except ValidationError as error:
        yield f"the record's setting {said(error)}"


def notices_before(record: Provenance, loaded: LoadedModel) -> tuple[str, ...]:
    """Return what must be said of a record's routers before it is replayed."""
    drivers = (with_facts_of(loaded.card, driver) for driver in record.drivers)
    return tuple(notice for driver in drivers for notice in driver.notices)


def replay(
    record: Provenance,
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    *,
    labels: NDArray[np.uint8] | None = None,
    progress: ProgressHook | None = None,
) -> Replay:
    """Make a result again from its record.

    Parameters
    ----------
    record : Provenance
        The record, such as ``result.provenance`` or that of a case file.
    loaded : LoadedModel
        The checkpoint that it names.
    image : SpatialImage or array
        The image.
    labels : (*S) uint8 array, optional
        The first mask along the image's axes but for channels, so that a mask that is
        not equal can be compared.
    progress : callable, optional
        Called with a :class:`Progress` before each batch; may raise ``Cancelled``.

    Returns
    -------
    Replay
        The new result, whether it is the old one, and what was not as before.

    Raises
    ------
    ReplayError
        When checkpoint, image or settings are not those of the record, or the record
        cannot be.
    """
    image = _as_used(SpatialImage.of(image), record)
    reasons = obstacles(record, loaded, image)
    if reasons:
        raise ReplayError(reasons)
    settings = InferenceSettings.model_validate(record.settings)
    same = {"device": _device(record), "fit": _fit(record, loaded), **_of_mask(record)}
    settings = settings.model_copy(update=same)
    loaded = _focused_as(record, loaded)
    with fixed_threads(record.threads):
        result = _made_again(record, loaded, image, settings, progress or silent)
    verdict, agreement = _compared(record, result, labels)
    return Replay(result, verdict, agreement, _not_as_before(record, result.provenance))


def _as_used(image: SpatialImage, record: Provenance) -> SpatialImage:
    """Return the one channel of an image that a record says was used."""
    number = record.image.channel
    is_there = number in range(image.n_channels) and CHANNEL_AXIS in image.axes
    return one_channel(image, number) if is_there and number is not None else image


def _made_again(
    record: Provenance,
    loaded: LoadedModel,
    image: SpatialImage,
    settings: InferenceSettings,
    progress: ProgressHook,
) -> Segmentation | Uncertainty:
    upright = _is_upright(record)
    # A value of a sweep has the others beside it again, as they decide the last bits.
    try:
        choice = recorded_choice(record, loaded)
        choices, place = company(record, loaded, choice)
    except ValueError as error:
        raise ReplayError((reason(error),)) from error
    if record.made_by == "uncertainty":
        return count_samples(loaded, image, choice, settings, progress, upright=upright)
    results = segment_variants(
        loaded,
        image,
        choices,
        settings,
        progress,
        swept=record.swept,
        upright=upright,
    )
    return next(itertools.islice(results, place, None))


def _is_upright(record: Provenance) -> bool:
    """Whether a 2D model saw a volume's planes turned, which older records do not say.

    Its grid then runs against the image's axes wherever these run against the world.
    """
    spatial = [axis for axis in record.image.axes if axis in SPATIAL_AXES]
    along = np.array(record.image.affine, float)
    if along.shape != (len(spatial) + 1,) * 2 or not {"y", "x"} <= set(spatial):
        return True
    signs = np.diag(along)[[spatial.index("y"), spatial.index("x")]] < 0
    steps = np.array(record.grid.get("step", ())[-2:]) < 0
    return bool(np.array_equal(signs, steps))


def _fit(record: Provenance, loaded: LoadedModel) -> Fit | Literal["card"]:
    """Return how a record's planes met the network, whatever the card says by now.

    Records that do not say are older than padding: they cropped or stretched. Where the
    card does the same it counts, as it knows how much is cropped.
    """
    how = loaded.preprocessing
    if record.fit is not None or not isinstance(how, Preprocessing):
        return record.fit or "card"
    if how.fit != "pad":
        return "card"
    sizes = dict(zip(record.image.axes, record.image.shape, strict=True))
    seen = (stop - start for start, stop in record.seen)
    is_whole = (*seen,) == (sizes.get("y"), sizes.get("x"))
    return "stretch" if is_whole else "crop"


def _of_mask(record: Provenance) -> dict[str, str]:
    """Return what was made of a record's masks, and in how many passes.

    Records that do not say are older: one pass, and the mask as it came.
    """
    return {
        "focus": "off" if record.focus is None else "on",
        "keep": record.keep or "all",
        "fill": "on" if record.fill else "off",
    }


def _focused_as(record: Provenance, loaded: LoadedModel) -> LoadedModel:
    """Return the model with a card that states the square of a record's second pass."""
    how, focus = loaded.preprocessing, focus_of(record)
    if focus is None or not isinstance(how, Preprocessing):
        return loaded
    stated = {"preprocessing": how.model_copy(update={"focus": focus})}
    return replace(loaded, card=loaded.card.model_copy(update=stated))


def _device(record: Provenance) -> str:
    """Return the device of a record if there is one like it here, else the CPU."""
    found = re.match(r"(cpu|cuda|mps)\b", record.device)
    name = found[1] if found else "cpu"
    try:
        choose_device(name)
    except DeviceError:
        return "cpu"
    return name


def _compared(
    record: Provenance,
    result: Segmentation | Uncertainty,
    labels: NDArray[np.uint8] | None,
) -> tuple[Verdict, float | None]:
    """Compare with the hash, or, where a mask is at hand and unpainted, label by label.

    An older record has no hash; its mask is all there is.
    """
    is_original = labels is not None and not record.edited
    agreement = None
    if labels is not None and is_original and labels.shape == result.labels.shape:
        agreement = float(np.mean(labels == result.labels))
    if record.labels_sha256 == result.provenance.labels_sha256 or agreement == 1:
        return "equal", 1.0
    if agreement is not None:
        return ("near" if agreement >= NEAR else "different"), agreement
    return ("unknown" if record.labels_sha256 is None else "different"), None


def _not_as_before(record: Provenance, made: Provenance) -> tuple[str, ...]:
    """Return differences that are not due to how a replay chooses what cards decide."""
    asked = as_recorded(record.settings)
    settings = made.settings | {name: asked[name] for name in _CHOSEN}
    same: dict[str, Any] = {"settings": settings, "edited": record.edited}
    if record.device.split(":")[0] == made.device.split(":")[0]:
        same["device"] = record.device
    said = compare_records(record, made.model_copy(update=same))
    painted = "the first mask was painted on after its run"
    return (*said, painted) if record.edited else said
