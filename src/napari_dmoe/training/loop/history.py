"""What came of a training: epoch by epoch, and in the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.evaluation.scoring.json_scores import with_nan, with_null
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.training.cases.annotation import TrainingError


@dataclass(frozen=True)
class Epoch:
    """What one pass over the cases gave.

    Parameters
    ----------
    number : int
        Which pass, counted from 0.
    loss : float
        Mean training loss.
    dice : mapping of str to float
        Mean Dice of each class but the background over what was held out, at the
        network's resolution; empty where nothing was measured.
    groups : mapping of str to mapping of str to float
        The same for each group.
    worst : float or None
        Mean Dice over the classes of the worst group that has enough cases to choose
        the best epoch, else of all cases; None where nothing was measured.
    learning_rate : float
        Of its last step.
    expert_load : tuple of tuple of float
        Share of the gates that went to each expert, block by block.
    notices : tuple of str
        What a person should know, such as experts that nothing reaches.
    seconds : float
        How long it took.
    n : int
        Cases that `dice` is the mean of; 0 where nothing was measured, and in
        histories of versions that did not count them.
    n_groups : mapping of str to int
        The same for each group.
    worst_group : str
        Of which group `worst` is,
        :data:`~napari_dmoe.evaluation.groups.membership.EVERYBODY` for all cases; empty
        where nobody says.
    """

    number: int
    loss: float
    dice: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    worst: float | None = None
    learning_rate: float = 0.0
    expert_load: tuple[tuple[float, ...], ...] = ()
    notices: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    n: int = 0
    n_groups: Mapping[str, int] = field(default_factory=dict)
    worst_group: str = ""

    @property
    def n_worst(self) -> int:
        """Cases that `worst` is the mean of; 0 where nobody says."""
        if self.worst_group == EVERYBODY:
            return self.n
        return self.n_groups.get(self.worst_group, 0)

    def facts(self) -> dict[str, Any]:
        """Return it ready for JSON; null where there is no number."""
        plain: dict[str, Any] = with_null(asdict(self))
        return plain

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Epoch:
        """Rebuild it from what :meth:`facts` gave."""
        stated = dict(facts)
        stated["dice"] = with_nan(facts["dice"])
        stated["groups"] = {k: with_nan(v) for k, v in facts["groups"].items()}
        stated["expert_load"] = tuple(tuple(row) for row in facts["expert_load"])
        stated["notices"] = tuple(facts["notices"])
        return cls(**stated)


@dataclass(frozen=True)
class Fitted:
    """A fitted model and how it came about.

    Parameters
    ----------
    loaded : LoadedModel
        The model, in evaluation mode, on the CPU.
    history : tuple of Epoch
        One entry per pass over the cases.
    cases_per_router : tuple of int
        How many cases each router was trained on, in router order.
    n_cases : int
        How many cases there were; each has a router of every attribute.
    held_out : str
        What the Dice was measured on: ``"cases"``, ``"slices"`` or ``"none"``; or
        ``"training"``, where everything that was measured was trained on too.
    best_epoch : int or None
        Which epoch the returned model is of; None for the last one.
    notices : tuple of str
        What a person should know.
    record : str
        How the model came about, as JSON; empty where nothing was saved.
    n_held_out : int
        How many cases were held out, or have slices that were.
    kept_classes : tuple of str
        Which of the notices tell of classes that no case shows.
    """

    loaded: LoadedModel
    history: tuple[Epoch, ...]
    cases_per_router: tuple[int, ...]
    n_cases: int
    held_out: str = "none"
    best_epoch: int | None = None
    notices: tuple[str, ...] = ()
    record: str = ""
    n_held_out: int = 0
    kept_classes: tuple[str, ...] = ()

    @property
    def kept(self) -> Epoch | None:
        """The epoch that the returned model is of."""
        place = -1 if self.best_epoch is None else self.best_epoch
        return self.history[place] if self.history else None


class Diverged(TrainingError):
    """The loss is no number any more.

    Parameters
    ----------
    message : str
        What happened and what to do.
    last_good : Fitted or None
        The model of the last epoch that went well; None where there is none.
    """

    def __init__(self, message: str, last_good: Fitted | None) -> None:
        super().__init__(message)
        self.last_good = last_good


def history_rows(history: Sequence[Epoch]) -> list[dict[str, str]]:
    """Return a history as a table: one row an epoch, a column a class and group."""
    return [dict(_cells(epoch)) for epoch in history]


def _cells(epoch: Epoch) -> Iterator[tuple[str, str]]:
    yield "epoch", str(epoch.number + 1)
    yield "loss", f"{epoch.loss:.6g}"
    yield "learning rate", f"{epoch.learning_rate:.6g}"
    yield "seconds", f"{epoch.seconds:.2f}"
    yield "worst group", "" if epoch.worst is None else _number(epoch.worst)
    for name, dice in epoch.dice.items():
        yield f"Dice {name}", _number(dice)
    yield "n", str(epoch.n or "")
    for group, scores in epoch.groups.items():
        for name, dice in scores.items():
            yield f"Dice {name}, {group}", _number(dice)
        yield f"n, {group}", str(epoch.n_groups.get(group, ""))
    yield "group that is worst", epoch.worst_group
    yield "notices", "; ".join(epoch.notices)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
