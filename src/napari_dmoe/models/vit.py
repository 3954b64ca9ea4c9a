"""The 2D dMoE network: a vision transformer, one dMoE layer, a convolutional decoder.

The one dMoE layer is shared by all blocks and called after each of them.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.imaging.spatial import MOST_CLASSES
from napari_dmoe.models.decoder import Decoder
from napari_dmoe.models.gating import (
    WIDEST,
    Experts,
    Noise,
    SegmentationOutput,
    checked_category,
)
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.products import Linear
from napari_dmoe.models.resnet import ResNetConfig, ResNetStem

PATCH = 16
"""Side of a patch in pixels; the decoder's four doublings undo exactly this."""


class ViTConfig(BaseModel, frozen=True, extra="forbid"):
    """Shape of a 2D dMoE network.

    Every field but `n_heads` and `top_k` follows from the shapes in a checkpoint.
    """

    width: int = Field(768, gt=0, le=WIDEST, description="features of a token")
    depth: int = Field(12, gt=0, le=1024, description="transformer blocks")
    n_heads: int = Field(12, gt=0, le=WIDEST, description="attention heads")
    mlp_width: int = Field(
        3072, gt=0, le=WIDEST, description="hidden width of a block's MLP"
    )
    grid: int = Field(
        14, gt=0, le=1024, description="patches along a side of the input"
    )
    in_channels: int = Field(3, gt=0, le=1024, description="channels of the input")
    stem: ResNetConfig | None = Field(
        None, description="ResNet before the transformer; none = patches of pixels"
    )
    n_classes: int = Field(
        3, gt=0, le=MOST_CLASSES, description="classes, background included"
    )
    n_routers: int = Field(
        3, ge=0, le=WIDEST, description="routers; 0 is the no-MoE network"
    )
    n_experts: int = Field(8, ge=0, le=WIDEST, description="experts")
    expert_width: int = Field(
        3072, ge=0, le=WIDEST, description="hidden width of an expert"
    )
    top_k: int = Field(2, gt=0, le=WIDEST, description="experts per token")
    decoder_entry: int = Field(
        512, gt=0, le=WIDEST, description="channels into the decoder"
    )
    decoder_widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = Field(
        (256, 128, 64, 16), description="channels after each doubling"
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> ViTConfig:
        if self.width % self.n_heads:
            raise ValueError(
                f"{self.n_heads} attention heads do not divide a width of {self.width}"
            )
        if self.n_routers and not (self.n_experts and self.expert_width):
            raise ValueError(f"{self.n_routers} routers need experts, and their width")
        if max(self.decoder_widths) > WIDEST:
            raise ValueError(f"decoder_widths must be at most {WIDEST}")
        return self

    @property
    def n_blocks(self) -> int:
        """How often experts are asked in one pass: once a block."""
        return self.depth if self.n_routers else 0

    @property
    def side(self) -> int:
        """Side of the square input, in pixels."""
        return self.grid * PATCH


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Let the tokens (B, T, C) look at each other."""
        query, key, value = (
            self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Pre-norm transformer block, without the dMoE layer that follows it."""

    def __init__(self, width: int, n_heads: int, mlp_width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, n_heads)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            Linear(width, mlp_width),
            nn.GELU(),
            nn.Dropout(0.1),
            Linear(mlp_width, width),
            nn.Dropout(0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (B, T, C)."""
        x = x + self.attention(self.attention_norm(x))
        out: Tensor = x + self.mlp(self.mlp_norm(x))
        return out


class DMoEViT(nn.Module):
    """The published 2D network: dMoE vision transformer with a CUP decoder.

    Parameters
    ----------
    config : ViTConfig
        Shape of the network. With ``n_routers=0`` it has no MoE at all.

    References
    ----------
    .. [1] Oh et al., ICML 2025, arXiv:2502.00619.
    .. [2] Chen et al., "TransUNet", 2021, arXiv:2102.04306 (the decoder).
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        if config.stem is None:
            self.stem: nn.Module = nn.Identity()
            channels, patch = config.in_channels, PATCH
        else:
            self.stem = ResNetStem(config.stem, config.in_channels)
            channels, patch = config.stem.out_channels, 1
        self.patch_embedding = nn.Conv2d(channels, width, patch, stride=patch)
        self.position_embedding = nn.Parameter(torch.zeros(1, config.grid**2, width))
        nn.init.trunc_normal_(self.position_embedding, std=0.02)
        self.dropout = nn.Dropout(0.1)
        self.blocks = nn.ModuleList(
            Block(width, config.n_heads, config.mlp_width) for _ in range(config.depth)
        )
        self.moe = (
            SparseMoE(
                width,
                n_routers=config.n_routers,
                n_experts=config.n_experts,
                hidden=config.expert_width,
                top_k=config.top_k,
            )
            if config.n_routers
            else None
        )
        self.final_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder = Decoder(width, config.decoder_entry, config.decoder_widths)
        self.head = nn.Conv2d(config.decoder_widths[-1], config.n_classes, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: Noise | None = None,
        experts: Experts | None = None,
    ) -> SegmentationOutput:
        """Segment a batch of images.

        Parameters
        ----------
        x : (B, 1 or C, S, S) float32 tensor
            Images; one channel is repeated to as many as the network expects.
        category : (B,) or (B, A) int64 tensor, (B, R) float tensor, or None
            Router of each image, or one of each of A attributes, where -1 leaves an
            attribute out. Floats are the share of each of the R routers in a mean
            of them. None skips the MoE, which is another network.
        noise : torch.Generator or B of them, optional
            Source of the published gating noise; None routes without noise.
        experts : ExpertControl or B of them, optional
            Experts to mute or pin.

        Returns
        -------
        SegmentationOutput
            Logits (B, K, S, S) and, per block, the routing of its tokens, row by row.

        Raises
        ------
        ValueError
            For another image size or channel count, a category that has no router,
            or a category for a network that has no MoE.
        """
        category = checked_category(
            category,
            batch=len(self._checked_input(x)),
            n_routers=self.config.n_routers,
            device=x.device,
        )
        tokens = self.begin(x)
        if self.moe is None or category is None:
            return self.go_on(tokens, None, None)
        mixture, decided = self.moe(tokens, category, noise=noise, experts=experts)
        out = self.go_on(tokens, mixture, category, noise, experts)
        return SegmentationOutput(out.logits, (decided, *out.routing))

    def first_moe(self) -> SparseMoE | None:
        """Return the dMoE layer, which is asked first behind block 0; None without."""
        return self.moe

    def begin(self, x: Tensor) -> Tensor:
        """Return the tokens (B, T, C) behind block 0, that no router changes."""
        x = self._checked_input(x)
        x = self.patch_embedding(self.stem(x)).flatten(2).transpose(1, 2)
        tokens: Tensor = self.blocks[0](self.dropout(x + self.position_embedding))
        return tokens

    def tokens(self, features: Tensor) -> Tensor:
        """Return what :meth:`begin` does, as it is."""
        return features

    def go_on(
        self,
        features: Tensor,
        mixture: Tensor | None,
        category: Tensor | None,
        noise: Noise | None = None,
        experts: Experts | None = None,
    ) -> SegmentationOutput:
        """Run everything behind the first call of the dMoE layer.

        Parameters
        ----------
        features : (B, T, C) tensor
            What :meth:`begin` returns.
        mixture : (B, T, C) tensor or None
            What that call adds to them.
        category, noise, experts
            As :meth:`forward` takes them; the category is checked, and the generators
            have been drawn from for block 0.

        Returns
        -------
        SegmentationOutput
            Logits, and the routing from block 1 on.
        """
        x, routing = features if mixture is None else features + mixture, []
        for index in range(1, len(self.blocks)):
            x = self.blocks[index](x)
            if self.moe is not None and category is not None:
                mixture, decided = self.moe(
                    x, category, noise=noise, experts=experts, block=index
                )
                x = x + mixture
                routing.append(decided)
        x = self.final_norm(x)
        side = self.config.grid
        x = self.decoder(x.transpose(1, 2).unflatten(2, (side, side)))
        return SegmentationOutput(self.head(x), tuple(routing))

    def _checked_input(self, x: Tensor) -> Tensor:
        side, channels = self.config.side, self.config.in_channels
        fits = x.ndim == 4 and x.shape[1] in (1, channels)
        if not fits or x.shape[2:] != (side, side):
            raise ValueError(
                f"the network takes images of shape (B, 1 or {channels}, {side}, "
                f"{side}): found {tuple(x.shape)}"
            )
        return x.expand(-1, channels, -1, -1)
