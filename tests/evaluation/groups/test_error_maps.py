"""Mean maps of errors are exact on a common grid, and say what was left out."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.evaluation.groups.error_maps import mean_error_maps, onto_grid
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.progress import Cancelled, Progress


def pair(shape: tuple[int, ...], *, missed: tuple, too_much: tuple) -> tuple:
    truth, predicted = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    truth[missed] = 1
    predicted[too_much] = 1
    return predicted, truth


def test_a_map_is_the_share_of_cases_that_are_wrong_at_a_place() -> None:
    top, bottom = np.s_[:4, :], np.s_[4:, :]
    pairs = [
        pair((8, 8), missed=top, too_much=bottom),
        pair((16, 24), missed=np.s_[:8, :12], too_much=np.s_[15:, :0]),
        pair((8, 8), missed=np.s_[:0], too_much=np.s_[:0]),
    ]
    found = mean_error_maps(
        pairs.__getitem__, ["a", "a", "b"], [1], n_classes=2, side=8
    )
    a, b = found.groups
    assert (a.name, a.n, b.name, b.n) == ("a", 2, "b", 1)
    expected = np.zeros((8, 8), np.float32)
    expected[:4] = 0.5
    expected[:4, :4] = 1
    np.testing.assert_allclose(a.missed, expected)
    expected[:] = 0
    expected[4:] = 0.5
    np.testing.assert_allclose(a.too_much, expected)
    assert not b.missed.any()
    assert found.most == 1
    assert "8 x 8" in found.how
    assert "Nothing was registered" in found.how


@pytest.mark.parametrize("shape", [(7, 5), (20, 33), (5, 9, 6), (30, 13, 8)])
def test_the_grid_keeps_the_share_of_a_mask(shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(0).random(shape) < 0.3
    found = onto_grid(mask, (8, 11, 9)[-len(shape) :])
    assert found.mean() == pytest.approx(mask.mean())
    assert 0 <= found.min() <= found.max() <= 1 + 1e-12


def test_a_region_of_several_classes_and_what_the_truth_does_not_say() -> None:
    predicted = np.array([[1, 2, 0, 0]], np.uint8).repeat(8, 0).repeat(2, 1)
    truth = np.array([[2, 0, 1, 255]], np.uint8).repeat(8, 0).repeat(2, 1)
    found = mean_error_maps(
        lambda _: (predicted, truth), ["a"], [1, 2], n_classes=3, side=8
    )
    (only,) = found.groups
    assert only.missed[0].tolist() == [0, 0, 0, 0, 1, 1, 0, 0]
    assert only.too_much[0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_what_is_left_out_is_counted_and_named() -> None:
    whole = pair((8, 8), missed=np.s_[:1], too_much=np.s_[:1])
    asked: list[int] = []

    def read(place: int) -> tuple | None:
        asked.append(place)
        return whole if place == 0 else None

    groups = ["a", None, "unknown", "b"]
    found = mean_error_maps(
        read, groups, [1], n_classes=2, expected=("a", "b", "c"), side=8
    )
    assert asked == [0, 3]
    assert [each.name for each in found.groups] == ["a"]
    assert found.notes == (
        "no case with both masks: b, c",
        "cases without a truth or a prediction, left out: 1",
        "cases left out, because their group is not known: 2",
    )


def test_volumes_have_as_many_planes_as_the_first() -> None:
    volume = pair((3, 8, 8), missed=np.s_[1], too_much=np.s_[:0])
    found = mean_error_maps(lambda _: volume, ["a"], [1], n_classes=2, side=8)
    assert found.shape == (3, 8, 8)
    assert found.groups[0].missed.mean((1, 2)).tolist() == [0, 1, 0]


def test_masks_that_do_not_fit_are_refused() -> None:
    flat, deep = np.zeros((8, 8), np.uint8), np.zeros((3, 8, 8), np.uint8)
    pairs = [(flat, flat), (deep, deep)]
    with pytest.raises(MetricError, match="no grid in common"):
        mean_error_maps(pairs.__getitem__, ["a", "a"], [1], n_classes=2)
    with pytest.raises(MetricError, match="on the same grid"):
        mean_error_maps(lambda _: (flat, deep), ["a"], [1], n_classes=2)
    with pytest.raises(MetricError, match="4 samples"):
        mean_error_maps(lambda _: (flat, flat), ["a"], [1], n_classes=2, side=4)


def test_no_case_at_all_gives_no_map() -> None:
    found = mean_error_maps(lambda _: None, [None], [1], n_classes=2)
    assert (found.groups, found.most, found.how) == ((), 0.0, "")


def test_a_stop_ends_it() -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 1:
            raise Cancelled

    flat = np.zeros((8, 8), np.uint8)
    with pytest.raises(Cancelled):
        mean_error_maps(
            lambda _: (flat, flat), ["a"] * 3, [1], n_classes=2, progress=stop
        )
