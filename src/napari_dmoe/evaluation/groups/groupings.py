"""What cases are grouped by: every recorded attribute, and several of them crossed.

Attributes are those of the patients, and further columns of the cohort's table. How
values become groups, bands of numbers among them, stands in
:mod:`napari_dmoe.evaluation.groups.banding`; what groups score in
:mod:`napari_dmoe.evaluation.groups.summary`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from napari_dmoe.attributes import (
    ATTRIBUTES,
    PatientError,
    attribute_called,
    name_key,
)
from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase
from napari_dmoe.evaluation.groups.banding import (
    Grouped,
    Stated,
    grouped,
    is_not_known,
    number_of,
)
from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.models.card import CardAttribute

MOST_VALUES = 20
"""Different values of a column of the table, above which it is not grouped by."""

_LEAST_PER_VALUE = 3
"""Cases that each value of such a column needs, on average."""

AND = " x "
"""Between the attributes in the name of a crossed grouping."""


@dataclass(frozen=True)
class Grouping:
    """One way to part cases: by an attribute, or by several of them together."""

    name: str
    """``"age"``; of several ``"race x sex"``."""
    attributes: tuple[str, ...]
    values: tuple[str, ...]
    """Groups there should be, in order; of several attributes ``"Black, female"``."""
    of_case: tuple[str | None, ...]
    """Each case's value; None where it is not known."""
    notices: tuple[str, ...] = ()
    """What was decided, such as the bands of a number, in sentences."""

    @property
    def n_unknown(self) -> int:
        """Cases whose group is not known."""
        return sum(value is None for value in self.of_case)

    def places(self, value: str) -> tuple[int, ...]:
        """Return where the cases of one group stand among all."""
        return tuple(i for i, own in enumerate(self.of_case) if own == value)


def groupings(
    cases: Sequence[ScoredCase],
    *,
    attributes: Sequence[CardAttribute] = (),
    bands: Mapping[str, Sequence[float]] | None = None,
    crossed: Sequence[Sequence[str]] = (),
    by: Sequence[str] | None = None,
) -> tuple[Grouping, ...]:
    """Return one grouping for each attribute that cases state, and those crossed.

    Parameters
    ----------
    cases : sequence of ScoredCase
        An :class:`~napari_dmoe.evaluation.evaluating.scored.Evaluated`, or its cases.
    attributes : sequence of CardAttribute
        Attributes whose values and bands are stated; by default those of the model's
        card, where `cases` are an evaluated cohort.
    bands : mapping of str to sequence of float
        Where one band of a number ends and the next begins, by the attribute's name;
        an edge belongs to the band above. They come before those of a card.
    crossed : sequence of sequences of str
        Attributes to group by together: ``[("race", "sex")]``.
    by : sequence of str, optional
        Attributes and columns to group by. By default every attribute of a patient
        that a case states, those known by name first, and the columns of the table
        with few repeated values; :func:`not_grouped` says which are not, and why.

    Returns
    -------
    tuple of Grouping
        Those by one attribute, then the crossed ones.

    Raises
    ------
    MetricError
        For an attribute that no case states, for bands that do not rise, and for fewer
        than two attributes to cross. No message repeats a patient's value.

    Notes
    -----
    An age without stated bands goes into those of
    :data:`~napari_dmoe.evaluation.groups.banding.AGE_EDGES`; another number
    that is asked for, or that patients have, into thirds of the cases. The grouping's
    notices say so. Where only bands are known of the ages, these are the groups.
    """
    if not attributes and isinstance(cases, Evaluated):
        attributes = cases.facts.attributes
    columns = _Columns(cases, attributes, bands or {})
    names = columns.taken() if by is None else [columns.named(name) for name in by]
    single = {name: columns.grouping(name) for name in dict.fromkeys(names)}
    whole = list(single.values())
    for several in crossed:
        own = list(dict.fromkeys(columns.named(name) for name in several))
        if len(own) < 2:
            raise MetricError(
                "groups are crossed by two attributes or more: name them with a comma "
                "between, such as race,sex"
            )
        parts = [single.get(name) or columns.grouping(name) for name in own]
        whole.append(_crossed(parts))
    return tuple(whole)


def not_grouped(
    cases: Sequence[ScoredCase], *, attributes: Sequence[CardAttribute] = ()
) -> Mapping[str, str]:
    """Return the columns that :func:`groupings` does not take by itself, and why.

    Returns
    -------
    mapping of str to str
        By the column's name, in a sentence.
    """
    return _Columns(cases, attributes, {}).left_out()


def everybody(cases: Sequence[ScoredCase]) -> Grouping:
    """Return the grouping of all cases as one, for figures of the whole cohort."""
    return Grouping(EVERYBODY, (), (EVERYBODY,), (EVERYBODY,) * len(cases))


