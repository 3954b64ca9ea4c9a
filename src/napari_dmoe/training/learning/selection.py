"""What of a network is trained; everything else stays as it is, bit for bit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from napari_dmoe.training.cases.annotation import TrainingError

ROUTERS = ("*router_weight", "*router_bias", "*noise_weight", "*noise_bias")
EXPERTS = ("*expert_in_*", "*expert_out_*")
DECODER = ("decoder.*", "head.*", "ups.*", "out.*")

PARTS = {
    "everything": ("*",),
    "routers": ROUTERS,
    "experts": EXPERTS,
    "decoder": DECODER,
}
"""Patterns of our parameter names that make up a part; ``encoder`` is all the rest."""

_ONE_ROUTER = re.compile(r"router\.(\d+)")
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def select(network: nn.Module, train: str) -> None:
    """Let only some parameters of a network learn; others require no gradient any more.

    `train` are parts and patterns, with commas between: ``everything``, ``routers``,
    ``experts``, ``decoder``, ``encoder``, ``router.3`` (that one alone), or patterns of
    our parameter names such as ``blocks.3.*``.

    Raises
    ------
    TrainingError
        For a part or pattern that no parameter matches.
    """
    names = [name for name, _ in network.named_parameters()]
    chosen: set[str] = set()
    for part in _parts(train):
        found = {name for name in names if _belongs(name, part)}
        if not found:
            raise TrainingError(
                f"nothing of the network is called {part!r}: train {', '.join(PARTS)}, "
                "encoder, router.N, or a pattern of parameter names such as blocks.0.*"
            )
        chosen |= found
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in chosen)


def _parts(train: str) -> list[str]:
    return [part.strip() for part in train.split(",") if part.strip()]


def _belongs(name: str, part: str) -> bool:
    if part == "encoder":
        return not _matches(name, (*ROUTERS, *EXPERTS, *DECODER))
    if _ONE_ROUTER.fullmatch(part):
        return _matches(name, ROUTERS)
    return _matches(name, PARTS.get(part, (part,)))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def training_mode(network: nn.Module) -> None:
    """Switch to training, but for batch norms that do not learn.

    A batch norm in training mode changes its running statistics, trained or not.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, _BATCH_NORMS) and not module.weight.requires_grad:
            module.eval()


class FixedRouters:
    """Routers that stay as they are while others of the same tensors are trained.

    These are the routers that no case chooses, which weight decay alone would change,
    and where single routers are named, all others. `used` are those that the training
    cases choose; what is trained is selected already, as `train` says.

    Raises
    ------
    TrainingError
        When a router that is named does not exist, or no case chooses any of them and
        nothing else is trained.
    """

    def __init__(self, network: nn.Module, train: str, used: Iterable[int]) -> None:
        self._kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self.learning: frozenset[int] = frozenset()
        """Routers that are trained."""
        free = set(used)
        parts = _parts(train)
        named = {int(m[1]) for part in parts if (m := _ONE_ROUTER.fullmatch(part))}
        if named and not {"everything", "routers"} & set(parts):
            free &= named
        for name, parameter in network.named_parameters():
            if not parameter.requires_grad or not _matches(name, ROUTERS):
                continue
            if named and max(named) >= len(parameter):
                raise TrainingError(
                    f"router {max(named)} does not exist: there are {len(parameter)}, "
                    "counted from 0"
                )
            if not free and (named or _are_routers_alone(network)):
                raise TrainingError(
                    "no case chooses a router that is to be trained, and nothing else "
                    "is: give cases whose value is known, or train the decoder, too"
                )
            self.learning = frozenset(free)
            rows = torch.tensor([r for r in range(len(parameter)) if r not in free])
            if len(rows):
                rows = rows.to(parameter.device)
                self._kept.append((parameter, rows, parameter.detach()[rows].clone()))

    @torch.no_grad()
    def restore(self) -> None:
        """Put them back after a step of the optimiser."""
        for parameter, rows, values in self._kept:
            parameter[rows] = values


def _are_routers_alone(network: nn.Module) -> bool:
    """Say whether nothing but routers is trained."""
    named = network.named_parameters()
    return all(_matches(name, ROUTERS) for name, p in named if p.requires_grad)


def is_router(name: str) -> bool:
    """Say whether a tensor holds routers, one a row."""
    return _matches(name, ROUTERS)
