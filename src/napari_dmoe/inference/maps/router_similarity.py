"""How alike the routers of an attribute's values are: by weights, and on an image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.inference.maps.measures import js_divergence
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.moe import SparseMoE


def router_similarity(loaded: LoadedModel, attribute: str) -> NDArray[np.float32]:
    """Return how alike the routers of an attribute's values are, by their weights.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    attribute : str
        One of its drivers.

    Returns
    -------
    (M, V, V) float32 array
        Cosine of the weights and biases of V values' routers, in each of M layers: 1 in
        a 2D network, whose blocks share it, 5 in a 3D one.

    Raises
    ------
    ValueError
        When the attribute does not drive the model.
    """
    card = loaded.card
    names = [each.name for each in card.attributes]
    if attribute not in names:
        raise ValueError(f"{attribute} does not drive this model")
    place = names.index(attribute)
    first = card.first_routers[place]
    chosen = slice(first, first + len(card.attributes[place].values))
    layers = [m for m in loaded.module.modules() if isinstance(m, SparseMoE)]
    return np.stack([_cosines(layer, chosen) for layer in layers])


def _cosines(layer: SparseMoE, routers: slice) -> NDArray[np.float32]:
    weight, bias = layer.router_weight[routers], layer.router_bias[routers]
    rows = torch.cat([weight.flatten(1), bias.flatten(1)], 1).detach().float().cpu()
    rows = torch.nn.functional.normalize(rows)
    return np.asarray((rows @ rows.T).clamp(-1, 1).numpy(), np.float32)


def gate_divergence(maps: Sequence[RoutingMaps], block: int) -> NDArray[np.float32]:
    """Return how differently values route one image, on the mean over its tokens.

    Parameters
    ----------
    maps : sequence of RoutingMaps
        The routing for V values, such as ``[v.routing for v in sweep.values]``.
    block : int
        Block or stage.

    Returns
    -------
    (V, V) float32 array
        Mean Jensen-Shannon divergence in bits, in [0, 1]; 0 on the diagonal.
    """
    gates = [each.mean(block) for each in maps]
    result = np.zeros((len(gates), len(gates)), np.float32)
    for i, j in combinations(range(len(gates)), 2):
        result[i, j] = result[j, i] = js_divergence(gates[i], gates[j]).mean()
    return result
