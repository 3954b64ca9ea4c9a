"""Cohorts of real photographs as they are measured: what they are, and who is whose.

Nothing is downloaded, and nothing of a cohort is shown or copied: they lie in folders
of the user's own. A folder with a table is opened as any cohort; one without, such as
PH2, holds ``images`` and ``masks`` that are called alike.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_dmoe.cohorts.case import CaseRow, CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.cohorts.problems import lines_told
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_stem, image_suffix
from napari_dmoe.imaging.mask_likeness import MASK_WORDS, mask_base
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.naming import is_known_to
from napari_dmoe.patient import Patient

SEED = 0
"""Of every draw: which cases of a set are taken, and what a wrong value is."""


@dataclass(frozen=True)
class RealSet:
    """A set of real photographs that somebody else collected."""

    folder: str
    """Its name in the folder of sets."""
    title: str
    kind: str
    """What is to be seen, as in the names of the bundled models: skin or fundus."""
    source: str
    licence: str
    groups: tuple[str, ...] = ()
    """What its cases are grouped by."""


SETS: Mapping[str, RealSet] = {
    "isic": RealSet(
        "isic2017",
        "ISIC 2017",
        "skin",
        "Codella et al. 2018, arXiv 1710.05006",
        "CC0 1.0",
        ("sex", "age"),
    ),
    "ham10000": RealSet(
        "ham10000",
        "HAM10000",
        "skin",
        "Tschandl et al. 2018, doi 10.7910/DVN/DBW86T",
        "CC BY-NC 4.0",
        ("sex", "age", "body_site"),
    ),
    "ph2": RealSet(
        "ph2",
        "PH2",
        "skin",
        "Mendonca et al. 2013, doi 10.1109/EMBC.2013.6610779",
        "for research and teaching",
    ),
    "drishti": RealSet(
        "drishti_gs",
        "Drishti-GS1",
        "fundus",
        "Sivaswamy et al. 2014, doi 10.1109/ISBI.2014.6867807",
        "for research",
        ("severity",),
    ),
}
"""What is known by name; further ones lie in a folder called as on the command line."""

REGIONS = {"skin": ("lesion",), "fundus": ("disc", "cup")}
"""What is measured; the disc is rim and cup together."""

TRAINED_ON: Mapping[str, str] = {"skin-isic2017": "isic"}
"""Sets that a model was trained on: of these, only what was held out is measured."""


def open_set(
    folder: Path,
    which: RealSet,
    *,
    number: int | None = None,
    only: frozenset[str] | None = None,
) -> Cohort:
    """Open a set, or some of it.

    Parameters
    ----------
    folder : Path
        The folder of all sets.
    which : RealSet
        The one that is meant.
    number : int, optional
        Of so many cases, drawn with :data:`SEED` and in the set's order; all of them by
        default.
    only : frozenset of str, optional
        Ids or names of the images that may be taken.

    Raises
    ------
    CohortError
        When it is not there, cannot be used, or has none of those images.
    """
    own = folder / which.folder
    if not own.is_dir():
        raise CohortError(f"there is no folder {which.folder} in {folder.name}")
    cohort = open_cohort(own) if any(own.glob("*.csv")) else paired(own)
    if cohort.problems:
        raise CohortError(f"{which.title}: {lines_told(cohort.problems)[0]}")
    rows = [r for r in cohort.rows if only is None or names_of(r) & only]
    if not rows:
        raise CohortError(f"{which.title} has none of the images that may be taken")
    if number is not None and number < len(rows):
        draws = np.random.default_rng(SEED).permutation(len(rows))[:number]
        rows = [rows[place] for place in sorted(draws.tolist())]
    return replace(cohort, rows=tuple(rows))


def names_of(row: CaseRow) -> frozenset[str]:
    """Return all that a case may be called in a list."""
    return frozenset({row.id, row.image.name, image_stem(row.image)})


def paired(folder: Path) -> Cohort:
    """Return a cohort of ``images`` and ``masks`` that are called alike."""
    masks: dict[str, Path] = {}
    for path in _pictures(folder / "masks"):
        stem = image_stem(path)
        masks[(mask_base(stem, MASK_WORDS) or stem).casefold()] = path
    rows = [
        CohortRow(number, image_stem(path), path, masks[name], Patient())
        for number, path in enumerate(_pictures(folder / "images"), start=2)
        if (name := image_stem(path).casefold()) in masks
    ]
    if not rows:
        raise CohortError(
            f"{folder.name} has no table, and no picture in images that is called like "
            "one in masks"
        )
    return Cohort(tuple(rows), title=folder.name)


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if image_suffix(p) in IMAGE_SUFFIXES)


def held_out_of(table: Path) -> frozenset[str]:
    """Return the ids in a run's ``held_out.csv``, and the names of those files."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    return frozenset({*ids, *(image_stem(Path(each)) for each in ids)})


def known_of(cohort: Cohort, drivers: Sequence[CardAttribute]) -> Cohort:
    """Return the cases of which every one of some drivers is known to the model."""
    kept = (
        row
        for row in cohort.rows
        if all(is_known_to(each, row.patient) for each in drivers)
        and all(each.category_of(row.patient) is not None for each in drivers)
    )
    return replace(cohort, rows=tuple(kept))


def told_nothing(cohort: Cohort, drivers: Sequence[CardAttribute]) -> Cohort:
    """Return the cases as if nobody knew these values."""
    names = [driver.name for driver in drivers]
    return _told(cohort, [row.patient.without(names) for row in cohort.rows])


def told_another(
    cohort: Cohort, drivers: Sequence[CardAttribute], *, seed: int = SEED
) -> Cohort:
    """Return the cases with the values of other cases, each of them a wrong one.

    Of every driver, a case takes the value of another case at random, among those that
    the model does not take for its own.

    Raises
    ------
    CohortError
        When a case has no other value to be told.
    """
    patients = [row.patient for row in cohort.rows]
    rng = np.random.default_rng(seed)
    for driver in drivers:
        values = [driver.value_of(patient) for patient in patients]
        own = np.array([driver.category_of(patient) for patient in patients])
        for place, category in enumerate(own):
            others = np.flatnonzero(own != category)
            if not others.size:
                raise CohortError(f"all cases have one {driver.name}: none is wrong")
            told = values[int(rng.choice(others))]
            patients[place] = patients[place].with_value(driver.name, told)
    return _told(cohort, patients)


def _told(cohort: Cohort, patients: Sequence[Patient]) -> Cohort:
    rows = zip(cohort.rows, patients, strict=True)
    changed = (replace(row, patient=patient) for row, patient in rows)  # type: ignore[type-var]
    return replace(cohort, rows=tuple(changed))
