"""The dMoE U-Net: residual, with a dMoE layer after each encoder stage.

The published one is of volumes; that of planes is the same with two axes instead of
three, and ours. Every stage halves its input, and has experts and routers of its own. A
stage's features, with its mixture added, feed both the next stage and the skip
connection.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, Field, PositiveInt, model_validator
from torch import Tensor, nn

from napari_dmoe.imaging.spatial import MOST_CLASSES
from napari_dmoe.imaging.volume_preprocessing import LEAST_LONG_SIDE
from napari_dmoe.models.gating import (
    WIDEST,
    Experts,
    Noise,
    Routing,
    SegmentationOutput,
    checked_category,
)
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.residual import Doubling, Stage, channels_last, doubled

N_STAGES = 5
STRIDE = 2**N_STAGES
"""Sides of the input are multiples of this; a token of the last stage is as long."""

_WIDTH_FACTORS = (1, 1, 2, 4, 8)

_FiveWidths = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]


class UNetConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of a dMoE U-Net.

    Every field but `top_k` follows from the shapes in a checkpoint.
    """

    dims: Literal[2, 3] = Field(3, description="spatial axes of the input")
    feature_size: int = Field(
        24, gt=0, le=4096, description="features of the first stage"
    )
    in_channels: int = Field(1, gt=0, le=1024, description="channels of the input")
    n_classes: int = Field(
        2, gt=0, le=MOST_CLASSES, description="classes, background included"
    )
    n_routers: int = Field(
        5, ge=0, le=WIDEST, description="routers; 0 is the no-MoE network"
    )
    n_experts: int = Field(8, ge=0, le=WIDEST, description="experts of each stage")
    expert_widths: _FiveWidths | None = Field(
        None, description="hidden width of a stage's experts; none = 4 x its features"
    )
    top_k: int = Field(2, gt=0, le=WIDEST, description="experts per token")

    @model_validator(mode="after")
    def _parts_agree(self) -> UNetConfig:
        if self.n_routers and not self.n_experts:
            raise ValueError(f"{self.n_routers} routers need experts")
        if self.expert_widths and max(self.expert_widths) > WIDEST:
            raise ValueError(f"expert_widths must be at most {WIDEST}")
        return self

    @cached_property
    def stage_widths(self) -> tuple[int, ...]:
        """Features of each encoder stage."""
        return tuple(factor * self.feature_size for factor in _WIDTH_FACTORS)

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """Hidden width of the experts of each stage."""
        return self.expert_widths or tuple(4 * width for width in self.stage_widths)

    @property
    def n_blocks(self) -> int:
        """How often experts are asked in one pass: once a stage."""
        return N_STAGES if self.n_routers else 0

    @property
    def token_steps(self) -> tuple[int, ...]:
        """Side of a token of each stage, in samples of the input."""
        return tuple(2 ** (stage + 1) for stage in range(N_STAGES))


