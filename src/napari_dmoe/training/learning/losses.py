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


def loss_named(name: str, *, foreground: float = 1.0) -> Loss:
    """Return ``"dice-ce"``, ``"published"`` or ``"dice-focal"``.

    `foreground` is how often a voxel of a class counts in the cross-entropy, one of the
    background counting once.

    They map logits (B, K, *S) and uint8 labels (B, *S), which are below K or
    :data:`IGNORED`, to a scalar. Where everything is ignored, the loss is 0.

    Notes
    -----
    Each is half a soft Dice loss over all classes, the background included, the
    denominators squared, and half a mean over the annotated voxels: of the
    cross-entropy, or of the focal loss with gamma 2. ``"published"`` takes the Dice of
    a whole batch as one image, the others the mean of its cases.
    """
    if foreground == 1:
        return _LOSSES[name]
    if name == "dice-focal":
        raise ValueError("the focal loss weighs no classes: take another loss")
    entropy = partial(_cross_entropy, foreground=foreground)
    return partial(_LOSSES[name], voxelwise=entropy)


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


def _cross_entropy(
    logits: Tensor, classes: Tensor, _: Tensor, *, foreground: float = 1.0
) -> Tensor:
    """Return its mean over the voxels, each as often as it counts."""
    weight = None
    if foreground != 1:
        weight = logits.new_full((logits.shape[1],), foreground)
        weight[0] = 1
    return F.cross_entropy(logits, classes, weight, ignore_index=IGNORED)


def _focal(logits: Tensor, classes: Tensor, mask: Tensor) -> Tensor:
    target = classes.where(classes != IGNORED, 0).unsqueeze(1)
    loss = FocalLoss(to_onehot_y=True, use_softmax=True, reduction="none")
    each: Tensor = loss(logits, target) * mask
    return each.sum() / (mask.sum() * logits.shape[1])


def _dice(*, as_one: bool) -> DiceLoss:
    return DiceLoss(squared_pred=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH, batch=as_one)


_LOSSES: dict[str, partial[Tensor]] = {
    "dice-ce": partial(_combined, dice=_dice(as_one=False), voxelwise=_cross_entropy),
    "published": partial(_combined, dice=_dice(as_one=True), voxelwise=_cross_entropy),
    "dice-focal": partial(_combined, dice=_dice(as_one=False), voxelwise=_focal),
}
