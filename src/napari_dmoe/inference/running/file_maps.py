"""What is written of a volume beside its mask: which maps, and what their bytes mean.

They are bytes (:class:`Scaled`), so that a map takes as much room as a mask, and come
slab by slab as it does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.scaled import Scaled
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.unet import UNetConfig

PROBABILITIES, ENTROPY, ROUTING = "probabilities", "class-entropy", "routing"
"""What maps are called in files."""


def class_entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return how undecided a model is between classes, in bits.

    Parameters
    ----------
    probabilities : (K, *S) float array
        Of each class.

    Returns
    -------
    (*S) float32 array
        From 0, where one class is certain, to log2 K, where all are alike.

    Notes
    -----
    ``-sum_k p_k log2 p_k``.

    Examples
    --------
    >>> class_entropy(np.array([[0.5, 1.0], [0.5, 0.0]])).tolist()
    [1.0, 0.0]
    """
    total = np.zeros(probabilities.shape[1:], np.float32)
    for each in probabilities:
        p = np.clip(each, 0, 1).astype(np.float32)
        total -= p * np.log2(p, out=np.zeros_like(p), where=p > 0)
    return np.maximum(total, 0)


@dataclass(frozen=True)
class TokenGrid:
    """Where the tokens of a stage lie in the image, upright."""

    grid: Grid
    flips: tuple[slice, ...]
    """What turns an array of them, as the network has it, upright."""


@dataclass(frozen=True)
class FileMaps:
    """Which maps of a run are written; None for those that are not."""

    probabilities: Scaled | None = None
    """A map for each class."""
    entropy: Scaled | None = None
    """One map: see :func:`class_entropy`."""
    routing: Scaled | None = None
    """Gates of each expert, the mean over the values that are mixed; for each stage."""
    token_steps: tuple[int, ...] = ()
    """Side of a token of each stage whose routing is written, in the network's
    voxels."""

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        settings: InferenceSettings,
        *,
        entropy: bool,
        routing: bool,
    ) -> FileMaps:
        """Return the maps that are asked for.

        Raises
        ------
        ValueError
            For the routing of a network that has none.
        """
        classes, config = loaded.card.classes, loaded.config
        chances = Scaled("probability of each class", 1.0, classes, "k")
        most = math.log2(max(len(classes), 2))
        bits = Scaled("entropy of the classes in bits", most, ("entropy",), "k")
        steps: tuple[int, ...] = ()
        experts: Scaled | None = None
        if routing:
            if not isinstance(config, UNetConfig) or not config.n_routers:
                raise ValueError(
                    "the network has no experts, and so no routing to be written: "
                    "leave it out"
                )
            names = tuple(f"expert {number}" for number in range(config.n_experts))
            experts = Scaled("gate of each expert", 1.0, names, "e")
            steps = config.token_steps
        return cls(
            chances if settings.probabilities else None,
            bits if entropy else None,
            experts,
            steps,
        )

    @property
    def at_source(self) -> dict[str, Scaled]:
        """The maps that lie on the image's voxels, in their order behind the mask."""
        each = {PROBABILITIES: self.probabilities, ENTROPY: self.entropy}
        return {name: what for name, what in each.items() if what is not None}

    @property
    def stages(self) -> tuple[str, ...]:
        """What the routing of each stage is called."""
        return tuple(f"{ROUTING}-{stage}" for stage in range(len(self.token_steps)))

    @property
    def names(self) -> tuple[str, ...]:
        """What all maps are called, in their order."""
        return (*self.at_source, *self.stages)

    @property
    def n_sheets(self) -> int:
        """Masks and maps on the image's voxels."""
        return 1 + sum(len(what.channels) for what in self.at_source.values())

    def sheets(
        self, labels: NDArray[np.uint8], probabilities: NDArray[Any] | None
    ) -> NDArray[np.uint8]:
        """Return a slab of the mask (d, h, w), and of the maps on its voxels behind it.

        `probabilities` are (K, d, h, w), and needed where there are such maps. The
        result is (n_sheets, d, h, w).
        """
        if probabilities is None or not self.at_source:
            return labels[np.newaxis]
        parts = [labels[np.newaxis]]
        if self.probabilities is not None:
            parts.append(self.probabilities.bytes(probabilities))
        if self.entropy is not None:
            bits = class_entropy(probabilities)
            parts.append(self.entropy.bytes(bits)[np.newaxis])
        return np.concatenate(parts)


NO_MAPS = FileMaps()
"""The mask alone."""
