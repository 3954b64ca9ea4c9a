"""Whether a case is one of those that were trained on: the same picture, or subject.

Pictures are compared by their pixels, whatever file, number type, scale or order of the
axes they come in, and by where their details lie, which copies share that were scaled
or saved anew with losses (:mod:`napari_dmoe.training.guarding.likeness`); one that was
cropped is another picture.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case, CaseRow
from napari_dmoe.cohorts.datasets import rows_of, subjects_of
from napari_dmoe.cohorts.tables.subjects import subject_key
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SpatialImage
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.training.guarding.likeness import Looks, details

_SEALED = "sealed"
_FEW_VALUES = 2**16

_MOST = 2**21
"""Samples of a channel that are looked at: ranking more takes long, and much memory."""


def fingerprint(image: SpatialImage) -> str:
    """Return what copies of one picture share, and no two pictures.

    Parameters
    ----------
    image : SpatialImage
        With any number of axes. It is read.

    Returns
    -------
    str
        The same for other number types, for values on another scale, for axes that are
        swapped or turned round, for grey values in three equal channels, and with or
        without a channel that is the same everywhere, such as opacity.
    """
    data = np.asarray(image.data)
    if CHANNEL_AXIS in image.axes:
        channels = list(np.moveaxis(data, image.axes.index(CHANNEL_AXIS), 0))
    else:
        channels = [data]
    told = [c for c in channels if c.size and (c != c.flat[0]).any()] or channels[:1]
    digests = sorted({_of_channel(channel) for channel in told})
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _of_channel(values: NDArray[Any]) -> str:
    """Return a digest of how values rank, and of where on each axis they lie."""
    shape, values = sorted(values.shape), _thinned(values.squeeze())
    ranks, counts = _ranked(values)
    profiles = []
    for axis in range(values.ndim):
        others = tuple(a for a in range(values.ndim) if a != axis)
        sums = ranks.sum(others, dtype=np.int64)
        profiles.append(min(sums.tolist(), sums[::-1].tolist()))
    told = ([n for n in shape if n > 1], hashlib.sha256(counts.tobytes()).hexdigest())
    return hashlib.sha256(repr((*told, sorted(profiles))).encode()).hexdigest()


def _thinned(values: NDArray[Any]) -> NDArray[Any]:
    """Return some of many samples, the same ones from either end of each axis."""
    step = math.ceil((values.size / _MOST) ** (1 / max(1, values.ndim)))
    if step <= 1:
        return values
    for axis, n in enumerate(values.shape):
        half = np.arange(0, (n + 1) // 2, step)
        values = values.take(np.union1d(half, n - 1 - half), axis)
    return values


def _ranked(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the place of each value among those that there are, and their counts."""
    if values.dtype.kind in "bui" and values.size:
        least, most = int(values.min()), int(values.max())
        if most - least < _FEW_VALUES:
            shifted = values.astype(np.int64) - least
            counts = np.bincount(shifted.ravel())
            places = np.cumsum(counts > 0) - 1
            return places[shifted], counts[counts > 0].astype(np.int64)
    _, ranks, found = np.unique(values, return_inverse=True, return_counts=True)
    return ranks.reshape(values.shape).astype(np.int64), found.astype(np.int64)


def sealed(subject: str | None) -> str | None:
    """Return a subject so that it can be recognised, but not read; None stays None."""
    if subject is None or subject.startswith(f"{_SEALED}:"):
        return subject
    salt = secrets.token_hex(8)
    return f"{_SEALED}:{salt}:{_digest(salt, subject)}"


def _digest(salt: str, subject: str) -> str:
    return hashlib.sha256(f"{salt}:{subject_key(subject)}".encode()).hexdigest()


@dataclass(frozen=True)
class Trained:
    """What is known of the cases that were trained on.

    Parameters
    ----------
    pictures : frozenset of str
        See :func:`fingerprint`.
    subjects : tuple of str or None
        Of each case; perhaps sealed.
    phantoms : frozenset of (str or None)
        Kinds of phantom that they are; None among them for what is not known to be one.
    looks : Looks
        Where the details of their pictures lie.
    marks : frozenset of str
        By what their patients and lesions are known again in other tables; perhaps
        sealed.
    """

    pictures: frozenset[str]
    subjects: tuple[str | None, ...]
    phantoms: frozenset[str | None] = frozenset()
    looks: Looks = field(default=Looks(()), compare=False, repr=False)
    marks: frozenset[str] = frozenset()

    @classmethod
    def of(cls, cases: Sequence[Case], *, progress: ProgressHook = silent) -> Trained:
        """Read the images of cases, one at a time."""
        pictures, phantoms, looks = set(), set(), []
        for number in range(len(cases)):
            progress(Progress(number, len(cases), "looking at what is trained on"))
            case = cases[number]
            pictures.add(fingerprint(case.image))
            looks.append(details(case.image))
            phantoms.add(case.phantom)
        known = frozenset(pictures), subjects_of(cases), frozenset(phantoms)
        marks = frozenset(mark for row in rows_of(cases) for mark in row.marks)
        return cls(*known, Looks(looks), marks)

    def has_subject(self, subject: str | None, marks: Sequence[str] = ()) -> bool:
        """Whether a case of a subject was trained on; False where nobody says.

        Also where one of its `marks` tells so, such as its lesion alone.
        """
        told = [each for each in (subject, *marks) if each is not None]
        return any(subject_key(each) in self._open for each in told) or any(
            is_same_subject(other, each) for other in self._closed for each in told
        )

    @cached_property
    def _open(self) -> frozenset[str]:
        return frozenset(filter(None, map(subject_key, self._told)))

    @cached_property
    def _closed(self) -> tuple[str, ...]:
        return tuple(s for s in self._told if s.startswith(f"{_SEALED}:"))

    @property
    def _told(self) -> set[str]:
        return {*filter(None, self.subjects), *self.marks}


def is_same_subject(first: str, second: str) -> bool:
    """Say whether two subjects are one, the first of which may be sealed."""
    name, _, rest = first.partition(":")
    if name == _SEALED and ":" in rest:
        salt, _, digest = rest.partition(":")
        return first == second or digest == _digest(salt, second)
    return subject_key(first) == subject_key(second)


def files_of(cases: Sequence[Case]) -> frozenset[Path]:
    """Return the images' files, where a table names them."""
    return frozenset(filter(None, map(file_of, rows_of(cases))))


def file_of(row: Case | CaseRow) -> Path | None:
    """Return an image's file, where a table names it."""
    if isinstance(row, Case) or row.image == Path():
        return None
    return row.image.resolve()
