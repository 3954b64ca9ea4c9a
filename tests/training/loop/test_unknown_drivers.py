"""Cases of which a driver is unknown: how they are trained on, measured and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_cases import CARD, PLAIN, cube, cube_model, square, squares
from training_cases import tiny_model as tiny

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.evaluation.groups.membership import groups_of
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.inference.masks.pairs import class_dice
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import EVERYTHING, TrainingError
from napari_dmoe.training.cases.known_drivers import (
    refuse_unknown_attributes,
    trainable,
)
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.cases.unknown_drivers import drawn_routers, mixed_routers
from napari_dmoe.training.guarding.groups import notices_of
from napari_dmoe.training.guarding.guard import watched
from napari_dmoe.training.learning.selection import is_router
from napari_dmoe.training.loop.evaluation import OVERLAP, Evaluation, evaluate
from napari_dmoe.training.loop.fit import fit, fit_cohort
from napari_dmoe.training.starting.new_routers import add_attribute, add_value
from napari_dmoe.training.tuning.corrected import (
    StoredCases,
    annotated_case,
    write_cases,
)
from napari_dmoe.training.tuning.tune import tune

SEX = CardAttribute(name="sex", values=("female", "male"))
ROUTERS = PLAIN.model_copy(update={"train": "routers"})


def with_routers_that_matter(loaded: LoadedModel) -> LoadedModel:
    """Draw the parameters anew that make a mask of what a router chose."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in loaded.module.named_parameters():
            if name.startswith(("moe", "decoder", "head", "ups", "out")):
                parameter.normal_(generator=generator)
    return loaded


def tiny_model(**frequencies: tuple[float, ...]) -> LoadedModel:
    """Return a network whose routers matter to its masks."""
    loaded = with_routers_that_matter(tiny())
    attributes = tuple(
        a.model_copy(update={"frequencies": frequencies.get(a.name)})
        for a in loaded.card.attributes
    )
    card = loaded.card.model_copy(update={"attributes": attributes})
    return replace(loaded, card=card)


def measured(
    loaded: LoadedModel, cases: Sequence[Case], card: ModelCard | None, batch: int = 4
) -> Evaluation:
    pool = read_pool(cases, loaded.card, may_be_unknown=True)
    return evaluate(
        loaded.module,
        pool,
        classes=loaded.card.classes,
        groups=groups_of(pool.patients, ()),
        has_moe=True,
        batch=batch,
        device="cpu",
        card=card,
    )


def dice_of_segment(
    loaded: LoadedModel,
    cases: Sequence[Case],
    overlap: float = 0.5,
) -> np.ndarray:
    settings = InferenceSettings(scored_at="network", overlap=overlap)
    return np.array(
        [
            class_dice(
                segment(loaded, c.image, c.patient, settings=settings).labels,
                np.asarray(c.labels.data),
                len(loaded.card.classes),
            )
            for c in cases
        ]
    )


def test_unknown_drivers_are_scored_as_they_are_segmented() -> None:
    loaded = tiny_model(severity=(0.2, 0.7, 0.1))
    cases = [square(i, None) for i in range(6)]
    found = measured(loaded, cases, loaded.card)
    expected = dice_of_segment(loaded, cases)
    np.testing.assert_allclose(found.cases, expected, atol=1e-6)
    # Which shares are mixed by matters to these masks.
    other = tiny_model(severity=(0.0, 0.0, 1.0))
    assert not np.allclose(found.cases, measured(other, cases, other.card).cases)


def test_known_and_unknown_cases_may_share_a_batch() -> None:
    loaded = tiny_model(severity=(0.2, 0.7, 0.1))
    values = (None, "healthy", "suspect", None, "glaucoma", "healthy")
    cases = [square(i, value) for i, value in enumerate(values)]
    found = measured(loaded, cases, loaded.card)
    np.testing.assert_allclose(found.cases, dice_of_segment(loaded, cases), atol=1e-6)


def test_one_of_two_drivers_is_mixed_and_the_other_fixed() -> None:
    loaded = add_attribute(tiny_model(), SEX)
    with torch.no_grad():
        loaded.network.moe.router_weight[3:].mul_(-4)
        loaded.network.moe.router_weight[4].mul_(-1)
    cases = [
        square(0, "healthy"), square(1, None, sex="male"), square(2, None),
        square(3, "suspect", sex="female"),
    ]  # fmt: skip
    found = measured(loaded, cases, loaded.card)
    np.testing.assert_allclose(found.cases, dice_of_segment(loaded, cases), atol=1e-6)


