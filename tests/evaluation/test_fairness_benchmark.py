"""The comparison on unbalanced phantoms runs, goes on after a stop, and is not vain."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from napari_dmoe.evaluation.groups.intervals import Interval


@pytest.fixture(scope="module")
def benchmark():
    import fairness_phantoms

    return fairness_phantoms


@pytest.fixture
def keep_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("keep_threads")
@pytest.mark.parametrize(
    "scenarios",
    [
        {"fundus", "pelvis"},
        pytest.param(
            {"fundus", "pelvis", "fundus-why", "fundus-long"}, marks=pytest.mark.full
        ),
    ],
    ids=len,
)
def test_a_tiny_run_reports_every_arm_and_goes_on_after_a_stop(
    benchmark, tmp_path, capsys, monkeypatch, scenarios
):
    asked = ["--folder", str(tmp_path), "--tiny", "--seeds", "1"]
    asked += ["--scenario", *sorted(scenarios)]
    benchmark.main(asked)
    first = capsys.readouterr().out
    found = json.loads(first)
    assert set(found) == scenarios
    for name, one in found.items():
        arms = set(benchmark.SCENARIOS[name].arms)
        assert set(one["arms"]) == arms
        for view in one["views"].values():
            assert set(view["arms"]) == arms
            for arm in view["arms"].values():
                assert set(arm["statistics"]) >= {"worst", "es_sum", "es_std"}
        assert (tmp_path / f"{name}-dmoe-0.json").exists()
    monkeypatch.setattr(benchmark, "train_new", None)  # nothing is trained again
    benchmark.main(asked)
    assert capsys.readouterr().out == first
    benchmark.main([*asked, "--arms", "no-moe", "dmoe", "--scenario", "pelvis"])
    some = json.loads(capsys.readouterr().out)["pelvis"]
    assert set(some["arms"]) == {"no-moe", "dmoe"}
    assert set(some["views"]["target by severity"]["differences"]) == {"dmoe - no-moe"}
    pytest.importorskip("matplotlib")
    benchmark.main([*asked, "--docs", str(tmp_path / "docs")])
    page = (tmp_path / "docs" / "evidence.md").read_text("utf-8")
    assert "dMoE by severity − no MoE" in page
    assert (tmp_path / "docs" / "images" / "evidence.png").stat().st_size > 10_000


def test_arms_get_the_same_budget_and_differ_only_as_stated(benchmark):
    scenario = benchmark.SCENARIOS["fundus"]
    recipes = {
        name: benchmark.recipe_of(scenario, arm, budget=scenario.budget, seed=2)
        for name, arm in scenario.arms.items()
    }
    for name, recipe in recipes.items():
        same = recipe.settings.model_copy(update={"sampling": "uniform"})
        assert same == recipes["dmoe"].settings
        assert recipe.settings.sampling == scenario.arms[name].sampling
        drivers = tuple(a.name for a in recipe.card.attributes)
        assert drivers == scenario.arms[name].drivers or not scenario.arms[name].drivers
        assert recipe.config.n_routers == sum(
            len(a.values) for a in recipe.card.attributes
        )
    assert recipes["dmoe-two"].config.n_routers == 6


def test_causes_are_looked_for_one_change_at_a_time(benchmark):
    scenario = benchmark.SCENARIOS["fundus-why"]
    recipes = {
        name: benchmark.recipe_of(scenario, arm, budget=scenario.budget, seed=2)
        for name, arm in scenario.arms.items()
    }
    plain = recipes["dmoe"].settings
    assert recipes["dmoe-balanced"].settings == plain.model_copy(
        update={"sampling": "group"}
    )
    assert recipes["dmoe-language"].settings == plain
    long, short = benchmark.SCENARIOS["fundus-long"], benchmark.SCENARIOS["fundus"]
    assert long.budget.epochs == 2 * short.budget.epochs
    cases = benchmark.draw_cohort(scenario, scenario.shares, 100, seed=5, side=32)
    spoken = [case.patient.value("language") for case in cases]
    severe = [case.patient.severity for case in cases]
    for told in (spoken, severe):
        shares = sorted(told.count(value) / len(told) for value in set(told))
        assert shares == pytest.approx([0.08, 0.32, 0.60], abs=0.07)
    rare = [s for s, t in zip(severe, spoken, strict=True) if t == "other"]
    assert rare.count("healthy") / len(rare) == pytest.approx(0.60, abs=0.25)


def test_training_is_unbalanced_as_stated_and_the_test_cohort_is_not(benchmark):
    scenario = benchmark.SCENARIOS["pelvis"]
    shares = scenario.shares
    cases = benchmark.draw_cohort(scenario, shares, 50, seed=1, side=32)
    found = [case.patient.severity for case in cases]
    assert [found.count(t) for t in shares["severity"]] == [20, 17, 9, 4]
    even = benchmark.balanced(shares)
    test = benchmark.draw_cohort(scenario, even, 8, seed=2, side=32)
    assert sorted(case.patient.severity for case in test) == [
        *["T1"] * 2,
        *["T2"] * 2,
        *["T3"] * 2,
        *["T4"] * 2,
    ]
    larger = benchmark.draw_cohort(scenario, even, 8, seed=2, side=40)
    assert [c.patient for c in larger] == [c.patient for c in test]


def test_drivers_are_shuffled_among_the_cases_and_nothing_else(benchmark):
    scenario = benchmark.SCENARIOS["pelvis"]
    even = benchmark.balanced(scenario.shares)
    cases = benchmark.draw_cohort(scenario, even, 12, seed=2, side=32)
    wrong = benchmark.shuffled(cases, ["severity"])
    told = [case.patient for case in cases]
    assert wrong != told
    assert sorted(p.severity for p in wrong) == sorted(p.severity for p in told)
    assert [p.age for p in wrong] == [p.age for p in told]


@pytest.mark.parametrize(
    ("interval", "by_training", "verdict"),
    [
        ((0.01, 0.05), (0.02, 0.03), "gain"),
        ((0.01, 0.05), (0.06, -0.01), "tie"),
        ((-0.01, 0.05), (0.02, 0.03), "tie"),
        ((-0.05, -0.01), (-0.02, -0.03), "loss"),
        ((float("nan"),) * 2, (0.02, 0.03), "tie"),
    ],
)
def test_a_gain_needs_the_interval_and_every_training(interval, by_training, verdict):
    from fairness_report import _verdict

    assert _verdict(Interval(*interval), by_training, sign=1) == verdict
    mirrored = {"gain": "loss", "loss": "gain", "tie": "tie"}[verdict]
    assert _verdict(Interval(*interval), by_training, sign=-1) == mirrored


def test_cases_without_the_region_count_for_no_model(benchmark):
    from fairness_report import summarise

    whole = benchmark.SCENARIOS["pelvis"]
    arms = {name: whole.arms[name] for name in ("no-moe", "single-router")}
    scenario = dataclasses.replace(whole, arms=arms)
    even = benchmark.balanced(scenario.shares)
    cases = benchmark.draw_cohort(scenario, even, 8, seed=2, side=32)
    hidden = dataclasses.replace(
        cases[0].labels, data=np.zeros_like(cases[0].labels.data)
    )
    cases[0] = dataclasses.replace(cases[0], labels=hidden)
    shared = {"budget": {"n_train": 1}, "n_parameters": 1, "cpu_seconds": 1.0}
    shared |= {"loss": [1.0], "cases_per_router": [1]}
    runs = [
        shared | {"name": name, "dice": {"target": [first, *[0.5] * 7]}}
        for name, first in (("no-moe", None), ("single-router", 0.0))
    ]
    found = summarise(scenario, runs, cases)["views"]["target by severity"]["arms"]
    for arm in arms:
        assert found[arm]["not_counted"] >= 1
        assert found[arm]["statistics"]["mean"]["value"] == 0.5
    assert found["no-moe"] == found["single-router"]


def test_quotas_add_up(benchmark):
    from fairness_cohorts import quotas

    for name, scenario in benchmark.SCENARIOS.items():
        for n in (100, 120, 800):
            found = quotas(scenario.shares, n)
            assert sum(found.values()) == n, name
            assert min(found.values()) >= 1
    shares = benchmark.SCENARIOS["fundus"].shares
    rare = sum(v for k, v in quotas(shares, 800).items() if k[1] == "glaucoma")
    assert np.isclose(rare / 800, 0.08, atol=0.005)
