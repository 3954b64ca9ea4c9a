"""Whether a guard's labels, taken together, can be the classes of a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.labels import check_classes, placed_labels, whole_numbers
from napari_dmoe.training.cases.annotation import IGNORED, TrainingError


def refuse_unfit(case: Case, dims: int) -> None:
    """Refuse an image that a model of so many axes cannot see, and labels beside it.

    Raises
    ------
    CohortError
        The message names the case.
    """
    axes = case.image.spatial_axes
    if len(axes) < dims:
        raise CohortError(
            f"case {case.id}: the model takes volumes, but this is an image with the "
            f"axes {', '.join(axes)}: choose a guard of volumes"
        )
    if case.labels is not None:
        placed_labels(case, axes)


class LabelCheck:
    """Looks at the labels of a guard's cases, one after the other.

    Parameters
    ----------
    classes : sequence of str
        Names of the model's classes, background first.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._bare = self._partly = self._first = ""
        self._has_background = False

    def is_annotated(self, case: Case) -> bool:
        """Look at one case, and say whether any of its pixels is annotated.

        Raises
        ------
        CohortError
            For labels that the model has no class for.
        """
        if case.labels is None:
            return False
        values = whole_numbers(np.asarray(case.labels.data))
        counts = values[values != IGNORED]
        check_classes(counts, len(self._classes), case=case.id)
        if not counts.size:
            return False
        self._first = self._first or case.id
        self._has_background |= bool((counts == 0).any())
        if counts.size < values.size:
            if counts.any():
                self._partly = self._partly or case.id
            else:
                self._bare = self._bare or case.id
        return True

    def finish(self) -> None:
        """Refuse labels of which only all together show that they are no classes.

        Raises
        ------
        TrainingError
            For masks of 0 and 255, which would count as not annotated, and for those
            that have no background.
        """
        if self._bare and not self._partly:
            raise TrainingError(
                f"the guard's labels are 0 and {IGNORED} (case {self._bare}), and "
                f"{IGNORED} stands for what is not annotated: save them as 0 and the "
                f"number of the class that they show: {self._numbered()}"
            )
        if self._first and not self._has_background:
            raise TrainingError(
                f"no pixel of the guard is 0, the background (case {self._first}): "
                "save its labels as 0 and the numbers of their classes: "
                f"{self._numbered()}"
            )

    def _numbered(self) -> str:
        """Name the classes with their numbers, the first of many."""
        most = 6
        named = [f"{i} {name}" for i, name in enumerate(self._classes)][1 : most + 1]
        return ", ".join([*named, "..."] if len(self._classes) > most + 1 else named)
