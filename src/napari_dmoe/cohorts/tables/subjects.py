"""Which rows of a table show the same patient or lesion, by one column or several.

Rows are of one subject if they share any of the cells, by whichever rows between them.
Subjects are never repeated in a message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import normalize

from napari_dmoe.attributes import is_unknown, name_key
from napari_dmoe.cohorts.tables.columns import NARROW_COLUMNS
from napari_dmoe.foreign import printable

_NARROW = frozenset(map(name_key, NARROW_COLUMNS))

_WHOLE = re.compile(r"0*([0-9]+?)(?:\.0*)?")

Key = tuple[int, str]
"""A column's place, and a cell of it."""


def subject_key(written: object) -> str | None:
    """Return what the ways to write one subject have in common; None for an unknown.

    Examples
    --------
    >>> subject_key(" Patient  A"), subject_key("n/a")
    ('patient a', None)
    >>> subject_key("7"), subject_key(7.0), subject_key("007")
    ('7', '7', '7')
    """
    if is_unknown(written):
        return None
    text = " ".join(normalize("NFKC", str(written)).split()).casefold()
    number = _WHOLE.fullmatch(text)
    return number[1] if number else text


def subjects_told(
    cells: Sequence[Sequence[str]], columns: Sequence[str]
) -> tuple[list[str | None], str]:
    """Return the subject of each row, and what is to be said of the columns.

    Parameters
    ----------
    cells : sequence of sequence of str
        Each row's cells of the columns.
    columns : sequence of str
        What they are called, the widest first.

    Returns
    -------
    list of str or None
        A text that rows of one subject share; None for a row that is told nothing.
    str
        A sentence; empty without columns.
    """
    if not columns:
        return [None] * len(cells), ""
    keys, left = _used(cells, columns)
    names = " or ".join(printable(name) for name in columns if name not in left)
    kept = f"cases that share {names} are kept on one side of every split"
    if left:
        kept += (
            f"; {', '.join(map(printable, left))} counts within a patient, and is not "
            "used for that"
        )
    return _joined(keys, cells, columns), kept


def marks_told(
    cells: Sequence[Sequence[str]], columns: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return by what each row's patient and lesion are known again in other tables.

    There the same lesion may be of another patient, or of none. See
    :func:`subjects_told` for the arguments.
    """
    kinds = ["lesion" if name_key(n) in _NARROW else "patient" for n in columns]
    keys, _ = _used(cells, columns)
    return [tuple(f"{kinds[place]} {key}" for place, key in row) for row in keys]


def _used(
    cells: Sequence[Sequence[str]], columns: Sequence[str]
) -> tuple[list[list[Key]], list[str]]:
    """Return each row's keys, and the columns that are not used for them."""
    keys = [_keys(row) for row in cells]
    is_narrow = [name_key(name) in _NARROW for name in columns]
    wide = [place for place, own in enumerate(is_narrow) if not own]
    if not wide or not any(is_narrow) or not _are_numbered_within(keys, wide):
        return keys, []
    left = [name for name, own in zip(columns, is_narrow, strict=True) if own]
    return [[key for key in row if key[0] in wide] for row in keys], left


def _keys(row: Sequence[str]) -> list[Key]:
    keys = [(place, subject_key(cell)) for place, cell in enumerate(row)]
    return [(place, key) for place, key in keys if key is not None]


def _are_numbered_within(keys: Sequence[Sequence[Key]], wide: Sequence[int]) -> bool:
    """Say whether lesions are counted anew in each patient: 1, 2, 3.

    Then they would make one subject of most patients.
    """
    of_patients = [[key for key in row if key[0] in wide] for row in keys]
    both = [row for row, own in zip(keys, of_patients, strict=True) if own]
    n_patients = len(set(_roots([own for own in of_patients if own]).values()))
    roots = _roots(both)
    return 2 * len({roots[row[0]] for row in both}) < n_patients


def _roots(keys: Sequence[Sequence[Key]]) -> dict[Key, Key]:
    """Return for each cell the one that stands for all that are joined with it."""
    parent: dict[Key, Key] = {}

    def root(key: Key) -> Key:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for row in keys:
        for key in row:
            parent[root(key)] = root(row[0])
    return {key: root(key) for key in list(parent)}


def _joined(
    keys: Sequence[Sequence[Key]],
    cells: Sequence[Sequence[str]],
    columns: Sequence[str],
) -> list[str | None]:
    roots = _roots(keys)
    names: dict[Key, tuple[int, str]] = {}
    for row, written in zip(keys, cells, strict=True):
        if row:
            place = row[0][0]
            name = place, written[place].strip()
            names.setdefault(roots[row[0]], name)
            names[roots[row[0]]] = min(names[roots[row[0]]], name, key=lambda n: n[0])
    # Alike cells of two columns are two subjects, so all but the first say their own.
    said = {
        key: name if place == 0 else f"{columns[place]} {name}"
        for key, (place, name) in names.items()
    }
    return [said[roots[row[0]]] if row else None for row in keys]
