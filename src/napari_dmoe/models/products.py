"""Products of rows with a layer's weights, by the library that is fastest at them.

On processors of AMD oneDNN multiplies twice as fast as the library that torch asks for
matrix products, and nowhere noticeably slower; it makes code for every shape it meets,
so that callers keep to few numbers of rows (see :func:`spans`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
"""Absent where torch is built without oneDNN."""

_LEAST_WEIGHTS, _LEAST_WORK = 2**12, 2**21
"""Weights, and multiplications, below which a call of oneDNN saves nothing."""


def linear(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    relu: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Return ``rows @ weight.T + bias``, without a gradient.

    Parameters
    ----------
    rows : (N, C) tensor
        Contiguous.
    weight : (M, C) tensor
        Of any layout.
    bias : (M,) tensor
        Added to every row.
    relu : bool
        Set what is negative to 0.
    out : (N, M) tensor, optional
        Where to write; a new one by default.

    Returns
    -------
    (N, M) tensor
        The product.
    """
    if _ONEDNN and onednn_takes(rows, weight) and _is_worth_it(rows, weight):
        after = "relu" if relu else "none"
        found: Tensor = _ONEDNN(rows, weight.contiguous(), bias, after, [], "")
        return found if out is None else out.copy_(found)
    found = torch.addmm(bias, rows, weight.t(), out=out)
    return found.relu_() if relu else found


class Linear(nn.Linear):
    """A linear layer, by the fastest library where no gradient is asked for."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the product of features (..., C)."""
        if torch.is_grad_enabled():
            return super().forward(x)
        rows = linear(x.reshape(-1, x.shape[-1]), self.weight, self.bias)
        return rows.view(*x.shape[:-1], rows.shape[1])


def onednn_takes(x: Tensor, weight: Tensor) -> bool:
    """Say whether oneDNN can compute with both, and is not switched off."""
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
    )


def _is_worth_it(rows: Tensor, weight: Tensor) -> bool:
    n = weight.numel()
    return n >= _LEAST_WEIGHTS and len(rows) * n >= _LEAST_WORK


def spans(
    counts: Iterable[int], *, most: int, step: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield parts of groups of rows that lie one after the other.

    Parameters
    ----------
    counts : iterable of int
        Rows of each group.
    most : int
        Rows of a part, at most; a multiple of `step`.
    step : int
        Parts may be computed with as many rows more as make them a multiple of this.

    Yields
    ------
    (group, begin, end, stop)
        Rows ``begin`` to ``end`` are the part, to ``stop`` are to be computed.
    """
    begin = 0
    for group, count in enumerate(counts):
        last = begin + count
        parts = -(-count // most) or 1  # about as long as each other
        size = -(-count // (parts * step)) * step
        while begin < last:
            end = min(begin + size, last)
            yield group, begin, end, begin + -(-(end - begin) // step) * step
            begin = end
