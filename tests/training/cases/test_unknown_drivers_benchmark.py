"""The benchmark of hidden drivers: what is hidden, and what is made of its figures."""

from __future__ import annotations

import pytest

import unknown_drivers_training as benchmark


def test_every_second_severity_is_hidden_and_nothing_else() -> None:
    cases = list(benchmark.cases_of(0, 4))
    hidden = benchmark.half_hidden(cases)
    assert [case.patient.severity is None for case in hidden] == [False, True] * 2
    assert [case.patient.age for case in hidden] == [c.patient.age for c in cases]
    assert all(a.labels is b.labels for a, b in zip(cases, hidden, strict=True))


def test_ways_are_compared_seed_by_seed() -> None:
    def trial(way: str, seed: int, own: float) -> benchmark.Trial:
        return benchmark.Trial(way, seed, 0.1, {"own": own, "another": 0.2, "none": 0})

    found = [trial("mix", 0, 0.5), trial("mix", 1, 0.7)]
    found += [trial("draw", 1, 0.6), trial("draw", 0, 0.45)]
    told = benchmark.summary(found)
    assert told["mix"]["own"] == pytest.approx(0.6)
    assert told["mix"]["own_sd"] == pytest.approx(0.1414, abs=1e-4)
    assert told["draw"]["own_less_mix"] == pytest.approx(-0.075)
    assert told["draw"]["own_less_mix_sd"] == pytest.approx(0.0354, abs=1e-4)
    assert told["draw"]["ms_a_step"] == 100


def test_every_way_is_trained_and_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "N_TEST", 3)
    found = list(benchmark.trials([0], benchmark.WAYS, n_cases=6, steps=3))
    assert [trial.way for trial in found] == list(benchmark.WAYS)
    scores = {tuple(trial.dice.values()) for trial in found}
    assert len(scores) == len(found)
    assert all(0 <= score <= 1 for dice in scores for score in dice)
