"""Telling a network from its tensors: which one, how large, and is it all there.

Nothing here reads files; nothing here guesses. What does not fit is refused, with what
was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from pydantic import ValidationError
from torch import Tensor

from napari_dmoe.foreign import printable
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.volume_preprocessing import LEAST_LONG_SIDE
from napari_dmoe.models.architectures import (
    ANCHORS,
    ARCHITECTURES,
    Architecture,
    Config,
    recognise,
)
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.names import from_published, missing, to_published
from napari_dmoe.models.refusals import CheckpointError, listed
from napari_dmoe.models.unet import STRIDE, UNetConfig
from napari_dmoe.models.unwrapping import (
    Found,
    are_equal,
    is_beside,
    networks_in,
    said_of,
)
from napari_dmoe.purpose import reason
from napari_dmoe.validation import said


@dataclass(frozen=True)
class Identified:
    """A network told from its tensors."""

    architecture: Architecture
    """Its kind."""
    config: Config
    """Its shape."""
    state: Mapping[str, Tensor]
    """Our state dict, in float32."""
    notices: tuple[str, ...] = ()
    """How it was unwrapped and what was left out."""


def identify(
    tensors: Mapping[str, Tensor],
    where: str,
    *,
    card: ModelCard | None,
    check: Callable[[Mapping[str, Tensor]], None] | None = None,
) -> Identified:
    """Find the network among all tensors of a file.

    An average of weights (EMA, SWA) goes before the weights it is made of, as in the
    programs that save both; which one was taken is said.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        All tensors of the file under their full names.
    where : str
        Name of the file, for errors.
    card : ModelCard or None
        It states what the weights cannot tell.
    check : callable, optional
        Refuses a network's tensors, under their names in the file, before they are
        looked at.

    Raises
    ------
    CheckpointError
        When there is no network, or more than one; when tensors are missing, extra, of
        another shape, or not finite.
    """
    found = networks_in(tensors, ANCHORS, where)
    if not found:
        if check is not None:
            check(tensors)
        raise CheckpointError(
            f"{where} is no dMoE network that is known here: none of "
            f"{', '.join(a.title for a in ARCHITECTURES.values())} has tensors such as "
            f"{listed(list(tensors)[:3])}"
        )
    if check is not None:
        for each in found:
            check({each.in_file(name): t for name, t in each.tensors.items()})
    chosen, told, why = _only_one(found, where, card)
    unwrapped = said_of(chosen, tensors, told.used)
    notices = tuple(f"{where}: {part}" for part in (why, unwrapped) if part)
    return Identified(told.architecture, told.config, told.state, notices)


@dataclass(frozen=True)
class _Told:
    architecture: Architecture
    config: Config
    state: dict[str, Tensor]
    used: tuple[str, ...]


def _only_one(
    found: list[Found], where: str, card: ModelCard | None
) -> tuple[Found, _Told, str]:
    """Return the network that is meant, and why, where the file holds several."""
    if len(found) == 1:
        return found[0], _interpret(found[0], where, card=card), ""
    whole: list[tuple[Found, _Told]] = []
    broken: list[tuple[Found, CheckpointError]] = []
    for each in found:
        try:
            told = _interpret(each, where, card=card)
        except CheckpointError as error:
            broken.append((each, error))
            continue
        if not any(are_equal(each, other) for other, _ in whole):
            whole.append((each, told))
    if not whole:
        raise broken[0][1]
    if len(whole) == 1:
        reasons = [
            f"the network under {each.place} was left out, as it cannot be used: "
            f"{str(error).removeprefix(where).lstrip(': ')}"
            for each, error in broken
        ]
        return *whole[0], "; ".join(reasons)
    averages = [pair for pair in whole if pair[0].is_average]
    plain = [pair for pair in whole if not pair[0].is_average]
    if len(averages) != 1 or len(plain) != 1:
        places = listed(each.place for each, _ in whole)
        raise CheckpointError(
            f"{where} holds {len(whole)} networks, under {places}: save the one that "
            "is meant alone"
        )
    (average, _), (steps, _) = averages[0], plain[0]
    if not average.is_begun:
        why = f"the average under {average.place} holds no step yet"
        return *plain[0], f"{why}: the weights under {steps.place} were taken"
    why = f"it holds weights under {steps.place} and their average under"
    return *averages[0], f"{why} {average.place}: the average was taken"


def _interpret(found: Found, where: str, *, card: ModelCard | None) -> _Told:
    """Tell a network from its tensors, and take them over under our names."""
    shapes = {name: tuple(tensor.shape) for name, tensor in found.tensors.items()}
    architecture = recognise(shapes)
    if architecture is None:
        raise CheckpointError(f"{where} is no dMoE network that is known here")
    n_heads, top_k = (card.n_heads, card.top_k) if card else (None, None)
    try:
        config = architecture.configure(shapes, n_heads=n_heads, top_k=top_k)
    except KeyError as error:
        name = printable(found.in_file(missing(error)))
        raise CheckpointError(
            f"{where} is an incomplete {architecture.title}: {name} is missing"
        ) from error
    except ValidationError as error:  # an error of ours is a ValueError, too
        raise CheckpointError(f"{where}: its {said(error)}") from error
    except ValueError as error:
        raise CheckpointError(
            f"{where}: {_as_in_file(reason(error), found)}"
        ) from error
    rows = list(architecture.names(config))
    with torch.device("meta"):
        expected = to_published(rows, architecture.build(config).state_dict())
    _check_tensors(found, expected, f"{where} ({architecture.title})")
    state = {
        name: t.detach().float() if t.is_floating_point() else t.detach()
        for name, t in found.tensors.items()
        if name in expected
    }
    return _Told(architecture, config, from_published(rows, state), tuple(expected))


def _as_in_file(message: str, found: Found) -> str:
    """Put the file's own names into a message."""
    for name in sorted(found.tensors, key=len, reverse=True):
        if name in message:
            return message.replace(name, printable(found.in_file(name)))
    return message


