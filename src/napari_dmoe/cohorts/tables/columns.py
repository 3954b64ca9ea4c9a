"""What each column of a cohort's table is: a file, whom it shows, or an attribute.

Tables are published with names of their own: ``image_id``, ``lesion_id``, ``Gender``.
What is understood otherwise than it is written, and what is not used, is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from napari_dmoe.attributes import (
    ATTRIBUTES,
    attribute_called,
    misspelt,
    name_key,
)
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.foreign import printable

SUBJECT_COLUMNS = (
    "subject",
    "subject_id",
    "patient",
    "patient_id",
    "participant",
    "participant_id",
    "person_id",
    "individual_id",
    "lesion_id",
)
"""Columns whose cells several cases of one patient or lesion share, widest first; case,
spaces, hyphens and underscores in their names do not count."""

NARROW_COLUMNS = ("lesion_id",)
"""Those of which one patient may have several."""

NAME_COLUMNS = (
    *("image_path", "image_file", "image_filename", "image_name", "image_id"),
    *("isic_id", "isic_name", "img_path", "img_name", "img_id", "img", "images"),
    *("filename", "file_name", "file_path", "file", "path", "photo_id", "scan_id"),
    *("name", "case_id", "id"),
)
"""Columns that may tell an image's file in a table without paths, best first."""

LABEL_COLUMNS = (
    *("label", "mask", "masks", "segmentation", "segmentations", "label_path"),
    *("labels_path", "mask_path", "mask_file", "mask_name", "mask_id", "label_file"),
    *("segmentation_path", "segmentation_file", "ground_truth", "annotation"),
)
"""Columns that may tell the labels' file, as far as there are such files."""

_MAY_BE_SUBJECTS = re.compile(
    "(patient|subject|participant|person|individual|lesion)s?"
    "(no|nr|num|number|code|key|name|uid|uuid|hash|identifier)?|pid|ptid|mrn"
)
"""Names of other columns that often tell a patient, or may tell something else."""

_SHOWN = 8
"""Columns that one sentence names."""

_LONGEST = 40
"""Characters of a column's name that a sentence repeats."""


@dataclass(frozen=True)
class Columns:
    """What the columns of one table are, by the names that it gives them."""

    header: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    image: str | None = None
    """Tells paths of images, or names of them if `is_by_name`."""
    labels: str | None = None
    is_by_name: bool = False
    """Whether images are found in the folder by their names."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Columns that state something of a patient, known by name or not."""
        files = {self.image, self.labels, "id"}
        return tuple(
            name
            for name in self.header
            if name
            and name not in files
            and name_key(name) not in _NO_ATTRIBUTES
            and (name not in self.subjects or _is_known(name))
        )

    @property
    def name_columns(self) -> tuple[str, ...]:
        """Columns that may tell an image's name, the best first."""
        return _in_order(self.header, NAME_COLUMNS)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns that may tell the file of the labels."""
        return _in_order(self.header, LABEL_COLUMNS)

    def notices(self, drivers: Collection[str] | None = None) -> list[str]:
        """Say what was understood otherwise than written, and what is not used.

        `drivers` are the attributes that drive the model in hand; without it, those
        of no name that is known are used only if a card names them.
        """
        names = {column: attribute_called(column) for column in self.attributes}
        read = {column: name for column, name in names.items() if name in ATTRIBUTES}
        driving = {name_key(attribute_called(name)) for name in drivers or ()}
        unknown = [
            column
            for column, name in names.items()
            if name not in ATTRIBUTES and name_key(name) not in driving
        ]
        others = {*self.attributes, *self.subjects, self.image, self.labels, "id", ""}
        left = [column for column in self.header if column not in others]
        # Attributes by their usual names are in order, whatever drives the model.
        idle = " (which does not drive this model)"
        said = [
            f"{_shown(column)} as {name}"
            + ("" if drivers is None or name_key(name) in driving else idle)
            for column, name in read.items()
            if column != name
        ]
        if self.labels not in (None, "labels") and not self.is_by_name:
            said.insert(0, f"{_shown(self.labels or '')} as labels")
        return [
            *([f"columns read: {_listed(said)}"] if said else []),
            *_unused(unknown, left, drivers),
        ]


def columns_of(
    header: Sequence[str], table: str, subject: str | None = None
) -> Columns:
    """Return what columns are by their names alone; no file is looked for.

    Parameters
    ----------
    header : sequence of str
        The table's first row.
    table : str
        The table's name, for messages.
    subject : str, optional
        The column that tells whom or what cases are of, instead of those found.

    Raises
    ------
    CohortError
        When there is no such column.
    """
    if subject is None:
        subjects = _in_order(header, SUBJECT_COLUMNS)
    else:
        key = name_key(subject)
        found = [n for n in header if n == subject] or [
            n for n in header if n and name_key(n) == key
        ]
        if not found:
            raise CohortError(_no_column(header, table, subject))
        subjects = (found[0],)
    return Columns(
        tuple(header),
        subjects,
        image=_called(header, "image"),
        labels=_called(header, "labels"),
    )


def _no_column(header: Sequence[str], table: str, subject: str) -> str:
    near = get_close_matches(subject, [name for name in header if name], 1, 0.6)
    columns = _listed([_shown(name) for name in header if name])
    meant = f" (is {near[0]!r} meant?)" if near else ""
    wanted = f"there is no column {printable(subject, _LONGEST)!r}"
    return f"{table}: {wanted} to tell subjects by{meant}: it has {columns}"


_NO_ATTRIBUTES = {name_key(name) for name in (*NAME_COLUMNS, *SUBJECT_COLUMNS, "image")}


def _is_known(column: str) -> bool:
    return attribute_called(column) in ATTRIBUTES


def _called(header: Iterable[str], name: str) -> str | None:
    """Return the column of a name, the one that is written just so first."""
    alike = [each for each in header if each and name_key(each) == name]
    return name if name in alike else next(iter(alike), None)


def _in_order(header: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that have one of the names, in the order of these."""
    keys = list(dict.fromkeys(name_key(name) for name in names))
    found = [name for name in header if name and name_key(name) in keys]
    return tuple(sorted(found, key=lambda name: keys.index(name_key(name))))


def _unused(
    unknown: Sequence[str], left: Sequence[str], drivers: Collection[str] | None
) -> list[str]:
    said = [_shown(column) + _meant(column, drivers or ()) for column in unknown]
    if drivers is not None:
        said, left = [*said, *map(_shown, left)], []
    unless = ", unless the model's card names them" if drivers is None else ""
    return [
        *([f"columns not used{unless}: {_listed(said)}"] if said else []),
        *([f"columns not used: {_listed([*map(_shown, left)])}"] if left else []),
    ]


def _meant(column: str, drivers: Collection[str]) -> str:
    """Ask whether a column that is not used is another one."""
    if _MAY_BE_SUBJECTS.fullmatch(name_key(column)):
        return " (does it tell whose cases are? Then name it as the subject)"
    name = misspelt(column, drivers)
    return f" (is {name} meant?)" if name else ""


def _shown(column: str) -> str:
    return printable(column, _LONGEST)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
