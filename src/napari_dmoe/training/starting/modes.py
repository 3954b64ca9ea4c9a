"""The networks that dMoE is compared with: without its MoE, or with a single router."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import torch
from torch import Tensor

from napari_dmoe.models.architectures import ARCHITECTURES, Config, Network
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.facts.data_facts import BASELINES
from napari_dmoe.training.learning.selection import is_router

Mode = Literal["dmoe", "single-router", "no-moe"]


def config_in_mode(config: Config, mode: Mode) -> Config:
    """Return the shape of a network in another mode."""
    if mode == "dmoe":
        return config
    if mode == "single-router":
        return config.model_copy(update={"n_routers": 1})
    none = {"n_routers": 0, "n_experts": 0, "expert_width": 0, "expert_widths": None}
    own = {name: none[name] for name in none.keys() & type(config).model_fields}
    return config.model_copy(update=own)


def card_in_mode(card: ModelCard, mode: Mode) -> ModelCard:
    """Return the card of a network in another mode: nothing drives the baselines."""
    if mode == "dmoe":
        return card
    name, title = f"{card.name}-{mode}", f"{card.title} ({BASELINES[mode]})"
    return card.model_copy(update={"name": name, "title": title, "attributes": ()})


def in_mode(loaded: LoadedModel, mode: Mode) -> LoadedModel:
    """Return a model turned into one of the baselines.

    Parameters
    ----------
    loaded : LoadedModel
        The model. It is not changed.
    mode : {"dmoe", "single-router", "no-moe"}
        ``"dmoe"`` returns it as it is. A single router is the mean of all, but for
        those of values that no training case had; without its MoE a network keeps
        everything else.

    Raises
    ------
    TrainingError
        When it has no router, but one is asked for.
    """
    has_moe = loaded.config.n_routers > 0
    if mode == "dmoe" or (mode == "no-moe" and not has_moe):
        return loaded
    if not has_moe:
        raise TrainingError("the model has no MoE to make a single router of")
    left_out = ("moe.", "moes.") if mode == "no-moe" else ()
    rows = _trained(loaded.card) or list(range(loaded.config.n_routers))
    state = {
        name: tensor[rows].mean(0, keepdim=True) if is_router(name) else tensor
        for name, tensor in loaded.module.state_dict().items()
        if not name.startswith(left_out)
    }
    config, card = config_in_mode(loaded.config, mode), card_in_mode(loaded.card, mode)
    return rebuilt(loaded, config=config, card=card, state=state)


def _trained(card: ModelCard) -> list[int]:
    """Return all routers but those of values that nothing trained."""
    never = {
        first + attribute.values.index(value)
        for attribute, first in zip(card.attributes, card.first_routers, strict=True)
        for value in card.untrained(attribute.name)
    }
    return [router for router in range(card.n_routers) if router not in never]


def rebuilt(
    loaded: LoadedModel, *, config: Config, card: ModelCard, state: Mapping[str, Tensor]
) -> LoadedModel:
    """Return a model of another shape, with its own copy of the weights given."""
    with torch.device("meta"):
        module = ARCHITECTURES[loaded.architecture].build(config)
    copies = {name: tensor.detach().clone() for name, tensor in state.items()}
    module.load_state_dict(copies, assign=True)
    module.requires_grad_(True).eval()
    network = cast("Network", module)
    return LoadedModel(network, card, loaded.architecture, sha256=loaded.sha256)
