"""Losses equal their formulas, and count only what is annotated."""

from __future__ import annotations

import pytest
import torch
from monai.losses import DiceCELoss
from torch.nn import functional as F

from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.learning.losses import loss_named
from napari_dmoe.training.settings import TrainSettings

NAMES = ("dice-ce", "published", "dice-focal")


def example(n: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, 4, 9, 10, generator=generator)
    labels = torch.randint(4, (n, 9, 10), generator=generator).to(torch.uint8)
    return logits, labels


def test_dice_ce_is_monais_bit_for_bit() -> None:
    logits, labels = example()
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    monai = DiceCELoss(
        to_onehot_y=True,
        softmax=True,
        squared_pred=True,
        smooth_nr=1e-5,
        smooth_dr=1e-5,
        lambda_ce=0.5,
        lambda_dice=0.5,
    )
    mine = loss_named("dice-ce")(ours, labels)
    expected = monai(theirs, labels[:, None])
    mine.backward()
    expected.backward()
    assert torch.equal(mine, expected)
    assert torch.equal(ours.grad, theirs.grad)


def test_the_published_loss_is_its_formula() -> None:
    logits, labels = example()
    p, truth = logits.softmax(1), F.one_hot(labels.long(), 4).movedim(-1, 1).float()
    dice = 0.0
    for k in range(4):
        both = (p[:, k] * truth[:, k]).sum()
        squares = (p[:, k] ** 2).sum() + (truth[:, k] ** 2).sum()
        dice += (1 - (2 * both + 1e-5) / (squares + 1e-5)) / 4
    expected = 0.5 * F.cross_entropy(logits, labels.long()) + 0.5 * dice
    torch.testing.assert_close(loss_named("published")(logits, labels), expected)


def test_the_focal_half_is_its_formula() -> None:
    logits, labels = example(1)
    p = logits.softmax(1)
    truth = F.one_hot(labels.long(), 4).movedim(-1, 1).float()
    focal = -(truth * (1 - p) ** 2 * p.log()).mean()
    ce = F.cross_entropy(logits, labels.long())
    difference = loss_named("dice-ce")(logits, labels) - loss_named("dice-focal")(
        logits, labels
    )
    torch.testing.assert_close(difference, 0.5 * (ce - focal))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_annotated_counts_no_more_than_if_it_were_cut_off(
    name: str,
) -> None:
    logits, labels = example()
    labels[:, :, 6:] = IGNORED
    whole, part = logits.clone().requires_grad_(), logits[..., :6].clone()
    part.requires_grad_()
    loss = loss_named(name)(whole, labels)
    expected = loss_named(name)(part, labels[..., :6])
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(whole.grad[..., :6], part.grad)
    assert not whole.grad[..., 6:].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_annotations_has_no_loss_and_no_gradient(name: str) -> None:
    logits, labels = example()
    logits.requires_grad_()
    loss = loss_named(name)(logits, torch.full_like(labels, IGNORED))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_a_foreground_counts_as_often_as_asked() -> None:
    logits, labels = example()
    labels[0] = IGNORED
    entropy = F.cross_entropy(
        logits, labels.long(), ignore_index=IGNORED, reduction="none"
    )[1:]
    weights = 1 + 0.5 * (labels[1:] > 0)
    plain = F.cross_entropy(logits, labels.long(), ignore_index=IGNORED)
    expected = loss_named("dice-ce")(logits, labels) - 0.5 * plain
    expected += 0.5 * (entropy * weights).sum() / weights.sum()
    found = loss_named("dice-ce", foreground=1.5)(logits, labels)
    torch.testing.assert_close(found, expected)
    one = loss_named("published", foreground=1.0)(logits, labels)
    assert torch.equal(one, loss_named("published")(logits, labels))


def test_what_counts_no_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="weighs no classes"):
        loss_named("dice-focal", foreground=1.5)
    with pytest.raises(ValueError, match="knows no foreground"):
        TrainSettings(loss="dice-focal", foreground=1.5)
