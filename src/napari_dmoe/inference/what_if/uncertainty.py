"""How sure the routing is: the published gating noise, drawn several times.

The published network adds noise to its routers whenever it runs. :func:`uncertainty`
runs it with different noise and counts what stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.masks.agreement import Votes
from napari_dmoe.inference.masks.measures import measure_mask
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.routing import (
    NO_ROUTING,
    KeptRouting,
    dominant_expert,
)
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import Priors, RouterChoice, choose_routers
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, numbered, silent

MOST_SAMPLES = 64

LEVEL = 0.95
"""Share of the samples that an interval holds."""


@dataclass(frozen=True)
class SizeInterval:
    """How large a class is over the noise samples."""

    name: str
    """The class."""
    unit: str
    """Unit of the sizes, as in :class:`ClassSize`."""
    sizes: tuple[float, ...]
    """Area or volume in each sample."""
    low: float
    median: float
    high: float
    """The middle, and the ends that hold 95 % of the samples."""


@dataclass(frozen=True)
class Uncertainty:
    """What noise samples agree on.

    Parameters
    ----------
    n_samples, seed : int
        Samples drawn, and the seed of their noise.
    labels : (*S) uint8 array
        The class that most samples give; of several alike the first.
    votes : (K, *S) uint8 array
        How many samples give each pixel each class.
    entropy : (*S) float32 array
        Entropy of the votes in bits; 0 where all samples agree.
    intervals : tuple of SizeInterval
        One for each class but the background.
    expert_votes : tuple of (E, *tokens) uint8 arrays
        One a block: in how many samples each expert is the dominant one.
    expert_entropy : tuple of (*tokens) float32 arrays
        One a block: entropy of those votes in bits.
    token_grids : tuple of Grid
        Where each block's tokens lie.
    classes, axes : tuple of str
        Class names, and names of the maps' axes.
    grid : Grid
        Where the maps lie in the source image.
    provenance : Provenance
        How it came about; ``made_by`` says that the mask is a vote.
    """

    n_samples: int
    seed: int
    labels: NDArray[np.uint8]
    votes: NDArray[np.uint8]
    entropy: NDArray[np.float32]
    intervals: tuple[SizeInterval, ...]
    expert_votes: tuple[NDArray[np.uint8], ...]
    expert_entropy: tuple[NDArray[np.float32], ...]
    token_grids: tuple[Grid, ...]
    classes: tuple[str, ...]
    axes: tuple[str, ...]
    grid: Grid
    provenance: Provenance


def uncertainty(
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    patient: Patient | None = None,
    *,
    samples: int = 16,
    seed: int = 0,
    settings: InferenceSettings | None = None,
    progress: ProgressHook | None = None,
    priors: Priors | None = None,
    experts: bool = True,
) -> Uncertainty:
    """Run a model with several draws of its gating noise, and count the votes.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    image : SpatialImage or array
        The image.
    patient : Patient, optional
        Whose it is; unknown drivers are mixed in each sample.
    samples : int
        Draws of the noise, 1 to 64.
    seed : int
        Seed of the noise. The first n samples of a seed are always the same, whatever
        the batch and however many follow.
    settings, progress, priors
        As :func:`segment` takes them; `samples` and `seed` go before the settings'.
    experts : bool
        Whether votes for experts are counted, and not only those for classes; of a
        volume they take several times as much memory.

    Returns
    -------
    Uncertainty
        Votes, their entropy, and the sizes' intervals.

    Raises
    ------
    ValueError
        For a number of samples out of range, or a network without routers.

    Notes
    -----
    The noise is a function of the seed, the sample, the plane or window and the block,
    and of nothing else. Samples share batches, and what they have in common, as the
    values of a :func:`sweep` do; only votes are kept of them.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise ValueError(f"samples must lie in 1..{MOST_SAMPLES}: found {samples}")
    if not loaded.config.n_routers:
        raise ValueError("this network has no routers, so there is no gating noise")
    image = SpatialImage.of(image)
    noisy = {"noise": True, "samples": samples, "seed": seed, "probabilities": False}
    settings = InferenceSettings(
        **((settings or InferenceSettings()).model_dump() | noisy)
    )
    choice = choose_routers(loaded, patient or Patient(), settings, priors)
    hook = progress or silent
    return count_samples(loaded, image, choice, settings, hook, experts=experts)


def count_samples(
    loaded: LoadedModel,
    image: SpatialImage,
    choice: RouterChoice,
    settings: InferenceSettings,
    progress: ProgressHook,
    *,
    upright: bool = True,
    experts: bool = True,
) -> Uncertainty:
    """Run noise samples for routers that are already chosen, and count their votes.

    The settings say how many samples, from which seed, and how to run them; `upright`
    is as :func:`segment_variants` takes it, `experts` as :func:`uncertainty` does.
    """
    samples, seed = settings.samples, settings.seed
    settings = settings.model_copy(update={"samples": 1})
    runs = segment_variants(
        loaded,
        image,
        [choice.with_sample(number) for number in range(samples)],
        settings,
        progress,
        at_once=max(1, settings.batch // len(choice.categories)),
        words=numbered("sample", samples),
        upright=upright,
        keep=KeptRouting(each_value=False) if experts else NO_ROUTING,
    )
    count = _Count(loaded.config.n_classes, image)
    for result in runs:
        count.add(result)
    return count.result(result, samples, seed)


class _Count:
    """Counts samples one after another, and keeps none of them."""

    def __init__(self, n_classes: int, image: SpatialImage) -> None:
        self.image, self.votes = image, Votes(n_classes)
        self.experts: list[Votes] = []
        self.sizes: list[tuple[float, ...]] = []

    def add(self, result: Segmentation) -> None:
        """Count one sample."""
        self.votes.add(result.labels)
        maps = result.routing
        if maps is not None:
            blocks = range(maps.n_blocks)
            self.experts = self.experts or [Votes(maps.n_experts) for _ in blocks]
            for block, votes in enumerate(self.experts):
                votes.add(dominant_expert(maps.mean(block)))
        sizes = measure_mask(result.labels, result, self.image).sizes
        self.sizes.append(tuple(size.size for size in sizes))
        self.names = [(size.name, size.unit) for size in sizes]

    def result(self, last: Segmentation, samples: int, seed: int) -> Uncertainty:
        """Return what was counted; `last` tells what all samples have in common."""
        labels = self.votes.majority
        settings = last.provenance.settings | {"samples": samples}
        update = {
            "settings": settings,
            "made_by": "uncertainty",
            "labels_sha256": last.provenance.sha256_of(labels),
        }
        return Uncertainty(
            n_samples=samples,
            seed=seed,
            labels=labels,
            votes=self.votes.counts,
            entropy=self.votes.entropy(),
            intervals=tuple(self._intervals()),
            expert_votes=tuple(votes.counts for votes in self.experts),
            expert_entropy=tuple(votes.entropy() for votes in self.experts),
            token_grids=last.routing.grids if last.routing is not None else (),
            classes=last.classes,
            axes=last.axes,
            grid=last.grid,
            provenance=last.provenance.model_copy(update=update),
        )

    def _intervals(self) -> list[SizeInterval]:
        ends = [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]
        return [
            SizeInterval(name, unit, sizes, *map(float, np.quantile(sizes, ends)))
            for (name, unit), sizes in zip(
                self.names, zip(*self.sizes, strict=True), strict=True
            )
        ]
