"""A network whose answer is known, so that tests need not wait for a real one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import SegmentationOutput
from napari_dmoe.models.unet import UNetConfig

THRESHOLD = 0.5
STUB_PATCH = (32, 32, 64)


class Thresholding(nn.Module):
    """Calls every voxel above 0.5 foreground, whatever lies around it."""

    def __init__(self) -> None:
        super().__init__()
        self.config = UNetConfig(n_routers=5)
        self.passes: list[int] = []
        """Rows of each pass so far."""

    def forward(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: object = None,
        experts: object = None,
    ) -> SegmentationOutput:
        self.passes.append(len(x))
        return SegmentationOutput(torch.cat([-x, x - 2 * THRESHOLD], 1), ())


def thresholding_model(**preprocessing: object) -> LoadedModel:
    """Return a 3D model of prostates that calls bright voxels foreground."""
    stated = VolumePreprocessing(**{"patch": STUB_PATCH} | preprocessing)
    card = read_card("prostate-tstage").model_copy(update={"preprocessing": stated})
    return LoadedModel(Thresholding(), card, "dmoe-unet3d")


def assert_same_result(found: Segmentation, expected: Segmentation) -> None:
    """Check that two runs differ in near ties only, as batches of other sizes do."""
    assert (found.labels == expected.labels).mean() >= 0.9999
    for some, others in zip(found.routing.gates, expected.routing.gates, strict=True):
        np.testing.assert_allclose(some, others, atol=1e-3)
