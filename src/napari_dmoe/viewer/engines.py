"""The functions that the widgets set to work, so that tests can pass others.

Each imports what it needs when it is called, in a worker's thread: torch takes seconds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from napari_dmoe.viewer.checkpoints import (
    find_model,
    recent_cohorts,
    recent_models,
    remember_cohort,
    remember_model,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.cohorts.series.listing import Entry
    from napari_dmoe.cohorts.series.segmenting import Done
    from napari_dmoe.evaluation.evaluating.scored import Evaluated
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.masks.comparison import Comparison
    from napari_dmoe.inference.replaying.replay import Replay
    from napari_dmoe.inference.results.routing import RoutingMaps
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.inference.running.outlook import Outlook
    from napari_dmoe.inference.what_if.ablation import Ablation
    from napari_dmoe.inference.what_if.steps import Swept
    from napari_dmoe.inference.what_if.uncertainty import Uncertainty
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient
    from napari_dmoe.progress import ProgressHook
    from napari_dmoe.training.guarding.at_work import Guarding


_SEED = 19
"""Of the phantoms that the window draws."""


@dataclass(frozen=True)
class Surroundings:
    """What there is to work with."""

    device: str
    """The device that would be used, with the reason."""
    devices: tuple[str, ...]
    """Names of the devices that can be chosen."""
    models: tuple[str, ...]
    """Models that can be loaded by one click: bundled names, and paths."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """What bundled models are called where a person reads of them."""
    dims: Mapping[str, int] = field(default_factory=dict)
    """How many axes bundled models see at once: 2 or 3."""
    finds: Mapping[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    """The same and the classes of models and files whose cards are known."""


def look_around() -> Surroundings:
    """Import what the first mask needs, torch above all, and say what there is.

    Images of patients that a killed window left for its training are removed.
    """
    import torch

    import napari_dmoe.inference.running.segment  # noqa: F401 - not at the first click
    from napari_dmoe.inference.running.devices import choose_device
    from napari_dmoe.models.checkpoint import bundled_names, stated_card
    from napari_dmoe.models.titles import bundled_titles
    from napari_dmoe.training.child.private import remove_abandoned

    import_module("pandas")  # napari does, with its first Labels layer
    remove_abandoned()
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("mps")
    bundled = bundled_names()
    stated = {name: stated_card(name) for name in (*bundled, *recent_models())}
    cards = {name: card for name, card in stated.items() if card is not None}
    return Surroundings(
        device=choose_device().reason,
        devices=("auto", "cpu", *gpus),
        models=bundled,
        titles=bundled_titles(),
        dims={name: cards[name].dims for name in bundled if name in cards},
        finds={name: (each.dims, each.classes) for name, each in cards.items()},
    )


def warm_up() -> None:
    """Import what takes long and is needed later: for plots and outlines."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401
    import skimage.segmentation  # noqa: F401


@dataclass(frozen=True)
class FittingCard:
    """A published card whose shapes fit a model's weights."""

    name: str
    drives: str
    """What drives the model, if the card is right: attribute and values."""
    title: str = ""
    """Of what the card is, as a person reads it."""


def fitting_cards(loaded: LoadedModel) -> tuple[FittingCard, ...]:
    """Return the published cards that could describe a model's weights."""
    from napari_dmoe.models.card_files import card_names, read_card
    from napari_dmoe.models.titles import subject_of

    cards = [read_card(name) for name in card_names()]
    return tuple(
        FittingCard(
            card.name,
            " and ".join(
                f"{each.label.lower()}: {', '.join(each.values)}"
                for each in card.attributes
            ),
            subject_of(card.title),
        )
        for card in cards
        if card.dims == loaded.card.dims
        and card.n_routers == loaded.config.n_routers
        and len(card.classes) == loaded.config.n_classes
    )


def compare(*arguments: Any, **options: Any) -> Comparison:
    """Compare two masks; see :mod:`napari_dmoe.inference.masks.comparison`."""
    from napari_dmoe.inference.masks.comparison import compare_masks

    found = compare_masks(*arguments, **options)
    _ = found.counts  # once, and not where a person waits
    return found


def series(*arguments: Any, **options: Any) -> list[Done]:
    """Segment many files; see :mod:`napari_dmoe.cohorts.series.segmenting`."""
    from napari_dmoe.cohorts.series.segmenting import SeriesOptions, segment_series

    how = SeriesOptions(
        options.pop("settings"),
        priors=options.pop("priors", None),
        resume=options.pop("resume", False),
        overwrite=options.pop("overwrite", False),
    )
    return segment_series(*arguments, options=how, **options)


