"""Groups are measured, balanced and guarded while a network is trained."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_cases import (
    CARD,
    PLAIN,
    SEVERITY,
    mixed_squares,
    square,
    squares,
    tiny_model,
    weights,
)

from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.evaluation.groups.membership import groups_of
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.training.cases.annotation import IGNORED, TrainingError
from napari_dmoe.training.cases.held_out import hold_out_cases
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.cases.sampling import Sampler
from napari_dmoe.training.loop.evaluation import evaluate
from napari_dmoe.training.loop.fit import COLLAPSED, fit, fit_cohort
from napari_dmoe.training.loop.folder import RunFolder
from napari_dmoe.training.loop.history import Diverged, Epoch, history_rows
from napari_dmoe.training.settings import TrainSettings, preset
from napari_dmoe.training.starting.modes import in_mode

SEX = CardAttribute(name="sex", values=("female", "male"))


def order_of(sampler: Sampler, seed: int = 0) -> torch.Tensor:
    return sampler.order(torch.Generator().manual_seed(seed))


def test_uniform_order_shows_every_case_once_as_the_recipes_always_did() -> None:
    group = torch.tensor([0] * 9 + [1])
    expected = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(order_of(Sampler(group, "uniform")), expected)
    longer = order_of(Sampler(group, "uniform", 25))
    assert longer.bincount().tolist() == pytest.approx([2.5] * 10, abs=0.5)


def test_balanced_order_shows_every_group_as_often() -> None:
    group = torch.tensor([0] * 90 + [1] * 10)
    share = group[order_of(Sampler(group, "group", 2000))].float().mean().item()
    assert share == pytest.approx(0.5, abs=0.05)


def test_the_worst_group_comes_more_often_the_longer_it_lags() -> None:
    group = torch.tensor([0] * 50 + [1] * 50)
    sampler, shares = Sampler(group, "worst-group", 4000), []
    for _ in range(3):
        shares.append(group[order_of(sampler)].float().mean().item())
        sampler.learn(torch.tensor([0.9, 0.8]))
    assert shares[0] == pytest.approx(0.5, abs=0.03)
    assert shares[0] < shares[1] < shares[2] < 0.75
    before = sampler.shares.clone()
    sampler.learn(torch.tensor([math.nan, math.nan]))
    assert torch.equal(sampler.shares, before)
    other = Sampler(group, "group")
    other.learn(torch.tensor([0.9, 0.1]))
    assert other.shares.tolist() == [0.5, 0.5]


def test_worst_group_sampling_needs_something_to_measure() -> None:
    settings = PLAIN.model_copy(update={"sampling": "worst-group"})
    with pytest.raises(TrainingError, match="needs held-out cases to find it"):
        fit(tiny_model(), squares(), settings=settings)


def test_cases_are_held_out_group_by_group() -> None:
    cases = squares(10, "healthy") + squares(5, "suspect", 10) + squares(2, "glaucoma")
    patients = patients_of(cases)
    options = {"attributes": (SEVERITY,)}
    settings = TrainSettings(hold_out_every=5)
    training, held = hold_out_cases(cases, patients, settings=settings, **options)
    assert held.places == [2, 7, 12]  # too few glaucomas to give one away
    assert sorted([*training.places, *held.places]) == list(range(17))
    none = TrainSettings(hold_out="none")
    assert len(hold_out_cases(cases, patients, settings=none, **options)[1]) == 0
    every = TrainSettings(hold_out="every", hold_out_every=5)
    held = hold_out_cases(cases, patients, settings=every, **options)[1]
    assert held.places == [0, 5, 10, 15]
    few = hold_out_cases(cases[:4], patients[:4], settings=settings, **options)[1]
    assert len(few) == 0
    rare = [square(i, SEVERITY.values[i % 3]) for i in range(6)]
    held = hold_out_cases(rare, patients_of(rare), settings=settings, **options)[1]
    assert held.places == [2]


class Constant(torch.nn.Module):
    """Finds class 1 on the left half, whatever the image."""

    def forward(self, x, category):
        logits = torch.zeros(len(x), 3, *x.shape[2:])
        logits[:, 1, :, :16] = 1
        return type("Output", (), {"logits": logits})


def test_dice_is_that_of_the_masks_per_class_and_group() -> None:
    cases = [square(0, "healthy"), square(1, "glaucoma")]
    cases[0].labels.data[:] = 0
    cases[0].labels.data[:, :16] = 1  # found exactly
    cases[1].labels.data[:] = 0
    cases[1].labels.data[:, 8:24] = 1  # half of it is found
    pool = read_pool(cases, CARD)
    pool.labels[1, :16, :16] = IGNORED
    pool.labels[1, 16:, :8] = IGNORED  # of what is left, everything found is right
    found = evaluate(
        Constant(),
        pool,
        classes=CARD.classes,
        groups=groups_of(pool.patients, (SEVERITY,)),
        has_moe=True,
        batch=2,
        device="cpu",
    )
    hit, truth = 8 * 16, 8 * 32 + 8 * 16
    half = 2 * hit / (hit + truth)
    assert found.groups["severity=healthy"]["rim"] == 1
    assert found.groups["severity=glaucoma"]["rim"] == pytest.approx(half)
    assert found.dice["rim"] == pytest.approx((1 + half) / 2)
    assert math.isnan(found.dice["cup"])  # neither there nor found
    assert found.worst == pytest.approx(half)
    assert found.by_group(torch.tensor([0, 1]), 3)[:2].tolist() == [
        1,
        pytest.approx(half),
    ]
    assert "severity=suspect" not in found.groups


def test_the_model_of_the_best_worst_group_is_kept() -> None:
    settings = TrainSettings(epochs=12, batch=4, learning_rate=0.02, augmentation=None)
    held_out = mixed_squares(6)
    fitted = fit(tiny_model(), mixed_squares(), settings=settings, held_out=held_out)
    worst = [epoch.worst for epoch in fitted.history]
    assert fitted.best_epoch == worst.index(max(worst))
    assert fitted.kept == fitted.history[fitted.best_epoch]
    last = fit(
        tiny_model(),
        mixed_squares(),
        settings=settings.model_copy(update={"keep": "last"}),
        held_out=held_out,
    )
    assert last.history == fitted.history
    assert last.best_epoch is None
    same = fitted.best_epoch == 11
    assert torch.equal(weights(last.loaded), weights(fitted.loaded)) == same
    shorter = fit(
        tiny_model(),
        mixed_squares(),
        settings=settings.model_copy(update={"evaluate_every": 5}),
        held_out=held_out,
    )
    measured = [epoch.number for epoch in shorter.history if epoch.dice]
    assert measured == [4, 9, 11]


def test_training_stops_when_the_worst_group_gets_no_better() -> None:
    settings = TrainSettings(
        epochs=30, batch=4, learning_rate=1e-9, patience=3, augmentation=None, dropout=0
    )
    fitted = fit(tiny_model(), squares(), settings=settings, held_out=squares(2))
    assert len(fitted.history) < 30
    assert len(fitted.history) >= 4


def test_groups_of_a_baseline_are_measured_though_nothing_drives_it() -> None:
    model = in_mode(tiny_model(), "no-moe")
    cases = squares(6, "healthy") + squares(6, "glaucoma", 6)
    settings = TrainSettings(epochs=1, batch=4, sampling="group", hold_out_every=3)
    fitted = fit_cohort(model, cases, settings=settings, watch=(SEVERITY,))
    assert set(fitted.history[0].groups) == {"severity=healthy", "severity=glaucoma"}
    assert fit_cohort(model, cases, settings=settings).history[0].groups == {}


def test_a_group_of_one_case_is_allowed_with_a_notice() -> None:
    cases = [*squares(3, "healthy"), square(9, "glaucoma")]
    fitted = fit(tiny_model(), cases, settings=PLAIN)
    assert fitted.notices == (
        "severity=glaucoma has one case only: what is learnt of it may be that case",
        "no training case has severity suspect: its router stays as it began",
    )


def test_a_loss_that_is_no_number_gives_back_the_last_good_model(
    tmp_path: Path,
) -> None:
    seen: list[Epoch] = []
    # So high a rate breaks down after a few epochs, and the first ones are kept.
    settings = preset(
        "published", epochs=50, batch=4, learning_rate=3e5, augmentation=None
    ).model_copy(update={"keep": "last", "warm_up": 0.9, "dropout": 0.0})
    with pytest.raises(
        Diverged, match=r"with the learning rate .* Lower the"
    ) as caught:
        fit(
            tiny_model(),
            squares(),
            settings=settings.model_copy(update={"save_every": 50}),
            folder=RunFolder(tmp_path),
            on_epoch=seen.append,
        )
    good = caught.value.last_good
    assert good is not None
    assert good.history == tuple(seen)
    assert "the weights of epoch" in str(caught.value)
    assert weights(good.loaded).isfinite().all()
    saved = load_checkpoint(tmp_path / "last.safetensors")
    assert torch.equal(weights(saved), weights(good.loaded))


def test_an_expert_that_takes_over_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.network.moe.router_bias[:, 2] = 200.0
    fitted = fit(model, squares(), settings=PLAIN)
    (load,) = fitted.history[0].expert_load
    assert load[2] > COLLAPSED
    assert sum(load) == pytest.approx(1, abs=1e-5)
    assert all(
        "more than 95% of the gates of block 0 (expert 2)" in epoch.notices[0]
        for epoch in fitted.history
    )
    assert caplog.text.count("of the gates of block") == 1
    assert fit(tiny_model(), squares(), settings=PLAIN).history[0].notices == ()


def test_the_history_is_a_table_with_a_column_for_each_group(tmp_path: Path) -> None:
    epoch = Epoch(0, 0.5, {"rim": math.nan}, {"severity=healthy": {"rim": 0.25}}, 0.25)
    rows = history_rows([epoch, replace(epoch, number=1)])
    write_table(tmp_path / "history.csv", rows, line_end="\n")
    text = (tmp_path / "history.csv").read_bytes().decode("utf-8")
    assert "\r" not in text
    header, first, _ = text.splitlines()
    assert header.split(",")[:2] == ["epoch", "loss"]
    assert '"Dice rim, severity=healthy"' in header
    assert first.startswith("1,0.5,")
    assert Epoch.from_facts(epoch.facts()).facts() == epoch.facts()
    assert epoch.facts()["dice"] == {"rim": None}


def test_settings_that_do_not_fit_the_model_are_refused() -> None:
    settings = PLAIN.model_copy(
        update={"augmentation": TrainSettings(augmentation="volumes").augmentation}
    )
    with pytest.raises(TrainingError, match=r"takes planes, .* one for volumes"):
        fit(tiny_model(), squares(), settings=settings)
    with pytest.raises(ValueError, match="no augmentation 'lots': use none, planes"):
        TrainSettings(augmentation="lots")
    slices = PLAIN.model_copy(update={"hold_out": "slices"})
    with pytest.raises(TrainingError, match="planes have no slices to hold out"):
        fit(tiny_model(), squares(), settings=slices)
    patient = PLAIN.model_copy(update={"patience": 3})
    assert fit(tiny_model(), squares(), settings=patient).notices == (
        "nothing is held out, so that training cannot stop early",
        "no training case has severity healthy, glaucoma: their routers stay as they "
        "began",
    )
    mixed = PLAIN.model_copy(update={"mixed_precision": True})
    assert (
        "mixed precision is for CUDA devices with bfloat16, which cpu is not"
        in fit(tiny_model(), squares(), settings=mixed).notices[0]
    )
