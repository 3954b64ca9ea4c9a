"""Parts of a network are trained; the rest stays as it is, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_cases import (
    PLAIN,
    cube_model,
    mixed_squares,
    square,
    squares,
    tiny_model,
    weights,
)

from napari_dmoe.cohorts.case import Case
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.starting.modes import in_mode
from napari_dmoe.training.starting.new_routers import (
    add_attribute,
    add_value,
    nearest_value,
    router_of,
)

SEX = CardAttribute(name="sex", values=("female", "male"))


def changed(before: LoadedModel, after: LoadedModel) -> set[str]:
    """Return the names of the tensors that differ, running statistics included."""
    old = before.module.state_dict()
    new = after.module.state_dict()
    return {name for name in old if not torch.equal(old[name], new[name])}


@pytest.mark.parametrize(
    ("train", "beginnings"),
    [
        ("routers", ("moe.router", "moe.noise")),
        ("experts", ("moe.expert",)),
        ("decoder", ("decoder.", "head.")),
        ("encoder", ("blocks.", "patch_", "position_", "final_norm")),
        ("blocks.0.mlp*, head.*", ("blocks.0.mlp", "head.")),
    ],
)
def test_only_what_is_named_changes(train: str, beginnings: tuple[str, ...]) -> None:
    start = tiny_model()
    settings = PLAIN.model_copy(update={"train": train, "weight_decay": 0.1})
    found = changed(start, fit(start, mixed_squares(), settings=settings).loaded)
    assert found
    assert all(name.startswith(beginnings) for name in found)
    for beginning in beginnings:
        assert any(name.startswith(beginning) for name in found)


def test_a_trained_decoder_moves_its_running_statistics_a_frozen_one_does_not() -> None:
    start = tiny_model()
    for train, moves in (("decoder", True), ("routers,experts", False)):
        settings = PLAIN.model_copy(update={"train": train})
        found = changed(start, fit(start, mixed_squares(), settings=settings).loaded)
        assert any("running" in name for name in found) == moves
        assert any("num_batches" in name for name in found) == moves


def test_parts_of_the_3d_network_are_told_apart() -> None:
    names = {name for name, _ in cube_model().module.named_parameters()}
    from napari_dmoe.training.learning.selection import select

    seen = set()
    for part in ("routers", "experts", "decoder", "encoder"):
        network = cube_model().module
        select(network, part)
        mine = {n for n, p in network.named_parameters() if p.requires_grad}
        assert mine
        assert not mine & seen
        seen |= mine
    assert seen == names


def test_a_part_that_is_not_there_is_refused() -> None:
    for train in ("rooters", "blocks.9.*"):
        settings = PLAIN.model_copy(update={"train": train})
        with pytest.raises(TrainingError, match="nothing of the network is called"):
            fit(tiny_model(), squares(), settings=settings)
    no_moe = in_mode(tiny_model(), "no-moe")
    settings = PLAIN.model_copy(update={"train": "experts"})
    with pytest.raises(TrainingError, match="nothing of the network is called"):
        fit(no_moe, squares(), settings=settings)


def rows_changed(before: LoadedModel, after: LoadedModel) -> set[int]:
    old, new = before.network.moe.router_weight, after.network.moe.router_weight
    return {row for row in range(len(old)) if not torch.equal(old[row], new[row])}


def test_routers_that_no_case_chooses_stay_as_they_are() -> None:
    start = tiny_model()
    settings = PLAIN.model_copy(update={"train": "routers", "weight_decay": 0.5})
    fitted = fit(start, squares(4, "suspect"), settings=settings)
    assert rows_changed(start, fitted.loaded) == {1}


def test_a_single_router_can_be_trained_alone() -> None:
    start = tiny_model()
    settings = PLAIN.model_copy(update={"train": "router.2"})
    fitted = fit(start, mixed_squares(), settings=settings)
    assert rows_changed(start, fitted.loaded) == {2}
    assert all(".router" in n or ".noise" in n for n in changed(start, fitted.loaded))
    for train, message in (
        ("router.7", "router 7 does not exist: there are 3"),
        ("router.0", "no case chooses a router that is to be trained"),
    ):
        settings = PLAIN.model_copy(update={"train": train})
        with pytest.raises(TrainingError, match=message):
            fit(start, squares(4, "suspect"), settings=settings)


@pytest.mark.parametrize("like", [None, "glaucoma"])
def test_a_new_value_has_a_router_of_its_own(tmp_path, like: str | None) -> None:
    start = tiny_model()
    wider = add_value(start, "severity", "absolute", like=like)
    assert wider.card.attributes[0].values[-1] == "absolute"
    assert router_of(wider, "severity", "Absolute") == 3
    old, new = start.network.moe.router_weight, wider.network.moe.router_weight
    assert torch.equal(new[:3], old)
    expected = old.mean(0) if like is None else old[2]
    torch.testing.assert_close(new[3], expected)
    settings = PLAIN.model_copy(update={"train": "router.3"})
    cases = [square(i, "absolute") for i in range(4)]
    fitted = fit(wider, cases, settings=settings).loaded
    assert rows_changed(wider, fitted) == {3}
    save_checkpoint(tmp_path / "wider.safetensors", fitted)
    loaded = load_checkpoint(tmp_path / "wider.safetensors")
    assert loaded.card.attributes[0].values[-1] == "absolute"
    assert loaded.config.n_routers == 4


def test_a_new_value_of_the_first_attribute_moves_the_second_ones_routers() -> None:
    two = add_attribute(tiny_model(), SEX)
    wider = add_value(two, "severity", "absolute")
    assert router_of(wider, "sex", "female") == 4
    old, new = two.network.moe.router_bias, wider.network.moe.router_bias
    assert torch.equal(new[[0, 1, 2, 4, 5]], old)


def test_a_spare_router_is_taken_before_one_is_added() -> None:
    start = tiny_model()
    spare = CardAttribute(name="severity", values=("T1", "T2"), n_routers=3)
    card = start.card.model_copy(update={"attributes": (spare,)})
    from dataclasses import replace

    wider = add_value(replace(start, card=card), "severity", "T3", like="T2")
    assert wider.config.n_routers == 3
    assert wider.card.attributes[0].routers == 3
    routers = wider.network.moe.router_weight
    assert torch.equal(routers[2], routers[1])


def test_values_that_cannot_be_added_are_refused() -> None:
    model = tiny_model()
    for attribute, value, like, message in (
        ("race", "other", None, "'race' does not drive the model: severity does"),
        ("severity", "Suspect", None, "knows severity 'Suspect' already"),
        ("severity", "absolute", "mild", "knows no severity 'mild': it knows healthy"),
    ):
        with pytest.raises(TrainingError, match=message):
            add_value(model, attribute, value, like=like)
    skin = load_checkpoint("skin-phantom")
    with pytest.raises(TrainingError, match="age is a number in bands"):
        add_value(skin, "age", "100 and over")


def test_a_second_attribute_changes_no_mask_until_it_is_trained() -> None:
    start = tiny_model()
    two = add_attribute(start, SEX)
    three = add_attribute(two, CardAttribute(name="race", values=("a", "b")))
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    severity = torch.tensor([0, 1, 2])
    expected = start.network(x, severity).logits
    sex, race = torch.tensor([3, 4, 3]), torch.tensor([5, 5, 6])
    rows = torch.stack([severity, sex], 1)
    torch.testing.assert_close(two.network(x, rows).logits, expected)
    rows = torch.stack([severity, sex, race], 1)
    torch.testing.assert_close(
        three.network(x, rows).logits, expected, atol=1e-4, rtol=1e-4
    )
    with pytest.raises(TrainingError, match="sex drives the model already"):
        add_attribute(two, SEX)
    with pytest.raises(TrainingError, match="nothing drives the model"):
        add_attribute(in_mode(start, "single-router"), SEX)


def test_a_second_attribute_is_learnt() -> None:
    two = add_attribute(tiny_model(), SEX)
    cases = [
        Case(c.id, c.image, c.labels, Patient(severity="suspect", sex=sex))
        for c, sex in zip(squares(4), ("female", "male") * 2, strict=True)
    ]
    settings = PLAIN.model_copy(update={"train": "routers"})
    fitted = fit(two, cases, settings=settings)
    assert rows_changed(two, fitted.loaded) == {1, 3, 4}
    assert fitted.cases_per_router == (0, 4, 0, 2, 2)


def test_the_nearest_value_is_the_one_whose_masks_fit_best() -> None:
    model = load_checkpoint("fundus-race-phantom")
    from napari_dmoe.phantoms.fundus.cohort import fundus_race_cohort

    drawn = list(fundus_race_cohort(40, seed=77))
    for value in ("healthy", "glaucoma"):
        cases = [
            replace(c, patient=c.patient.with_value("severity", "never heard of"))
            for c in drawn
            if c.patient.severity == value
        ]
        assert nearest_value(model, "severity", cases[:6]) == value


def test_the_card_of_a_tuned_model_counts_old_and_new_cases() -> None:
    model = load_checkpoint("fundus-phantom")
    before = model.card.training
    settings = PLAIN.model_copy(update={"epochs": 1, "train": "routers"})
    card = fit(model, squares(2), settings=settings).loaded.card
    assert card.training.n_cases == before.n_cases + 2
    counts = card.training.n_per_value["severity"]
    assert counts["suspect"] == before.n_per_value["severity"]["suspect"] + 2
    assert sum(card.attributes[0].frequencies) == pytest.approx(1)
    assert card.training.data == (
        "synthetic fundi drawn by napari-dmoe phantoms; then fine-tuned on 2 further "
        "cases, which are not known to be made up"
    )


def test_the_card_of_a_tuned_model_guesses_no_counts(race_model: LoadedModel) -> None:
    cases = [Case(c.id, c.image, c.labels, Patient(race="Black")) for c in squares(2)]
    settings = PLAIN.model_copy(update={"epochs": 1, "train": "routers"})
    card = fit(race_model, cases, settings=settings).loaded.card
    assert card.training.n_per_value is None
    assert card.training.n_cases == race_model.card.training.n_cases + 2
    assert card.attributes[0].frequencies == race_model.card.attributes[0].frequencies
    assert "further cases" in card.training.data


def test_baselines_keep_everything_but_their_routers(tmp_path) -> None:
    start = tiny_model()
    single, none = in_mode(start, "single-router"), in_mode(start, "no-moe")
    assert in_mode(start, "dmoe") is start
    assert in_mode(none, "no-moe") is none
    moe = start.network.moe
    torch.testing.assert_close(
        single.network.moe.router_weight[0], moe.router_weight.mean(0)
    )
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = start.network(x, None).logits
    torch.testing.assert_close(none.network(x, None).logits, expected)
    for model in (single, none):
        assert model.card.attributes == ()
        fitted = fit(model, mixed_squares(), settings=PLAIN)
        assert not torch.equal(weights(fitted.loaded), weights(model))
        path = tmp_path / f"{model.card.name}.safetensors"
        save_checkpoint(path, fitted.loaded)
        assert load_checkpoint(path).config.n_routers == model.config.n_routers
    with pytest.raises(TrainingError, match="no MoE to make a single router of"):
        in_mode(none, "single-router")
    assert in_mode(cube_model(), "no-moe").config.n_experts == 0


def test_a_card_that_counts_no_cases_goes_on_counting_none(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    save_checkpoint(path, tiny_model())
    fitted = fit(load_checkpoint(path), squares(2), settings=PLAIN)
    assert fitted.loaded.card.training.n_cases is None
    assert fitted.loaded.card.training.data == (
        "not stated; then fine-tuned on 2 further cases"
    )
