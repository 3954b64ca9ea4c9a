"""What an expert is for: the mask without it, or with it alone.

:func:`ablate` mutes or pins experts and compares with the model as it is. Its results
carry the intervention in their record, so that none is taken for the model's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.maps.measures import load_matrix
from napari_dmoe.inference.masks.comparison import Comparison, compare_masks
from napari_dmoe.inference.masks.measures import ClassSize, measure_mask
from napari_dmoe.inference.masks.pairs import class_dice
from napari_dmoe.inference.results.provenance import ControlRecord
from napari_dmoe.inference.results.routing import ALL_ROUTING, NO_ROUTING, KeptRouting
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.controls import checked_control
from napari_dmoe.inference.running.drivers import Priors, RouterChoice, choose_routers
from napari_dmoe.inference.running.recording import control_record
from napari_dmoe.inference.running.settings import InferenceSettings, as_recorded
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, Words, numbered, part_of, silent


@dataclass(frozen=True)
class ExpertEffect:
    """What changes when one expert is muted."""

    expert: int
    """The expert, counted from 0."""
    load: float
    """Its share of the gates in the blocks where it was muted, in [0, 1]."""
    n_different: int
    """Pixels whose label changes."""
    sizes: tuple[ClassSize, ...]
    """Area or volume of each class without it."""
    changes: tuple[float, ...]
    """By how much each class grows, in the unit of `sizes`; below 0 it shrinks."""
    dice: tuple[float, ...]
    """Dice to the mask of the model as it is, for each class; NaN where neither mask
    has the class."""


@dataclass(frozen=True)
class Ablation:
    """An intervention on experts beside the model as it is.

    Parameters
    ----------
    plain : Segmentation
        The model as it is.
    result : Segmentation
        The result of the intervention; `plain` itself where there was none.
    comparison : Comparison
        Where both masks differ: "first only" is what the intervention takes away.
    block : int or None
        The block in which `effects` mutes experts; None = all blocks.
    effects : tuple of ExpertEffect
        One for each expert, muted alone; empty where they were not asked for.
    """

    plain: Segmentation
    result: Segmentation
    comparison: Comparison
    block: int | None
    effects: tuple[ExpertEffect, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return the effects as a table, one row an expert."""
        unit = self.plain.provenance.unit
        return [
            {
                "muted expert": effect.expert,
                f"in {unit}": "all" if self.block is None else self.block,
                "load": effect.load,
                "pixels that change": effect.n_different,
            }
            | {
                f"{size.name} change ({size.unit})": change
                for size, change in zip(effect.sizes, effect.changes, strict=True)
            }
            | {
                f"{size.name} Dice": dice
                for size, dice in zip(effect.sizes, effect.dice, strict=True)
            }
            for effect in self.effects
        ]


def ablate(
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    patient: Patient | None = None,
    *,
    mute: Iterable[tuple[int | None, int]] = (),
    pin: Mapping[int | None, int] | None = None,
    block: int | None = None,
    effects: bool = True,
    plain: Segmentation | None = None,
    settings: InferenceSettings | None = None,
    progress: ProgressHook | None = None,
    priors: Priors | None = None,
) -> Ablation:
    """Mute or pin experts, and measure what every expert contributes.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    image : SpatialImage or array
        The image.
    patient : Patient, optional
        Whose it is.
    mute : iterable of (block, expert)
        Experts that no token may use; the next best steps in. Block None = all blocks.
    pin : mapping of block to expert, optional
        Experts that every token uses alone. Block None = all blocks.
    block : int, optional
        Where `effects` mutes each expert; everywhere by default.
    effects : bool
        Whether to mute every expert in turn, which is a run each, batched in 2D.
    plain : Segmentation, optional
        What :func:`segment` returned for the same model, image, patient and settings,
        so that it need not be run again.
    settings, progress, priors
        As :func:`segment` takes them.

    Returns
    -------
    Ablation
        Both results, where they differ, and the effects.

    Raises
    ------
    ValueError
        When the network has no experts, a block or an expert does not exist, a block
        would have no expert left, or `plain` is of another image, model or patient, or
        was made otherwise.

    Examples
    --------
    >>> from napari_dmoe.phantoms.samples import sample_skin
    >>> from napari_dmoe.models.checkpoint import load_checkpoint
    >>> loaded, case = load_checkpoint("skin-phantom"), sample_skin()
    >>> ablated = ablate(loaded, case.image, case.patient, mute=[(None, 3)])
    >>> ablated.result.provenance.departures
    ('expert 3 muted in all blocks',)
    >>> len(ablated.effects)
    8
    """
    settings = settings or InferenceSettings()
    image = SpatialImage.of(image)
    control = checked_control(loaded, ExpertControl(frozenset(mute), dict(pin or {})))
    experts = range(loaded.config.n_experts) if effects else range(0)
    each = [ExpertControl(frozenset({(block, expert)})) for expert in experts]
    for muting in each:
        checked_control(loaded, muting)
    choice = choose_routers(loaded, patient or Patient(), settings, priors)
    if plain is not None:
        _check_plain(plain, loaded, image, choice, settings)
    run = _Runs(loaded, image, choice, settings, progress or silent)
    given, plain = plain, plain or run.of([None], 0)[0]
    result = plain if control is None else run.of([control], 1, plain)[0]
    without = run.of(each, 2, plain, keep=NO_ROUTING)
    if given is not None:
        _check_input(given, run, (result, *without))
    before = measure_mask(plain.labels, plain, image).sizes
    classes = plain.classes
    return Ablation(
        plain=plain,
        result=result,
        comparison=compare_masks((plain.labels, classes), (result.labels, classes)),
        block=block,
        effects=tuple(
            _effect(expert, block, plain, muted, image, before=before)
            for expert, muted in zip(experts, without, strict=True)
        ),
    )


