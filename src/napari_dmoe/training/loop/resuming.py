"""What a saved state holds, checked before any of it is used.

A state is a file that may have been damaged, edited or made by others: each fact and
each tensor is held against what this run would have written. Nothing here writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import BaseModel, Field, ValidationError, model_validator
from torch import Tensor

from napari_dmoe.foreign import JSONError, parse_json, printable
from napari_dmoe.models.refusals import listed
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.settings import SCHEMA_VERSION, TrainSettings
from napari_dmoe.validation import SettingsError, said

if TYPE_CHECKING:
    from napari_dmoe.training.loop.run import Run

RESUME = "resume.safetensors"
"""The file that holds a state."""

_MOST_STEPS = 2**40

_SLOTS = {"adamw": ("step", "exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",)}
"""What the optimisers keep of each parameter."""


class _Fact(BaseModel, extra="forbid", strict=True, allow_inf_nan=False):
    """A part of the facts; nothing is taken for another type."""


class _Epoch(_Fact):
    number: int = Field(ge=0)
    loss: float
    dice: dict[str, float | None]
    groups: dict[str, dict[str, float | None]]
    worst: float | None = Field(ge=0, le=1)
    learning_rate: float = Field(ge=0)
    expert_load: list[list[float]]
    notices: list[str]
    seconds: float = Field(ge=0)
    # Versions that did not count cases have none of these.
    n: int = Field(0, ge=0)
    n_groups: dict[str, Annotated[int, Field(ge=0)]] = {}
    worst_group: str = ""


class _BelongsTo(_Fact):
    architecture: str
    network: dict[str, Any]
    classes: list[str]
    attributes: dict[str, list[str]]
    cohort: str
    settings: dict[str, Any]
    measured: str | None = None
    """Nothing in states of versions that might part the cases of a subject."""


class _Facts(_Fact):
    schema_version: int
    tensors: list[str] | None = None
    belongs_to: _BelongsTo
    step: int = Field(ge=0, le=_MOST_STEPS)
    epoch: int = Field(ge=0, le=_MOST_STEPS)
    position: int = Field(ge=0, le=_MOST_STEPS)
    losses: list[float]
    seconds: float = Field(ge=0)
    history: list[_Epoch]
    best_epoch: int | None = Field(ge=0)
    waited: int = Field(ge=0, le=_MOST_STEPS)
    is_stopped: bool
    notices: list[str]

    @model_validator(mode="after")
    def _agree(self) -> _Facts:
        if [epoch.number for epoch in self.history] != list(range(self.epoch)):
            raise ValueError(f"epoch is {self.epoch}, and its history is another")
        if self.waited > self.epoch:
            raise ValueError(f"waited is {self.waited} after {self.epoch} epochs")
        best = self.best_epoch
        if best is not None and (
            best >= self.epoch or self.history[best].worst is None
        ):
            raise ValueError(f"best_epoch is {best}, of which nothing is known")
        return self


def cannot(why: str) -> TrainingError:
    """Return the error of a state that cannot be gone on from."""
    return TrainingError(
        f"the training cannot be resumed: {RESUME}: {why}. Start anew from "
        "last.safetensors"
    )


def read_facts(text: str | None) -> dict[str, Any]:
    """Return the facts that stand beside the tensors of a state.

    Parameters
    ----------
    text : str or None
        Their JSON; None where the file has none.

    Raises
    ------
    TrainingError
        When they are missing, of a newer version, or state what cannot be.
    """
    if text is None:
        raise TrainingError(f"{RESUME} holds no training to resume")
    try:
        facts = parse_json(text)
    except JSONError as error:
        raise cannot(f"as for its facts, {error}") from error
    if not isinstance(facts, dict) or "schema_version" not in facts:
        raise TrainingError(f"{RESUME} holds no training to resume")
    version = facts["schema_version"]
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise TrainingError(
            f"{RESUME} has version {min(version, 10**9)}, and this program resumes up "
            f"to {SCHEMA_VERSION}: update napari-dmoe"
        )
    try:
        _Facts.model_validate(facts)
        TrainSettings(**facts["belongs_to"]["settings"])
    except ValidationError as error:
        raise cannot(said(error, whole="its facts")) from error
    except SettingsError as error:
        raise cannot(f"belongs_to.settings: {error}") from error
    return facts


def check_state(
    run: Run, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Refuse a state that this run could not have saved.

    Parameters
    ----------
    run : Run
        The run that is to go on from it, as it is before its first step.
    tensors : mapping of str to Tensor
        The saved tensors.
    facts : mapping
        What :func:`read_facts` returned.

    Raises
    ------
    TrainingError
        Names the first fact or tensor that cannot be.
    """
    missing = sorted(set(facts.get("tensors") or ()) - set(tensors))
    if missing:
        raise cannot(f"{len(missing)} tensors are missing: {listed(missing)}")
    for fault in (
        *_faults_of_place(run, tensors, facts),
        *_faults_of_scores(run, facts),
        *_faults_of_network(run, tensors),
        *_faults_of_optimiser(run, tensors, facts["step"]),
        *_faults_of_draws(run, tensors),
    ):
        raise cannot(fault)


def check_weights(run: Run, weights: Mapping[str, Tensor], where: str) -> None:
    """Refuse the best model so far where it is of another network.

    Raises
    ------
    TrainingError
        When its tensors are not those of the run.
    """
    for fault in _unlike(run.network.state_dict(), weights, ""):
        raise TrainingError(f"the training cannot be resumed: {where}: {fault}")


