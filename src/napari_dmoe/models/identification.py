"""Telling a network from its tensors: which one, how large, and is it all there.

Nothing here reads files; nothing here guesses. What does not fit is refused, with what
was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.architectures import (
    ARCHITECTURES,
    Architecture,
    Config,
    recognise,
)
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.names import from_published, to_published
from napari_dmoe.models.weights import CheckpointError

FIRST_NAMES = 10
"""Names listed in an error before it goes on with a count."""


def interpret(
    tensors: Mapping[str, Tensor], where: str, *, card: ModelCard | None
) -> tuple[Architecture, Config, dict[str, Tensor]]:
    """Tell the network from its tensors, and take them over under our names.

    Returned are its kind, its shape and our state dict, in float32. `where` names the
    file in errors; the card states what the weights cannot tell.

    Raises
    ------
    CheckpointError
        When tensors are missing, extra, of another shape, or not finite.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    architecture = recognise(shapes)
    if architecture is None:
        raise CheckpointError(
            f"{where} is no dMoE network that is known here: none of "
            f"{', '.join(a.title for a in ARCHITECTURES.values())} has tensors such as "
            f"{', '.join(list(shapes)[:3])}"
        )
    n_heads, top_k = (card.n_heads, card.top_k) if card else (None, None)
    try:
        config = architecture.configure(shapes, n_heads=n_heads, top_k=top_k)
    except KeyError as error:
        raise CheckpointError(
            f"{where} is an incomplete {architecture.title}: {error.args[0]} is missing"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from error
    rows = list(architecture.names(config))
    with torch.device("meta"):
        expected = to_published(rows, architecture.build(config).state_dict())
    _check_tensors(tensors, expected, f"{where} ({architecture.title})")
    state = {
        name: t.detach().float() if t.is_floating_point() else t
        for name, t in tensors.items()
    }
    return architecture, config, from_published(rows, state)


def _check_tensors(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str
) -> None:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    if missing or extra:
        parts = [
            f"{len(names)} of {len(expected)} tensors are {what}: {_some(names)}"
            for names, what in ((missing, "missing"), (extra, "not expected"))
            if names
        ]
        raise CheckpointError(f"{where}: {'; '.join(parts)}")
    wrong = [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if found[name].shape != tensor.shape
    ]
    if wrong:
        raise CheckpointError(f"{where}: {len(wrong)} shapes differ: {_some(wrong)}")
    for name, tensor in found.items():
        is_float = expected[name].is_floating_point()
        if tensor.is_floating_point() != is_float or tensor.is_complex():
            raise CheckpointError(f"{where}: {name} holds {tensor.dtype}")
        if is_float and not tensor.detach().float().isfinite().all():
            raise CheckpointError(
                f"{where}: {name} holds values that are no finite numbers. The "
                "training that wrote it broke down: use an earlier checkpoint"
            )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - FIRST_NAMES
    return ", ".join(listed[:FIRST_NAMES]) + (f" and {more} more" if more > 0 else "")


def check_card(
    card: ModelCard, architecture: Architecture, config: Config, where: str
) -> None:
    """Refuse a card that does not describe this network.

    Raises
    ------
    CheckpointError
        When kind, router count or class count differ.
    """
    if card.architecture not in (None, architecture.name) or (
        card.dims != architecture.dims
    ):
        raise CheckpointError(
            f"{where} is a {architecture.title}, but the card {card.name!r} is for a "
            f"{card.dims}D {card.architecture or 'network'}"
        )
    # A single router chooses nothing, so a card need not name it.
    if config.n_routers not in (0, card.n_routers or 1):
        drivers = ", ".join(a.name for a in card.attributes) or "no driver"
        raise CheckpointError(
            f"{where} has {config.n_routers} routers, but the card {card.name!r} "
            f"states {card.n_routers} ({drivers}): choose another card"
        )
    if card.preprocessing is not None and (
        isinstance(card.preprocessing, Preprocessing) != (card.dims == 2)
    ):
        raise CheckpointError(
            f"the card {card.name!r} is {card.dims}D, but states the preprocessing of "
            "the other kind of image"
        )
    if len(card.classes) != config.n_classes:
        raise CheckpointError(
            f"{where} has {config.n_classes} classes, but the card {card.name!r} "
            f"states {len(card.classes)} ({', '.join(card.classes)}): choose another"
        )
