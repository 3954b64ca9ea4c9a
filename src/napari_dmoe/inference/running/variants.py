"""Several runs on one image: what a sweep, an ablation or noise samples consist of.

Runs of a 2D model share the prepared planes and ride in the same batches; what two of
them have in common is computed once. Runs of a 3D model follow one another, so that
there is never more than one volume of scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from napari_dmoe.imaging.memory import refuse_beyond_memory
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import REMEDY, memory_told
from napari_dmoe.inference.running.drivers import Category, RouterChoice
from napari_dmoe.inference.running.forward import Answers, Forward
from napari_dmoe.inference.running.planes import PlaneRun
from napari_dmoe.inference.running.recording import finished
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.volumes import VolumeRun
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.progress import Progress, ProgressHook, Words, numbered, part_of

KEPT_PLANES = 8
"""Prepared planes that are kept for the next group of runs, where there are no more."""


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
) -> Iterator[Segmentation]:
    """Segment an image for several choices of routers, in their order.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    image : SpatialImage
        The image.
    choices : sequence of RouterChoice
        What to run: values, interventions, noise samples.
    settings : InferenceSettings
        How to run it.
    progress : callable
        Called before each batch; may raise ``Cancelled``.
    swept : tuple of str
        Attributes that differ between the choices, for the records.
    at_once : int, optional
        Runs of a 2D model that share batches, and whose masks are held together; all
        of them by default.
    words : callable, optional
        Says which of the runs are under way, for the progress.

    Yields
    ------
    Segmentation
        What :func:`segment` returns for each choice. Where batches are shared, other
        kernels may decide the last bits: labels then differ in near ties only.
    """
    words = words or (numbered("run", len(choices)) if len(choices) > 1 else _nothing)
    if loaded.card.dims == 3:
        for number, choice in enumerate(choices):
            part = part_of(progress, number, len(choices), words(number, number))
            with memory_told():
                volume = VolumeRun(loaded, image, choice, settings)
                volume.work(part)
                result = finished(volume.result())
            yield result
        return
    size = at_once or len(choices)
    groups = [choices[i : i + size] for i in range(0, len(choices), size)]
    lead: _PlaneVariant | None = None
    for number, group in enumerate(groups):
        with memory_told():
            runs = [_PlaneVariant(loaded, image, choice, settings) for choice in group]
            _refuse_too_many(runs)
            for run in runs:
                run.follow(lead or runs[0])
            lead = runs[0] if runs[0].keeps_inputs else None
            part = part_of(progress, number, len(groups))
            _run_together(runs, part, _shifted(words, number * size))
            results = [finished(run.result(), swept=swept) for run in runs]
        yield from results


def _nothing(first: int, last: int) -> str:
    return ""


def _shifted(words: Words, by: int) -> Words:
    """Return the words of runs whose first is number `by` of all."""
    return lambda first, last: words(first + by, last + by)


def _refuse_too_many(runs: Sequence[_PlaneVariant]) -> None:
    """Say before anything is run that the masks of all runs would not fit."""
    refuse_beyond_memory(
        sum(run.labels.nbytes + run.by_value.nbytes for run in runs),
        what=f"the masks of {len(runs)} runs need",
        remedy=REMEDY,
    )


class _PlaneVariant(PlaneRun):
    """One of several runs that share their inputs."""

    def follow(self, lead: _PlaneVariant) -> None:
        """Take inputs, what is known of them, and the device from another run."""
        if lead is self:
            self._inputs: dict[int, Tensor] = {}
            return
        self._inputs = lead._inputs
        self.digest, self.notices = lead.digest, lead.notices
        self.forward.batches = lead.forward.batches

    def listen(self, progress: ProgressHook, step: Progress) -> None:
        """Repeat a step of the progress while planes are prepared and drawn."""
        self._progress, self._last = progress, step

    @property
    def keeps_inputs(self) -> bool:
        """Whether prepared planes are kept for later runs."""
        return len(self.planes) <= KEPT_PLANES

    def inputs(self, chunk: range) -> Tensor:
        """Return prepared planes (P, C, S, S)."""
        found = [self._inputs.get(i) for i in chunk]
        planes = [
            self._input(i) if plane is None else plane
            for i, plane in zip(chunk, found, strict=True)
        ]
        if self.keeps_inputs:
            self._inputs.update(zip(chunk, planes, strict=True))
        return torch.stack(planes)

    def take(self, chunk: range, answers: Answers) -> None:
        """Turn what the network says of some planes into labels and gates."""
        self.gates.append(answers.gates)
        for number, scores in zip(chunk, answers.logits, strict=True):
            self._keep(number, scores)


def _run_together(
    runs: Sequence[_PlaneVariant], progress: ProgressHook, words: Words
) -> None:
    lead = runs[0]
    choice, places = joined([run.forward.choice for run in runs])
    forward = Forward(lead.loaded, choice, lead.settings, batch=lead.settings.batch)
    forward.batches = lead.forward.batches
    begin, n, rows = 0, len(lead.planes), forward.rows_per_input
    # Noise samples of one run, which `settings` may ask for, follow one another.
    owners = [
        next(i for i, own in enumerate(places) if row // forward.n_samples in own)
        for row in range(rows)
    ]

    def say(first: int, n_rows: int) -> None:
        planes = f"image {first + 1} of {n}" if n > 1 else ""
        # Those of the next batch, which takes all where several images share it.
        at = n_rows % rows or (rows - 1 if n_rows else 0)
        under_way = range(at, min(at + forward.batches.batch, rows))
        whose = [owners[row] for row in under_way]
        said = (words(min(whose), max(whose)), planes)
        message = ", ".join(filter(None, said)) if first < n else "done"
        step = Progress(first * rows + n_rows, n * rows, message)
        for run in runs:
            run.listen(progress, step)
        progress(step)

    while begin < n:
        say(begin, 0)
        chunk = range(begin, min(begin + forward.inputs_at_once, n))
        answers = forward(lead.inputs(chunk), chunk, done=partial(say, begin))
        say(begin, len(chunk) * rows)
        for run, place in zip(runs, places, strict=True):
            run.take(chunk, _part(answers, place))
        begin = chunk.stop
    say(n, 0)


def _part(answers: Answers, places: list[int]) -> Answers:
    gates = tuple(block[:, places] for block in answers.gates)
    return Answers(answers.logits[:, places], gates)


_Row = tuple[Category, ExpertControl | None, int]


def joined(choices: Sequence[RouterChoice]) -> tuple[RouterChoice, list[list[int]]]:
    """Return one choice that holds the combinations of several, each of them once.

    Parameters
    ----------
    choices : sequence of RouterChoice
        What several runs need.

    Returns
    -------
    RouterChoice
        All their combinations.
    list of list of int
        For each choice, where its combinations stand in it.
    """
    rows: list[_Row] = []
    places = []
    for choice in choices:
        own = list(
            zip(
                choice.categories,
                choice.experts or (None,) * len(choice.categories),
                choice.samples or (0,) * len(choice.categories),
                strict=True,
            )
        )
        rows += [row for row in own if row not in rows]
        places.append([rows.index(row) for row in own])
    joint = RouterChoice(
        categories=tuple(category for category, _, _ in rows),
        values=("",) * len(rows),
        weights=(1 / len(rows),) * len(rows),
        experts=tuple(experts for _, experts, _ in rows),
        samples=tuple(sample for _, _, sample in rows),
    )
    return joint, places