def _check_tensors(found: Found, expected: Mapping[str, Tensor], where: str) -> None:
    missing = [found.in_file(name) for name in expected if name not in found.tensors]
    extra = [
        found.in_file(name)
        for name in found.tensors
        if name not in expected and not is_beside(name, expected)
    ]
    if missing or extra:
        parts = [
            f"{len(names)} of {len(expected)} tensors are {what}: {listed(names)}"
            for names, what in ((missing, "missing"), (extra, "not expected"))
            if names
        ]
        raise CheckpointError(f"{where}: {'; '.join(parts)}")
    of_network = {name: found.tensors[name] for name in expected}
    wrong = [
        f"{found.in_file(name)} is {tuple(tensor.shape)}, expected "
        f"{tuple(expected[name].shape)}"
        for name, tensor in of_network.items()
        if tensor.shape != expected[name].shape
    ]
    if wrong:
        raise CheckpointError(f"{where}: {len(wrong)} shapes differ: {listed(wrong)}")
    for name, tensor in of_network.items():
        is_float, shown = expected[name].is_floating_point(), found.in_file(name)
        if tensor.is_floating_point() != is_float or tensor.is_complex():
            raise CheckpointError(f"{where}: {printable(shown)} holds {tensor.dtype}")
        if is_float and not tensor.detach().float().isfinite().all():
            raise CheckpointError(
                f"{where}: {printable(shown)} holds values that are no finite numbers. "
                "The training that wrote it broke down: use an earlier checkpoint"
            )


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
    _check_side(card, config)
    top_k = max(config.top_k, card.top_k or 0)
    if config.n_routers and top_k > max(config.n_experts, 2):
        raise CheckpointError(
            f"{where} has {config.n_experts} experts, but top_k asks for the best "
            f"{top_k} of them: choose another card"
        )
    if len(card.classes) != config.n_classes:
        raise CheckpointError(
            f"{where} has {config.n_classes} classes, but the card {card.name!r} "
            f"states {len(card.classes)} ({', '.join(card.classes)}): choose another"
        )


def _check_side(card: ModelCard, config: Config) -> None:
    """Refuse an input that a U-Net of planes cannot halve so often."""
    how = card.preprocessing
    if not isinstance(config, UNetConfig) or not isinstance(how, Preprocessing):
        return
    if how.side % STRIDE or how.side < LEAST_LONG_SIDE:
        raise CheckpointError(
            f"the card {card.name!r} states an input side of {how.side} pixels, but a "
            f"U-Net takes multiples of {STRIDE}, {LEAST_LONG_SIDE} at least"
        )
