"""What can be shown of the routing as a map on the image: one function a map.

A further map is one function here and its line in :data:`OVERLAYS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.inference.routing import dominant_expert

OverlayName = Literal["dominant", "gate", "entropy"]


@dataclass(frozen=True)
class OverlayKind:
    """One map of the routing.

    Parameters
    ----------
    title, help : str
        Name and explanation for a person.
    compute : callable
        From a block's gates (..., E) and an expert's number to a map (...).
    limits : tuple of float or None
        Least and largest value that the map can have; None for expert numbers, which
        are colours of their own.
    unit : str
        Unit of the values.
    is_of_one_expert : bool
        Whether the map depends on the expert.
    """

    title: str
    help: str
    compute: Callable[[NDArray[np.float32], int], NDArray[Any]]
    limits: tuple[float, float] | None = None
    unit: str = ""
    is_of_one_expert: bool = False


def gate(gates: NDArray[np.float32], expert: int) -> NDArray[np.float32]:
    """Return one expert's gate, in [0, 1], from a block's gates (..., E).

    Raises
    ------
    ValueError
        When there is no such expert.
    """
    if not 0 <= expert < gates.shape[-1]:
        raise ValueError(f"there are {gates.shape[-1]} experts, from 0: found {expert}")
    return np.ascontiguousarray(gates[..., expert], np.float32)


def gate_entropy(gates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the entropy of the gates in bits, from a block's gates (..., E).

    Notes
    -----
    ``-sum_e g_e log2 g_e``: 0 where one expert does it all, 1 where two share it
    equally. More than two have a part only where several patients' routers are mixed,
    or where windows of a volume overlap.
    """
    parts = np.where(gates > 0, gates, 1)
    entropy: NDArray[np.float32] = -(gates * np.log2(parts)).sum(-1)
    return np.maximum(entropy, 0).astype(np.float32, copy=False)


OVERLAYS: Mapping[OverlayName, OverlayKind] = {
    "dominant": OverlayKind(
        title="Dominant expert",
        help="The expert with the largest gate at each token.",
        compute=lambda gates, _: dominant_expert(gates),
    ),
    "gate": OverlayKind(
        title="Gate of expert",
        help="How large a part one expert has in each token, from 0 to 1.",
        compute=gate,
        limits=(0.0, 1.0),
        is_of_one_expert=True,
    ),
    "entropy": OverlayKind(
        title="Entropy of the gates",
        help="How evenly experts share a token: 0 bits for one alone, 1 for two alike.",
        compute=lambda gates, _: gate_entropy(gates),
        limits=(0.0, 1.0),
        unit="bits",
    ),
}
"""Every map by its key."""
