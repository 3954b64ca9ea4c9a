"""Losses that leave out what is not annotated.

Dice and focal loss are MONAI's, cross-entropy is torch's. MONAI's own masked Dice masks
logits before the softmax, so that masked voxels still count; here probabilities are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from monai.losses import DiceLoss, FocalLoss
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.training.cases.annotation import IGNORED

Loss = Callable[[Tensor, Tensor], Tensor]

SMOOTH = 1e-5
"""Keeps the Dice of an empty class finite; as published."""


def loss_named(name: str) -> Loss:
    """Return ``"dice-ce"``, ``"published"`` or ``"dice-focal"``.

    They map logits (B, K, *S) and uint8 labels (B, *S), which are below K or
    :data:`IGNORED`, to a scalar. Where everything is ignored, the loss is 0.

    Notes
    -----
    Each is half a soft Dice loss over all classes, the background included, the
    denominators squared, and half a mean over the annotated voxels: of the
    cross-entropy, or of the focal loss with gamma 2. ``"published"`` takes the Dice of
    a whole batch as one image, the others the mean of its cases.
    """
    return _LOSSES[name]


def _combined(
    logits: Tensor,
    labels: Tensor,
    *,
    dice: DiceLoss,
    voxelwise: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    is_annotated = labels != IGNORED
    if not is_annotated.any():
        return 0 * logits.sum()
    classes = labels.long()
    mask = is_annotated.unsqueeze(1).to(logits.dtype)
    target = F.one_hot(classes * is_annotated, logits.shape[1]).movedim(-1, 1)
    probabilities = logits.softmax(1)
    overlap: Tensor = dice(probabilities * mask, target * mask)
    return 0.5 * overlap + 0.5 * voxelwise(logits, classes, mask)


def _cross_entropy(logits: Tensor, classes: Tensor, _: Tensor) -> Tensor:
    return F.cross_entropy(logits, classes, ignore_index=IGNORED)


def _focal(logits: Tensor, classes: Tensor, mask: Tensor) -> Tensor:
    target = classes.where(classes != IGNORED, 0).unsqueeze(1)
    loss = FocalLoss(to_onehot_y=True, use_softmax=True, reduction="none")
    each: Tensor = loss(logits, target) * mask
    return each.sum() / (mask.sum() * logits.shape[1])


def _dice(*, as_one: bool) -> DiceLoss:
    return DiceLoss(squared_pred=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH, batch=as_one)


_LOSSES: dict[str, Loss] = {
    "dice-ce": partial(_combined, dice=_dice(as_one=False), voxelwise=_cross_entropy),
    "published": partial(_combined, dice=_dice(as_one=True), voxelwise=_cross_entropy),
    "dice-focal": partial(_combined, dice=_dice(as_one=False), voxelwise=_focal),
}
