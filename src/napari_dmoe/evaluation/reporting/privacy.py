"""What a report may tell of few people: which cells stay hidden, and what cases go by.

A report leaves the house. Groups of fewer than :data:`FEWEST` cases are hidden, and so
are cells that would give them away: a grouping whose cells add up to a total that is
shown never hides a single one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.groupings import Grouping

FEWEST = 5
"""Cases that a cell of an export has at least."""

UNKNOWN_CELL = None
"""Key of the cases whose group is not known: they are a cell, too."""

Cell = str | None

OTHERS = "others"
"""What hidden groups of a column are called together: free words may tell who it is."""

_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|(19|20)\d{6}"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
)
"""A day in any of the usual orders."""


def is_free(grouping: Grouping, evaluated: Evaluated) -> bool:
    """Return whether a grouping is by a column, of which anybody may write anything."""
    columns = {name for case in evaluated for name in case.further}
    return not columns.isdisjoint(grouping.attributes)


def is_of_days(grouping: Grouping) -> bool:
    """Return whether most groups are called by a day."""
    names = [name for name in dict.fromkeys(grouping.of_case) if name is not None]
    days = sum(_DATE.fullmatch(name.strip()) is not None for name in names)
    return days > len(names) / 2


def hidden_cells(sizes: Mapping[Cell, int]) -> frozenset[Cell]:
    """Return which cells of one grouping are not to be shown.

    Parameters
    ----------
    sizes : mapping of str or None to int
        Cases of each cell; those of None have no known group. Their sum is known to
        the reader.

    Notes
    -----
    Cells of 1 to 4 cases are hidden. Where that is one alone, or all of them together
    are still fewer than five, the smallest of the others are hidden, too: else the
    total would give them away.

    Examples
    --------
    >>> sorted(hidden_cells({"Asian": 3, "Black": 20, "White": 9}))
    ['Asian', 'White']
    >>> hidden_cells({"Asian": 8, "Black": 20})
    frozenset()
    """
    there = {cell: n for cell, n in sizes.items() if n > 0}
    hidden = {cell for cell, n in there.items() if n < FEWEST}
    if not hidden:
        return frozenset()
    order = {cell: place for place, cell in enumerate(there)}
    others = sorted(there.keys() - hidden, key=lambda c: (there[c], order[c]))
    for cell in others:
        if len(hidden) > 1 and sum(there[c] for c in hidden) >= FEWEST:
            break
        hidden.add(cell)
    return frozenset(hidden)


def hidden_of(groupings: Sequence[Grouping]) -> dict[str, frozenset[Cell]]:
    """Return the hidden cells of several groupings of the same cases, by name.

    A crossed group is hidden with any of its values, and never alone among the groups
    that share a value: their sum is shown in the table of that value.
    """
    sizes = {each.name: sizes_of(each) for each in groupings}
    found = {name: hidden_cells(own) for name, own in sizes.items()}
    for each in groupings:
        if len(each.attributes) > 1:
            own = set(found[each.name])
            lines = _lines(each)
            own |= {
                cell
                for place, attribute in enumerate(each.attributes)
                for value in found.get(attribute, ())
                for cell in lines.get((place, value), ())
            }
            found[each.name] = frozenset(_closed(own, sizes[each.name], lines))
    return found


def sizes_of(grouping: Grouping) -> dict[Cell, int]:
    """Return how many cases each group has, and how many are of none that is known."""
    sizes: dict[Cell, int] = dict.fromkeys(grouping.values, 0)
    for group in grouping.of_case:
        sizes[group] = sizes.get(group, 0) + 1
    return sizes


def _lines(grouping: Grouping) -> dict[tuple[int, Cell], set[Cell]]:
    """Return the crossed groups that share a value, by attribute and value."""
    found: dict[tuple[int, Cell], set[Cell]] = {}
    for group in dict.fromkeys(grouping.of_case):
        if group is not None:
            for place, value in enumerate(group.split(", ")):
                found.setdefault((place, value), set()).add(group)
    return found


def _closed(
    hidden: set[Cell],
    sizes: Mapping[Cell, int],
    lines: Mapping[tuple[int, Cell], set[Cell]],
) -> set[Cell]:
    """Hide more crossed groups until none is alone among those that share a value."""
    changed = True
    while changed:
        changed = False
        for line in lines.values():
            open_ = line - hidden
            if len(line & hidden) == 1 and open_:
                hidden.add(min(open_, key=lambda c: (sizes[c], str(c))))
                changed = True
    return hidden


class Pseudonyms:
    """Names of cases that say nothing, the same in all of a report.

    Parameters
    ----------
    evaluated : iterable of Evaluated
        All models; a case keeps its number in every one of them.
    identifiers : bool
        Whether cases are called as they are instead.
    """

    def __init__(
        self, evaluated: Iterable[Evaluated], *, identifiers: bool = False
    ) -> None:
        ids = dict.fromkeys(case.id for each in evaluated for case in each)
        width = max(3, len(str(len(ids))))
        self._names = {
            own: own if identifiers else f"case {number:0{width}d}"
            for number, own in enumerate(ids, start=1)
        }

    def of(self, case: str) -> str:
        """Return what a case is called."""
        return self._names[case]


def safe_sentences(
    sentences: Iterable[str], evaluated: Evaluated
) -> tuple[tuple[str, ...], int]:
    """Return the sentences that name no case, subject or folder, and how many do."""
    names = {case.id for case in evaluated} | {c.subject or "" for c in evaluated}
    names = {name for name in names if len(name) > 1}
    kept, dropped = [], 0
    for sentence in sentences:
        words = {word.strip(".,:;()'\"") for word in sentence.split()}
        is_path = any(_is_path(word) for word in words)
        spaced = any(" " in name and name in sentence for name in names)
        if words & names or is_path or spaced:
            dropped += 1
        else:
            kept.append(sentence)
    return tuple(kept), dropped


def _is_path(word: str) -> bool:
    return word.startswith(("/", "~/", "\\\\")) or word[1:3] in (":\\", ":/")


def values_shared(
    place: int,
    groupings: Sequence[Grouping],
    hidden: Mapping[str, frozenset[Cell]],
) -> tuple[tuple[str, str], ...]:
    """Return what may be said of one case: values that enough others share, together.

    Parameters
    ----------
    place : int
        Which case.
    groupings : sequence of Grouping
        Those by one attribute, the most important first.
    hidden : mapping of str to frozenset
        Cells that are hidden, by grouping; of these nothing is said.

    Notes
    -----
    Values are added one by one as long as at least :data:`FEWEST` cases have all of
    them: a person is not to be known again by a combination.
    """
    alike = set(range(len(groupings[0].of_case))) if groupings else set()
    said = []
    for each in groupings:
        value = each.of_case[place]
        if value is None or value in hidden.get(each.name, ()):
            continue
        same = {other for other in alike if each.of_case[other] == value}
        if len(same) >= FEWEST:
            alike = same
            said.append((each.name, value))
    return tuple(said)
