"""What each column of a cohort's table is: a file, whom it shows, or an attribute.

Tables are published with names of their own: ``image_id``, ``lesion_id``, ``Gender``.
What is understood otherwise than it is written, and what is not used, is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    *("annotations", "annotation_path", "annotation_file", "ground_truth_path"),
    *("gt", "gt_path", "gt_file", "gt_mask", "truth", "target", "seg", "seg_path"),
    *("image_mask", "mask_image", "mask_filename", "label_name", "label_filename"),
    *("lesion_mask", "lesion_masks", "lesion_segmentation", "disc_mask", "organ_mask"),
)
"""Columns that may tell the labels' file, as far as there are such files."""

PREDICTION_COLUMNS = (
    *("prediction", "predictions", "predicted", "pred", "preds"),
    *("prediction_path", "prediction_file", "predicted_mask", "pred_path", "pred_mask"),
)
"""Columns that may tell the file of a mask that a model made, where they name files."""

IMAGE, LABELS, ID, SUBJECT, UNUSED = "image", "labels", "id", "subject", ""
"""What a column may be told to mean, beside the name of an attribute."""

_MAY_BE_SUBJECTS = re.compile(
    "(patient|subject|participant|person|individual|lesion)s?"
    "(no|nr|num|number|code|key|name|uid|uuid|hash|identifier)?|pid|ptid|mrn"
)
"""Names of other columns that often tell a patient, or may tell something else."""

_TELLS_WHO = re.compile(
    "(patients?|subjects?|persons?|participants?)?"
    "((first|last|full|family|given|middle|maiden|birth)names?|surname|forename"
    "|initials|(home|postal|street)?address|street|zip(code)?|postcode|postalcode"
    "|e?mail(address)?|(tele|mobile)?phone(no|nr|number)?|mobile|ssn|nhs(no|number)?"
    "|(social)?security(no|number)|insurance(no|nr|id|number)|accession(no|number)?"
    "|(birth|study|scan|exam(ination)?|visit|acquisition|series|content|admission"
    "|discharge|surgery|biopsy|report|death)(date|time|datetime)|dob|dateofbirth"
    "|birthday|birthdate|dateof(study|scan|exam(ination)?|visit|death|surgery)"
    "|date|datetime|timestamp)"
    "|(patients?|subjects?|persons?|participants?)names?"
)
"""Names of columns that tell who somebody is, or a day of theirs: no attributes."""

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
    prediction: str | None = None
    """Tells files of masks that a model made."""
    identity: str | None = None
    """Tells the cases' ids."""
    stated: Mapping[str, str] = field(default_factory=dict)
    """What columns were told to mean, where somebody said so: one of :data:`IMAGE`,
    :data:`LABELS`, :data:`ID`, :data:`SUBJECT`, :data:`UNUSED`, or an attribute."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Columns that state something of a patient, known by name or not."""
        told = set(self.stated.values())
        return tuple(
            name
            for name in self.header
            if name
            and name not in self._files
            and (
                self.stated[name] not in _NO_VALUES
                if name in self.stated
                else name_key(name) not in _NO_ATTRIBUTES
                and (name not in self.subjects or _is_known(name))
                and not tells_who(name)
                # What somebody said goes before what a name says.
                and attribute_called(name) not in told
            )
        )

    def attribute(self, column: str) -> str:
        """Return the attribute that a column is of."""
        return self.stated.get(column) or attribute_called(column)

    def further(self, drivers: Collection[str] | None = None) -> tuple[str, ...]:
        """Return the columns that are neither a file, nor the id, nor an attribute.

        An attribute is what is known by name, stated to be one, or among the `drivers`.
        Columns of subjects are returned, too: no model is run for them.
        """
        driving = {name_key(attribute_called(name)) for name in drivers or ()}
        used = {*self._files, ""}
        for name in self.attributes:
            attribute = self.attribute(name)
            is_used = name in self.stated or attribute in ATTRIBUTES
            if is_used or name_key(attribute) in driving:
                used.add(name)
        return tuple(name for name in self.header if name not in used)

    @property
    def name_columns(self) -> tuple[str, ...]:
        """Columns that may tell an image's name, the best first."""
        return _in_order(self._open, NAME_COLUMNS)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns that may tell the file of the labels."""
        return _in_order(self._open, LABEL_COLUMNS)

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """Columns that may tell the file of a model's mask."""
        return _in_order(self._open, PREDICTION_COLUMNS)

    @property
    def _files(self) -> tuple[str | None, ...]:
        return self.image, self.labels, self.prediction, self.identity

    @property
    def _open(self) -> tuple[str, ...]:
        """Columns of which nobody has said what they mean."""
        return tuple(name for name in self.header if name not in self.stated)

    def kept_notices(self) -> list[str]:
        """Say what was understood where cases may be grouped by every attribute."""
        unused = "columns not used"
        who = [_shown(each) for each in self.header if self._is_left_for_who(each)]
        said = [each for each in self.notices() if not each.startswith(unused)]
        names = [n for n in self.attributes if self.attribute(n) not in ATTRIBUTES]
        kept = {*self.attributes, *self.subjects, *self._files, ""}
        left = [
            _shown(name)
            for name in self.header
            if name not in kept and not self._is_left_for_who(name)
        ]
        if who:
            said.append(
                f"columns left out, as they may tell who somebody is: {_listed(who)}"
            )
        if names:
            said.append(f"columns kept to group by: {_listed([*map(_shown, names)])}")
        return [*said, *([f"{unused}: {_listed(left)}"] if left else [])]

    def _is_left_for_who(self, name: str) -> bool:
        used = {*self.attributes, *self.subjects, *self._files, ""}
        return name not in used and name not in self.stated and tells_who(name)

    def notices(self, drivers: Collection[str] | None = None) -> list[str]:
        """Say what was understood otherwise than written, and what is not used.

        `drivers` are the attributes that drive the model in hand; without it, those
        of no name that is known are used only if a card names them.
        """
        names = {column: self.attribute(column) for column in self.attributes}
        read = {column: name for column, name in names.items() if name in ATTRIBUTES}
        driving = {name_key(attribute_called(name)) for name in drivers or ()}
        unknown = [
            column
            for column, name in names.items()
            if name not in ATTRIBUTES and name_key(name) not in driving
        ]
        others = {*self.attributes, *self.subjects, *self._files, ""}
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
        if self.prediction not in (None, "prediction"):
            said.insert(0, f"{_shown(self.prediction or '')} as prediction")
        if self.identity not in (None, "id"):
            said.insert(0, f"{_shown(self.identity or '')} as id")
        return [
            *([f"columns read: {_listed(said)}"] if said else []),
            *_unused(unknown, left, drivers),
        ]