class DMoEUNet(nn.Module):
    """Residual U-Net with a dMoE layer after each of its five encoder stages.

    Parameters
    ----------
    config : UNetConfig
        Shape of the network. With ``n_routers=0`` it has no MoE at all.

    Notes
    -----
    The residual blocks are MONAI's: convolutions of 3 a side without bias, instance
    norm without affine parameters, leaky ReLU of slope 0.01. A last transposed
    convolution doubles the finest stage to the size of the input, of which no skip
    connection comes.

    References
    ----------
    .. [1] Oh et al., ICML 2025, arXiv:2502.00619.
    .. [2] Hatamizadeh et al., "UNETR", WACV 2022, arXiv:2103.10504 (the blocks).
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        dims, widths = config.dims, config.stage_widths
        self.stages = nn.ModuleList(
            Stage(dims, before, after)
            for before, after in zip(
                (config.in_channels, *widths), widths, strict=False
            )
        )
        self.moes = nn.ModuleList(
            SparseMoE(
                width,
                n_routers=config.n_routers,
                n_experts=config.n_experts,
                hidden=hidden,
                top_k=config.top_k,
            )
            for width, hidden in zip(widths, config.hidden_widths, strict=True)
            if config.n_routers
        )
        deepest_first = widths[::-1]
        self.ups = nn.ModuleList(
            Doubling(dims, before, after) for before, after in pairwise(deepest_first)
        )
        self.out = doubled(dims, widths[0], config.n_classes)

    def forward(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: Noise | None = None,
        experts: Experts | None = None,
    ) -> SegmentationOutput:
        """Segment a batch of planes or volumes.

        Parameters
        ----------
        x : (B, C, *S) float32 tensor
            Planes (H, W) or volumes (D, H, W); each side is a multiple of 32, one of
            them at least 64. Planes of one channel are repeated to as many as the
            network expects.
        category : (B,) or (B, A) int64 tensor, (B, R) float tensor, or None
            Router of each image, or one of each of A attributes, where -1 leaves an
            attribute out. Floats are the share of each of the R routers in a mean
            of them. None skips the MoE, which is another network.
        noise : torch.Generator or B of them, optional
            Source of the published gating noise; None routes without noise.
        experts : ExpertControl or B of them, optional
            Experts to mute or pin; blocks are the stages 0 to 4.

        Returns
        -------
        SegmentationOutput
            Logits (B, K, *S) and, per stage, the routing of its samples in the order
            of S.

        Raises
        ------
        ValueError
            For another size or channel count, a category that has no router, or a
            category for a network that has no MoE.
        """
        category = checked_category(
            category,
            batch=len(self._checked_input(x)),
            n_routers=self.config.n_routers,
            device=x.device,
        )
        features = self.begin(x)
        if category is None:
            return self.go_on(features, None, None)
        mixture, decided = self.moes[0](
            self.tokens(features), category, noise=noise, experts=experts
        )
        out = self.go_on(features, mixture, category, noise, experts)
        return SegmentationOutput(out.logits, (decided, *out.routing))

    def first_moe(self) -> SparseMoE | None:
        """Return the dMoE layer of the first stage; None without a MoE."""
        return next((moe for moe in self.moes if isinstance(moe, SparseMoE)), None)

    def begin(self, x: Tensor) -> Tensor:
        """Return the features (B, C, *s) of the first stage, that no router changes."""
        x = self._checked_input(x)
        features: Tensor = self.stages[0](
            channels_last(x) if x.device.type == "cpu" else x
        )
        return features

    def tokens(self, features: Tensor) -> Tensor:
        """Return the positions of a stage's features (B, C, *s) as tokens (B, T, C)."""
        return features.movedim(1, -1).flatten(1, -2)

    def go_on(
        self,
        features: Tensor,
        mixture: Tensor | None,
        category: Tensor | None,
        noise: Noise | None = None,
        experts: Experts | None = None,
    ) -> SegmentationOutput:
        """Run everything behind the first dMoE layer.

        Parameters
        ----------
        features : (B, C, *s) tensor
            What :meth:`begin` returns.
        mixture : (B, T, C) tensor or None
            What that layer adds to their tokens.
        category, noise, experts
            As :meth:`forward` takes them; the category is checked, and the generators
            have been drawn from for the first stage.

        Returns
        -------
        SegmentationOutput
            Logits, and the routing of the stages 1 to 4.
        """
        x, skips, routing = features, list[Tensor](), list[Routing]()
        for stage, encode in enumerate(self.stages):
            if stage:
                x = encode(x)
            if stage and category is not None:
                mixture, decided = self.moes[stage](
                    self.tokens(x), category, noise=noise, experts=experts, block=stage
                )
                routing.append(decided)
            if mixture is not None:
                x = x + mixture.unflatten(1, x.shape[2:]).movedim(-1, 1)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return SegmentationOutput(self.out(x).contiguous(), tuple(routing))

    def _checked_input(self, x: Tensor) -> Tensor:
        channels, sides = self.config.in_channels, x.shape[2:]
        is_plane = self.config.dims == 2
        taken = (1, channels) if is_plane else (channels,)
        fits = len(sides) == self.config.dims and x.shape[1] in taken
        fits = fits and min(sides) > 0 and not any(side % STRIDE for side in sides)
        if not fits or max(sides) < LEAST_LONG_SIDE:
            what, axes = ("planes", "H, W") if is_plane else ("volumes", "D, H, W")
            n = " or ".join(map(str, sorted(set(taken))))
            raise ValueError(
                f"the network takes {what} of shape (B, {n}, {axes}), each side a "
                f"multiple of {STRIDE} and one at least {LEAST_LONG_SIDE}: found "
                f"{tuple(x.shape)}"
            )
        return x.expand(-1, channels, *sides)