def _faults_of_place(
    run: Run, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what cannot be of step, epoch, position, order and losses."""
    n, position = run.sampler.n, facts["position"]
    begun = math.ceil(position / run.per_step)
    if facts["epoch"] > run.settings.epochs:
        yield f"epoch is {facts['epoch']} of {run.settings.epochs}"
    if position > n or (position and "order" not in tensors):
        yield f"position is {position} in an epoch of {n} cases without an order for it"
    if len(facts["losses"]) != begun:
        yield f"losses are {len(facts['losses'])} after {begun} steps of the epoch"
    step = facts["epoch"] * math.ceil(n / run.per_step) + begun
    if facts["step"] != step:
        yield f"step is {facts['step']}, where {step} were taken"
    order = tensors.get("order")
    if order is None:
        return
    if order.dtype != torch.int64 or order.shape != (n,):
        yield f"order is {_kind(order)}, expected {n} whole numbers"
    elif len(order) and not 0 <= int(order.min()) <= int(order.max()) < len(run.pool):
        yield f"order names a case that is not among the {len(run.pool)}"


def _faults_of_scores(run: Run, facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what cannot be of the history: classes that are not, Dice beyond 1."""
    classes = set(run.start.card.classes)
    for number, epoch in enumerate(facts["history"]):
        for name, scores in (("dice", epoch["dice"]), *epoch["groups"].items()):
            where = f"history.{number}.{printable(name)}"
            unknown = sorted(set(scores) - classes)
            if unknown:
                yield f"{where} names no class of the model: {listed(unknown)}"
            if not all(s is None or 0 <= s <= 1 for s in scores.values()):
                yield f"{where} is no Dice"
        if not all(s >= 0 for row in epoch["expert_load"] for s in row):
            yield f"history.{number}.expert_load is below 0"


def _faults_of_network(run: Run, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    expected = run.network.state_dict()
    yield from _unlike(expected, _below(tensors, "network."), "network.")
    experts = getattr(run.start.config, "n_experts", 0)
    loads = _below(tensors, "load.")
    for name, load in loads.items():
        is_place = name.isdecimal() and int(name) < len(loads)
        is_load = load.shape == (experts,) and load.is_floating_point()
        if not is_place or not is_load or not (load.isfinite() & (load >= 0)).all():
            yield f"load.{printable(name)} is no load of {experts} experts"


def _faults_of_optimiser(
    run: Run, tensors: Mapping[str, Tensor], step: int
) -> Iterator[str]:
    """Yield what cannot be of the optimiser's memory, parameter by parameter."""
    parameters = [p for g in run.optimiser.param_groups for p in g["params"]]
    slots = _SLOTS[run.settings.optimiser]
    found: dict[str, set[str]] = {}
    for name, tensor in _below(tensors, "optimiser.").items():
        place, _, slot = name.partition(".")
        shown = f"optimiser.{printable(name)}"
        is_place = place.isdecimal() and place.isascii() and len(place) < 10
        if not is_place or int(place) >= len(parameters) or slot not in slots:
            yield f"{shown} belongs to no parameter that is trained"
            return
        shape = () if slot == "step" else tuple(parameters[int(place)].shape)
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            yield f"{shown} is {_kind(tensor)}, expected {shape}"
        elif not tensor.isfinite().all():
            yield f"{shown} holds values that are no finite numbers"
        elif slot in ("step", "exp_avg_sq") and (tensor < 0).any():
            yield f"{shown} is below 0"
        elif slot == "step" and not 1 <= float(tensor) <= step:
            yield f"{shown} is {float(tensor):g} after {step} steps"
        found.setdefault(place, set()).add(slot)
    for place, its in found.items():
        if missing := set(slots) - its:
            yield f"optimiser.{place}.{min(missing)} is missing"
    if step and not found and (slots[0] == "step" or run.settings.momentum):
        yield "the optimiser's memory is missing"


def _faults_of_draws(run: Run, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    for name in ("random.draws", "random.torch"):
        if name not in tensors:
            yield f"{name} is missing"
            continue
        try:
            torch.Generator().set_state(tensors[name])
        except (RuntimeError, TypeError):
            yield f"{name} is no state of a random generator"
    shares, expected = tensors.get("sampler.shares"), run.sampler.shares
    if shares is None:
        yield "sampler.shares is missing"
    elif shares.shape != expected.shape or shares.dtype != expected.dtype:
        yield f"sampler.shares is {_kind(shares)}, expected {_kind(expected)}"
    elif not (shares.isfinite() & (shares > 0)).all() or abs(shares.sum() - 1) > 1e-6:
        yield "sampler.shares are no shares that sum to 1"


def _unlike(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], prefix: str
) -> Iterator[str]:
    """Yield where tensors are not those that are expected."""
    for name in [*expected, *found]:
        if name not in found:
            yield f"{prefix}{name} is missing"
        elif name not in expected:
            yield f"{prefix}{printable(name)} is not expected"
        elif found[name].shape != expected[name].shape or (
            found[name].dtype != expected[name].dtype
        ):
            kinds = f"{_kind(found[name])}, expected {_kind(expected[name])}"
            yield f"{prefix}{name} is {kinds}"
        elif not found[name].isfinite().all():
            yield f"{prefix}{name} holds values that are no finite numbers"


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)
    }


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
