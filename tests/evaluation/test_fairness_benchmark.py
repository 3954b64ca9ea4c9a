"""The comparison on unbalanced phantoms runs, goes on after a stop, and is not vain."""

import dataclasses
import json

import numpy as np
import pytest
import torch


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
def test_a_tiny_run_reports_every_arm_and_goes_on_after_a_stop(
    benchmark, tmp_path, capsys, monkeypatch
):
    scenarios = {"fundus", "pelvis"}
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
    benchmark.main([*asked, "--arms", "dmoe", "--scenario", "pelvis"])
    some = json.loads(capsys.readouterr().out)["pelvis"]
    assert set(some["arms"]) == {"dmoe"}
    page = tmp_path / "evidence.md"
    page.write_text(
        "# Page\n<!-- phantoms: written by the script -->\n<!-- end of phantoms -->\n"
    )
    benchmark.main([*asked, "--docs", str(tmp_path)])
    assert "| dMoE by severity | " in page.read_text("utf-8")
    kept = json.loads((tmp_path / "evidence-phantoms.json").read_text())
    assert json.dumps(kept) == json.dumps(found)  # NaN is not NaN


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


def test_what_each_training_reached_stands_beside_their_mean(benchmark):
    from fairness_report import _spread, _view

    scores = {"dmoe": np.array([[0.8, 0.6], [0.6, 0.8], [0.7, 0.7]])}
    found = _view(scores, ["A", "B"], ["A", "B"], shuffled={"dmoe": scores["dmoe"] / 2})
    own = found["arms"]["dmoe"]
    assert own["groups"]["A"]["dice"] == pytest.approx(0.7)
    assert own["statistics"]["worst"] == pytest.approx([0.6, 0.6, 0.7])
    assert own["mean_when_drivers_are_shuffled"] == pytest.approx(0.35)
    assert _spread(own["statistics"]["worst"]) == "0.633 (0.600 to 0.700)"


def test_cases_without_the_region_count_for_no_model(benchmark):
    from fairness_report import summarise

    whole = benchmark.SCENARIOS["pelvis"]
    arms = {name: whole.arms[name] for name in ("balanced", "single-router")}
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
        for name, first in (("balanced", None), ("single-router", 0.0))
    ]
    found = summarise(scenario, runs, cases)["views"]["target by severity"]["arms"]
    for arm in arms:
        assert found[arm]["not_counted"] >= 1
        assert found[arm]["statistics"]["mean"] == [0.5]
    assert found["balanced"] == found["single-router"]


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
