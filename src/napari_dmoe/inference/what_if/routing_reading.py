"""What the routers say beyond the gates: logits, noise, and the chance to be chosen.

A result keeps gates only, since the rest would take three times the memory. Here the
network is run for one of the others, placed on the image as gates are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.running.drivers import Priors
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.architectures import Config, Network
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import Experts, Noise, Routing, SegmentationOutput
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook

NODES = 64
"""Nodes of the integral; its error is at most half of 1 / NODES."""

_TOKENS_AT_ONCE = 2048

ReadingName = Literal["chance", "logits", "noise_std"]


def chance_in_top(logits: Tensor, noise_std: Tensor, top_k: int = 2) -> Tensor:
    """Return the chance that the gating noise puts each expert among the chosen ones.

    Parameters
    ----------
    logits : (..., E) tensor
        The routers' logits.
    noise_std : (..., E) tensor
        Standard deviation of the noise that training adds to them; above 0.
    top_k : int
        Experts that are chosen.

    Returns
    -------
    (..., E) float32 tensor
        Chances in [0, 1]; they sum to `top_k` over experts.

    Notes
    -----
    With ``X_e ~ N(logits_e, noise_std_e)``, independent, it is the integral over
    ``X_e = x`` of the chance that fewer than k others exceed x. That chance rises from
    0 to 1 with x, so the mean over NODES quantiles of ``X_e`` is off by no more than
    ``1 / (2 NODES)``. The chance itself is the start of a Poisson binomial
    distribution, built up expert by expert.
    """
    shape, n = logits.shape, logits.shape[-1]
    if top_k >= n:
        return torch.ones_like(logits, dtype=torch.float32)
    quantiles = (torch.arange(NODES, device=logits.device) + 0.5) / NODES
    nodes = torch.special.ndtri(quantiles)
    rows = zip(
        logits.float().reshape(-1, n).split(_TOKENS_AT_ONCE),
        noise_std.float().reshape(-1, n).split(_TOKENS_AT_ONCE),
        strict=True,
    )
    parts = [_chance(mean, std, nodes, top_k) for mean, std in rows]
    return torch.cat(parts).reshape(shape) if parts else logits.float()


def _chance(mean: Tensor, std: Tensor, nodes: Tensor, top_k: int) -> Tensor:
    x = mean.unsqueeze(-1) + std.unsqueeze(-1) * nodes  # (N, E, nodes)
    fewer = [torch.ones_like(x)] + [torch.zeros_like(x) for _ in range(top_k - 1)]
    for other in range(mean.shape[-1]):
        place, scale = mean[:, other, None, None], std[:, other, None, None]
        above = torch.special.ndtr((place - x) / scale)
        above[:, other] = 0  # an expert does not exceed itself
        for count in reversed(range(top_k)):
            below = fewer[count] * (1 - above)
            fewer[count] = below + (fewer[count - 1] * above if count else 0)
    return torch.stack(fewer).sum(0).mean(-1)


_READINGS: Mapping[ReadingName, Callable[[Routing, int], Tensor]] = {
    "chance": lambda r, top_k: chance_in_top(r.logits, r.noise_std, top_k),
    "logits": lambda r, _: r.logits,
    "noise_std": lambda r, _: r.noise_std,
}


def read_routing(
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    patient: Patient | None = None,
    *,
    reading: ReadingName = "chance",
    settings: InferenceSettings | None = None,
    progress: ProgressHook | None = None,
    priors: Priors | None = None,
) -> RoutingMaps:
    """Run a model for what its routers say beyond the gates.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    image : SpatialImage or array
        The image.
    patient : Patient, optional
        Whose it is.
    reading : {"chance", "logits", "noise_std"}
        The analytic chance of each expert to be chosen when the published noise is
        added to what this noise-free run decides; the routers' logits; or the standard
        deviation of the noise.
    settings, progress, priors
        As :func:`segment` takes them.

    Returns
    -------
    RoutingMaps
        The same for every block, where `gates` hold what was asked for.

    Raises
    ------
    ValueError
        When the network has no routers.
    """
    reader = _Reader(loaded.module, _READINGS[reading])
    other = replace(loaded, network=cast("Network", reader))
    plain = {"noise": False, "samples": 1, "probabilities": False}
    settings = (settings or InferenceSettings()).model_copy(update=plain)
    result = segment(
        other, image, patient, settings=settings, progress=progress, priors=priors
    )
    if result.routing is None:
        raise ValueError("this network has no routers, so there is nothing to read")
    return result.routing


class _Reader(nn.Module):
    """A network that returns another reading of its routers in place of the gates."""

    def __init__(
        self, network: nn.Module, reading: Callable[[Routing, int], Tensor]
    ) -> None:
        super().__init__()
        self.network, self.reading = network, reading

    @property
    def config(self) -> Config:
        """Shape of the network."""
        return cast("Network", self.network).config

    def forward(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: Noise | None = None,
        experts: Experts | None = None,
    ) -> SegmentationOutput:
        """Segment a batch; `gates` are the reading."""
        network = cast("Network", self.network)
        out = network(x, category, noise=noise, experts=experts)
        read = (
            replace(routing, gates=self.reading(routing, self.config.top_k))
            for routing in out.routing
        )
        return SegmentationOutput(out.logits, tuple(read))
