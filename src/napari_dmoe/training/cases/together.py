"""Which cases of a cohort must not be parted: those of one subject, or of one picture.

Nothing is prepared or compared as a network sees it: what can be known of files and
arrays as they are. What only shows after reading, :mod:`same_pictures` tells.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_dmoe.cohorts.case import Case, CaseRow
from napari_dmoe.cohorts.datasets import rows_of
from napari_dmoe.cohorts.tables.subjects import subject_key

_SAMPLE = 2**16
"""Bytes from the middle of a file that tell most files of one size apart."""

Row = Case | CaseRow


def together(cases: Sequence[Case]) -> NDArray[np.int64]:
    """Return the lot (N,) that each case belongs to, counted in order of appearance.

    Cases of one lot share a subject or a picture, or are linked by others that do; no
    image of a table is decoded. Files are compared whole where size and middle agree.
    """
    rows = rows_of(cases)
    first: dict[Hashable, int] = {}
    links: list[tuple[int, int]] = []
    quick: list[Hashable] = []
    for place, row in enumerate(rows):  # once: cases may be drawn as they are asked for
        quick.append(_told(_at_a_glance, row))
        if (subject := subject_key(row.subject)) is not None:
            links.append((place, first.setdefault(subject, place)))
    for alike in _same(rows, quick):
        links += [(place, alike[0]) for place in alike[1:]]
    if not links:
        return np.arange(len(rows))
    here, there = np.array(links).T
    graph = coo_array((np.ones(len(links), bool), (here, there)), (len(rows),) * 2)
    _, lots = connected_components(graph, directed=False)
    return np.asarray(lots, np.int64)


def _same(rows: Sequence[Row], quick: Sequence[Hashable]) -> list[list[int]]:
    """Return the places of pictures that are there more than once."""
    alike = _parted(range(len(rows)), quick.__getitem__)
    for look in (_middle, _everything):
        told = partial(_told_of, rows, look)
        alike = [part for places in alike for part in _parted(places, told)]
    return alike


def _parted(places: Iterable[int], told: Callable[[int], Hashable]) -> list[list[int]]:
    """Part places by what is told of them; those that are alone are left out."""
    parts: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place in places:
        if (own := told(place)) is not None:
            parts[own].append(place)
    return [part for part in parts.values() if len(part) > 1]


def _told_of(
    rows: Sequence[Row], look: Callable[[Row], Hashable], place: int
) -> Hashable:
    return _told(look, rows[place])


def _told(look: Callable[[Row], Hashable], row: Row) -> Hashable:
    try:
        return look(row)
    except OSError:  # reading the case will say so
        return None


def _at_a_glance(row: Row) -> Hashable:
    if not isinstance(row, Case):
        return None if row.image == Path() else row.image.stat().st_size
    data = row.image.data
    if not isinstance(data, np.ndarray):
        return None
    middle = data[tuple(n // 2 for n in data.shape[:-2])]
    return (data.shape, data.dtype.str, hashlib.sha256(middle.tobytes()).digest())


def _middle(row: Row) -> Hashable:
    if isinstance(row, Case):
        return True
    with row.image.open("rb") as file:
        file.seek(max(0, row.image.stat().st_size - _SAMPLE) // 2)
        return file.read(_SAMPLE)


def _everything(row: Row) -> Hashable:
    if isinstance(row, Case):
        return hashlib.sha256(np.ascontiguousarray(row.image.data).data).digest()
    with row.image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
