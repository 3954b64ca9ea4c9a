"""Which rows of a table show the same patient or lesion, by one column or several.

Rows are of one subject if they share any of the cells, by whichever rows between them.
Subjects are never repeated in a message.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_dmoe.attributes import is_unknown, name_key
from napari_dmoe.cohorts.columns import NARROW_COLUMNS
from napari_dmoe.foreign import printable

_NARROW = frozenset(map(name_key, NARROW_COLUMNS))

Key = tuple[int, str]
"""A column's place, and a cell of it."""


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
    keys, used = _used(cells, columns)
    left = ", ".join(printable(n) for i, n in enumerate(columns) if i not in used)
    said = f"; {left} counts within a patient, and is not used for that" if left else ""
    names = " or ".join(printable(columns[place]) for place in used)
    kept = f"cases that share {names} are kept on one side of every split{said}"
    return _joined(keys, cells, columns), kept


def marks_told(
    cells: Sequence[Sequence[str]], columns: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return each thing that a row tells of whom it is, as other tables tell it.

    What is told of a lesion is no mark of a patient: both may be numbers.
    """
    keys, _ = _used(cells, columns)
    wide = _wide(columns)
    return [
        tuple(cell if place in wide else f"lesion {cell}" for place, cell in row)
        for row in keys
    ]


def _used(
    cells: Sequence[Sequence[str]], columns: Sequence[str]
) -> tuple[list[list[Key]], list[int]]:
    """Return what rows share if they are of one subject, and in which columns."""
    keys, wide = [_keys(row) for row in cells], _wide(columns)
    if wide and len(wide) < len(columns) and _are_numbered_within(keys, wide):
        return [[key for key in row if key[0] in wide] for row in keys], wide
    return keys, list(range(len(columns)))


def _wide(columns: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(columns) if name_key(name) not in _NARROW]


def _keys(row: Sequence[str]) -> list[Key]:
    return [
        (place, " ".join(cell.split()).casefold())
        for place, cell in enumerate(row)
        if not is_unknown(cell)
    ]


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
