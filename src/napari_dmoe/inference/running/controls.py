"""Interventions on experts, checked against a model before anything runs."""

from __future__ import annotations

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.models.titles import unit_of


def checked_control(
    loaded: LoadedModel, experts: ExpertControl | None
) -> ExpertControl | None:
    """Return an intervention that the model can follow; None where it changes nothing.

    Raises
    ------
    ValueError
        When the network has no experts, a block or an expert does not exist, or a
        block would have no expert left.
    """
    if experts is None or not (experts.mute or experts.pin):
        return None
    n, unit = loaded.config.n_blocks, unit_of(loaded.architecture)
    if not n:
        raise ValueError("this network has no experts that could be muted or pinned")
    named = {block for block, _ in experts.mute} | set(experts.pin)
    unknown = [b for b in named if b is not None and not 0 <= b < n]
    if unknown:
        raise ValueError(
            f"{unit} {min(unknown)} does not exist: there are {n}, counted from 0"
        )
    for block in range(n):
        experts.silent(block, loaded.config.n_experts)
    return experts
