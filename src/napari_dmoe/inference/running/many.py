"""Many images in shared batches, each of which comes out as in a run of its own.

Once they are prepared, images of any size are inputs of one size to a 2D model, so that
they ride in the same batches, whatever each is run for. Volumes of a 3D model, and
stacks of many planes, fill batches by themselves and follow one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.routing import ALL_ROUTING, KeptRouting
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import Batches, choose_device, memory_told
from napari_dmoe.inference.running.drivers import Category, RouterChoice, joined
from napari_dmoe.inference.running.first_pass import FirstPass
from napari_dmoe.inference.running.forward import (
    Answers,
    Done,
    Stoppable,
    noise_generator,
    one_pass,
)
from napari_dmoe.inference.running.plane_inputs import KEPT_PLANES, PLANE_AXES
from napari_dmoe.inference.running.planes import PlaneRun
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.threads import on_threads, threads_for
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.inference.running.waiting import computing
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl, SegmentationOutput
from napari_dmoe.progress import Progress, ProgressHook, part_of, silent


@dataclass(frozen=True)
class Asked:
    """One image, and what it is to be run for."""

    image: SpatialImage
    choices: tuple[RouterChoice, ...]
    """One mask comes of each, in their order."""
    keep: KeptRouting = ALL_ROUTING
    """What is kept of the routing of each."""


class Joined:
    """One image among several that share batches: prepared, answered, drawn.

    Preparing needs no network, so that one thread can prepare images while another runs
    those before them.

    Parameters
    ----------
    loaded, settings
        As :func:`~napari_dmoe.inference.running.segment.segment` takes them.
    asked : Asked
        The image, and what it is run for.

    Raises
    ------
    ImageError
        When the image cannot be used; the others are none the worse for it.
    """

    def __init__(
        self, loaded: LoadedModel, asked: Asked, settings: InferenceSettings
    ) -> None:
        self._loaded, self._asked, self.settings = loaded, asked, settings
        self.choice, self._places = joined(asked.choices)
        """Everything that the image is run for, each once."""
        self.inputs: Tensor | None = None
        """(P, C, S, S) float32 tensor of its planes; None where it is run alone."""
        self._runs: list[PlaneRun] = []
        if loaded.card.dims == 3 or len(Frames(asked.image, PLANE_AXES)) > KEPT_PLANES:
            return
        with memory_told():
            self._runs = [
                PlaneRun(loaded, asked.image, choice, settings, keep=asked.keep)
                for choice in asked.choices
            ]
            for run in self._runs[1:]:
                run.follow(self._runs[0])
            self._prepare()

    def _prepare(self) -> None:
        """Prepare what is seen of the planes now."""
        planes = self._runs[0].inputs.tensors(range(self.n_planes), silent, "")
        self.inputs = planes.expand(-1, self._loaded.config.in_channels, -1, -1)

    @property
    def n_planes(self) -> int:
        """Planes of the image; 0 where it is run alone."""
        return len(self._runs[0].planes) if self._runs else 0

    @property
    def asks_first(self) -> bool:
        """Whether a first pass is still to find what the network sees of the planes."""
        return bool(self._runs) and self._runs[0].inputs.asks_first

    def look_first(self, batches: Batches, done: Done) -> None:
        """Run the first of two passes, and prepare what the second one sees.

        Its planes pass one by one, so that they need no company; `done` is as for
        :class:`~napari_dmoe.inference.running.forward.Forward`.
        """
        if self.inputs is None or not self.asks_first:
            return
        with memory_told():
            which = self._loaded, self.settings, self._runs[0].inputs, batches
            look = FirstPass(*which)
            look.look(range(self.n_planes), self.inputs, done=done)
            look.end()
            self._prepare()

    def results(
        self,
        answers: Answers | None,
        batches: Batches,
        progress: ProgressHook = silent,
        *,
        swept: tuple[str, ...] = (),
    ) -> tuple[Segmentation, ...]:
        """Return the result of every choice, from what the network says of the planes.

        Without answers, as :func:`answered` leaves those that are run alone, the image
        is run now.
        """
        if answers is None or not self._runs:
            asked, settings = self._asked, self.settings
            which = self._loaded, asked.image, asked.choices, settings, progress
            keep = self._asked.keep
            return tuple(segment_variants(*which, swept=swept, keep=keep))
        with memory_told():
            for run, places in zip(self._runs, self._places, strict=True):
                run.forward.batches = batches
                run.take(range(self.n_planes), answers.of(places), silent)
            return tuple(run.result(swept) for run in self._runs)


@dataclass(frozen=True, eq=False)
class _Row:
    """One input that the network is asked about once."""

    owner: int
    plane: int
    category: Category
    experts: ExpertControl | None
    sample: int


def answered(
    loaded: LoadedModel,
    together: Sequence[Joined],
    settings: InferenceSettings,
    batches: Batches,
    progress: ProgressHook = silent,
) -> list[Answers | None]:
    """Run the network on all planes of some images, for all that they are run for.

    Parameters
    ----------
    loaded, settings
        As those of the images.
    together : sequence of Joined
        What shares batches: which images these are, and in which order, decides the
        batches, and nothing else does.
    batches : Batches
        Where they run; see :func:`batches_for`.
    progress : callable
        Told of the rows that are done; may raise ``Cancelled``.

    Returns
    -------
    list of Answers or None
        One for each image; None for those that are run alone.
    """
    loaded.module.eval()
    n_samples = settings.samples if settings.noise else 1
    rows = _rows(together, n_samples)
    said: dict[_Row, tuple[Tensor, ...]] = {}
    with torch.inference_mode(), on_threads(threads_of(loaded, settings)):
        progress = _looked_first(together, batches, len(rows), progress)
        for alike in _alike(rows):
            begin = 0
            while begin < len(alike):
                at = Progress(len(said), len(rows), f"{len(together)} images together")
                progress(at)
                run = partial(_run, loaded, together, alike, settings)
                with (
                    memory_told(),
                    computing(batches.device.type),
                    Stoppable(partial(progress, at)),
                ):
                    found = batches.run(range(begin, len(alike)), run)
                each = zip(found.logits, *found.gates, strict=True)
                said |= zip(alike[begin:], each, strict=False)
                begin += len(found.logits)
    own: list[list[tuple[Tensor, ...]]] = [[] for _ in together]
    for row in rows:
        own[row.owner].append(said[row])
    return [
        _answers(each, own[number], n_samples) if each.inputs is not None else None
        for number, each in enumerate(together)
    ]


def _looked_first(
    together: Sequence[Joined], batches: Batches, n_rows: int, progress: ProgressHook
) -> ProgressHook:
    """Run the first of two passes where there are two; return the second's progress."""
    asking = [each for each in together if each.asks_first]
    n_planes = sum(each.n_planes for each in asking)
    if not asking:
        return progress
    whole, begin = n_planes + n_rows, 0
    for each in asking:
        part = part_of(progress, begin, whole, "first pass", width=each.n_planes)
        n = each.n_planes

        def done(n_done: int, tell: ProgressHook = part, of: int = n) -> None:
            tell(Progress(n_done, of))

        each.look_first(batches, done)
        begin += n
    return part_of(progress, n_planes, whole, width=n_rows)


