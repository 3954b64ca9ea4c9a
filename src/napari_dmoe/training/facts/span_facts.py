"""How large each class is in the cases that a model is trained on, and how whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.ellipses import filled_share
from napari_dmoe.models.class_spans import ClassSpan, ClassSpans, structures
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.pool import Pool

_DIGITS = 4
_MISSED = 0.01
"""Share of a picture that may be unlabelled in what counts as labelled whole."""


@dataclass(frozen=True)
class _Seen:
    """One structure in one case."""

    share: float
    ml: float | None
    filled: float


def spans_of(pool: Pool, classes: Sequence[str], *, n: int | None = None) -> ClassSpans:
    """Return the least and the most of each class, over the cases that show it.

    Of the first `n` cases, or of all. Cases of which only a part is annotated say
    nothing of how large a class is.
    """
    named = structures(classes)
    found: dict[str, list[_Seen]] = defaultdict(list)
    for labels, ml in _labelled(pool, n):
        for name, wanted in named.items():
            mask = np.isin(labels, wanted)
            count = int(np.count_nonzero(mask))
            if count:
                volume = None if ml is None else count * ml
                seen = _Seen(count / labels.size, volume, filled_share(mask))
                found[name].append(seen)
    return tuple(_span(name, found[name]) for name in named if found[name])


def _labelled(
    pool: Pool, n: int | None
) -> Iterator[tuple[NDArray[np.uint8], float | None]]:
    """Yield the labels of each picture that is labelled, and a sample's volume."""
    for i in range(len(pool) if n is None else n):
        labels = pool.labels[i][pool.shown(i)].numpy()
        if np.count_nonzero(labels == IGNORED) <= _MISSED * labels.size:
            yield labels, pool.sample_ml[i] if pool.sample_ml else None


def _span(name: str, seen: Sequence[_Seen]) -> ClassSpan:
    shares, volumes = [each.share for each in seen], [each.ml for each in seen]
    known = [ml for ml in volumes if ml is not None]
    ends: dict[str, float] = {}
    if len(known) == len(seen):
        ends = {"least_ml": _rounded(min(known)), "most_ml": _rounded(max(known))}
    return ClassSpan(
        name=name,
        n=len(seen),
        least=_rounded(min(shares)),
        most=_rounded(max(shares)),
        least_filled=_rounded(min(each.filled for each in seen)),
        **ends,
    )


def _rounded(size: float) -> float:
    return float(f"{size:.{_DIGITS}g}")
