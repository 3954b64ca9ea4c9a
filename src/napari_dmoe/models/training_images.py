"""What the images of a training looked like, and how far another is from them.

A card carries this in numbers, so that a run can say of an image that its model was
never trained on anything like it. Of each side (brightness, colours, sharpness,
layout, texture, shades, expert loads) and of the look as a whole it states the mean,
the spread and the correlations over the training images, and how far these themselves
lie from their middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from napari_dmoe.imaging.fitting import Fit
from napari_dmoe.models.class_spans import ClassSpans

UNLIKE = "unlike the images it was trained on"
"""What is said of an image that is far outside; the model is meant."""

LOADS = "expert loads"
"""Side that tells how often each expert was used, block by block."""

LOOK = "look as a whole"
"""Side of all the numbers of how an image looks, the loads left out: each may be as in
training, and how they go together may not."""

ENOUGH_IMAGES = 16
"""Fewer images do not tell how much images differ."""

_SHRINKAGE = 0.1
"""Share by which correlations are drawn towards none, more where images are few."""

_MOST_CORRELATED = 96
"""Sides of more numbers are taken as if these were independent: cards stay small."""

_LEAST_SPREAD = 5e-3
"""What differs by less than 8 bits can show is not told apart."""

_DIGITS = 5

_FOLDS, _RARE = 5, 0.01

Number = Annotated[float, Field(ge=-1e6, le=1e6)]
Size = Annotated[int, Field(ge=1, le=2**31)]
Numbers = tuple[Number, ...]


class Spread(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One side of the training images: where they lie, and how they are spread."""

    mean: Numbers = Field(min_length=1, max_length=4096)
    std: tuple[Annotated[float, Field(ge=1e-6, le=1e6)], ...] = Field(max_length=4096)
    correlations: tuple[Annotated[float, Field(ge=-1, le=1)], ...] | None = None
    """Those of each number with the ones after it, row by row; null = independent."""
    limit: float = Field(ge=1e-3, le=1e6)
    """Distance that is far outside, in standard deviations per number."""

    @model_validator(mode="after")
    def _parts_agree(self) -> Spread:
        n, pairs = len(self.mean), self.correlations
        if len(self.std) != n:
            raise ValueError(f"needs {n} standard deviations")
        if pairs is not None and (
            n > _MOST_CORRELATED or len(pairs) != n * (n - 1) / 2
        ):
            raise ValueError(f"{n} numbers have {n * (n - 1) // 2} correlations")
        correlation = self._correlation()
        if correlation is not None and np.linalg.eigvalsh(correlation)[0] < 1e-3:
            raise ValueError("its correlations cannot be")
        return self

    def distance(self, numbers: Sequence[float]) -> float:
        """Return how far an image is on this side: above 1 is far outside.

        Another number of numbers, such as those of another network, is not compared.
        """
        if len(numbers) != len(self.mean):
            return 0.0
        z = (np.asarray(numbers) - np.asarray(self.mean)) / np.asarray(self.std)
        return float(_length(z[None], self._correlation())[0] / self.limit)

    def _correlation(self) -> NDArray[np.float64] | None:
        if self.correlations is None:
            return None
        n = len(self.mean)
        upper = np.zeros((n, n))
        upper[np.triu_indices(n, 1)] = self.correlations
        return upper + upper.T + np.eye(n)