def test_known_cases_score_what_they_scored_bit_for_bit() -> None:
    loaded = tiny_model(severity=(0.2, 0.7, 0.1))
    cases = [square(i, CARD.attributes[0].values[i % 3]) for i in range(6)]
    plain, with_card = (measured(loaded, cases, card) for card in (None, loaded.card))
    assert torch.equal(plain.cases, with_card.cases)


def test_unknown_drivers_of_volumes_are_mixed_as_they_are_segmented() -> None:
    loaded = with_routers_that_matter(cube_model())
    cases = [cube(0, severity=None), cube(2, severity=None)]
    found = measured(loaded, cases, loaded.card, batch=1)
    expected = dice_of_segment(loaded, cases, OVERLAP)
    np.testing.assert_allclose(found.cases, expected, atol=5e-5)
    known = [measured(loaded, [cube(0, severity=s)], None).worst for s in ("T1", "T2")]
    assert np.ptp(known) > 1e-3  # it matters which routers run


def test_held_out_cases_are_mixed_by_the_shares_of_the_training() -> None:
    cases = [*squares(3, "healthy"), square(7, "suspect")]
    held_out = [square(20 + i, None) for i in range(3)]
    settings = PLAIN.model_copy(update={"epochs": 1})
    fitted = fit(tiny_model(), cases, settings=settings, held_out=held_out)
    assert fitted.loaded.card.attributes[0].frequencies == (0.75, 0.25, 0)
    expected = dice_of_segment(fitted.loaded, held_out)
    for place, name in enumerate(("rim", "cup")):
        mean = np.nanmean(expected[:, place])
        assert fitted.history[0].dice[name] == pytest.approx(mean, abs=1e-6)


LEFT_OUT = PLAIN.model_copy(update={"unknown_drivers": "leave-out"})
HIDDEN = [square(9 + i, None) for i in range(3)]


def test_cases_without_a_known_driver_can_be_left_out_and_are_told_once() -> None:
    known = squares(4)
    fitted = fit(tiny(), [HIDDEN[0], *known, *HIDDEN[1:]], settings=LEFT_OUT)
    assert fitted.n_cases == 4
    told = "3 of 7 cases are left out of the training: severity is not known of them"
    assert fitted.notices[0] == told
    alone = fit(tiny(), known, settings=PLAIN)
    assert [e.loss for e in fitted.history] == [e.loss for e in alone.history]


@pytest.mark.parametrize(
    ("rule", "how"),
    [
        ("mix", "the routers of its values are mixed there, by their shares"),
        ("draw", "one of its values is drawn there at each step, by their shares"),
    ],
)
def test_cases_without_a_known_driver_are_trained_on_and_told(
    rule: str, how: str
) -> None:
    settings = PLAIN.model_copy(update={"unknown_drivers": rule})
    fitted = fit(tiny(), [*squares(4, "healthy"), *HIDDEN], settings=settings)
    assert fitted.n_cases == 7
    assert fitted.cases_per_router == (4, 0, 0)
    told = f"severity is not known in 3 of 7 cases that are trained on: {how}"
    assert fitted.notices[0] == told
    facts = fitted.loaded.card.training
    assert facts.n_unknown == {"severity": 3}
    assert facts.n_per_value == {
        "severity": {"healthy": 4, "suspect": 0, "glaucoma": 0}
    }
    assert facts.settings is not None
    assert facts.settings["unknown_drivers"] == rule


def trained(**frequencies: tuple[float, ...]) -> LoadedModel:
    """Return a network that somebody trained before."""
    loaded = tiny_model(**frequencies)
    facts = loaded.card.training.model_copy(update={"n_cases": 30})
    card = loaded.card.model_copy(update={"training": facts})
    return replace(loaded, card=card)


