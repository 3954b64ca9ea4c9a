"""A 2D network whose answer is known: it marks what is bright, wherever that lies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import Routing, SegmentationOutput
from napari_dmoe.models.vit import ViTConfig

SIDE, TOKENS = 64, 4


class MarksBright(nn.Module):
    """Calls bright samples foreground, and everything that is padded as well.

    Its only block sends each token to the expert of its brightness: 0 dark, 1 bright.
    """

    def __init__(self) -> None:
        super().__init__()
        self.config = ViTConfig(
            **{"width": 64, "n_heads": 1, "grid": TOKENS, "n_classes": 2},
            **{"n_routers": 1, "n_experts": 2, "top_k": 1, "depth": 1},
        )
        self.seen: list[Tensor] = []
        """Inputs of each pass so far."""

    def forward(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: object = None,
        experts: object = None,
    ) -> SegmentationOutput:
        self.seen.append(x)
        bright = x[:, :1]
        tokens = torch.nn.functional.adaptive_avg_pool2d(bright, TOKENS).flatten(1)
        gates = torch.stack([1 - tokens, tokens], -1)
        routing = Routing(gates, gates, gates)
        return SegmentationOutput(torch.cat([1 - bright, bright], 1), (routing,))


def marking_model(**preprocessing: object) -> LoadedModel:
    """Return a 2D model, driven by nothing, that calls bright pixels foreground."""
    stated = {"side": SIDE, "resize": "half-pixel", "fit": "pad"} | preprocessing
    card = ModelCard(
        name="bright",
        title="Bright",
        classes=("background", "bright"),
        preprocessing=Preprocessing.model_validate(stated),
    )
    return LoadedModel(MarksBright(), card, "dmoe-vit")