class ImageSet(BaseModel, frozen=True, extra="forbid"):
    """Images of one kind that a model was trained on: in colour, in grey, volumes."""

    kind: str
    n: int = Field(ge=0)
    sides: Mapping[str, Spread]
    """By what they tell of."""

    def distances(self, seen: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return how far an image is on each side that it shares with the set."""
        known = seen if LOOK not in self.sides else {**seen, LOOK: self.look(seen)}
        return {
            name: self.sides[name].distance(numbers)
            for name, numbers in known.items()
            if name in self.sides
        }

    def look(self, seen: Mapping[str, Sequence[float]]) -> Sequence[float]:
        """Return an image's numbers on the set's sides; none where it lacks one."""
        own = self.sides.keys() - {LOOK, LOADS}
        return look_of({side: seen[side] for side in own}) if own <= seen.keys() else ()


class TrainingImages(BaseModel, frozen=True, extra="forbid"):
    """What the images of a training looked like, as networks see them."""

    smallest: tuple[Size, ...] | None = Field(default=None, max_length=3)
    """Least number of pixels along each axis, before they were prepared."""
    largest: tuple[Size, ...] | None = Field(default=None, max_length=3)
    sets: tuple[ImageSet, ...] = Field(min_length=1, max_length=64)

    def unlike(self, seen: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
        """Return on which sides an image lies far outside; none for one that is like.

        It is compared with the nearest set, of those that state what it has. An image
        in colour is unlike sets that are all grey in its colours, and a grey one unlike
        sets that are all in colour.
        """
        best: dict[str, float] | None = None
        for each in self.sets:
            found = each.distances(seen)
            if ("colours" in seen) != ("colours" in each.sides):
                found["colours"] = 2.0
            if not found:
                continue
            if best is None or max(found.values()) < max(best.values()):
                best = found
        far = {name: d for name, d in (best or {}).items() if d > 1}
        return tuple(sorted(far, key=far.__getitem__, reverse=True))


class KnownImages(BaseModel, frozen=True, extra="forbid"):
    """The same of a file that was saved before cards could state it."""

    sha256: str
    """Of the file."""
    phantoms: str | None = None
    """As in :class:`napari_dmoe.models.card.TrainingFacts`."""
    class_spans: ClassSpans | None = None
    """Likewise."""
    fit: Fit | None = None
    """How planes are to meet the network; the file's own card crops or stretches."""
    training_images: TrainingImages


IMAGES_SUFFIX = ".images.json"
"""End of the names of such facts, which stand beside the bundled checkpoints."""


def known_images(sha256: str) -> KnownImages | None:
    """Return what a bundled checkpoint was trained on, wherever its file lies."""
    for entry in (resources.files("napari_dmoe.models") / "bundled").iterdir():
        if entry.name.endswith(IMAGES_SUFFIX):
            text = entry.read_text("utf-8")
            if sha256 in text:
                return KnownImages.model_validate_json(text)
    return None


def look_of(seen: Mapping[str, Sequence[float]]) -> tuple[float, ...]:
    """Return the numbers of how an image looks in one row, side by side."""
    return tuple(number for side in sorted(seen) for number in seen[side])


def spread_of(rows: Sequence[Sequence[float]], margin: float) -> Spread:
    """Return where numbers (N, K) of training images lie; K is the same in all.

    Far outside is `margin` times what 1 % of them exceed when each is measured by the
    others: in a fifth of the images, by the other four.
    """
    values = np.asarray(rows, np.float64)
    lengths = []
    for fold in range(_FOLDS):
        is_out = np.arange(len(values)) % _FOLDS == fold
        mean, std, correlation = _fitted(values[~is_out])
        lengths.append(_length((values[is_out] - mean) / std, correlation))
    farthest = float(np.quantile(np.concatenate(lengths), 1 - _RARE))
    mean, std, correlation = _fitted(values)
    pairs = None
    if correlation is not None:
        upper = correlation[np.triu_indices(len(mean), 1)]
        pairs = tuple(upper.tolist())
    return Spread(
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        correlations=pairs,
        limit=round(margin * max(1.0, farthest), 4),
    )


def _fitted(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Return means, standard deviations and correlations of numbers (N, K)."""
    n, k = values.shape
    mean = values.mean(0).round(_DIGITS)
    std = np.maximum(values.std(0), _LEAST_SPREAD).round(_DIGITS)
    if k > _MOST_CORRELATED:
        return mean, std, None
    z = (values - mean) / std
    kept = 1 - max(_SHRINKAGE, k / (n + k))
    correlation = (kept * (z.T @ z) / n).round(3)
    np.fill_diagonal(correlation, 1)
    return mean, std, correlation


def _length(
    z: NDArray[np.float64], correlation: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the lengths (N,) of rows (N, K), in standard deviations per number."""
    solved = z if correlation is None else np.linalg.solve(correlation, z.T).T
    return np.asarray(np.sqrt(np.maximum((z * solved).mean(1), 0)))
