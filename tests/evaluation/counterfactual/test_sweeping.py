"""One case of an audit: it tells what a sweep of the same image tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from audits import lively, trained_on

from napari_dmoe.evaluation.counterfactual.sweeping import (
    CasePlan,
    case_routing,
    case_sweeps,
)
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.maps.measures import load_matrix
from napari_dmoe.inference.masks.truth import score
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.yardstick import moved_masks
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import silent

Checkpoint = Callable[..., Path]
ONE = InferenceSettings(batch=1)
SEX = CardAttribute(name="sex", values=("female", "male"), frequencies=(0.25, 0.75))
AGE = CardAttribute(name="age", values=("below 50", "from 50"), edges=(50,))
CARD = ModelCard(
    name="two", title="Two", attributes=(SEX, AGE), classes=("background", "lesion")
)
IMAGE = SpatialImage.from_array(
    np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
)


@pytest.fixture
def race(tiny_checkpoint: Checkpoint) -> LoadedModel:
    return lively(load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race"))


@pytest.fixture
def two(tiny_checkpoint: Checkpoint) -> LoadedModel:
    return lively(load_checkpoint(tiny_checkpoint(4, 2), card=CARD))


def planned(
    loaded: LoadedModel, patient: Patient, *, with_mixture: bool = True
) -> tuple[CasePlan, list[Segmentation]]:
    drivers = loaded.card.attributes
    plan = CasePlan(loaded, drivers, patient, ONE, with_mixture=with_mixture)
    return plan, list(segment_variants(loaded, IMAGE, plan.choices, ONE, silent))


def test_a_case_tells_what_a_sweep_tells(race: LoadedModel) -> None:
    patient = Patient(race="Black")
    plan, results = planned(race, patient)
    place = plan.place_of_yardstick(race.card.attributes[0])
    moved = moved_masks(
        race, IMAGE, plan.choices[place], ONE, like=results[place], progress=silent
    )
    (ours,) = case_sweeps(plan, results, truth=None, moved={"race": moved})
    theirs = sweep(race, IMAGE, attribute="race", patient=patient, settings=ONE)
    assert ours.says == theirs.verdict.says
    for structure in theirs.verdict.structures:
        own = ours.dependence(structure.name)
        assert own is not None
        assert own.share == structure.share
        assert own.between == structure.between
        assert own.yardstick == pytest.approx(structure.yardstick)
    for value in theirs.values:
        own_value = next(v for v in ours.values if v.name == value.name)
        for region, dice in zip(("rim", "cup"), value.dice, strict=True):
            found = own_value.of(region)
            assert found is not None
            assert found.changed == pytest.approx(2 * (1 - dice) / (2 - dice))


def test_the_yardstick_is_a_shift_alone_where_nothing_was_rerun(
    race: LoadedModel,
) -> None:
    plan, results = planned(race, Patient(race="Black"))
    (ours,) = case_sweeps(plan, results, truth=None, moved={})
    theirs = sweep(race, IMAGE, attribute="race", patient=plan.patient, settings=ONE)
    assert ours.regions[0].yardstick == theirs.verdict.yardstick.shift[0]


def test_own_others_and_mixture_are_scored_against_the_truth(race: LoadedModel) -> None:
    truth = np.zeros((40, 50), np.uint8)
    truth[10:30, 10:30], truth[15:25, 15:25] = 1, 2
    plan, results = planned(race, Patient(race="Black"))
    (found,) = case_sweeps(plan, results, truth=truth, moved={})
    kinds = [value.kind for value in found.values]
    assert kinds == ["other", "own", "other", "mixture"]
    unknown = segment(race, IMAGE, Patient(), settings=ONE)
    expected = {s.name: s.dice for s in score(unknown.labels, truth, unknown.classes)}
    mixture = found.value("mixture")
    assert mixture is not None
    assert {r.region: r.dice for r in mixture.regions} == pytest.approx(
        expected, nan_ok=True
    )
    assert set(expected) == {"rim", "cup", "disc"}


def test_each_driver_is_swept_with_the_others_kept(two: LoadedModel) -> None:
    patient = Patient(sex="male", age=30)
    plan, results = planned(two, patient)
    sex, age = case_sweeps(plan, results, truth=None, moved={})
    assert (sex.own, age.own) == ("male", "below 50")
    for name, place in zip(sex.values, plan.places["sex"], strict=True):
        if name.kind == "mixture":
            whom = Patient(age=30)
        else:
            whom = Patient(sex=name.name, age=30)
        alone = segment(two, IMAGE, whom, settings=ONE)
        np.testing.assert_array_equal(results[place].labels, alone.labels)
    # Both sweeps hold the patient as they are, which is run once.
    assert len(plan.choices) == 2 * 3 - 1


def test_an_unknown_value_is_held_against_the_mixture(race: LoadedModel) -> None:
    plan, results = planned(race, Patient())
    (found,) = case_sweeps(plan, results, truth=None, moved={})
    assert (found.own, [v.kind for v in found.values][-1]) == (None, "mixture")
    assert [r.changed for r in found.values[-1].regions] == pytest.approx(
        [0, 0, 0], nan_ok=True
    )
    assert len(plan.choices) == 4


def test_routers_that_are_alike_change_nothing(tiny_checkpoint: Checkpoint) -> None:
    alike = lively(
        load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race"), alike=True
    )
    plan, results = planned(alike, Patient(race="White"))
    (found,) = case_sweeps(plan, results, truth=None, moved={})
    assert found.says == "none"
    assert {each.says for each in found.regions} == {"none"}
    divergence = case_routing(plan, results).divergence["race"]
    np.testing.assert_allclose(divergence, 0, atol=1e-6)


def test_values_that_no_training_case_had_count_for_nothing(race: LoadedModel) -> None:
    race = trained_on(race, "race", Asian=5, Black=5, White=0)
    plan, results = planned(race, Patient(race="White"))
    (found,) = case_sweeps(plan, results, truth=None, moved={})
    assert [v.is_trained for v in found.values] == [True, True, False, True]
    assert all(r.between in (("Asian", "Black"), ("", "")) for r in found.regions)


def test_loads_are_those_of_single_runs(race: LoadedModel) -> None:
    plan, results = planned(race, Patient(race="Black"))
    found = case_routing(plan, results)
    for place, value in enumerate(("Asian", "Black", "White")):
        routing = segment(race, IMAGE, Patient(race=value), settings=ONE).routing
        assert routing is not None
        np.testing.assert_allclose(
            found.loads["race"][place], load_matrix(routing), atol=1e-6
        )
    assert found.divergence["race"].shape[0] == 3
