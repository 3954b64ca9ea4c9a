"""HAM10000 for the published claim: prepared once, split by lesion, told at random.

The prepared pictures lie in the folder of the runs and nowhere else; what is written of
a case elsewhere is its place in the cohort, never its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claim_plan import ATTRIBUTES, CARD, SPLIT_SEED, TEST_SHARE
from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import Cohort, read_cohort
from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.training.cases.pool import read_pool

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Photographs:
    """Cases whose age, sex and site the published cards know, as a network sees them.

    Parameters
    ----------
    images : (N, S, S, 3) uint8 array
    labels : (N, S, S) uint8 array
        0 background, 1 lesion.
    known : mapping of str to (N,) int64 array
        Which value of an attribute's card each case has.
    lesions : (N,) int64 array
        The same number for the images of one lesion.
    n_left_out : int
        Cases without one of the three, or with a value that no card knows.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    known: dict[str, Places]
    lesions: Places
    n_left_out: int

    def __len__(self) -> int:
        return len(self.lesions)

    def cases(self, places: Sequence[int] | Places) -> list[Case]:
        """Return some of them as cases, called by their places."""
        return [
            Case(
                id=str(place),
                image=SpatialImage(self.images[place], ("y", "x", "c")),
                labels=SpatialImage(self.labels[place], ("y", "x")),
                patient=Patient.from_values(
                    {k: self.value(k, place) for k in ATTRIBUTES}
                ),
                subject=str(self.lesions[place]),
            )
            for place in map(int, places)
        ]

    def value(self, attribute: str, place: int) -> str:
        """Return the group of a case by an attribute."""
        return ATTRIBUTES[attribute].values[self.known[attribute][place]]

    def groups(self, attribute: str, places: Sequence[int] | Places) -> list[str]:
        """Return the groups of some cases by an attribute."""
        return [self.value(attribute, int(place)) for place in places]


@dataclass(frozen=True)
class Split:
    """Places of the cases to train on and to test on; no lesion has some of both."""

    training: Places
    test: Places

    @property
    def sha256(self) -> str:
        """Hash of both, so that runs on other splits are never mixed with these."""
        whole = hashlib.sha256()
        for places in (self.training, self.test):
            whole.update(places.astype("<i8").tobytes() + b"|")
        return whole.hexdigest()


def photographs(ham: Path, runs: Path) -> Photographs:
    """Return the usable cases of a folder of HAM10000, from the cache where it is.

    Raises
    ------
    CohortError
        When the folder is no cohort.
    """
    side = CARD.preprocessing.side
    cache = runs / f"photographs-{side}"
    if not (cache / "known.json").is_file():
        _prepare(ham, cache)
    told = json.loads((cache / "known.json").read_text("utf-8"))
    return Photographs(
        np.load(cache / "images.npy", mmap_mode="r"),
        np.load(cache / "labels.npy", mmap_mode="r"),
        {name: np.array(told["known"][name]) for name in ATTRIBUTES},
        np.array(told["lesions"]),
        told["n_left_out"],
    )


def _prepare(ham: Path, cache: Path) -> None:
    """Write every usable case as the card prepares it; what is known of them last."""
    cohort = read_cohort(ham)
    values = [values_of(row.patient) for row in cohort.rows]
    usable = [place for place, own in enumerate(values) if own is not None]
    part = Cohort(tuple(cohort.rows[place] for place in usable))
    pool = read_pool(part, CARD, may_be_unknown=True)
    numbers: dict[Any, int] = {}
    lesions = [
        numbers.setdefault(s or place, len(numbers))
        for place, s in enumerate(pool.subjects)
    ]
    cache.mkdir(parents=True, exist_ok=True)
    arrays = {"images": pool.images.permute(0, 2, 3, 1), "labels": pool.labels}
    for name, each in arrays.items():
        with atomic_path(cache / f"{name}.npy") as partial, partial.open("wb") as file:
            np.save(file, each.contiguous().numpy())
    told = {
        "known": {
            name: [values[place][name] for place in usable] for name in ATTRIBUTES
        },
        "lesions": lesions,
        "n_left_out": len(values) - len(usable),
    }
    write_text(cache / "known.json", json.dumps(told) + "\n")


def values_of(patient: Patient) -> dict[str, int] | None:
    """Return which value of each card a patient has; None where one is not known."""
    found = {}
    for name, attribute in ATTRIBUTES.items():
        try:
            value = attribute.category_of(patient)
        except PatientError:
            return None
        if value is None:
            return None
        found[name] = value
    return found


def split_of(lesions: Places, *, seed: int = SPLIT_SEED) -> Split:
    """Part cases so that the images of one lesion stay together.

    Lesions are drawn until they hold the share `TEST_SHARE` of the cases.
    """
    order = np.random.default_rng(seed).permutation(int(lesions.max()) + 1)
    sizes = np.bincount(lesions)[order]
    n_test = int(np.searchsorted(sizes.cumsum(), TEST_SHARE * len(lesions))) + 1
    is_test = np.isin(lesions, order[:n_test])
    return Split(np.flatnonzero(~is_test), np.flatnonzero(is_test))


def deranged(lesions: Places, *, seed: int) -> Places:
    """Return for each case whose value it is told: never one of its own lesion.

    Every case's value is told once. The lesions stand in a random order, and each case
    takes what stands further on by as many cases as the largest lesion has.

    Raises
    ------
    ValueError
        When one lesion has more than half of the cases.
    """
    rng = np.random.default_rng(seed)
    largest = int(np.bincount(lesions).max())
    if 2 * largest > len(lesions):
        raise ValueError(
            f"one lesion has {largest} of {len(lesions)} cases: the others are too few "
            "to take their values from"
        )
    rank = rng.permutation(int(lesions.max()) + 1)
    order = np.lexsort((rng.random(len(lesions)), rank[lesions]))
    whose = np.empty_like(order)
    whose[order] = np.roll(order, -largest)
    return whose
