"""A guard whose images a model cannot see, or whose labels lie beside them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.patient import Patient
from napari_dmoe.training.guarding.labels import refuse_unfit


def case(*shape: int, labels: tuple[int, ...] | None = None) -> Case:
    axes = SPATIAL_AXES[-len(shape) :]
    image = SpatialImage(np.zeros(shape, np.uint8), axes)
    truth = SpatialImage(np.zeros(labels or shape, np.uint8), axes)
    return Case("a", image, truth, Patient())


@pytest.mark.parametrize(
    ("shape", "dims"), [((5, 6), 2), ((4, 5, 6), 2), ((4, 5, 6), 3)]
)
def test_what_a_model_can_see_passes(shape: tuple[int, ...], dims: int) -> None:
    refuse_unfit(case(*shape), dims)


def test_planes_do_not_guard_a_model_of_volumes() -> None:
    with pytest.raises(CohortError, match=r"case a: the model takes volumes.*y, x"):
        refuse_unfit(case(5, 6), 3)


def test_labels_of_another_size_are_told_before_anything_is_trained() -> None:
    with pytest.raises(CohortError, match=r"case a: the labels have \(5, 7\) pixels"):
        refuse_unfit(case(5, 6, labels=(5, 7)), 2)