def sweep(
    loaded: LoadedModel,
    image: SpatialImage,
    patient: Patient,
    attributes: tuple[str, ...],
    positions: tuple[float, ...] = (),
    *,
    progress: ProgressHook,
    **how: Any,
) -> Swept:
    """Segment an image for every value of a driver, and between them if asked to.

    How it is run are its ``settings``, and ``priors`` where shares were stated.
    """
    from napari_dmoe.inference.running.segment import routing_of_values
    from napari_dmoe.inference.what_if.interpolation import interpolate
    from napari_dmoe.inference.what_if.steps import interleaved
    from napari_dmoe.inference.what_if.sweep import sweep as run_sweep
    from napari_dmoe.progress import part_of

    began = time.perf_counter()
    hook, n_parts = partial(part_of, progress), 2 if positions else 1
    how |= {"patient": patient, "routing": routing_of_values(loaded, image)}
    found = run_sweep(
        loaded, image, attribute=attributes, progress=hook(0, n_parts), **how
    )
    between: tuple[Segmentation, ...] = ()
    if positions:
        between = interpolate(
            loaded,
            image,
            attribute=attributes[0],
            positions=positions,
            progress=hook(1, n_parts),
            **how,
        )
    swept = interleaved(found, positions, between, time.perf_counter() - began)
    # Made here, once, and not where a person waits.
    _ = found.summary, found.small_regions, swept.stack
    return swept


