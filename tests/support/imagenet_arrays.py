"""Weights of the ImageNet transformer in their JAX layout, made small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float32]]
H, HEADS, MLP, DEPTH = 64, 2, 48, 2


def jax_arrays(*, side: int = 2, stem: tuple[int, ...] | None = None) -> Arrays:
    """Draw weights named and shaped as the published ``.npz`` files are."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> NDArray[np.float32]:
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    arrays: Arrays = {
        "Transformer/posembed_input/pos_embedding": draw(1, side**2 + 1, H),
        "pre_logits/bias": draw(7),
    }

    def norm(name: str, *shape: int) -> None:
        arrays[f"{name}/scale"], arrays[f"{name}/bias"] = draw(*shape), draw(*shape)

    def dense(name: str, kernel: tuple[int, ...], bias: tuple[int, ...]) -> None:
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = draw(*kernel), draw(*bias)

    norm("Transformer/encoder_norm", H)
    for i in range(DEPTH):
        block = f"Transformer/encoderblock_{i}/"
        norm(f"{block}LayerNorm_0", H)
        norm(f"{block}LayerNorm_2", H)
        attention = f"{block}MultiHeadDotProductAttention_1/"
        for part in ("query", "key", "value"):
            dense(f"{attention}{part}", (H, HEADS, H // HEADS), (HEADS, H // HEADS))
        dense(f"{attention}out", (HEADS, H // HEADS, H), (H,))
        dense(f"{block}MlpBlock_3/Dense_0", (H, MLP), (MLP,))
        dense(f"{block}MlpBlock_3/Dense_1", (MLP, H), (H,))
    if stem is None:
        dense("embedding", (16, 16, 3, H), (H,))
        return arrays
    width = 32
    arrays["conv_root/kernel"] = draw(7, 7, 3, width)
    norm("gn_root", 1, 1, 1, width)
    before = width
    for stage, n_units in enumerate(stem):
        inner = width * 2**stage
        for unit in range(n_units):
            name = f"block{stage + 1}/unit{unit + 1}/"
            shapes = {
                "1": (1, 1, before, inner),
                "2": (3, 3, inner, inner),
                "3": (1, 1, inner, 4 * inner),
            }
            for number, shape in shapes.items():
                arrays[f"{name}conv{number}/kernel"] = draw(*shape)
                norm(f"{name}gn{number}", 1, 1, 1, shape[-1])
            if unit == 0:
                arrays[f"{name}conv_proj/kernel"] = draw(1, 1, before, 4 * inner)
                norm(f"{name}gn_proj", 1, 1, 1, 4 * inner)
            before = 4 * inner
    dense("embedding", (1, 1, before, H), (H,))
    return arrays
