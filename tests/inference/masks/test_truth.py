"""A mask beside the truth: overlaps and what is missed, known from the pixels."""

import math

import numpy as np
import pytest

from napari_dmoe.evaluation.scoring.mask_pair import MaskPair
from napari_dmoe.evaluation.scoring.mask_pair import Region as RegionOfEvaluation
from napari_dmoe.evaluation.scoring.metrics import dice, iou
from napari_dmoe.inference.masks.regions import Region, regions_of
from napari_dmoe.inference.masks.truth import (
    MISSED,
    MISSED_WORDS,
    OTHER_CLASS,
    SAME,
    TOO_MUCH,
    confusion,
    missed,
    score,
    scores_of,
)

FUNDUS = ("background", "rim", "cup")
SKIN = ("background", "lesion")


def test_overlaps_are_those_of_the_pixels() -> None:
    mask = np.array([[1, 1, 1, 0], [2, 2, 0, 0]])
    truth = np.array([[1, 1, 0, 1], [2, 1, 0, 0]])

    rim, cup, disc = score(mask, truth, FUNDUS)

    assert (rim.name, rim.n_mask, rim.n_truth) == ("rim", 3, 4)
    assert (rim.dice, rim.iou) == (pytest.approx(4 / 7), pytest.approx(2 / 5))
    assert (cup.dice, cup.iou) == (pytest.approx(2 / 3), pytest.approx(1 / 2))
    assert (disc.name, disc.n_mask, disc.n_truth) == ("disc", 5, 5)
    assert (disc.dice, disc.iou) == (pytest.approx(8 / 10), pytest.approx(4 / 6))


def test_a_region_that_neither_has_is_no_number_and_a_missed_one_is_0() -> None:
    mask, truth = np.array([[0, 0]]), np.array([[0, 2]])

    rim, cup, disc = score(mask, truth, FUNDUS)

    assert math.isnan(rim.dice)
    assert math.isnan(rim.iou)
    assert (cup.dice, cup.iou, cup.n_mask, cup.n_truth) == (0, 0, 0, 1)
    assert (disc.dice, disc.iou) == (0, 0)


@pytest.mark.parametrize("shape", [(40,), (17, 23), (5, 11, 9), (2, 3, 8, 7)])
def test_scores_are_those_of_the_evaluation(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    mask = rng.integers(0, 3, shape).astype(np.uint8)
    truth = rng.integers(0, 3, shape).astype(np.int32)

    found = score(mask, truth, FUNDUS)

    assert len(found) == 3
    for each, region in zip(found, regions_of(FUNDUS), strict=True):
        pair = MaskPair.of(mask, truth, region=region)
        assert each.dice == pytest.approx(dice(pair))
        assert each.iou == pytest.approx(iou(pair))
        assert (each.n_mask, each.n_truth) == (pair.n_predicted, pair.n_true)


def test_pixels_of_which_the_truth_says_nothing_do_not_count() -> None:
    mask = np.array([[1, 1, 0, 1, 1]])
    truth = np.array([[1, 255, 255, -1, 0]])

    (lesion,) = score(mask, truth, SKIN)

    assert (lesion.n_mask, lesion.n_truth) == (2, 1)
    assert lesion.dice == pytest.approx(2 / 3)
    assert missed(mask, truth).tolist() == [[SAME, SAME, SAME, SAME, TOO_MUCH]]


def test_a_label_that_somebody_painted_and_is_no_class_is_missed() -> None:
    mask, truth = np.array([[7, 7, 1, 300]]), np.array([[1, 0, 1, 1]])

    (lesion,) = score(mask.astype(np.int32), truth, SKIN)

    assert (lesion.n_mask, lesion.n_truth) == (1, 3)
    assert missed(mask, truth).tolist() == [[OTHER_CLASS, TOO_MUCH, SAME, OTHER_CLASS]]


def test_a_truth_with_labels_of_no_class_is_refused() -> None:
    mask = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="the truth's labels reach from 0 to 3"):
        score(mask, np.array([[0, 1], [3, 255]]), FUNDUS)


def test_masks_of_other_pixels_are_refused() -> None:
    ours, theirs = np.zeros((2, 3), int), np.zeros((3, 2), int)
    for measure in (lambda: score(ours, theirs, SKIN), lambda: missed(ours, theirs)):
        with pytest.raises(ValueError, match=r"\(2, 3\) pixels, but the truth has"):
            measure()


def test_what_is_missed_and_what_is_too_much() -> None:
    mask = np.array([[0, 1, 0], [2, 1, 2]], np.uint8)
    truth = np.array([[0, 1, 2], [0, 2, 2]], np.int64)

    found = missed(mask, truth)

    assert found.dtype == np.uint8
    assert found.tolist() == [[SAME, SAME, MISSED], [TOO_MUCH, OTHER_CLASS, SAME]]
    assert [MISSED_WORDS[i] for i in (MISSED, TOO_MUCH, OTHER_CLASS)] == [
        "missed",
        "too much",
        "another class",
    ]


def test_one_row_is_written_into_as_well() -> None:
    found = missed(np.array([0, 1]), np.array([1, 1]))

    assert found.tolist() == [MISSED, SAME]


def test_planes_are_summed_as_one_volume() -> None:
    rng = np.random.default_rng(1)
    mask, truth = rng.integers(0, 2, (2, 4, 6, 5))

    planes = [confusion(ours, theirs, 2) for ours, theirs in zip(mask, truth, strict=1)]

    assert scores_of(sum(planes[1:], planes[0]), SKIN) == score(mask, truth, SKIN)


def test_booleans_are_masks_too() -> None:
    mask, truth = np.array([[True, False]]), np.array([[True, True]])

    (lesion,) = score(mask, truth, SKIN)

    assert (lesion.dice, lesion.iou) == (pytest.approx(2 / 3), 0.5)
    assert missed(mask, truth).tolist() == [[SAME, MISSED]]


def test_regions_are_the_same_wherever_they_are_asked_for() -> None:
    assert RegionOfEvaluation is Region
    assert regions_of(FUNDUS) == (
        Region("rim", (1,)),
        Region("cup", (2,), whole=(1, 2)),
        Region("disc", (1, 2)),
    )
