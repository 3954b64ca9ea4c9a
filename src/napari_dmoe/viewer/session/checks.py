"""What the widgets say of images, patients and results, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_dmoe.inference.results.provenance import DriverRecord
from napari_dmoe.models.training_images import UNLIKE
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.viewer.layers.axes import AXIS_TITLES, channel_titles, question
from napari_dmoe.viewer.layers.levels import level_of, level_titles
from napari_dmoe.viewer.layers.placement import (
    axis_names,
    data_to_world,
    length_factors,
    samples_of,
    used_channel,
)
from napari_dmoe.viewer.session.results import Result

if TYPE_CHECKING:
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.models.checkpoint import LoadedModel


_COLOURS = 3


def describe_image(image: Image, dims: int = 2, seen: str = "") -> str:
    """Say how large an image is, what it is run over, and how large its pixels are.

    The model sees `dims` axes at once: 2 or 3; `seen` says in a word how.
    """
    names = axis_names(image, dims)
    shape = samples_of(image).shape
    sizes = dict(zip(names, shape, strict=False))
    along = [axis for axis in ("x", "y", "z")[:dims] if axis in sizes]
    parts = [" × ".join(str(sizes.pop(axis)) for axis in along)]
    if titles := level_titles(image):
        level = level_of(image)
        which = f"level {level}" if level else "finest"
        parts.append(f"{which} of {len(titles)} levels")
    parts += [_channels(image, dims), *filter(None, (seen,))]
    over = [_axis(name, n) for name, n in sizes.items() if name != "c"]
    if over:
        unit = "plane by plane" if dims == 2 else "volume by volume"
        parts.append(f"{unit} over {', '.join(over)}")
    places = [names.index(axis) for axis in along]
    factors = length_factors(image, places)
    if factors is None:
        parts.append("pixel size unknown")
    else:
        size = _pixel_size(image, places, factors)
        parts.append(f"{size} mm {'pixels' if len(along) == 2 else 'voxels'}")
    return " · ".join(parts)


def _axis(name: str, n: int) -> str:
    """Say how long an axis is that a model is run over."""
    title = AXIS_TITLES.get(name)
    return f"{n} along {name}, not named" if title is None else f"{title} {n}"


def _channels(image: Image, dims: int) -> str:
    """Say whether an image is in colour, or which of its channels is used."""
    titles = channel_titles(image, dims)
    number = used_channel(image, len(titles))
    if number is not None:
        return titles[number] if image.rgb else f"{titles[number]} of {len(titles)}"
    if not titles:
        return "grey"
    return "colour" if len(titles) == _COLOURS else f"{len(titles)} channels"


def _pixel_size(image: Image, places: Sequence[int], factors: list[float]) -> str:
    """Return the distances between neighbours in mm; one number where they agree."""
    sides = np.linalg.norm(data_to_world(image)[:-1, places], axis=0) * factors
    if np.allclose(sides, sides[0], rtol=1e-3):
        return f"{sides[0]:.3g}"
    return " × ".join(f"{side:.3g}" for side in sides)


def image_problem(image: Image, dims: int, n_channels: int | None = None) -> str:
    """Say why a model cannot use an image; nothing where it can.

    `n_channels` are those that its network takes; colours or grey of planes, and grey
    of volumes, where that is not known.
    """
    shape = samples_of(image).shape
    if 0 in shape:
        return "The layer is empty."
    unanswered = question(image)
    if unanswered:
        return unanswered
    sizes = dict(zip(axis_names(image, dims), shape, strict=False))
    wanted = n_channels or (_COLOURS if dims == 2 else 1)
    if dims == 3 and "z" not in sizes:
        kind = "grey volumes" if wanted == 1 else f"volumes of {wanted} channels"
        return f"This model takes {kind}, and this image is flat."
    problem = channel_problem(image, dims, n_channels)
    if problem:
        return problem
    if dims == 2 and min(sizes["y"], sizes["x"]) < 2:
        return "This model takes images of at least 2 × 2 pixels."
    return ""


def channel_problem(image: Image, dims: int, n_channels: int | None = None) -> str:
    """Say why a network cannot take the channels of an image that are to be used."""
    wanted = n_channels or (_COLOURS if dims == 2 else 1)
    found = n_to_use(image, dims)
    if takes(found, dims, wanted):
        return ""
    kind = f"images of {wanted} channels"
    if wanted == 1:
        kind = "grey images"
    elif dims == 2 and wanted == _COLOURS:
        kind = "grey or colour images"
    this = f"this one has {found} channel{'s' * (found != 1)}"
    return f"This model takes {kind}, {this}."


def n_to_use(image: Image, dims: int) -> int:
    """Return how many channels of an image are used: 1 where one was chosen."""
    n = len(channel_titles(image, dims)) or 1
    if used_channel(image, n) is not None:
        return 1
    return int(samples_of(image).shape[-1]) if image.rgb else n


def takes(n_channels: int, dims: int, wanted: int) -> bool:
    """Say whether a network that `wanted` channels takes so many."""
    allowed = {wanted} if dims == 3 else {1, wanted}
    if dims == 2 and wanted == _COLOURS:
        allowed.add(_COLOURS + 1)  # opacity, which is left out
    return n_channels in allowed


def patient_problem(card: ModelCard | None, patient: Patient) -> str:
    """Say why a model cannot use a patient; nothing where it can."""
    try:
        if card is not None:
            card.categories(patient)
    except PatientError as error:
        return str(error)[:1].upper() + str(error)[1:] + "."
    return ""


def band_notes(card: ModelCard | None, patient: Patient) -> dict[str, str]:
    """Say which of the model's values a number falls into, such as an age band."""
    notes = {}
    for driver in card.attributes if card is not None else ():
        try:
            place = driver.category_of(patient)
        except PatientError:
            continue
        if driver.edges is not None and place is not None:
            notes[driver.name] = driver.values[place]
    return notes