@pytest.mark.parametrize("rule", ["mix", "draw"])
def test_a_driver_that_no_case_knows_teaches_no_router(rule: str) -> None:
    start = trained()
    settings = PLAIN.model_copy(update={"unknown_drivers": rule})
    fitted = fit_cohort(start, HIDDEN, settings=settings)
    told = "severity is not known in any of the 3 cases trained on: nothing is learnt"
    assert any(notice.startswith(told) for notice in fitted.notices)
    before, after = start.module.state_dict(), fitted.loaded.module.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any(is_router(name) for name in changed)
    with pytest.raises(TrainingError, match="no case chooses a router that is to be"):
        fit_cohort(start, HIDDEN, settings=ROUTERS)


def test_an_unknown_driver_is_drawn_by_the_card_s_shares() -> None:
    card = trained(severity=(0.2, 0.7, 0.1)).card
    generator = torch.Generator().manual_seed(0)
    category = torch.tensor([[-1]] * 4000 + [[2]])
    drawn = drawn_routers(category, card, generator=generator)
    assert drawn[-1].item() == 2
    shares = drawn[:-1, 0].bincount(minlength=3) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.7, 0.1]), atol=0.03, rtol=0)
    mixed = mixed_routers(category[-2:], card)
    torch.testing.assert_close(mixed, torch.tensor([[0.2, 0.7, 0.1], [0, 0, 1]]))


def test_a_new_model_leaves_one_driver_out_while_it_knows_another() -> None:
    card = add_attribute(tiny(), SEX).card
    category = torch.tensor([[1, -1], [-1, 4], [0, 3]])
    assert mixed_routers(category, card, was_trained=False) is category
    neither = torch.tensor([[1, -1], [-1, -1]])
    mixed = mixed_routers(neither, card, was_trained=False)
    expected = [[0, 1, 0, 0, 0], [1 / 6, 1 / 6, 1 / 6, 1 / 4, 1 / 4]]
    torch.testing.assert_close(mixed, torch.tensor(expected))
    generator = torch.Generator().manual_seed(0)
    drawn = drawn_routers(neither, card, generator=generator, was_trained=False)
    assert drawn[0].tolist() == [1, -1]
    assert (drawn[1] >= torch.tensor([0, 3])).all()


def test_what_a_new_model_leaves_out_is_told() -> None:
    card = add_attribute(tiny(), SEX).card
    cases = [square(0, "healthy"), square(1, None, sex="male")]
    beside = "none of its routers is chosen there beside what is known"
    for rule, ending in (
        ("mix", ", else the routers of its values are mixed there, by their shares"),
        ("leave-out", ""),
    ):
        told = trainable(cases, card, unknown=rule, is_first=True).notices
        assert told == [
            f"{name} is not known in 1 of 2 cases that are trained on: {beside}{ending}"
            for name in ("severity", "sex")
        ]


def test_counts_of_unknown_cases_add_up_over_trainings(tmp_path: Path) -> None:
    first = fit(tiny(), [*squares(3), *HIDDEN[:1]], settings=PLAIN).loaded
    again = fit(first, [*squares(2), *HIDDEN], settings=PLAIN).loaded
    assert again.card.training.n_unknown == {"severity": 4}
    assert fit(first, squares(3), settings=PLAIN).loaded.card.training.n_unknown == {
        "severity": 1
    }


def test_of_two_drivers_either_is_enough_and_what_lacks_is_told() -> None:
    two = add_attribute(tiny(), SEX)
    cases = [
        *(square(i, "healthy", sex="female") for i in range(2)),
        square(2, "suspect"), square(3, None, sex="male"), square(4, None),
    ]  # fmt: skip
    left_out = ROUTERS.model_copy(update={"unknown_drivers": "leave-out"})
    fitted = fit(two, cases, settings=left_out)
    assert fitted.n_cases == 4
    assert fitted.cases_per_router == (2, 1, 0, 2, 1)
    how = "the routers of its values are mixed there, by their shares"
    assert fitted.notices[:3] == (
        "1 of 5 cases is left out of the training: neither severity nor sex is known "
        "of them",
        f"severity is not known in 1 of 4 cases that are trained on: {how}",
        f"sex is not known in 1 of 4 cases that are trained on: {how}",
    )


def test_no_case_with_a_known_driver_is_an_error_where_it_is_left_out() -> None:
    with pytest.raises(TrainingError, match="all cases: severity is not known, but"):
        fit(tiny(), HIDDEN, settings=LEFT_OUT)


