"""The published recipe equals a loop written from its description."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F
from training_cases import CARD, mixed_squares, tiny_model

from napari_dmoe.training.augmentation.published import (
    PublishedAugmentSettings,
    published_augment,
)
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.learning.optimisers import rate_at
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.settings import TrainSettings, preset

STEPS, BATCH = 3, 4


def test_three_steps_equal_a_loop_written_by_hand() -> None:
    cases, start = mixed_squares(STEPS * BATCH), tiny_model()
    settings = preset(
        "published",
        epochs=1,
        batch=BATCH,
        augmentation=None,
        dropout=0.0,
        keep="last",
        hold_out="none",
    )
    fitted = fit(start, cases, settings=settings)

    network = tiny_model().module.train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    generator = torch.Generator().manual_seed(0)
    pool = read_pool(cases, CARD)
    base = 0.01 * BATCH / 24
    velocity = {name: None for name, _ in network.named_parameters()}
    losses = []
    for step, chosen in enumerate(
        torch.randperm(len(cases), generator=generator).split(BATCH)
    ):
        images, labels = pool.plain(chosen)
        logits = network(images, pool.category[chosen], noise=generator).logits
        p = logits.softmax(1)
        truth = torch.stack([labels == k for k in range(3)], 1).float()
        both, squares = (p * truth).sum((0, 2, 3)), (p**2 + truth**2).sum((0, 2, 3))
        dice = (1 - (2 * both + 1e-5) / (squares + 1e-5)).mean()
        loss = 0.5 * F.cross_entropy(logits, labels.long()) + 0.5 * dice
        network.zero_grad()
        loss.backward()
        losses.append(loss.item())
        rate = base * (1 - step / STEPS) ** 0.9
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                gradient = parameter.grad + 1e-4 * parameter
                before = velocity[name]
                velocity[name] = gradient if before is None else 0.9 * before + gradient
                parameter -= rate * velocity[name]
    assert fitted.history[0].loss == pytest.approx(sum(losses) / STEPS, abs=1e-5)
    expected = network.state_dict()
    for name, tensor in fitted.loaded.module.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-5, rtol=1e-5)


def test_the_published_settings_are_those_of_the_paper() -> None:
    settings = preset("published")
    assert settings.learning_rate == pytest.approx(0.01 * 42 / 24)
    assert (settings.optimiser, settings.momentum) == ("sgd", 0.9)
    assert (settings.weight_decay, settings.schedule) == (1e-4, "poly")
    assert preset("published", batch=12, accumulate=2).learning_rate == 0.01
    assert preset("published", learning_rate=0.5).learning_rate == 0.5
    with pytest.raises(ValueError, match="no preset 'quick': use adamw"):
        preset("quick")


def test_rates_rise_and_fall_as_their_names_say() -> None:
    poly = preset("published", learning_rate=1.0)
    assert [rate_at(s, 10, poly) for s in (0, 5)] == [1, pytest.approx(0.5**0.9)]
    cosine = TrainSettings(learning_rate=1.0, warm_up=0.2)
    assert [rate_at(s, 10, cosine) for s in (0, 1, 2)] == [0.5, 1.0, 1.0]
    assert rate_at(6, 10, cosine) == pytest.approx(0.5)


def test_gradients_accumulate_to_those_of_the_whole_batch() -> None:
    options = {"epochs": 1, "augmentation": None, "dropout": 0.0, "clip": None}
    # Batch norm sees each part alone, so it is frozen, and so is the noise's effect.
    options |= {"train": "encoder", "optimiser": "sgd", "learning_rate": 0.1}
    one = TrainSettings(batch=12, **options)
    parts = TrainSettings(batch=4, accumulate=3, **options)
    cases, start = mixed_squares(12), load_checkpoint_without_noise()
    whole, summed = (fit(start, cases, settings=s).loaded for s in (one, parts))
    for (name, a), b in zip(
        whole.module.state_dict().items(),
        summed.module.state_dict().values(),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3, msg=name)


def load_checkpoint_without_noise():
    model = tiny_model()
    with torch.no_grad():
        model.network.moe.noise_bias.fill_(-40)
        model.network.moe.noise_weight.zero_()
    return model


def shares(settings: PublishedAugmentSettings, n: int = 400) -> dict[str, float]:
    images = torch.zeros(n, 1, 16, 16)
    images[:, :, 2:5, 3:9] = 1
    labels = images[:, 0].to(torch.uint8)
    generator = torch.Generator().manual_seed(0)
    varied, moved = published_augment(
        images, labels, settings=settings, generator=generator
    )
    same = (varied == images).flatten(1).all(1)
    exact = (varied[:, 0] == moved).flatten(1).all(1)
    assert ((varied[:, 0] > 0.5) == (moved == 1)).float().mean() > 0.99
    return {"same": same.float().mean().item(), "exact": exact.float().mean().item()}


def test_half_are_turned_and_flipped_and_half_of_the_rest_rotated() -> None:
    found = shares(PublishedAugmentSettings())
    # A quarter stays; turns and flips give one of 8 placements, none of them the same.
    assert found["same"] == pytest.approx(0.25, abs=0.08)
    assert found["exact"] == pytest.approx(0.75, abs=0.08)
    assert shares(PublishedAugmentSettings(quarter_turns=0, rotations=0))["same"] == 1


def test_rotations_keep_angles_where_planes_are_not_square() -> None:
    image = torch.zeros(1, 1, 40, 80)
    image[..., 18:22, 20:60] = 1
    settings = PublishedAugmentSettings(quarter_turns=0, rotations=1, angle=20)
    generator = torch.Generator().manual_seed(3)
    varied, _ = published_augment(
        image, image[:, 0].to(torch.uint8), settings=settings, generator=generator
    )
    rows, columns = (varied[0, 0] > 0.5).nonzero().float().T
    lengths = torch.linalg.eigvalsh(torch.cov(torch.stack([rows, columns]))).sqrt()
    assert lengths[1].item() * math.sqrt(12) == pytest.approx(40, abs=2)
    assert varied.sum().item() == pytest.approx(image.sum().item(), rel=0.02)
