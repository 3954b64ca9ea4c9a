"""Trainings and lesions are drawn together: against every draw, and by coverage."""

import itertools

import numpy as np
import pytest

from claim_statistics import differences
from napari_dmoe.evaluation.groups.table import statistics


def _every_draw(first, second, lesions, *, is_paired):
    """Return the mean's difference of every draw of 3 lesions and 2 trainings."""
    own = [np.flatnonzero(np.asarray(lesions) == lesion) for lesion in range(3)]
    draws = list(itertools.product(range(2), repeat=2))
    found = []
    for chosen in itertools.product(range(3), repeat=3):
        cases = np.concatenate([own[lesion] for lesion in chosen])
        ours, theirs = (each[:, cases].mean(1) for each in (first, second))
        if is_paired:
            apart = [ours - theirs]
            sets = itertools.product(draws)
        else:
            apart = [ours, -theirs]
            sets = itertools.product(draws, draws)
        for drawn in sets:
            found.append(
                sum(
                    each.mean() + np.sqrt(2) * (each[list(own_)].mean() - each.mean())
                    for each, own_ in zip(apart, drawn, strict=True)
                )
            )
    return np.array(found)


@pytest.mark.parametrize("is_paired", [True, False], ids=["paired", "apart"])
def test_error_is_that_of_every_possible_draw(is_paired):
    rng = np.random.default_rng(3)
    lesions = [0, 0, 0, 1, 2, 2]
    first, second = rng.uniform(0.6, 0.9, (2, 2, 6))
    every = _every_draw(first, second, lesions, is_paired=is_paired)
    found = differences(
        first,
        second,
        ["A"] * 6,
        lesions,
        is_paired=is_paired,
        n_resamples=60_000,
    )["mean"]
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.error == pytest.approx(every.std(), rel=0.02)


def test_a_training_figure_is_its_own_and_then_averaged():
    first = np.array([[0.9, 0.9, 0.5, 0.5], [0.5, 0.5, 0.9, 0.9]])
    second = np.full((2, 4), 0.7)
    found = differences(
        first, second, list("AABB"), range(4), is_paired=False, n_resamples=50
    )
    assert found["worst"].first == pytest.approx(0.5)  # of the mean it would be 0.7
    assert found["worst"].value == pytest.approx(-0.2)
    assert found["gap"].value == pytest.approx(0.4)
    assert found["A"].value == pytest.approx(0.0)
    assert found["es_sum"].first == pytest.approx(
        float(statistics(0.7, [0.9, 0.5])["es_sum"])
    )


def test_arms_that_are_the_same_model_do_not_differ():
    scores = np.random.default_rng(0).uniform(0.5, 1, (3, 10))
    found = differences(scores, scores, ["A"] * 10, range(10), is_paired=True)
    assert (found["mean"].value, found["mean"].error, found["mean"].p) == (0, 0, 1)


def test_one_training_tells_nothing_of_others():
    scores = np.ones((1, 4))
    with pytest.raises(ValueError, match="1 and 1 trainings"):
        differences(scores, scores, ["A"] * 4, range(4), is_paired=False)


_GROUPS = {"A": 40, "B": 25, "C": 12}
_MEANS = {"A": 0.88, "B": 0.85, "C": 0.80}
_OF_TRAINING, _OF_GROUP, _OF_LESION, _BOTH, _OF_IMAGE = 0.010, 0.015, 0.06, 0.03, 0.03


def _cohort(rng):
    groups, lesions = [], []
    for name, n in _GROUPS.items():
        for _ in range(n):
            lesion = len(set(lesions))
            images = int(rng.integers(1, 4))
            groups += [name] * images
            lesions += [lesion] * images
    return np.array(groups), np.array(lesions)


def _arm(rng, groups, lesions, hard, *, shift, n=8):
    """Return (T, N) scores: of training, its groups, lesions, both, and images."""
    n_lesions = lesions.max() + 1
    scores = np.array([_MEANS[g] for g in groups]) + hard[lesions] + shift
    scores = scores + rng.normal(0, _OF_TRAINING, (n, 1))
    for name in _GROUPS:
        scores[:, groups == name] += rng.normal(0, _OF_GROUP, (n, 1))
    scores += rng.normal(0, _BOTH, (n, n_lesions))[:, lesions]
    return scores + rng.normal(0, _OF_IMAGE, scores.shape)


def test_intervals_hold_the_truth_and_p_is_rarely_small_by_chance():
    shift, n_cohorts, names = 0.01, 120, ("mean", "worst", "es_sum", "C")
    held, called = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for seed in range(n_cohorts):
        rng = np.random.default_rng(seed)
        groups, lesions = _cohort(rng)
        hard = rng.normal(0, _OF_LESION, lesions.max() + 1)
        one, same, better = (
            _arm(rng, groups, lesions, hard, shift=by) for by in (0, 0, shift)
        )
        how = {"is_paired": False, "seed": seed, "n_resamples": 200}
        told = differences(better, one, list(groups), list(lesions), **how)
        null = differences(same, one, list(groups), list(lesions), **how)
        for name in names:
            truth = shift if name != "es_sum" else shift * _slope()
            low, high = told[name].interval
            held[name] += low <= truth <= high
            called[name] += null[name].p < 0.05
    for name in names:
        assert held[name] / n_cohorts >= 0.91, (name, held)
        assert called[name] / n_cohorts <= 0.09, (name, called)
    assert sum(called.values()) > 0


def _slope():
    """Return how the equity-scaled mean of many trainings rises with all scores."""
    rng = np.random.default_rng(99)
    sizes = np.array([*_GROUPS.values()]) / sum(_GROUPS.values())
    means = np.array([*_MEANS.values()])[:, None] + rng.normal(0, 0.018, (3, 20_000))
    ends = [statistics(sizes @ (means + by), means + by)["es_sum"] for by in (0, 0.01)]
    return float((ends[1] - ends[0]).mean() / 0.01)


def test_few_trainings_make_wide_intervals():
    rng = np.random.default_rng(1)
    groups, lesions = _cohort(rng)
    hard = rng.normal(0, _OF_LESION, lesions.max() + 1)
    one, other = (_arm(rng, groups, lesions, hard, shift=0, n=8) for _ in range(2))

    def freedom(n):
        found = differences(
            one[:n], other[:n], list(groups), list(lesions), is_paired=False
        )
        return found["mean"].freedom

    assert 1 <= freedom(2) < freedom(8) < lesions.max() + 14
