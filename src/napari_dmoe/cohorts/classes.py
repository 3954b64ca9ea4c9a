"""Which class each label of a cohort stands for.

One reading serves a whole cohort: what its masks hold is only clear from all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.labels import OUTSIDE, Labels, whole_numbers
from napari_dmoe.imaging.label_values import (
    FULL_SCALE,
    counted,
    foreground_value,
    is_soft,
    not_classes,
    of_one_class,
)

MOST_NOTICES = 20
"""Kinds of notices that are told of a cohort; images may differ in what is said."""


class LabelReading:
    """Reads the labels of one cohort as the classes of one model.

    Parameters
    ----------
    classes : sequence of str
        Names of the model's classes, background first.
    unlabelled : int, optional
        Label of what is not annotated.
    background : int
        Label of the background.
    is_stated : bool
        Whether somebody named `unlabelled`; else it is only a custom, which gives way
        to masks of 0 and that number.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        unlabelled: int | None = None,
        background: int = 0,
        is_stated: bool = True,
    ) -> None:
        self._classes = tuple(classes)
        self._unlabelled, self._background = unlabelled, background
        self._is_stated = is_stated
        self._notices: dict[str, dict[str, None]] = {}
        self._values: dict[int, str] = {}
        self._bare = self._partly = self._given = ""

    @property
    def notices(self) -> tuple[str, ...]:
        """What was understood of the labels, to be said and recorded."""
        said = [
            f"{notice} (case {next(iter(cases))}"
            + (f" and {len(cases) - 1} more)" if len(cases) > 1 else ")")
            for notice, cases in self._notices.items()
        ]
        if len(said) > MOST_NOTICES:
            more = len(said) - MOST_NOTICES
            said[MOST_NOTICES:] = [f"and {more} other notices of cases"]
        return tuple(said)

    def note(self, notices: Iterable[str], case: str) -> None:
        """Keep what a person should know of a case; each is told once for all cases."""
        for notice in notices:
            self._notices.setdefault(notice, {})[case] = None

    def notices_of(self, case: str) -> tuple[str, ...]:
        """Return what was understood of the labels of one case."""
        return tuple(notice for notice, own in self._notices.items() if case in own)

    def so_far(self) -> dict[str, Any]:
        """Return what the masks read so far decide of further ones, as JSON holds it.

        Notices are not among it: see :meth:`notices_of`.
        """
        values = {str(value): case for value, case in self._values.items()}
        seen = {"bare": self._bare, "partly": self._partly, "given": self._given}
        return {"values": values, **seen}

    def go_on(self, so_far: Mapping[str, Any]) -> None:
        """Read further masks as if those of which :meth:`so_far` tells had been read.

        Raises
        ------
        KeyError, ValueError
            For anything else.
        """
        self._values = {int(value): case for value, case in so_far["values"].items()}
        self._bare, self._partly = so_far["bare"], so_far["partly"]
        self._given = so_far["given"]

    def read(self, values: Labels, case: str) -> Labels:
        """Return a case's labels as classes.

        Parameters
        ----------
        values : (*S) integer array
            Labels; :data:`OUTSIDE` and `unlabelled` stay as they are.
        case : str
            Its id.

        Raises
        ------
        CohortError
            For labels that stand for no class of the model, or for one thing here and
            another there.
        """
        n, everything = len(self._classes), counted(values)
        has_unlabelled = self._unlabelled in everything
        apart = {OUTSIDE, self._unlabelled}
        found = {v: k for v, k in everything.items() if v not in apart}
        if has_unlabelled and n == 2 and is_soft(everything):
            self._refuse_stated_grey(case)
            return self._of_one_class(values, everything, case)
        if has_unlabelled and not set(found) - {0, self._background}:
            if self._gives_way(found):
                return self._of_one_class(values, everything, case)
            self._bare = self._bare or case
        elif has_unlabelled:
            self._partly = self._partly or case
            self._check_custom()
        classes = {0 if v == self._background else v for v in found}
        if all(0 <= v < n for v in classes):
            if 1 in classes and n == 2:
                self._note_value(1, case)
            if self._background == 0:
                return values
            return np.where(values == self._background, 0, values)
        # Beside another number nobody knows whether that label is part of the mask.
        is_unsure = has_unlabelled and not self._is_stated
        if n == 2 and self._background == 0 and not is_unsure:
            return self._of_one_class(values, found, case)
        told = everything if is_unsure else classes
        raise CohortError(f"case {case}: {not_classes(told, n)}")

    def check(self) -> None:
        """Refuse a label that is named as not annotated and is a mask's foreground.

        Raises
        ------
        CohortError
            When masks hold nothing but the background and that label, and none holds
            it beside a class.
        """
        label = self._unlabelled
        is_beyond = label is not None and label >= len(self._classes)
        if self._is_stated and is_beyond and self._bare and not self._partly:
            raise CohortError(
                f"label {label} is named as not annotated, but case {self._bare} has "
                f"nothing beside it and the background, and no case has it beside "
                f"{' or '.join(self._classes[1:])}: it looks like a mask of 0 and "
                f"{label}. Name no label as unlabelled, or save those masks with 1"
            )

    def _refuse_stated_grey(self, case: str) -> None:
        """Refuse a label that is named as not annotated among the greys of a mask."""
        if self._is_stated:
            raise CohortError(
                f"label {self._unlabelled} is named as not annotated, but the labels "
                f"of case {case} are greys, as JPEG makes them of 0 and 255, and it is "
                "one of them: name no label as unlabelled"
            )

    def _gives_way(self, found: dict[int, int]) -> bool:
        """Say whether 0 and the customary label are a mask of two values."""
        if self._is_stated or 0 not in found or self._unlabelled is None:
            return False
        return self._unlabelled in FULL_SCALE

    def _of_one_class(self, values: Labels, found: dict[int, int], case: str) -> Labels:
        n = len(self._classes)
        read = of_one_class(values, found, self._classes[1]) if n == 2 else None
        if read is None:
            raise CohortError(f"case {case}: {not_classes(found, n)}")
        if not self._is_stated and self._unlabelled in found:
            self._given = self._given or case
            self._check_custom()
        self._note_value(foreground_value(found) or FULL_SCALE[0], case)
        self.note([read[1]], case)
        return read[0]

    def _check_custom(self) -> None:
        """Refuse a customary label that is a class here and no annotation there."""
        if self._given and self._partly:
            raise CohortError(
                f"case {self._given} has the labels 0 and {self._unlabelled} as a mask "
                f"has, but in case {self._partly} {self._unlabelled} stands for what "
                "is not annotated: save the masks alike"
            )

    def _note_value(self, value: int, case: str) -> None:
        """Refuse masks of 0 and a number beside masks of 0 and another small one."""
        if value in FULL_SCALE:
            return
        self._values.setdefault(value, case)
        if len(self._values) > 1:
            (one, first), (other, second) = list(self._values.items())[:2]
            raise CohortError(
                f"the labels of case {first} are 0 and {one}, those of case {second} 0 "
                f"and {other}: which of them is {self._classes[1]}? Save the masks "
                "alike"
            )


@dataclass(frozen=True)
class ClassedCases(Sequence[Case]):
    """Cases whose labels are read as a model's classes when they are asked for.

    Parameters
    ----------
    cases : sequence of Case
        Cases as they are on disk. Label 255 stands for what is not annotated, but in
        masks of 0 and 255 where the model has one class.
    reading : LabelReading
        How their labels are read.
    """

    cases: Sequence[Case]
    reading: LabelReading

    def __len__(self) -> int:
        return len(self.cases)

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> ClassedCases: ...

    def __getitem__(self, index: int | slice) -> Case | ClassedCases:
        if isinstance(index, slice):
            return ClassedCases(self.cases[index], self.reading)
        case = self.cases[index]
        if case.labels is None:
            return case
        try:
            values: Any = whole_numbers(np.asarray(case.labels.data))
        except CohortError as error:
            raise CohortError(f"case {case.id}: {error}") from error
        self.reading.note((*case.image.notices, *case.labels.notices), case.id)
        labels = replace(case.labels, data=self.reading.read(values, case.id))
        return replace(case, labels=labels)