def parse_by(text: str) -> tuple[str, tuple[float, ...] | None]:
    """Read how a command line names what to group by.

    Parameters
    ----------
    text : str
        An attribute or column: ``sex``; a number with the edges of its bands:
        ``age:60,70``.

    Returns
    -------
    str
        Its name.
    tuple of float or None
        The edges, rising; None where none are stated.

    Raises
    ------
    MetricError
        When there is no name, or the edges are no rising numbers.

    Examples
    --------
    >>> parse_by("age:60,70"), parse_by("Gender")
    (('age', (60.0, 70.0)), ('sex', None))
    """
    name, colon, after = text.rpartition(":") if ":" in text else (text, "", "")
    if not name.strip():
        raise MetricError(
            f"{text!r} names nothing to group by: write a name, such as sex, or a "
            "number with its bands, such as age:60,70"
        )
    if not colon:
        return attribute_called(name), None
    try:
        edges = tuple(float(part) for part in after.split(","))
    except ValueError:
        raise MetricError(
            f"the bands {after!r} of {name} cannot be read: write where they end, as "
            "numbers with commas between, such as age:60,70"
        ) from None
    return attribute_called(name), rising(name, edges)


def rising(name: str, edges: Sequence[float]) -> tuple[float, ...]:
    """Return edges as they are, or refuse those that make no bands."""
    numbers = tuple(map(float, edges))
    if not numbers or list(numbers) != sorted({n for n in numbers if n - n == 0}):
        raise MetricError(
            f"the bands of {name} must begin at rising numbers: found "
            f"{', '.join(f'{n:g}' for n in numbers) or 'none'}"
        )
    return numbers


class _Columns:
    """What cases state: attributes of patients, and the columns beside them."""

    def __init__(
        self,
        cases: Sequence[ScoredCase],
        attributes: Sequence[CardAttribute],
        bands: Mapping[str, Sequence[float]],
    ) -> None:
        self.cases = tuple(cases)
        self.cards = {name_key(attribute_called(a.name)): a for a in attributes}
        self.edges = {
            name_key(attribute_called(name)): rising(name, edges)
            for name, edges in bands.items()
        }
        self.of_patients = self._of_patients()
        own = {name_key(name) for name in self.of_patients}
        self.further = {
            name: None
            for case in cases
            for name in case.further
            if name_key(attribute_called(name)) not in own
        }

    def _of_patients(self) -> list[str]:
        known = {name: None for case in self.cases for name in case.patient.known()}
        # A value called "none" may be one of a card's.
        words = {name: None for case in self.cases for name in case.patient.further}
        stated = {**known, **{n: None for n in words if name_key(n) in self.cards}}
        first = [name for name in ATTRIBUTES if name in stated]
        return [*first, *(name for name in stated if name not in ATTRIBUTES)]

    def taken(self) -> list[str]:
        left = self.left_out()
        return [*self.of_patients, *(n for n in self.further if n not in left)]

    def left_out(self) -> dict[str, str]:
        said = {name: self._why_not(name) for name in self.further}
        return {name: why for name, why in said.items() if why}

    def _why_not(self, name: str) -> str:
        if name_key(attribute_called(name)) in (*self.edges, *self.cards):
            return ""
        cells = [case.further.get(name) for case in self.cases]
        values = Counter(cell for cell in cells if not is_not_known(cell))
        n_known = values.total()
        if not values:
            return "it has no value"
        if len(values) == 1:
            return "it has one value alone: there is nothing to compare"
        if cells == [case.subject for case in self.cases]:
            return "it tells whose the images are"
        if len(values) <= min(MOST_VALUES, max(2, n_known // _LEAST_PER_VALUE)):
            return ""
        if all(number_of(value) is not None for value in values):
            return f"it is a number: group by it with bands, such as {name}:10,20"
        return f"it has {len(values)} different values in {n_known} cases"

    def named(self, name: str) -> str:
        """Return the attribute or column that a name means, however it is spelt."""
        key = name_key(attribute_called(name))
        for own in (*self.of_patients, *self.further):
            if name_key(attribute_called(own)) == key:
                return own
        there = ", ".join((*self.of_patients, *self.further)) or "nothing"
        raise MetricError(
            f"no case states {name!r}: group by what the cohort records ({there})"
        )

    def values(self, name: str, card: CardAttribute | None) -> Iterator[Stated]:
        for case in self.cases:
            if name in self.further:
                yield case.further.get(name)
            else:
                among = () if card is None else card.values
                yield case.patient.value(name, among=among)

    def grouping(self, name: str) -> Grouping:
        key = name_key(attribute_called(name))
        card, edges = self.cards.get(key), self.edges.get(key)
        values = list(self.values(name, None if edges else card))
        try:
            own: Grouped = grouped(name, values, card=card, edges=edges)
        except PatientError as error:
            raise MetricError(f"{name}: {error}") from error
        return Grouping(name, (name,), own.values, own.of_case, own.notices)


def _crossed(parts: Sequence[Grouping]) -> Grouping:
    """Return the groups of several groupings together; unknown where one is."""
    of_case = (
        None if None in own else ", ".join(map(str, own))
        for own in zip(*(part.of_case for part in parts), strict=True)
    )
    return Grouping(
        name=AND.join(part.name for part in parts),
        attributes=tuple(part.name for part in parts),
        values=tuple(", ".join(own) for own in product(*(p.values for p in parts))),
        of_case=tuple(of_case),
        notices=tuple(dict.fromkeys(n for part in parts for n in part.notices)),
    )
