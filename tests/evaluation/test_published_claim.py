"""The published claim on drawn photographs: sizes, splits, runs, and what is said."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import claim_cohort
import claim_plan
import claim_words
import published_claim
from claim_report import placed
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.evaluation.groups.membership import groups_of
from napari_dmoe.models.gating import LEFT_OUT
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.skin.cohort import skin_case
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.loop.evaluation import evaluate
from napari_dmoe.training.starting.new_model import untrained


def test_networks_have_the_same_number_of_parameters():
    counts = published_claim.parameters()
    assert set(counts) == set(claim_plan.ARMS)
    assert max(counts.values()) / counts["no-moe"] <= 1.02
    assert min(counts.values()) / counts["no-moe"] >= 0.98


def test_a_network_of_another_size_is_refused(monkeypatch):
    monkeypatch.setattr(claim_plan, "WIDTH_OF_NO_MOE", 15)
    with pytest.raises(ValueError, match="differ by more than 2%"):
        published_claim.parameters()


def test_arms_differ_only_as_stated():
    recipes = {
        name: claim_plan.recipe_of(arm, seed=3) for name, arm in claim_plan.ARMS.items()
    }
    plain = recipes["single-router"].settings
    for name, recipe in recipes.items():
        sampling = "group" if name.startswith("as-often") else "uniform"
        assert recipe.settings == plain.model_copy(update={"sampling": sampling})
        by = claim_plan.ARMS[name].attribute
        assert [a.name for a in recipe.card.attributes] == [by]
    assert plain.epochs * plain.steps_per_epoch == claim_plan.STEPS
    assert [len(a.values) for a in claim_plan.ATTRIBUTES.values()] == [5, 2, 10]


def test_few_comparisons_are_named_and_each_once():
    named = claim_plan.NAMED
    assert len(named) == len(set(named)) == 21
    for each in named:
        first, second = each.arms
        assert {first, second} <= set(claim_plan.ARMS)
        assert (first == second) == (each.baseline == "another's")
    of_age = claim_plan.Named("age", "as-often", "mean")
    assert of_age.arms == ("dmoe-age", "as-often-age")


def _lesions(seed=0, n=400):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([1, 1, 2, 3, 6], n)
    return rng.permutation(np.repeat(np.arange(n), sizes))


@pytest.mark.parametrize("seed", range(3))
def test_nobody_is_told_a_value_of_the_own_lesion_and_every_value_is_told_once(seed):
    lesions = _lesions(seed)
    whose = claim_cohort.deranged(lesions, seed=seed)
    assert not (whose == np.arange(len(lesions))).any()
    assert not (lesions[whose] == lesions).any()
    assert sorted(whose) == list(range(len(lesions)))
    assert (whose == claim_cohort.deranged(lesions, seed=seed)).all()
    assert (whose != claim_cohort.deranged(lesions, seed=seed + 1)).any()


def test_a_lesion_that_is_most_of_the_cohort_is_refused():
    with pytest.raises(ValueError, match="one lesion has 3 of 5 cases"):
        claim_cohort.deranged(np.array([0, 0, 0, 1, 2]), seed=0)


def test_no_lesion_is_on_both_sides_of_the_split():
    lesions = _lesions()
    split = claim_cohort.split_of(lesions, seed=4)
    whole = np.concatenate([split.training, split.test])
    assert sorted(whole) == list(range(len(lesions)))
    assert not set(lesions[split.training]) & set(lesions[split.test])
    assert len(split.test) / len(lesions) == pytest.approx(0.2, abs=0.02)
    assert split.sha256 == claim_cohort.split_of(lesions, seed=4).sha256
    assert split.sha256 != claim_cohort.split_of(lesions, seed=5).sha256


@pytest.fixture(scope="module")
def ham(tmp_path_factory):
    """Return a folder of 30 drawn images, two a lesion; no card knows one's site."""
    sites = claim_plan.ATTRIBUTES["body_site"].values
    cases = []
    for number in range(30):
        site = "hand" if number == 29 else sites[number % len(sites)]
        told = {"age": 5 + 20 * (number % 5), "sex": ("female", "male")[number % 2]}
        cases.append(
            replace(
                skin_case(5, number, size=(48, 64)),
                id=f"case_{number:02}",
                patient=Patient.from_values({**told, "body_site": site}),
                subject=f"lesion_{number // 2}",
            )
        )
    folder = tmp_path_factory.mktemp("ham") / "cohort"
    write_cohort(folder, cases)
    return folder


