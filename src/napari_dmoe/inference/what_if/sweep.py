"""What another patient would have got: every value of an attribute, side by side.

:func:`sweep` runs all values of one driver, or all pairs of two. It shows how the model
behaves, which is not the same as what the attribute means for a body.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.masks.agreement import MOST_MASKS, Votes, flipping_regions
from napari_dmoe.inference.masks.measures import label_frame, measure_mask
from napari_dmoe.inference.masks.pairs import class_dice
from napari_dmoe.inference.results.routing import ALL_ROUTING, KeptRouting
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import Priors, RouterChoice, choose_routers
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.inference.what_if.sweep_result import (
    MAJORITY,
    MIXTURE,
    Reference,
    Sweep,
    SweptValue,
)
from napari_dmoe.inference.what_if.verdict import Verdict, Yardstick, judge
from napari_dmoe.inference.what_if.yardstick import (
    moved_masks,
    n_moves,
    yardstick_of,
)
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, Words, numbered, part_of, silent


def sweep(
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    *,
    attribute: str | Sequence[str],
    patient: Patient | None = None,
    settings: InferenceSettings | None = None,
    progress: ProgressHook | None = None,
    priors: Priors | None = None,
    routing: KeptRouting = ALL_ROUTING,
) -> Sweep:
    """Segment an image for every value of one driver, or every pair of two.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    image : SpatialImage or array
        The image, as :func:`segment` takes it.
    attribute : str or pair of str
        What drives the model and shall vary.
    patient : Patient, optional
        The patient; other drivers keep their values, unknown ones are mixed.
    settings : InferenceSettings, optional
        How to run it. Probabilities are not kept.
    progress : callable, optional
        Called with a :class:`Progress` before each batch; may raise ``Cancelled``.
    priors : mapping of str to sequence of float, optional
        Shares of the values of unknown drivers, instead of the card's frequencies.
    routing : KeptRouting
        What is kept of the routing of each value, which of a volume takes several times
        as much memory as its mask: everything, unless less is asked for.

    Returns
    -------
    Sweep
        A result for each value, where and by how much they differ, and whether that is
        more than what a shift by one pixel makes.

    Raises
    ------
    ValueError
        When `attribute` does not drive the model.
    ImageError, PatientError, DeviceError
        As :func:`segment` raises them.

    Notes
    -----
    Values go through the image together: it is read once, the network's layers before
    its first router run once, and the experts behind that router answer a token once
    for all values. Each equals its single run, bit for bit with ``batch=1``, else but
    for near ties. Values of a large volume go in groups, as many as
    :func:`napari_dmoe.inference.running.variants.runs_together` says.

    What all are compared with is the patient's own value. Where that is unknown, it is
    the mixture that :func:`segment` makes, or, for volumes, the majority of the values,
    as the mixture would need all volumes of scores at once.

    What the verdict is held against takes further runs, on the picture moved by one
    pixel (three for one plane, in one batch, else one), for that value or, where it is
    unknown, the one whose mask is nearest to what all are compared with.

    Examples
    --------
    >>> from napari_dmoe.phantoms.samples import sample_skin
    >>> from napari_dmoe.models.checkpoint import load_checkpoint
    >>> loaded, case = load_checkpoint("skin-phantom"), sample_skin()
    >>> swept = sweep(loaded, case.image, attribute="age", patient=case.patient)
    >>> [value.name for value in swept.values]
    ['0-19', '20-39', '40-59', '60-79', '80 and over']
    """
    settings = settings or InferenceSettings()
    settings = settings.model_copy(update={"probabilities": False})
    image = SpatialImage.of(image)
    plan = _Plan(loaded, _swept(loaded, attribute), patient or Patient(), settings)
    choices = plan.choices(priors)
    own = plan.own
    if own is None and loaded.card.dims == 2 and settings.unknown == "mix":
        choices.append(choose_routers(loaded, plan.patient, settings, priors))
    votes = Votes(loaded.config.n_classes)
    results: list[Segmentation] = []
    hook, n_values = progress or silent, len(plan.places)
    n_runs = n_values + n_moves(loaded, image)
    part = part_of(hook, 0, n_runs, width=n_values)
    which = loaded, image, choices, settings, part
    said = plan.words()
    for result in segment_variants(*which, swept=plan.names, words=said, keep=routing):
        if len(results) < n_values:
            votes.add(result.labels)
        results.append(result)
    reference, values = _compared(plan, results, votes, image)
    place = _place_of_yardstick(reference, values)
    part = part_of(hook, n_values, n_runs, width=n_runs - n_values)
    chosen = results[place]
    moved = moved_masks(
        loaded, image, choices[place], settings, like=chosen, progress=part
    )
    trained = [value.labels for value in values if not value.untrained]
    yardstick = yardstick_of(
        values[place].name, chosen, moved, trained or [chosen.labels]
    )
    verdict = _judged(plan, values, yardstick)
    return _assembled(plan, reference, values, votes, verdict, image)


def notices_before(
    loaded: LoadedModel,
    *,
    attribute: str | Sequence[str],
    patient: Patient | None = None,
    settings: InferenceSettings | None = None,
    priors: Priors | None = None,
) -> tuple[str, ...]:
    """Return what must be said of the routers of a sweep before it is run.

    Such as values that no training case had. The arguments are those of :func:`sweep`,
    and what is raised.
    """
    settings = settings or InferenceSettings()
    plan = _Plan(loaded, _swept(loaded, attribute), patient or Patient(), settings)
    said = (notice for choice in plan.choices(priors) for notice in choice.notices)
    return tuple(dict.fromkeys(said))


class _Plan:
    """Which values are run, for whom."""

    def __init__(
        self,
        loaded: LoadedModel,
        attributes: tuple[CardAttribute, ...],
        patient: Patient,
        settings: InferenceSettings,
    ) -> None:
        self.loaded, self.attributes = loaded, attributes
        self.patient, self.settings = patient, settings
        self.names = tuple(attribute.name for attribute in attributes)
        self.shape = tuple(len(attribute.values) for attribute in attributes)
        self.places = list(itertools.product(*map(range, self.shape)))
        if len(self.places) > MOST_MASKS:
            raise ValueError(
                f"{len(self.places)} combinations are too many to compare: at most "
                f"{MOST_MASKS}"
            )

    @property
    def own(self) -> int | None:
        """Place of the patient's own value among those that are run."""
        places = [a.category_of(self.patient) for a in self.attributes]
        known = tuple(place for place in places if place is not None)
        return self.places.index(known) if len(known) == len(places) else None

    def choices(self, priors: Priors | None) -> list[RouterChoice]:
        """Return the routers of each value."""
        asked = self.loaded, self.patient, self.settings, priors
        fixed = [dict(zip(self.names, place, strict=True)) for place in self.places]
        return [choose_routers(*asked, fixed=each) for each in fixed]

    def words(self) -> Words:
        """Say which values are under way."""
        names = [", ".join(self.value_names(place)) for place in self.places]
        return numbered("value", len(names), names)

    def value_names(self, place: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of the values at a place."""
        return tuple(
            attribute.values[i]
            for attribute, i in zip(self.attributes, place, strict=True)
        )


def _swept(
    loaded: LoadedModel, attribute: str | Sequence[str]
) -> tuple[CardAttribute, ...]:
    names = (attribute,) if isinstance(attribute, str) else tuple(attribute)
    known = {each.name: each for each in loaded.card.attributes}
    if len(names) not in (1, 2) or len(set(names)) < len(names):
        raise ValueError("sweep one attribute, or two that differ")
    for name in names:
        if name not in known:
            raise ValueError(
                f"{name} does not drive this model, so it cannot be swept: its drivers "
                f"are {', '.join(known) or 'none'}"
            )
    return tuple(known[name] for name in names)


def _compared(
    plan: _Plan, results: list[Segmentation], votes: Votes, image: SpatialImage
) -> tuple[Reference, tuple[SweptValue, ...]]:
    """Return what the values are compared with, and how they compare."""
    own, n = plan.own, len(plan.places)
    if own is not None:
        name = ", ".join(plan.value_names(plan.places[own]))
        labels = results[own].labels
    elif len(results) > n:
        name, labels = _mixture_name(plan, results[n]), results[n].labels
    else:
        name, labels = MAJORITY, votes.majority
    measured = measure_mask(labels, results[0], image)
    reference = Reference(name, labels, own, measured.sizes, measured.ratio)
    values = tuple(
        _value(plan, number, result, reference, image)
        for number, result in enumerate(results[:n])
    )
    return reference, values


def _place_of_yardstick(reference: Reference, values: tuple[SweptValue, ...]) -> int:
    """Return the value that is run again: the patient's own, or the nearest."""
    if reference.place is not None:
        return reference.place
    places = range(len(values))
    return min(places, key=lambda i: (bool(values[i].untrained), values[i].n_different))


def _judged(
    plan: _Plan, values: tuple[SweptValue, ...], yardstick: Yardstick
) -> Verdict:
    return judge(
        [(value.name, value.labels) for value in values],
        classes=values[0].result.classes,
        dice_own=[value.dice for value in values],
        untrained=[value.name for value in values if value.untrained],
        yardstick=yardstick,
        shape=plan.shape,
    )


def _assembled(
    plan: _Plan,
    reference: Reference,
    values: tuple[SweptValue, ...],
    votes: Votes,
    verdict: Verdict,
    image: SpatialImage,
) -> Sweep:
    masks, labels = [(value.name, value.labels) for value in values], reference.labels
    differs = np.zeros(labels.shape, np.uint8)
    for _, mask in masks:
        differs += mask != labels
    frame = label_frame(values[0].result, image)
    regions, n_regions = flipping_regions(votes, masks, labels, frame)
    return Sweep(
        attributes=plan.names,
        titles=tuple(attribute.label for attribute in plan.attributes),
        shape=plan.shape,
        values=values,
        reference=reference,
        differs=differs,
        entropy=votes.entropy(),
        votes=votes.counts,
        regions=regions,
        n_regions=n_regions,
        verdict=verdict,
    )


def _mixture_name(plan: _Plan, mixed: Segmentation) -> str:
    """Name what was mixed; values without a share are no part of it."""
    drivers = [d for d in mixed.provenance.drivers if d.attribute in plan.names]
    left_out = ", ".join(value for driver in drivers for value in driver.left_out)
    return f"{MIXTURE} but {left_out}" if left_out else MIXTURE


def _value(
    plan: _Plan,
    number: int,
    result: Segmentation,
    reference: Reference,
    image: SpatialImage,
) -> SweptValue:
    measured = measure_mask(result.labels, result, image)
    names = plan.value_names(plan.places[number])
    n_different = int(np.count_nonzero(result.labels != reference.labels))
    n_either = int(np.count_nonzero(result.labels | reference.labels))
    return SweptValue(
        name=", ".join(names),
        values=names,
        result=result,
        is_chosen=number == reference.place,
        sizes=measured.sizes,
        ratio=measured.ratio,
        dice=class_dice(result.labels, reference.labels, len(result.classes)),
        n_different=n_different,
        share=n_different / n_either if n_either else math.nan,
        untrained=tuple(
            value
            for attribute, value in zip(plan.attributes, names, strict=True)
            if value in plan.loaded.card.untrained(attribute.name)
        ),
    )