def _answers(
    each: Joined, said: Sequence[tuple[Tensor, ...]], n_samples: int
) -> Answers:
    """Put what was said of an image's rows together, plane by plane."""
    shape = (each.n_planes, len(each.choice.categories), n_samples)
    logits, *blocks = (torch.stack(parts) for parts in zip(*said, strict=True))
    gates = (block.unflatten(0, shape).mean(2) for block in blocks)
    return Answers(logits.unflatten(0, shape), tuple(gates))


def batches_for(settings: InferenceSettings) -> Batches:
    """Return the batches of a device that is there.

    Raises
    ------
    DeviceError
        When a device that was named is not there, or does not work.
    """
    return Batches(choose_device(settings.device).device, settings.batch)


def segment_many(
    loaded: LoadedModel,
    asked: Sequence[Asked],
    settings: InferenceSettings | None = None,
    progress: ProgressHook = silent,
    *,
    swept: tuple[str, ...] = (),
) -> Iterator[tuple[Segmentation, ...]]:
    """Segment several images, each for one choice of routers or several.

    All of them are held in memory, and share batches: give as many as fit, such as
    ``settings.batch``.

    Parameters
    ----------
    loaded, settings
        As :func:`~napari_dmoe.inference.running.segment.segment` takes them.
    asked : sequence of Asked
        The images, of any sizes, and what each is run for.
    progress : callable
        Told before each batch, and now and then within one; may raise ``Cancelled``.
    swept : tuple of str
        Attributes that differ between the choices, for the records.

    Yields
    ------
    tuple of Segmentation
        One for each choice of an image: what
        :func:`~napari_dmoe.inference.running.segment.segment` returns for it. As other
        kernels may decide the last bits, labels may differ in near ties; the same
        images in the same order give the same labels.

    Raises
    ------
    ImageError
        When one of the images cannot be used. Who wants the others all the same goes
        through :class:`Joined` and :func:`answered`.
    """
    settings = settings or InferenceSettings()
    batches = batches_for(settings)
    together = [Joined(loaded, each, settings) for each in asked]
    answers = answered(loaded, together, settings, batches, progress)
    for number, (each, own) in enumerate(zip(together, answers, strict=True)):
        tell = part_of(progress, number, len(together)) if own is None else silent
        yield each.results(own, batches, tell, swept=swept)


def threads_of(loaded: LoadedModel, settings: InferenceSettings) -> int:
    """Return on how many threads to run, by the work of a full batch."""
    return threads_for(loaded.pass_seconds * settings.batch)


def _rows(together: Sequence[Joined], n_samples: int) -> list[_Row]:
    """Return all rows: image by image, plane by plane, value by value."""
    rows = []
    for owner, each in enumerate(together):
        choice, n = each.choice, len(each.choice.categories)
        experts = choice.experts or (None,) * n
        firsts = choice.samples or (0,) * n
        for plane in range(each.n_planes):
            for own in zip(choice.categories, experts, firsts, strict=True):
                category, control, first = own
                rows += [
                    _Row(owner, plane, category, control, first + sample)
                    for sample in range(n_samples)
                ]
    return rows


def _alike(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Yield rows that one batch can hold: routers are told in one way."""
    kinds: dict[object, list[_Row]] = {}
    for row in rows:
        told = row.category
        is_shared = told is not None and isinstance(told[0], float)
        kinds.setdefault((told is None, is_shared), []).append(row)
    yield from kinds.values()


def _run(
    loaded: LoadedModel,
    together: Sequence[Joined],
    rows: Sequence[_Row],
    settings: InferenceSettings,
    places: range,
    device: torch.device,
) -> SegmentationOutput:
    own = [rows[place] for place in places]
    experts = [row.experts for row in own]
    noise = None
    if settings.noise:
        noise = [noise_generator(settings.seed, row.plane, row.sample) for row in own]
    return one_pass(
        loaded,
        torch.stack([_plane(together[row.owner], row.plane) for row in own]),
        [row.category for row in own],
        device=device,
        noise=noise,
        experts=experts if any(experts) else None,
    )


def _plane(each: Joined, number: int) -> Tensor:
    if each.inputs is None:
        raise ValueError("this image is run alone")
    return each.inputs[number]