def test_photographs_are_prepared_once_and_what_no_card_knows_is_left_out(
    ham, tmp_path, monkeypatch
):
    found = claim_cohort.photographs(ham, tmp_path)
    assert (len(found), found.n_left_out) == (29, 1)
    assert found.images.shape == (29, 64, 64, 3)
    assert found.labels.max() == 1
    assert found.groups("age", [0, 4, 7]) == ["0-19", "80 and over", "40-59"]
    assert (found.lesions == np.arange(29) // 2).all()
    monkeypatch.setattr(claim_cohort, "read_cohort", None)  # nothing is read again
    again = claim_cohort.photographs(ham, tmp_path)
    assert (again.images == found.images).all()
    assert "case_" not in (tmp_path / "photographs-64" / "known.json").read_text()


def test_prepared_photographs_are_what_the_network_would_see(ham, tmp_path):
    found = claim_cohort.photographs(ham, tmp_path)
    pool = read_pool(found.cases([3, 8]), claim_plan.CARD, may_be_unknown=True)
    seen = pool.images.permute(0, 2, 3, 1).numpy()
    assert (seen == found.images[[3, 8]]).all()
    assert (pool.labels.numpy() == found.labels[[3, 8]]).all()
    assert pool.subjects == ("1", "4")


def _unknown(pool):
    return replace(pool, category=torch.full_like(pool.category, LEFT_OUT))


def test_scores_are_those_of_the_project_told_the_own_the_others_or_no_value(
    ham, tmp_path
):
    found = claim_cohort.photographs(ham, tmp_path)
    recipe = claim_plan.recipe_of(claim_plan.ARMS["dmoe-age"], seed=1)
    loaded = untrained(recipe)
    with torch.no_grad():
        for layer in loaded.module.moes:  # so that it matters which router decides
            layer.router_weight.mul_(100)
            layer.expert_out_weight.mul_(30)
    pool = read_pool(found.cases(range(12)), loaded.card, may_be_unknown=True)
    whose = claim_cohort.deranged(found.lesions[:12], seed=0)
    scored = published_claim.dice_of(loaded, pool, whose)
    told = {
        "told": pool,
        "wrong": replace(pool, category=pool.category[whose]),
        "nothing": _unknown(pool),
    }
    how = {"classes": loaded.card.classes, "groups": groups_of(pool.patients, ())}
    for name, own in told.items():
        expected = evaluate(
            loaded.module,
            own,
            **how,
            has_moe=True,
            batch=12,
            device="cpu",
            card=loaded.card,
        ).cases[:, 0]
        assert np.allclose(np.array(scored[name]) / 1e4, expected, atol=2e-3), name
    assert scored["told"] != scored["wrong"] != scored["nothing"]
    plain = untrained(
        claim_plan.recipe_of(claim_plan.ARMS["no-moe"], seed=1), mode="no-moe"
    )
    assert set(published_claim.dice_of(plain, pool, whose)) == {"told"}


@pytest.fixture
def keep_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("keep_threads")
def test_runs_go_on_after_a_stop_and_the_page_says_what_is_missing(
    ham, tmp_path, capsys, monkeypatch
):
    runs, docs = tmp_path / "runs", tmp_path / "docs"
    asked = [str(ham), "--folder", str(runs), "--steps", "1", "--seeds", "2"]
    published_claim.main([*asked, "--part", "1", "--num-parts", "4"])
    first = json.loads(capsys.readouterr().out)
    assert first["n_done"] == 4
    assert first["first_line"].startswith("**Not finished: 4 of 16 trainings.**")
    assert {row["verdict"] for row in first["named"]} == {"not finished"}
    kept = runs / "claim-single-router-1.json"
    before = kept.read_text()
    (runs / "claim-single-router-0.json").write_text(
        before.replace('"seed":1', '"seed":5')
    )  # of something else: done again
    published_claim.main(asked)
    whole = json.loads(capsys.readouterr().out)
    assert kept.read_text() == before
    assert set(whole["trainings"].values()) == {2}
    assert {row["verdict"] for row in whole["named"]} <= {
        "higher",
        "lower",
        "no difference found",
    }
    assert set(whole["exploratory"]["age"]) == {
        "no-moe",
        "single-router",
        "as-often",
        "another's",
        "nothing",
    }
    monkeypatch.setattr(published_claim, "train_new", None)  # nothing is trained again
    pytest.importorskip("matplotlib")
    docs.mkdir()
    names = ("result", "trainings", "comparisons", "groups")
    marks = [
        f"<!-- {name}: written by the script -->\n<!-- end of {name} -->"
        for name in names
    ]
    (docs / "evidence.md").write_text("# Page\n" + "\n".join(marks))
    published_claim.main([*asked, "--report", "--docs", str(docs)])
    page = (docs / "evidence.md").read_text("utf-8")
    assert whole["first_line"] in page
    assert "| body site | single-router MoE | ES (sum) |" in page
    assert "told another patient's" in page
    assert (docs / "images" / "evidence.png").stat().st_size > 10_000
    assert "case_" not in (docs / "evidence.json").read_text()


def test_time_that_is_over_begins_no_other_training(ham, tmp_path, capsys):
    asked = [str(ham), "--folder", str(tmp_path), "--steps", "1", "--seeds", "1"]
    published_claim.main([*asked, "--seconds", "0.01"])
    said = capsys.readouterr()
    assert json.loads(said.out)["n_done"] == 1  # the first tells how long one takes
    assert "stopped before" in said.err


def _named(verdicts):
    """Return the figures of a whole plan, of which some differ."""
    rows = [
        asdict(each)
        | {
            "value": 0.01,
            "interval": [-0.002, 0.022],
            "verdict": verdicts.get(
                (each.attribute, each.baseline), "no difference found"
            ),
        }
        for each in claim_plan.NAMED
    ]
    return {"n_done": 64, "n_asked": 64, "named": rows}


def test_the_first_line_says_that_nothing_was_found():
    said = claim_words.first_line(_named({}))
    assert "is not found to segment lesions better or more evenly" in said
    assert "none of 18 comparisons, named before looking, differs" in said
    assert "between -0.002 and +0.022" in said
    assert said.endswith(
        "(age), -0.0100 (sex), -0.0100 (body site): no difference was found."
    )


def test_the_first_line_says_what_is_better_and_what_is_worse():
    said = claim_words.first_line(
        _named(
            {
                ("sex", "no-moe"): "lower",
                ("age", "as-often"): "higher",
                ("age", "another's"): "higher",
            }
        )
    )
    assert "is better in 2 (age against single router, groups drawn as often" in said
    assert "and worse in 2 (sex against no MoE, wider, mean Dice +0.010;" in said
    assert "no difference was found in the other 14" in said
    assert said.endswith("-0.0100 (body site): the own age helps.")


def test_a_page_without_a_place_is_refused():
    with pytest.raises(ValueError, match="the page needs one line"):
        placed("# Page", "result", "text")