def _check_plain(
    plain: Segmentation,
    loaded: LoadedModel,
    image: SpatialImage,
    choice: RouterChoice,
    settings: InferenceSettings,
) -> None:
    """Refuse a result that is not what :func:`segment` would return now."""
    record, now = plain.provenance, settings.model_dump(mode="json")
    differs = [
        what
        for what, is_other in (
            ("another model", record.model.sha256 != loaded.sha256),
            ("another model", record.classes != loaded.card.classes),
            ("another patient", record.drivers != choice.drivers),
            ("another image", not _is_of(plain, image)),
            (
                "other settings",
                _decisive(as_recorded(record.settings)) != _decisive(now),
            ),
        )
        if is_other
    ]
    if differs or not record.is_plain or record.made_by != "segment":
        raise _not_to_compare(differs[0] if differs else "changed")


def _not_to_compare(what: str) -> ValueError:
    return ValueError(
        "the result to compare with is of another model or patient, image or settings, "
        f"or was changed itself ({what}): leave it out, and it is made anew"
    )


def _check_input(plain: Segmentation, run: _Runs, made: Sequence[Segmentation]) -> None:
    """Refuse a result of other pixels than the runs beside it, or one, were made of."""
    really = next((each for each in made if each.labels is not plain.labels), None)
    really = really or run.of([None], 0)[0]
    same = (each.provenance.image.input_sha256 for each in (plain, really))
    if len(set(same)) > 1:
        raise _not_to_compare("another image")


def _decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide a mask, not how it is computed or kept."""
    apart = ("device", "batch", "probabilities", "unknown", "schema_version")
    return {name: value for name, value in settings.items() if name not in apart}


def _is_of(plain: Segmentation, image: SpatialImage) -> bool:
    """Say whether a result is of an image of this size, place and type."""
    stated = plain.provenance.image
    shape = tuple(map(int, image.data.shape))
    if (stated.shape, stated.axes) != (shape, image.axes):
        return False
    if (stated.dtype, stated.unit) != (str(image.data.dtype), image.unit):
        return False
    return bool(np.array_equal(np.array(stated.affine), image.affine))


@dataclass(frozen=True)
class _Runs:
    """Runs interventions, and none of which it is known that it changes nothing."""

    loaded: LoadedModel
    image: SpatialImage
    choice: RouterChoice
    settings: InferenceSettings
    progress: ProgressHook

    def of(
        self,
        controls: Sequence[ExpertControl | None],
        part: int,
        plain: Segmentation | None = None,
        *,
        keep: KeptRouting = ALL_ROUTING,
    ) -> list[Segmentation]:
        idle = [plain is not None and self._is_idle(plain, c) for c in controls]
        needed = [c for c, known in zip(controls, idle, strict=True) if not known]
        made = segment_variants(
            self.loaded,
            self.image,
            [self.choice.with_experts(control) for control in needed],
            self.settings,
            part_of(self.progress, part, 3),
            words=_words_of(needed),
            keep=keep,
        )
        return [
            _unchanged(plain, control) if plain is not None and known else next(made)
            for control, known in zip(controls, idle, strict=True)
        ]

    def _is_idle(self, plain: Segmentation, control: ExpertControl | None) -> bool:
        """Say whether only experts are muted that no token uses.

        In a volume, windows overlap and maps do not hold every token of each.
        """
        if control is None or control.pin or plain.routing is None:
            return control is None
        if self.loaded.card.dims == 3:
            return False
        return not any(
            block in (None, number) and gates[..., expert].any()
            for block, expert in control.mute
            for number, gates in enumerate(plain.routing.gates)
        )


def _words_of(controls: Sequence[ExpertControl | None]) -> Words:
    """Say which of some interventions are under way; experts are counted from 0."""
    names = []
    for control in controls:
        record = control_record(control)
        names.append("the plain mask" if record is None else _named(record))
    if len(names) == 1:
        return lambda first, last: names[0]
    return numbered("run", len(names), names)


def _named(record: ControlRecord) -> str:
    muted = [f"expert {expert} muted" for _, expert in record.mute]
    return ", ".join(muted + [f"expert {expert} pinned" for _, expert in record.pin])


def _unchanged(plain: Segmentation, control: ExpertControl | None) -> Segmentation:
    update = {"experts": control_record(control)}
    return replace(plain, provenance=plain.provenance.model_copy(update=update))


def _effect(
    expert: int,
    block: int | None,
    plain: Segmentation,
    muted: Segmentation,
    image: SpatialImage,
    *,
    before: tuple[ClassSize, ...],
) -> ExpertEffect:
    sizes = measure_mask(muted.labels, muted, image).sizes
    load = 0.0
    if plain.routing is not None:
        loads = load_matrix(plain.routing)[:, expert]
        load = float(loads.mean() if block is None else loads[block])
    return ExpertEffect(
        expert=expert,
        load=load,
        n_different=int(np.count_nonzero(muted.labels != plain.labels)),
        sizes=sizes,
        changes=tuple(a.size - b.size for a, b in zip(sizes, before, strict=True)),
        dice=class_dice(muted.labels, plain.labels, len(plain.classes)),
    )
