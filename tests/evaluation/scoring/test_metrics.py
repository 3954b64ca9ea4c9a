"""Scores of a case equal the published ones, MedPy's, MONAI's and a count by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_dmoe.evaluation.scoring.mask_pair import (
    MaskPair,
    MetricError,
    Presence,
    regions_of,
)
from napari_dmoe.evaluation.scoring.metrics import (
    METRICS,
    Score,
    absolute_volume_difference,
    asd,
    dice,
    hd95,
    iou,
    measure_case,
    nsd,
    part_ratio_distance,
    relative_volume_difference,
)

FUNDUS = regions_of(("background", "rim", "cup"))
SPACINGS = ((1.0, 1.0, 1.0), (3.0, 0.8, 0.8), (5.0, 0.6, 0.6), (1.2, 1.2, 2.0))
LENGTHS = ("hd95", "asd")


@pytest.fixture(scope="module")
def published(data_folder):
    """Mask pairs with the published scores; case 11 has no cup at all."""
    scores = json.loads((data_folder / "metrics2d.json").read_text("utf-8"))["cases"]
    with np.load(data_folder / "metrics2d.npz") as masks:
        return [(masks[f"pred{i}"], masks[f"gt{i}"], s) for i, s in enumerate(scores)]


def by_name(scores):
    return {f"{s.region}_{s.metric}": s for s in scores}


def pair(predicted, truth, spacing=None):
    return MaskPair(np.array(predicted, bool), np.array(truth, bool), spacing)


def boxes(rng, shape=(12, 16, 14)):
    """Draw three boxes, which any program can draw again."""
    mask = np.zeros(shape, bool)
    for _ in range(3):
        first = [rng.integers(0, side - 4) for side in shape]
        mask[tuple(slice(int(a), int(a + rng.integers(2, 8))) for a in first)] = True
    return mask


def volumes():
    for i in range(100):
        rng = np.random.default_rng([19, i])
        yield boxes(rng), boxes(rng), SPACINGS[i % 4]


def test_scores_equal_the_published_ones(published):
    for predicted, truth, expected in published:
        found = by_name(measure_case(predicted, truth, FUNDUS, convention="reference"))
        for name, value in expected.items():
            if name == "case":
                continue
            ours = found["cup_cdr_distance" if name == "cdr_distance" else name].value
            assert ours == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_our_convention_differs_only_where_a_mask_is_empty(published):
    for i, (predicted, truth, _) in enumerate(published):
        ours = measure_case(predicted, truth, FUNDUS)
        theirs = measure_case(predicted, truth, FUNDUS, convention="reference")
        for a, b in zip(ours, theirs, strict=True):
            if i < 9 or a.region != "cup":
                assert a.presence is Presence.BOTH
                assert a.value == b.value


# Where only the prediction, only the truth, or neither has a pixel.
EMPTY = {
    Presence.ONLY_PREDICTION: {
        "dice": (0, 1),
        "iou": (0, 1),
        "nsd": (0, 0),
        "rvd": (math.nan,) * 2,
        "avd": (16, 16),
    },
    Presence.ONLY_TRUTH: {
        "dice": (0, 0),
        "iou": (0, 0),
        "nsd": (0, 0),
        "rvd": (-1, -1),
        "avd": (16, 16),
    },
    Presence.NEITHER: {
        "dice": (math.nan, 0),
        "iou": (math.nan, 0),
        "nsd": (math.nan,) * 2,
        "rvd": (math.nan,) * 2,
        "avd": (math.nan,) * 2,
    },
}


@pytest.mark.parametrize("presence", EMPTY)
def test_empty_masks_are_scored_as_each_convention_says(presence):
    full, none = np.ones((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    predicted = full if presence is Presence.ONLY_PREDICTION else none
    truth = full if presence is Presence.ONLY_TRUTH else none
    expected = EMPTY[presence] | dict.fromkeys(LENGTHS, (math.nan, 0))
    regions = regions_of(("background", "target"))
    for column, convention in enumerate(("default", "reference")):
        found = measure_case(predicted, truth, regions, convention=convention)
        assert {score.metric for score in found} == set(expected)
        for score in found:
            assert score.presence is presence
            value = expected[score.metric][column]
            assert score.value == pytest.approx(value, nan_ok=True), score
    assert presence.is_miss == (presence is not Presence.NEITHER)


def test_both_masks_full_are_perfect_in_both_conventions():
    full = np.ones((4, 4), np.uint8)
    for convention in ("default", "reference"):
        regions = regions_of(("background", "target"))
        found = by_name(measure_case(full, full, regions, convention=convention))
        values = [found[f"target_{m}"].value for m in ("dice", "iou", "nsd", *LENGTHS)]
        assert values == [1, 1, 1, 0, 0]


def test_overlaps_equal_a_count_pixel_by_pixel():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(1, 9, rng.integers(2, 4)))
        a, b = (rng.random(shape) < rng.random() for _ in range(2))
        both = either = total = 0
        for p, q in zip(a.ravel(), b.ravel(), strict=True):
            both, either = both + (p and q), either + (p or q)
            total += int(p) + int(q)
        expected = (2 * both / total, both / either) if total else (math.nan,) * 2
        assert (dice(pair(a, b)), iou(pair(a, b))) == pytest.approx(
            expected, nan_ok=True
        )


def brute_distances(a, b, spacing):
    """Measure every surface pixel of `a` against every one of `b`."""

    def surface(mask):
        found = []
        for place in np.argwhere(mask):
            for axis in range(mask.ndim):
                for step in (-1, 1):
                    near = place.copy()
                    near[axis] += step
                    is_inside = 0 <= near[axis] < mask.shape[axis]
                    if not is_inside or not mask[tuple(near)]:
                        found.append(tuple(place))
        return np.array(sorted(set(found))) * spacing

    steps = surface(a)[:, None] - surface(b)[None]
    return np.sqrt((steps**2).sum(-1)).min(1)


def test_surface_distances_equal_brute_force():
    for i, (a, b, spacing) in enumerate(volumes()):
        if i == 12:
            break
        to_truth, to_prediction = pair(a, b, spacing).surface_distances
        np.testing.assert_allclose(to_truth, brute_distances(a, b, spacing))
        np.testing.assert_allclose(to_prediction, brute_distances(b, a, spacing))


def test_volumes_with_spacing_equal_medpy_and_monai(data_folder):
    import torch
    from monai.metrics import compute_surface_dice

    rows = json.loads((data_folder / "surface3d.json").read_text("utf-8"))["rows"]
    for (a, b, spacing), row in zip(volumes(), rows, strict=True):
        masks = pair(a, b, spacing)
        assert (hd95(masks), asd(masks)) == pytest.approx(row[:2], abs=1e-5)
        tensors = [torch.from_numpy(m[None, None]) for m in (a, b)]
        expected = compute_surface_dice(
            *tensors, [3.0], include_background=True, spacing=spacing
        )
        assert nsd(masks, tolerance=3.0) == pytest.approx(float(expected), abs=1e-6)


def test_volumes_agree_with_surface_distance_within_a_voxel(data_folder):
    # It weighs the surface by area and lays it between the voxels, ours (as published)
    # counts the voxels inside of it: the same only up to the size of a voxel.
    rows = json.loads((data_folder / "surface3d.json").read_text("utf-8"))["rows"]
    ours, theirs = [], []
    for (a, b, spacing), row in zip(volumes(), rows, strict=True):
        assert hd95(pair(a, b, spacing)) == pytest.approx(row[2], abs=max(spacing))
        ours.append(nsd(pair(a, b, spacing), tolerance=3.0))
        theirs.append(row[3])
    for i in range(4):
        assert np.corrcoef(ours[i::4], theirs[i::4])[0, 1] > 0.95


def test_anisotropic_spacing_is_in_millimetres():
    truth = np.zeros((6, 8, 8), bool)
    truth[1:3, 2:5, 2:5] = True
    moved = np.roll(truth, 2, axis=0)
    masks = pair(moved, truth, (5.0, 0.6, 0.6))
    assert hd95(masks) == pytest.approx(10.0)
    assert asd(masks) == pytest.approx(np.mean(masks.surface_distances[0]))
    assert nsd(masks, tolerance=10.0) == 1.0
    assert nsd(masks, tolerance=4.9) < nsd(masks, tolerance=5.0) == 0.5


def test_nsd_tolerates_five_pixels_whatever_the_unit():
    truth = np.zeros((32, 32), bool)
    truth[5:15, 5:15] = True
    for steps, is_tolerated in ((5, True), (6, False)):
        moved = np.roll(truth, steps, axis=1)
        spacings = (None, (0.01, 0.01), (0.7, 0.7), (3, 3))
        found = {nsd(pair(moved, truth, spacing)) for spacing in spacings}
        assert len(found) == 1
        assert (found == {1.0}) == is_tolerated


def test_asd_is_one_directional():
    small, large = np.zeros((2, 20, 20), bool)
    small[8:12, 8:12] = True
    large[2:18, 2:18] = True
    assert asd(pair(small, large)) != asd(pair(large, small))


def test_the_disc_is_rim_and_cup_and_the_rim_lacks_the_cup():
    assert [(r.name, r.labels) for r in FUNDUS] == [
        ("rim", (1,)),
        ("cup", (2,)),
        ("disc", (1, 2)),
    ]
    truth = np.zeros((9, 9), np.uint8)
    truth[1:8, 1:8] = 1
    truth[3:6, 3:6] = 2
    shallow = np.where(truth > 0, 1, 0)
    found = by_name(measure_case(shallow, truth, FUNDUS))
    assert found["disc_dice"].value == 1
    assert found["rim_dice"].value == pytest.approx(2 * 40 / (49 + 40))
    assert found["cup_dice"] == Score("cup", "dice", 0.0, Presence.ONLY_TRUTH)
    # The ratio needs discs only: 0 instead of 9 / 49 is a distance, and no miss.
    ratio = Score("cup", "cdr_distance", 9 / 49, Presence.BOTH)
    assert found["cup_cdr_distance"] == ratio
    assert "rim_cdr_distance" not in found


@pytest.mark.parametrize("convention", ["default", "reference"])
def test_the_ratio_distance_needs_both_discs(convention):
    truth, none = np.full((4, 4), 2), np.zeros((4, 4), int)
    for predicted, stated in ((none, truth), (truth, none), (none, none)):
        scores = measure_case(predicted, stated, FUNDUS, convention=convention)
        ratio = by_name(scores)["cup_cdr_distance"]
        assert math.isnan(ratio.value)
        assert ratio.presence.is_miss == (predicted is not stated)


def test_only_overlaps_are_better_when_higher():
    higher = {name for name, metric in METRICS.items() if metric.higher_is_better}
    assert higher == {"dice", "iou", "nsd"}
    assert {name for name, metric in METRICS.items() if metric.is_length} == {*LENGTHS}
    assert [name for name, metric in METRICS.items() if metric.is_size] == ["avd"]
    assert [name for name, metric in METRICS.items() if metric.is_signed] == ["rvd"]


def test_volumes_differ_as_medpy_counts_them():
    for a, b, spacing in volumes():
        masks = pair(a, b, spacing)
        # medpy.metric.binary.ravd, and that times the truth's volume.
        ravd = (np.count_nonzero(a) - np.count_nonzero(b)) / float(np.count_nonzero(b))
        assert relative_volume_difference(masks) == ravd
        volume = np.count_nonzero(b) * math.prod(spacing)
        assert absolute_volume_difference(masks) == pytest.approx(abs(ravd) * volume)


def test_a_volume_is_in_the_unit_of_its_spacing():
    truth = np.zeros((4, 6, 6), np.uint8)
    truth[1:3, 1:4, 1:4] = 1
    smaller = truth.copy()
    smaller[2] = 0
    regions = regions_of(("background", "lesion"))
    for spacing, expected in ((None, 9), ((5.0, 0.5, 2.0), 45)):
        found = by_name(measure_case(smaller, truth, regions, spacing=spacing))
        assert found["lesion_avd"].value == pytest.approx(expected)
        assert found["lesion_rvd"].value == -0.5


def test_the_tolerance_of_the_nsd_can_be_stated_in_millimetres():
    truth = np.zeros((6, 8, 8), np.uint8)
    truth[1:3, 2:5, 2:5] = 1
    moved = np.roll(truth, 2, axis=0)
    regions = regions_of(("background", "lesion"))

    def found(tolerance):
        scores = measure_case(
            moved,
            truth,
            regions,
            metrics=["nsd"],
            spacing=(5.0, 0.6, 0.6),
            nsd_tolerance=tolerance,
        )
        return scores[0].value

    assert [found(t) for t in (10.0, 5.0, 4.9)] == [1.0, 0.5, found(4.9)]
    assert found(4.9) < 0.5
    assert found(None) == found(3.0)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(MetricError, match="tolerance of the NSD"):
            found(wrong)


@pytest.mark.parametrize("shape", [(9, 8), (6, 7, 8)])
def test_what_is_cut_off_around_the_masks_changes_no_score(shape):
    rng = np.random.default_rng(4)
    for _ in range(20):
        a, b = (rng.integers(0, 3, shape) for _ in range(2))
        wide = [np.pad(m, 5) for m in (a, b)]
        ours = [s.value for s in measure_case(a, b, FUNDUS)]
        theirs = [s.value for s in measure_case(*wide, FUNDUS)]
        np.testing.assert_array_equal(ours, theirs)


MASKS = hnp.arrays(bool, (5, 6), elements=st.booleans())


@given(MASKS, MASKS)
def test_scores_stay_in_range_and_are_symmetric_but_for_asd(a, b):
    masks, swapped = pair(a, b), pair(b, a)
    for function in (dice, iou, nsd, hd95):
        assert function(masks) == pytest.approx(function(swapped), nan_ok=True)
    if a.any() or b.any():
        assert 0 <= iou(masks) <= dice(masks) <= 1
        assert dice(masks) == pytest.approx(2 * iou(masks) / (1 + iou(masks)))
    if a.any() and b.any():
        assert 0 <= hd95(masks) <= math.hypot(4, 5)
        assert 0 <= nsd(masks) <= 1


@given(MASKS.filter(np.any), st.integers(0, 4), st.integers(0, 4))
def test_empty_space_around_changes_nothing(mask, before, after):
    other = np.flipud(mask)
    wide = [np.pad(m, ((before, after), (after, before))) for m in (mask, other)]
    for function in (dice, hd95, asd, nsd):
        assert function(pair(*wide)) == pytest.approx(function(pair(mask, other)))


def test_arguments_that_do_not_fit_are_refused():
    labels, wide = np.ones((4, 4), int), np.ones((4, 5), int)
    with pytest.raises(MetricError, match=r"\(4, 5\) pixels, but the truth has \(4, 4"):
        measure_case(wide, labels, FUNDUS)
    with pytest.raises(MetricError, match=r"no metric 'f1': use dice, iou"):
        measure_case(labels, labels, FUNDUS, metrics=["f1"])
    with pytest.raises(MetricError, match="no convention 'theirs'"):
        measure_case(labels, labels, FUNDUS, convention="theirs")
    for spacing in ((1,), (1, 0), (1, math.nan)):
        with pytest.raises(MetricError, match="does not fit masks with 2 axes"):
            measure_case(labels, labels, FUNDUS, spacing=spacing)
    with pytest.raises(MetricError, match="masks are boolean: found int64"):
        MaskPair(labels, labels)
    with pytest.raises(MetricError, match="not part of another"):
        part_ratio_distance(pair(labels, labels))
    with pytest.raises(MetricError, match="empty mask has no surface"):
        _ = pair(labels, 0 * labels).surface_distances


ONE_CLASS = regions_of(("background", "lesion"))


@pytest.mark.parametrize(
    "other",
    [
        lambda m: m * 255,
        lambda m: m.astype(bool),
        lambda m: m.astype(np.float32) * 0.9999999,
        lambda m: m.astype(float) * 255,
        lambda m: m.astype(np.uint16) * 65535,
    ],
)
def test_masks_of_one_class_score_alike_whatever_their_numbers(other):
    truth, predicted = np.zeros((2, 20, 20), np.uint8)
    truth[3:12, 3:12] = predicted[5:14, 4:12] = 1
    plain = measure_case(predicted, truth, ONE_CLASS)
    assert 0 < plain[0].value < 1
    assert measure_case(other(predicted), truth, ONE_CLASS) == plain
    assert measure_case(predicted, other(truth), ONE_CLASS) == plain


def test_what_stands_for_no_class_is_refused_and_not_scored_0():
    mask = np.zeros((9, 9), np.uint8)
    mask[2:5, 2:5] = 1
    with pytest.raises(MetricError, match=r"the prediction: labels .*probabilities"):
        measure_case(mask * 0.7, mask, ONE_CLASS)
    with pytest.raises(MetricError, match="the truth: labels are 0 and 255, but"):
        measure_case(mask, mask * 255, FUNDUS)


def test_a_class_that_is_not_measured_counts_as_elsewhere():
    truth = np.array([[0, 1, 2, 2]])
    (only,) = measure_case(truth * 0 + 2, truth, FUNDUS[:1], metrics=["dice"])
    assert only.value == 0


@pytest.mark.parametrize("value", [2, 7, 128, 254, 1000, -1])
def test_a_mask_whose_numbers_mean_nothing_in_the_other_is_refused(value):
    mask = np.zeros((9, 9), np.int32)
    mask[2:5, 2:5] = 1
    with pytest.raises(MetricError, match=f"the truth shows the labels {value}, of wh"):
        measure_case(mask, mask * value, ONE_CLASS)
    with pytest.raises(MetricError, match="the prediction shows the labels"):
        measure_case(mask * value, mask, ONE_CLASS)
    if value > 2:
        with pytest.raises(MetricError, match="same number for the same class"):
            measure_case(mask, mask * value, FUNDUS)


def test_an_empty_mask_is_a_miss_whatever_the_other_shows():
    mask = np.zeros((9, 9), np.uint8)
    mask[2:5, 2:5] = 1
    (score,) = measure_case(mask * 0, mask, ONE_CLASS, metrics=["dice"])
    assert score.value == 0
    assert score.presence.is_miss


def test_masked_pixels_are_refused():
    mask = np.zeros((9, 9), np.uint8)
    hidden = np.ma.masked_array(mask, mask == 0)
    with pytest.raises(MetricError, match="the truth has masked pixels"):
        measure_case(mask, hidden, ONE_CLASS)
    shown = np.ma.masked_array(mask, False)
    assert np.isnan(measure_case(mask, shown, ONE_CLASS)[0].value)