def cohort_of(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Write a table whose images do not exist: they are not to be read."""
    for row in rows:
        (folder / row["image"]).write_bytes(b"no image")
    write_table(folder / "cohort.csv", rows)
    return folder


def test_an_attribute_that_no_case_knows_stops_before_an_image_is_read(
    tmp_path: Path,
) -> None:
    rows = [
        {"image": f"{i}.png", "labels": f"{i}.png", "severity": "healthy", "sex": ""}
        for i in range(6)
    ]
    cases = read_cohort(cohort_of(tmp_path, rows))
    two = add_attribute(tiny(), SEX)
    with pytest.raises(TrainingError, match=r"sex is not known in any of the \d cases"):
        fit_cohort(two, cases, settings=PLAIN)
    race = CardAttribute(name="race", values=("Asian", "Black"))
    message = r"sex and race are not known .* columns \(sex, such as female; race, such"
    with pytest.raises(TrainingError, match=message):
        fit_cohort(add_attribute(two, race), cases, settings=PLAIN)


def test_such_an_attribute_stops_no_tuning_unless_it_is_left_out() -> None:
    two = add_attribute(trained(), SEX)
    tuned = tune(two, squares(2), settings=ROUTERS)
    assert tuned.loaded.card.training.n_unknown == {"sex": 2}
    left_out = ROUTERS.model_copy(update={"unknown_drivers": "leave-out"})
    with pytest.raises(TrainingError, match="sex is not known in any of the 2 cases"):
        tune(two, squares(2), settings=left_out)


def named_none() -> LoadedModel:
    """Return a network whose card has a value that elsewhere means unknown."""
    severity = CardAttribute(name="severity", values=("none", "mild", "NA"))
    loaded = tiny()
    card = loaded.card.model_copy(update={"attributes": (severity,)})
    return replace(loaded, card=card)


def test_a_value_called_none_is_trained_on_and_counted() -> None:
    cases = [square(i, ("none", "mild", "NA")[i % 3]) for i in range(6)]
    fitted = fit(named_none(), cases, settings=PLAIN)
    assert fitted.cases_per_router == (2, 2, 2)
    assert not any("not known" in n or "no training case" in n for n in fitted.notices)
    refuse_unknown_attributes(squares(2, "none"), named_none().card)


def test_a_value_called_none_is_handed_over_guarded_and_written(tmp_path: Path) -> None:
    card, case = named_none().card, square(0, "none")
    write_cases(tmp_path / "cases", [annotated_case(case, card, EVERYTHING)])
    write_cohort(tmp_path / "cohort", [case])
    for cases in (StoredCases.of(tmp_path / "cases"), read_cohort(tmp_path / "cohort")):
        assert card.categories(cases[0].patient) == (0,)
        assert len(watched(cases, card)) == 1
    assert notices_of([case.patient], card.attributes, card) == ()


@pytest.mark.parametrize("values", [("healthy",), ("healthy", "suspect")])
def test_values_without_cases_are_told_and_known_to_the_card(
    values: tuple[str, ...],
) -> None:
    cases = [square(i, values[i % len(values)]) for i in range(6)]
    fitted = fit(tiny(), cases, settings=PLAIN)
    missing = [v for v in CARD.attributes[0].values if v not in values]
    its = (
        "its router stays as it" if len(missing) == 1 else "their routers stay as they"
    )
    told = f"no training case has severity {', '.join(missing)}: {its} began"
    assert told in fitted.notices
    card = fitted.loaded.card
    assert card.untrained("severity") == tuple(missing)
    record = segment(fitted.loaded, cases[0].image, Patient(severity="glaucoma"))
    assert "its router was never trained" in record.provenance.notices[0]


def test_spare_routers_are_no_values_without_cases() -> None:
    loaded = tiny()
    severity = CardAttribute(name="severity", values=("healthy", "ill"), n_routers=3)
    card = loaded.card.model_copy(update={"attributes": (severity,)})
    cases = [square(i, ("healthy", "ill")[i % 2]) for i in range(4)]
    assert fit(replace(loaded, card=card), cases, settings=PLAIN).notices == ()


def test_a_new_value_is_untrained_until_it_is_trained() -> None:
    wide = add_value(tiny(), "severity", "absolute")
    assert wide.card.untrained("severity") == ("absolute",)
    assert wide.card.shares("severity") == pytest.approx((1 / 3, 1 / 3, 1 / 3, 0))
    settings = PLAIN.model_copy(update={"train": "router.3"})
    cases = [square(i, "absolute") for i in range(4)]
    card = fit(wide, cases, settings=settings).loaded.card
    assert "absolute" not in card.untrained("severity")


def test_a_new_value_of_a_model_that_nobody_counted(race_model: LoadedModel) -> None:
    wide = add_value(race_model, "race", "other")
    assert wide.card.untrained("race") == ("other",)
    others = [replace(c, patient=Patient(race="Black")) for c in squares(2)]
    # Cases of another value leave it untrained, and count nothing else.
    still = fit(wide, others, settings=ROUTERS).loaded.card
    assert still.untrained("race") == ("other",)
    assert still.attributes[0].frequencies == race_model.card.attributes[0].frequencies
    cases = [replace(c, patient=Patient(race="other")) for c in squares(2)]
    card = fit(wide, cases, settings=ROUTERS).loaded.card
    assert card.untrained("race") == ()
    assert card.training.n_per_value is None


def test_a_new_attribute_changes_no_mask_where_it_is_unknown() -> None:
    start = tiny_model()
    two = add_attribute(start, SEX)
    assert two.card.untrained("sex") == ("female", "male")
    assert two.card.untrained("severity") == ()
    settings = InferenceSettings(scored_at="network", probabilities=True)
    for severity in ("healthy", "glaucoma"):
        image, patient = square(1).image, Patient(severity=severity)
        before = segment(start, image, patient, settings=settings)
        after = segment(two, image, patient, settings=settings)
        np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-4)
        np.testing.assert_array_equal(after.labels, before.labels)


def test_training_begins_with_the_same_masks_where_a_new_attribute_is_unknown() -> None:
    start = tiny_model()
    two = add_attribute(start, SEX)
    category = torch.tensor([[0, -1], [2, 4], [1, 3], [2, -1]])
    shares = mixed_routers(category, two.card)
    torch.testing.assert_close(shares.sum(1), torch.ones(4))
    assert shares[1].tolist() == [0, 0, 0.5, 0, 0.5]
    assert shares[0].tolist() == [0.5, 0, 0, 0.25, 0.25]
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = start.network(x, torch.tensor([0, 2, 1, 2])).logits
        after = two.network(x, shares).logits
    # The logits of these routers are millions: rounding is told against the largest.
    largest = before.abs().max()
    torch.testing.assert_close(after / largest, before / largest, atol=5e-6, rtol=0)


def losses(loaded: LoadedModel, cases: Sequence[Case]) -> list[float]:
    settings = PLAIN.model_copy(
        update={"epochs": 1, "learning_rate": 1e-9, "dropout": 0.0, "train": "routers"}
    )
    return [epoch.loss for epoch in fit(loaded, cases, settings=settings).history]


def test_the_first_loss_of_a_new_attribute_is_that_of_the_model_it_began_as() -> None:
    start = tiny_model()
    with torch.no_grad():
        start.network.moe.noise_bias.fill_(-40)  # no noise worth the name
        start.network.moe.noise_weight.zero_()
    two = add_attribute(start, SEX)
    cases = [
        square(i, ("healthy", "glaucoma")[i % 2], **({"sex": "male"} if i == 3 else {}))
        for i in range(4)
    ]
    assert losses(two, cases) == pytest.approx(losses(start, cases), rel=1e-3)


def test_a_new_attribute_is_counted_by_this_training_alone(
    race_model: LoadedModel,
) -> None:
    two = add_attribute(race_model, SEX)
    patients = [{"race": "Black", "sex": "male"}, {"race": "White"}, {"sex": "female"}]
    cases = [
        replace(c, patient=Patient(**p))
        for c, p in zip(squares(3), patients, strict=True)
    ]
    card = fit(two, cases, settings=ROUTERS).loaded.card
    assert card.training.n_per_value == {"sex": {"female": 1, "male": 1}}
    race, sex = card.attributes
    assert sex.frequencies == (0.5, 0.5)
    assert race.frequencies == race_model.card.attributes[0].frequencies
