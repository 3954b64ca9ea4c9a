"""The dMoE layer in a network of your own, trained by attribute and audited by group.

Run it with ``python examples/own_network.py``. A MONAI UNet gets one
:class:`napari_dmoe.SparseMoE` at its bottom, whose router the patient's sex chooses; it
is trained for some seconds on skin phantoms, in which the border of a lesion depends on
sex, and its masks are scored by group as those of any network are:

    napari-dmoe evaluate COHORT --predictions MASKS --output AUDIT
    napari-dmoe report AUDIT --output REPORT

What the numbers show was drawn into the phantoms, and is no finding.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import Tensor, nn
from torch.nn import functional as F

import napari_dmoe as dmoe
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating.predictions import evaluate_predictions
from napari_dmoe.imaging.tiff.writing import write_tiff
from napari_dmoe.phantoms.kinds import KINDS

SEXES = ("female", "male")
CLASSES = ("background", "lesion")
SIDE, WIDTH = 64, 32
N_TRAINING, N_TEST, N_STEPS, BATCH = 16, 12, 80, 8


class GatedBottom(nn.Module):
    """The deepest layer of a UNet, followed by a mixture of experts.

    What it returns keeps its shape, so that the rest of the network need not know.
    """

    def __init__(self, bottom: nn.Module, width: int, n_routers: int) -> None:
        super().__init__()
        self.bottom = bottom
        self.moe = dmoe.SparseMoE(width, n_routers=n_routers, n_experts=4)
        self.category: Tensor | None = None
        self.noise: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, C, H, W), each position routed as a token of its own."""
        x = self.bottom(x)
        tokens = x.flatten(2).transpose(1, 2)  # (B, H * W, C)
        noise = self.noise if self.training else None
        mixture, _ = self.moe(tokens, self.category, noise=noise)
        return x + mixture.transpose(1, 2).view_as(x)


class GatedUNet(nn.Module):
    """A MONAI UNet that is told whom an image shows."""

    def __init__(self, n_routers: int, *, seed: int = 0) -> None:
        super().__init__()
        channels = (8, 16, WIDTH)
        self.unet = UNet(2, 3, len(CLASSES), channels, (2, 2), num_res_units=1)
        # MONAI nests its levels: down, what lies below, up.
        level = self.unet.model
        while isinstance(level[1].submodule, nn.Sequential):
            level = level[1].submodule
        self.gated = GatedBottom(level[1].submodule, WIDTH, n_routers)
        self.gated.noise = torch.Generator().manual_seed(seed)
        level[1].submodule = self.gated

    def forward(self, images: Tensor, category: Tensor) -> Tensor:
        """Return logits (B, K, H, W) of images, each by the router of its category."""
        self.gated.category = category
        return self.unet(images)


def tensors(case: dmoe.Case) -> tuple[Tensor, Tensor, int]:
    """Return an image (3, S, S) in [0, 1], its labels (1, S, S), and the category."""
    image = torch.from_numpy(np.array(case.image.data)).permute(2, 0, 1) / 255
    labels = torch.from_numpy(np.array(case.labels.data)).float()
    size = (SIDE, SIDE)
    image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    labels = F.interpolate(labels[None, None], size, mode="nearest")[0]
    return image, labels, SEXES.index(case.patient.sex)


def train(network: GatedUNet, cases: list[dmoe.Case]) -> None:
    """Train a network a little, in place."""
    images, labels, sexes = zip(*map(tensors, cases), strict=True)
    x, y, category = torch.stack(images), torch.stack(labels), torch.tensor(sexes)
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    draw = torch.Generator().manual_seed(0)
    network.train()
    for _ in range(N_STEPS):
        chosen = torch.randperm(len(x), generator=draw)[:BATCH]
        optimiser.zero_grad()
        loss_of(network(x[chosen], category[chosen]), y[chosen]).backward()
        optimiser.step()


def predict(network: GatedUNet, cases: list[dmoe.Case], folder: Path) -> None:
    """Write the mask of each case on its image's pixels, called like the case."""
    network.eval()
    folder.mkdir()
    for case in cases:
        image, _, sex = tensors(case)
        with torch.inference_mode():
            logits = network(image[None], torch.tensor([sex]))
        whole = F.interpolate(logits, case.image.spatial_shape, mode="bilinear")
        mask = whole[0].argmax(0).numpy().astype(np.uint8)
        write_tiff(folder / f"{Path(case.id).stem}.tif", mask, axes=("y", "x"))


def main() -> None:
    """Train, predict and audit."""
    torch.manual_seed(0)
    known = (c for c in KINDS["skin"].cohort(60, seed=0) if c.patient.sex in SEXES)
    cases = [next(known) for _ in range(N_TRAINING + N_TEST)]
    network = GatedUNet(n_routers=len(SEXES))
    train(network, cases[:N_TRAINING])
    with TemporaryDirectory() as temporary:
        place, tested = Path(temporary), cases[N_TRAINING:]
        dmoe.write_cohort(place / "cohort", tested)
        predict(network, tested, place / "masks")
        cohort = open_cohort(place / "cohort", needs_image=False)
        audited = evaluate_predictions(
            cohort, place / "masks", place / "audit", classes=CLASSES
        )
    dice = audited.values("lesion", "dice")
    for sex in SEXES:
        own = np.array([case.patient.sex == sex for case in audited])
        print(f"{sex:<8}n {own.sum()}, mean Dice {dice[own].mean():.3f}")


main()
