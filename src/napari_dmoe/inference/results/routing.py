"""The routing of a segmentation as maps on the image, and measures of it.

Maps keep the resolution of the tokens, which may differ from block to block;
:attr:`RoutingMaps.grids` says where they lie. Blocks (stages of a U-Net) and experts
are counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid


@dataclass(frozen=True)
class KeptRouting:
    """What of its routing a run keeps: whoever starts the run asks for it.

    Parameters
    ----------
    blocks : tuple of int, optional
        Blocks (stages of a U-Net), counted from 0; all of them by default. The first
        stage of a U-Net holds seven eighths of all gates of a volume, or three quarters
        of those of a picture.
    each_value : bool
        Whether the gates of each combination of values are kept where several are
        mixed, and not only their mean, weighted as the mask is.
    precision : {"float32", "float16"}
        Type of the gates; float16 is right to 0.0005.

    Raises
    ------
    ValueError
        For another precision, and a block below 0.

    Examples
    --------
    The four coarse stages of a U-Net:

    >>> KeptRouting(blocks=(1, 2, 3, 4)).dtype_of(0) is None
    True
    """

    blocks: tuple[int, ...] | None = None
    each_value: bool = True
    precision: Literal["float32", "float16"] = "float32"

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        if self.precision not in ("float32", "float16"):
            raise ValueError(
                f"gates are kept as float32 or float16: found {self.precision!r}"
            )
        if self.blocks is not None and any(block < 0 for block in self.blocks):
            raise ValueError(f"blocks count from 0: found {min(self.blocks)}")

    def check(self, n_blocks: int) -> None:
        """Refuse blocks that a network of so many does not have.

        Raises
        ------
        ValueError
            When there is one; a network without a MoE has no routing to keep.
        """
        most = max(self.blocks or (-1,))
        if most >= max(n_blocks, 1):
            raise ValueError(
                f"the routing of block {most} cannot be kept: the network has "
                f"{n_blocks}, counted from 0"
            )

    def dtype_of(self, block: int) -> str | None:
        """Return the type of a block's gates; None where they are not kept."""
        is_kept = self.blocks is None or block in self.blocks
        return self.precision if is_kept else None

    def maps(
        self,
        gates: Sequence[NDArray[np.floating]],
        grids: Sequence[Grid],
        values: tuple[str, ...],
        weights: tuple[float, ...],
        *,
        axes: tuple[str, ...],
        token_axes: tuple[str, ...],
        unit: str,
    ) -> RoutingMaps:
        """Return the maps of those blocks that are kept.

        The arguments are the fields of :class:`RoutingMaps`, with the names and shares
        of all combinations that were run.
        """
        is_mixed = not self.each_value and len(values) > 1
        return RoutingMaps(
            tuple(gates),
            tuple(grids),
            (MEAN,) if is_mixed else values,
            (1.0,) if is_mixed else weights,
            axes,
            token_axes,
            unit=unit,
            mixed=values if is_mixed else (),
            kept=None if self.blocks is None else tuple(sorted(set(self.blocks))),
        )


ALL_ROUTING = KeptRouting()
"""The gates of every block and value, as they are."""

FOR_MAPS = KeptRouting(each_value=False, precision="float16")
"""What maps of a volume's routing need: the mean of mixed values, to 0.0005."""

NO_ROUTING = KeptRouting(blocks=())
"""No gates at all."""

MEAN = "mean"
"""Name of what several values were averaged to."""


@dataclass(frozen=True)
class RoutingMaps:
    """Gates of every block, for each combination of values that was run."""

    gates: tuple[NDArray[np.floating], ...]
    """tuple of (V, *extra, *tokens, E) float arrays: one array a block: gates of V
    combinations, in [0, 1], sum 1 over the E experts. `extra` are the image's axes that
    the network was run over, `tokens` the block's own resolution along `token_axes`."""
    grids: tuple[Grid, ...]
    """One a block: where its tokens lie in the source image."""
    values: tuple[str, ...]
    """Names of the combinations; one empty name where nothing drives the model."""
    weights: tuple[float, ...]
    """Share of each combination in the mixture; they sum to 1."""
    axes: tuple[str, ...]
    """Names of the extra axes."""
    token_axes: tuple[str, ...]
    """Names of the spatial axes: y, x or z, y, x."""
    unit: str = "block"
    """What a block is called; see :func:`napari_dmoe.models.titles.unit_of`."""
    mixed: tuple[str, ...] = ()
    """Names of the combinations whose mean alone was kept; empty where each was."""
    kept: tuple[int, ...] | None = None
    """Numbers of the blocks, where not all of them were kept: of these alone there is
    an entry in `gates` and `grids`."""

    @property
    def n_blocks(self) -> int:
        """Number of dMoE calls in the network; of those that were kept."""
        return len(self.gates)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Numbers of the blocks that `gates` are of."""
        return tuple(range(len(self.gates))) if self.kept is None else self.kept

    @property
    def shares_experts(self) -> bool:
        """Whether all blocks ask the same experts; stages have experts of their own."""
        return self.unit == "block"

    @property
    def n_experts(self) -> int:
        """Number of experts."""
        return int(self.gates[0].shape[-1])

    def mean(self, block: int) -> NDArray[np.float32]:
        """Return a block's gates (*extra, *tokens, E), averaged by weight.

        Raises
        ------
        ValueError
            When those of this block were not kept.
        """
        if block not in self.blocks:
            raise ValueError(
                f"the routing of block {block} was not kept: there is that of "
                f"{', '.join(map(str, self.blocks))}"
            )
        gates = self.gates[self.blocks.index(block)]
        shares = np.array(self.weights, np.float32)
        return np.asarray(np.tensordot(shares, gates, axes=1), np.float32)


def dominant_expert(gates: NDArray[np.floating]) -> NDArray[np.unsignedinteger]:
    """Return the expert with the largest gate, from gates (..., E); ties: the first.

    As uint8, and wider for more than 256 experts.
    """
    return numbers_below(gates.shape[-1], gates.argmax(-1))


def numbers_below(n: int, numbers: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    """Return whole numbers from 0 to n - 1 in as few bytes as they need."""
    return np.asarray(numbers, np.min_scalar_type(max(n - 1, 0)))


def expert_load(gates: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return each expert's share of the gates, (E,), from a block's gates (..., E)."""
    return np.asarray(gates.reshape(-1, gates.shape[-1]).mean(0, dtype=np.float32))