def release_memory() -> None:
    """Give memory that is no longer used back to the system and the GPU."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def draw_phantoms(kind: str, folder: Path, *, n: int, progress: ProgressHook) -> Path:
    """Draw a cohort of phantoms into a folder, unless it is there; return its table.

    No bundled model was trained on any of them: its seed is another.
    """
    from napari_dmoe.cohorts.tables.finding import TABLE
    from napari_dmoe.cohorts.writing import write_cohort
    from napari_dmoe.phantoms.kinds import KINDS

    table = folder / TABLE
    if table.is_file():  # it is written last
        return table
    drawn, notice = KINDS[kind].cohort(n, seed=_SEED), KINDS[kind].notice
    return write_cohort(folder, drawn, total=n, notice=notice, progress=progress)


def evaluate(
    loaded: LoadedModel,
    cohort: Cohort,
    folder: Path,
    *,
    device: str,
    skips: bool,
    progress: ProgressHook,
) -> Evaluated:
    """Evaluate a cohort with a model, and go on with what was stopped.

    Where the folder holds another evaluation, it is written into one beside it, whose
    name ends in a number. Rows with a problem are left out where it `skips` them.
    """
    from napari_dmoe.evaluation.evaluating.evaluate import evaluate as run
    from napari_dmoe.evaluation.evaluating.journal import ResumeError
    from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
    from napari_dmoe.evaluation.evaluating.validating import checked

    settings = EvaluationSettings(device=device)
    for place in _beside(folder):
        try:
            good = checked(cohort, place, skip_problems=skips)
            return run(loaded, good, place, settings=settings, progress=progress)
        except ResumeError:
            continue
    raise ValueError(f"{folder} and those beside it are taken: choose another folder")


def evaluate_predictions(
    cohort: Cohort,
    masks: Path | None,
    folder: Path,
    *,
    skips: bool,
    progress: ProgressHook,
) -> Evaluated:
    """Evaluate a cohort with masks of any origin, as :func:`evaluate` does.

    They are those of a folder, or those that the cohort's table names.
    """
    from napari_dmoe.evaluation.evaluating.journal import ResumeError
    from napari_dmoe.evaluation.evaluating.predictions import (
        evaluate_predictions as run,
    )
    from napari_dmoe.evaluation.evaluating.validating import checked

    for place in _beside(folder):
        try:
            good = checked(cohort, place, skip_problems=skips)
            return run(good, masks, place, progress=progress)
        except ResumeError:
            continue
    raise ValueError(f"{folder} and those beside it are taken: choose another folder")


_MOST_BESIDE = 99


def _beside(folder: Path) -> Iterator[Path]:
    """Yield a folder, and others beside it whose names end in a number."""
    yield folder
    for number in range(2, _MOST_BESIDE):
        yield folder.with_name(f"{folder.name}-{number}")


def audit(
    loaded: LoadedModel,
    cohort: Cohort,
    folder: Path,
    *,
    device: str,
    progress: ProgressHook,
) -> Any:
    """Ask every value of every case, and write what came of it into a folder."""
    from napari_dmoe.evaluation.counterfactual.audit import audit as run
    from napari_dmoe.evaluation.counterfactual.settings import AuditSettings

    settings = AuditSettings(device=device)
    return run(
        loaded,
        cohort,
        folder,
        settings=settings,
        resume=True,
        overwrite=True,  # of our own: it is made again
        progress=progress,
    )


def _late(name: str) -> Callable[..., Any]:
    """Return what is imported when it is called, named as ``module:function``."""

    def call(*arguments: Any, **options: Any) -> Any:
        return resolve_name(f"napari_dmoe.{name}")(*arguments, **options)

    return call


load_checkpoint = _late("models.checkpoint:load_checkpoint")
segment = _late("inference.running.segment:segment_for_maps")
segment_into = _late("inference.running.into_file:segment_into")
needs_of_run = _late("inference.running.volume_needs:needs_of_run")
with_preview = _late("inference.running.slice_preview:with_preview")
outlook = _late("inference.running.outlook:outlook")
suited_model = _late("inference.running.suited:suited_model")
suited_to_files = _late("inference.running.suited:suited_to_files")
ablate = _late("inference.what_if.ablation:ablate")
uncertainty = _late("inference.what_if.uncertainty:uncertainty")
replay = _late("inference.replaying.replay:replay")
read_routing = _late("inference.what_if.routing_reading:read_routing")
entries = _late("cohorts.series.listing:entries_of")
start_tuning = _late("training.tuning.process:TuningProcess")
look_at_guard = _late("training.guarding.at_work:Guarding.of")
draw_sweep = _late("inference.what_if.sweep_pictures:sweep_picture")
save_sweep = _late("inference.what_if.files:save_sweep")
open_cohort = _late("cohorts.layouts.opening:open_cohort")
read_evaluation = _late("evaluation.reporting.reading:read_any")
faults_of_card = _late("models.card_faults:faults_of_card")
write_card = _late("models.card_files:write_card")
seen_plane = _late("inference.running.seen_plane:seen_plane")
write_report = _late("evaluation.reporting.report:write_report")


@dataclass(frozen=True)
class Engines:
    """What the dock sets to work; every one may be replaced."""

    look_around: Callable[[], Surroundings] = look_around
    warm_up: Callable[[], None] = warm_up
    load_checkpoint: Callable[..., LoadedModel] = load_checkpoint
    segment: Callable[..., Segmentation] = segment
    segment_into: Callable[..., Segmentation] = segment_into
    needs_of_run: Callable[..., Any] = needs_of_run
    with_preview: Callable[..., Any] = with_preview
    outlook: Callable[..., Outlook] = outlook
    suited_model: Callable[..., str] = suited_model
    suited_to_files: Callable[..., str] = suited_to_files
    fitting_cards: Callable[[LoadedModel], tuple[FittingCard, ...]] = fitting_cards
    compare: Callable[..., Comparison] = compare
    ablate: Callable[..., Ablation] = ablate
    uncertainty: Callable[..., Uncertainty] = uncertainty
    replay: Callable[..., Replay] = replay
    find_model: Callable[..., LoadedModel | None] = find_model
    read_routing: Callable[..., RoutingMaps] = read_routing
    entries: Callable[..., Sequence[Entry]] = entries
    series: Callable[..., list[Done]] = series
    look_at_guard: Callable[..., Guarding] = look_at_guard
    start_tuning: Callable[[Path, Any], Any] = start_tuning
    recent_models: Callable[[], tuple[str, ...]] = recent_models
    remember_model: Callable[[str], None] = remember_model
    recent_cohorts: Callable[[], tuple[str, ...]] = recent_cohorts
    remember_cohort: Callable[[str], None] = remember_cohort
    release_memory: Callable[[], None] = release_memory
    sweep: Callable[..., Swept] = sweep
    draw_sweep: Callable[..., NDArray[np.uint8]] = draw_sweep
    save_sweep: Callable[..., None] = save_sweep
    open_cohort: Callable[..., Cohort] = open_cohort
    draw_phantoms: Callable[..., Path] = draw_phantoms
    evaluate: Callable[..., Evaluated] = evaluate
    evaluate_predictions: Callable[..., Evaluated] = evaluate_predictions
    read_evaluation: Callable[..., Evaluated] = read_evaluation
    audit: Callable[..., Any] = audit
    write_report: Callable[..., Any] = write_report
    faults_of_card: Callable[..., Any] = faults_of_card
    write_card: Callable[..., None] = write_card
    seen_plane: Callable[..., Any] = seen_plane
    now: Callable[[], float] = time.monotonic


def with_priors(
    engine: Callable[..., Any], priors: Mapping[str, tuple[float, ...]]
) -> Callable[..., Any]:
    """Return an engine that mixes by stated shares, where there are any."""
    return partial(engine, priors=priors) if priors else engine