def describe_run(result: Result) -> str:
    """Say what a mask was made for, and in what time."""
    drivers = result.segmentation.provenance.drivers
    made_for = "; ".join(map(_driver, drivers)) or "everybody alike"
    edited = " · painted, so the next run leaves it" if result.looks_edited else ""
    how = "from a file" if result.request.is_of_file else f"{result.seconds:.1f} s"
    return f"Made for {made_for} · {how}{edited}"


def _driver(record: DriverRecord) -> str:
    """Say a driver's value, or which were mixed by which shares."""
    name = record.attribute.replace("_", " ")
    if record.value is not None:
        return f"{name}: {record.value}{' (never trained)' if record.untrained else ''}"
    run = zip(record.values, record.weights, strict=True)
    mixed = {value: share for value, share in run if share > 0}
    if len(mixed) == 1:
        return f"{name} unknown: {next(iter(mixed))} alone"
    shares = ", ".join(f"{value} {share:.2f}" for value, share in mixed.items())
    return f"{name} unknown: {len(mixed)} values mixed ({shares})"


def driver_notices(
    loaded: LoadedModel, patient: Patient, priors: Mapping[str, tuple[float, ...]]
) -> tuple[str, ...]:
    """Return what a run would say of routers that nothing trained; none if all were.

    `priors` are the shares that somebody stated for the values of unknown drivers.
    Nothing is said of a patient that the model cannot be run for.
    """
    from napari_dmoe.inference.running.drivers import choose_routers
    from napari_dmoe.inference.running.settings import InferenceSettings

    try:
        drivers = choose_routers(loaded, patient, InferenceSettings(), priors).drivers
    except ValueError:
        return ()
    # Values that are left out of a mixture are said where it is.
    return tuple(n for d in drivers if d.untrained for n in map(_sentence, d.notices))


def counted_notices(
    loaded: LoadedModel,
    patients: Iterable[Patient],
    priors: Mapping[str, tuple[float, ...]],
) -> tuple[str, ...]:
    """Return the same of many patients, each once, and for how many it holds."""
    drivers = [attribute.value_of for attribute in loaded.card.attributes]
    # Each patient is looked at once for its values: tables may be long.
    alike: dict[tuple[object, ...], list[Patient]] = {}
    for patient in patients:
        values = tuple(value_of(patient) for value_of in drivers)
        alike.setdefault(values, []).append(patient)
    counts: Counter[str] = Counter()
    for same in alike.values():
        for notice in driver_notices(loaded, same[0], priors):
            counts[notice] += len(same)
    total = sum(map(len, alike.values()))
    return tuple(f"{n} of {total} images: {said}" for said, n in counts.items())


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


SHORT_RUN_SECONDS = 2.0
"""A run that took less is repeated by itself when the driver changes."""


def why_not_again(result: Result) -> str:
    """Say why a run is not repeated by itself; nothing where it is.

    A result that is not the plain model's is made again only when it is asked for.
    """
    if not result.is_plain:
        return "a what-if is not made again by itself"
    if result.looks_edited:
        return "not made again by itself: it was painted on"
    if result.request.is_of_file:
        return "not made again by itself: it is from a file"
    if result.seconds >= SHORT_RUN_SECONDS:
        return f"not made again by itself: it took {result.seconds:.0f} s"
    return ""


def was_for_others(result: Result, card: ModelCard, patient: Patient) -> bool:
    """Say whether a mask's record names another value of a driver than a patient has.

    Drivers that the card lacks do not count, nor values that it does not know.
    """
    made_for = {d.attribute: d.value for d in result.segmentation.provenance.drivers}
    try:
        now = [(each, each.category_of(patient)) for each in card.attributes]
    except PatientError:
        return False
    return any(
        made_for[each.name] != (None if place is None else each.values[place])
        for each, place in now
        if each.name in made_for
    )


def run_notices(result: Result) -> tuple[str, ...]:
    """Return what must be said of a run: by its model's card, and by the run itself.

    Not what :func:`unlike_notice` returns, which stands on its own.
    """
    provenance = result.segmentation.provenance
    notices = (provenance.model.notice, *provenance.notices)
    return tuple(
        notice[:1].upper() + notice[1:]
        for notice in notices
        if notice and UNLIKE not in notice
    )


def cautions(segmentation: Segmentation) -> tuple[str, ...]:
    """Return what asks for care in a result where only a line is left to say it."""
    drivers = segmentation.provenance.drivers
    untrained = (_sentence(n) for d in drivers if d.untrained for n in d.notices)
    return tuple(filter(None, (unlike_notice(segmentation), *untrained)))


def unlike_notice(segmentation: Segmentation) -> str:
    """Return what is said of images unlike those of the training; empty if nothing."""
    for notice in segmentation.provenance.notices:
        if UNLIKE in notice:
            return _sentence(notice)
    return ""
