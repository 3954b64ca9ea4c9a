"""Several runs on one image: what a sweep, an ablation or noise samples consist of.

They share what is prepared and ride in the same batches; what two of them have in
common is computed once. Of a volume's scores there is never more than a slab a run, and
no more runs go together than :data:`SUM_BYTES` hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.memory import available_bytes, refuse_beyond_memory
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import VOLUME_AXES, model_shape
from napari_dmoe.inference.results.routing import ALL_ROUTING, KeptRouting
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import REMEDY, memory_told
from napari_dmoe.inference.running.drivers import RouterChoice, joined
from napari_dmoe.inference.running.first_pass import FirstPass
from napari_dmoe.inference.running.forward import Done, Forward
from napari_dmoe.inference.running.plane_inputs import KEPT_PLANES, PLANE_AXES
from napari_dmoe.inference.running.planes import PlaneRun
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.shares import (
    PREPARING,
    RESTORING,
    RUNNING,
    shares_of_first_pass,
    shares_of_planes,
)
from napari_dmoe.inference.running.threads import on_threads, threads_for
from napari_dmoe.inference.running.volume_masks import SlabHook
from napari_dmoe.inference.running.volume_needs import sum_bytes
from napari_dmoe.inference.running.volumes import VolumeRun
from napari_dmoe.inference.running.waiting import with_reason
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import (
    Phases,
    Progress,
    ProgressHook,
    Words,
    numbered,
    part_of,
    parts_of,
)

LOOKING = "first pass"
"""What is said of the pass that finds where the second one looks."""

ONE = "segmenting"
"""What is said of the one run on the one plane: there is nothing to count."""


SUM_BYTES = 2**30
"""Scores, and gates, of volumes that are added up at a time for several runs."""


def segment_variants(
    loaded: LoadedModel,
    image: SpatialImage,
    choices: Sequence[RouterChoice],
    settings: InferenceSettings,
    progress: ProgressHook,
    *,
    swept: tuple[str, ...] = (),
    at_once: int | None = None,
    words: Words | None = None,
    upright: bool = True,
    keep: KeptRouting = ALL_ROUTING,
    finished: SlabHook | None = None,
) -> Iterator[Segmentation]:
    """Segment an image for several choices of routers, in their order.

    Parameters
    ----------
    loaded, image, settings
        As :func:`segment` takes them.
    choices : sequence of RouterChoice
        What to run: values, interventions, noise samples.
    progress : callable
        Called before each batch; may raise ``Cancelled``.
    swept : tuple of str
        Attributes that differ between the choices, for the records.
    at_once : int, optional
        Runs that share batches, and whose masks are held together; by default all of
        them, or, of a 3D model, as many as :func:`runs_together` says.
    words : callable, optional
        Says which of the runs are under way, for the progress.
    upright : bool
        Whether a 2D model sees the planes of a volume as radiologists do; records made
        before that say otherwise, and are replayed on the planes as they are stored.
    keep : KeptRouting
        What is kept of the routing of each run.
    finished : callable, optional
        Takes the slabs of a 3D model's masks as they are finished, run after run: they
        go one by one then.

    Yields
    ------
    Segmentation
        What :func:`segment` returns for each choice. Where batches are shared, other
        kernels may decide the last bits: labels then differ in near ties only.
    """
    words = words or (numbered("run", len(choices)) if len(choices) > 1 else _nothing)
    n_threads = _n_threads(loaded, image, choices, settings)
    keep.check(loaded.config.n_blocks)
    if loaded.card.dims == 3:
        most = 1 if finished else runs_together(loaded, image, choices, settings)
        size = min(at_once or len(choices), most)
    else:
        size = at_once or len(choices)
    groups = [choices[i : i + size] for i in range(0, len(choices), size)]
    if loaded.card.dims == 3:
        for number, group in enumerate(groups):
            first = number * size
            said = words(first, first + len(group) - 1)
            part = part_of(progress, first, len(choices), said, width=len(group))
            which = loaded, image, group, settings
            with memory_told(), on_threads(n_threads):
                of_volumes = VolumeRun(*which, keep=keep, finished=finished)
                made = of_volumes.work(part, swept=swept if len(group) > 1 else ())
            yield from made
        return
    lead: PlaneRun | None = None
    for number, group in enumerate(groups):
        with memory_told(), on_threads(n_threads):
            runs = [
                PlaneRun(loaded, image, choice, settings, keep=keep, upright=upright)
                for choice in group
            ]
            _refuse_too_many(runs)
            for run in runs:
                run.follow(lead or runs[0])
            lead = runs[0] if runs[0].inputs.is_kept else None
            part = part_of(progress, number, len(groups))
            _run_together(runs, part, words, number * size)
            results = [run.result(swept) for run in runs]
        yield from results


def runs_together(
    loaded: LoadedModel,
    image: SpatialImage,
    choices: Sequence[RouterChoice],
    settings: InferenceSettings,
) -> int:
    """Return how many runs of a 3D model go through the volumes of an image together.

    So many that their slabs of scores stay below :data:`SUM_BYTES`, and a quarter of
    the memory that is free; at least one.
    """
    how = loaded.preprocessing
    if not isinstance(how, VolumePreprocessing):
        return 1
    shape = model_shape(Frames(image, VOLUME_AXES)[0], how)
    n_values = max(len(choice.categories) for choice in choices)
    most = min(SUM_BYTES, available_bytes() // 4)
    a_run = sum_bytes(loaded, shape, how.patch, settings.overlap, n_values)
    return max(1, most // a_run)


def _nothing(first: int, last: int) -> str:
    return ""


def _n_threads(
    loaded: LoadedModel,
    image: SpatialImage,
    choices: Sequence[RouterChoice],
    settings: InferenceSettings,
) -> int:
    """Return on how many threads to run, by the work of one pass and what is free."""
    n_samples = settings.samples if settings.noise else 1
    rows = n_samples * sum(len(choice.categories) for choice in choices)
    if loaded.card.dims == 2:  # planes of a stack ride in the same batches
        rows *= len(Frames(image, PLANE_AXES))
    return threads_for(loaded.pass_seconds * min(rows, settings.batch))


def _refuse_too_many(runs: Sequence[PlaneRun]) -> None:
    """Say before anything is run that the results of all runs would not fit."""
    refuse_beyond_memory(
        sum(run.n_bytes for run in runs),
        what=f"the results of {len(runs)} runs need",
        remedy=REMEDY,
    )


def _run_together(
    runs: Sequence[PlaneRun], progress: ProgressHook, words: Words, first_run: int
) -> None:
    """Run what shares batches; the first of them is number `first_run` of all."""
    lead = runs[0]
    choice, places = joined([run.forward.choice for run in runs])
    forward = Forward(lead.loaded, choice, lead.settings, batch=lead.settings.batch)
    forward.batches = lead.forward.batches
    begin, n, rows = 0, len(lead.planes), forward.rows_per_input
    progress = _look_first(runs, progress, rows)
    # Noise samples of one run, which `settings` may ask for, follow one another.
    owners = [
        next(i for i, own in enumerate(places) if row // forward.n_samples in own)
        for row in range(rows)
    ]

    def said(first: int, n_rows: int) -> str:
        # Those of the next batch, which takes all where several images share it.
        at = n_rows % rows or (rows - 1 if n_rows else 0)
        under_way = range(at, min(at + forward.batches.batch, rows))
        whose = [first_run + owners[row] for row in under_way]
        which = words(min(whose), max(whose))
        planes = f"image {first + 1} of {n}" if n > 1 else ""
        return with_reason(", ".join(filter(None, (which, planes))) or ONE)

    while begin < n:
        chunk = range(begin, min(begin + forward.inputs_at_once, n))
        phases = _phases(progress, runs, chunk, rows)
        running, restoring = phases.of(RUNNING), phases.of(RESTORING)
        inputs = lead.inputs.tensors(chunk, phases.of(PREPARING), said(begin, 0))

        def say(n_rows: int, at: range = chunk, tell: ProgressHook = running) -> None:
            tell(Progress(n_rows, len(at) * rows, said(at.start, n_rows)))

        say(0)
        answers = forward(inputs, chunk, done=say)
        say(len(chunk) * rows)
        for number, (run, place) in enumerate(zip(runs, places, strict=True)):
            part = part_of(restoring, number, len(runs), "drawing the mask")
            run.take(chunk, answers.of(place), part)
        begin = chunk.stop
        restoring(Progress(1, 1, "done" if begin == n else said(begin, 0)))


def _look_first(
    runs: Sequence[PlaneRun], progress: ProgressHook, rows: int
) -> ProgressHook:
    """Run the first of two passes, where there are two; return the second's progress.

    Planes that are too many to be kept are read once more for the second.
    """
    lead, n = runs[0], len(runs[0].planes)
    if not lead.inputs.asks_first:
        return progress
    first, second = (
        shares_of_first_pass(
            pixels=math.prod(lead.planes.frame_shape),
            pass_s=lead.loaded.pass_seconds,
        ),
        _shares(runs, rows),
    )
    before, after = parts_of(progress, first, second)
    look = FirstPass(lead.loaded, lead.settings, lead.inputs, lead.forward.batches)
    for begin in range(0, n, KEPT_PLANES):
        chunk = range(begin, min(begin + KEPT_PLANES, n))
        phases = Phases(part_of(before, begin, n, width=len(chunk)), first)
        message = f"{LOOKING}, image {begin + 1} of {n}" if n > 1 else LOOKING
        tensors = lead.inputs.tensors(chunk, phases.of(PREPARING), message)
        tell = phases.of(RUNNING)
        look.look(chunk, tensors, done=_teller(tell, len(chunk), message))
    look.end()
    return after


def _teller(tell: ProgressHook, n_rows: int, message: str) -> Done:
    """Return what tells of the rows that are done of so many."""

    def say(n_done: int) -> None:
        tell(Progress(n_done, n_rows, with_reason(message)))

    return say


def _phases(
    progress: ProgressHook, runs: Sequence[PlaneRun], chunk: range, rows: int
) -> Phases:
    """Return the phases of some of the planes that runs share."""
    n = len(runs[0].planes)
    part = part_of(progress, chunk.start, n, width=len(chunk))
    return Phases(part, _shares(runs, rows))


def _shares(runs: Sequence[PlaneRun], rows: int) -> Mapping[str, float]:
    lead = runs[0]
    return shares_of_planes(
        pixels=math.prod(lead.planes.frame_shape),
        rows=rows,
        pass_s=lead.loaded.pass_seconds,
        n_restored=sum(run.n_restored for run in runs),
        n_classes=lead.loaded.config.n_classes,
        is_second=lead.inputs.preprocessing.focus is not None,
    )