def columns_told(header: Iterable[str]) -> str:
    """Return the names of a table's columns, the first of many, for an error.

    Examples
    --------
    >>> columns_told(["id", "picture", ""])
    'id, picture'
    """
    return _listed([_shown(name) for name in header if name])


def columns_of(
    header: Sequence[str],
    table: str,
    subject: str | None = None,
    stated: Mapping[str, str] | None = None,
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
    stated : mapping of str to str, optional
        What columns mean, by their names, where that is not what their names say: see
        :attr:`Columns.stated`.

    Raises
    ------
    CohortError
        When there is no such column, when two are to be the same one thing, or when
        the name of an attribute is misspelt.
    """
    told = _told(header, table, stated or {})
    if subject is None:
        subjects = _in_order(header, SUBJECT_COLUMNS)
    else:
        subjects = (_column(header, table, subject, " to tell subjects by"),)
    subjects = (
        *(name for name in subjects if name not in told),
        *(name for name, meaning in told.items() if meaning == SUBJECT),
    )
    left = [name for name in header if name not in told]
    by_meaning = {meaning: name for name, meaning in told.items()}
    return Columns(
        tuple(header),
        subjects,
        image=by_meaning.get(IMAGE) or _called(left, IMAGE),
        labels=by_meaning.get(LABELS) or _called(left, LABELS),
        identity=by_meaning.get(ID) or (ID if ID in left else None),
        stated=told,
    )


def _told(
    header: Sequence[str], table: str, stated: Mapping[str, str]
) -> dict[str, str]:
    """Return what columns were told to mean, by the table's names and our own."""
    told: dict[str, str] = {}
    for written, wanted in stated.items():
        column, meaning = _column(header, table, written), _meaning(wanted)
        near = misspelt(meaning) if meaning not in _NO_VALUES else ""
        if near and near != meaning:
            raise CohortError(
                f"{table}: there is no attribute {printable(wanted, _LONGEST)!r}: "
                f"is {near} meant?"
            )
        is_shared = meaning in (SUBJECT, UNUSED)
        twice = [n for n, other in told.items() if other == meaning and n != column]
        if twice and not is_shared:
            raise CohortError(
                f"{table}: {_shown(twice[0])} and {_shown(column)} are both to be "
                f"{meaning}: name one"
            )
        told[column] = meaning
    return told


def _meaning(wanted: str) -> str:
    key = name_key(wanted)
    if key in ("", "unused", "notused", "ignore"):
        return UNUSED
    return key if key in _NO_VALUES else attribute_called(wanted)


def _column(header: Sequence[str], table: str, wanted: str, why: str = "") -> str:
    """Return the column of a name, the one that is written just so first."""
    names = [name for name in header if name]
    alike = [name for name in names if name_key(name) == name_key(wanted)]
    if wanted in names or alike:
        return wanted if wanted in names else alike[0]
    near = get_close_matches(wanted, names, 1, 0.6)
    meant = f" (is {near[0]!r} meant?)" if near else ""
    said = f"there is no column {printable(wanted, _LONGEST)!r}{why}{meant}"
    raise CohortError(f"{table}: {said}: it has {_listed([*map(_shown, names)])}")


_NO_VALUES = (IMAGE, LABELS, ID, SUBJECT, UNUSED)
_NO_ATTRIBUTES = {name_key(name) for name in (*NAME_COLUMNS, *SUBJECT_COLUMNS, "image")}


def tells_who(column: str) -> bool:
    """Say whether a column's name is that of what identifies a person.

    Examples
    --------
    >>> tells_who("PatientBirthDate"), tells_who("last name"), tells_who("candidate")
    (True, True, False)
    """
    return _TELLS_WHO.fullmatch(name_key(column)) is not None


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
    others = [_shown(column) + _asked(column) for column in left]
    if drivers is not None:
        said, others = [*said, *others], []
    unless = ", unless the model's card names them" if drivers is None else ""
    return [
        *([f"columns not used{unless}: {_listed(said)}"] if said else []),
        *([f"columns not used: {_listed(others)}"] if others else []),
    ]


def _meant(column: str, drivers: Collection[str]) -> str:
    """Ask whether a column that is not used is another one."""
    asked, name = _asked(column), misspelt(column, drivers)
    return asked or (f" (is {name} meant?)" if name else "")


def _asked(column: str) -> str:
    """Ask whether a column tells subjects, where it may."""
    if _MAY_BE_SUBJECTS.fullmatch(name_key(column)):
        return " (does it tell whose cases are? Then name it as the subject)"
    return ""


def _shown(column: str) -> str:
    return printable(column, _LONGEST)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
