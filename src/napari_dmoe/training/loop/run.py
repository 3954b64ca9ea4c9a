"""One training while it goes on: what changes with each step, to save and restore."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from napari_dmoe.imaging.appearance import Appearance
from napari_dmoe.models.architectures import Network
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.class_spans import ClassSpans
from napari_dmoe.models.gating import LEFT_OUT
from napari_dmoe.training.cases.known_drivers import n_unknown
from napari_dmoe.training.cases.pool import Pool
from napari_dmoe.training.cases.sampling import Sampler
from napari_dmoe.training.facts.card_facts import was_trained, with_facts
from napari_dmoe.training.facts.case_counts import (
    learnt_from,
    routers_left,
    with_counts,
)
from napari_dmoe.training.facts.data_facts import Shown, shown
from napari_dmoe.training.facts.image_facts import appearances, with_images
from napari_dmoe.training.facts.span_facts import spans_of
from napari_dmoe.training.learning.optimisers import optimiser_of
from napari_dmoe.training.learning.selection import FixedRouters, select
from napari_dmoe.training.loop.history import Epoch, Fitted
from napari_dmoe.training.loop.measuring import Measured
from napari_dmoe.training.loop.resuming import check_state
from napari_dmoe.training.loop.teams import team_now
from napari_dmoe.training.settings import TrainSettings

Weights = dict[str, Tensor]


_WHERE = ("step", "epoch", "position", "losses", "seconds")
_SO_FAR = ("history", "best_epoch", "waited", "is_stopped", "notices")
_STATE = (*_WHERE, *_SO_FAR)
"""What of a run is saved beside its tensors: where it stands and what came of it."""


class Run:
    """One training: the network, its optimiser, and where it stands.

    `loaded` is where it starts, and is not changed; the last `rehearsed` cases of the
    pool it has seen before, and `images` tells of the others; `notices` are what is
    known already that a person should be told, `kept_classes` those of classes that no
    case shows.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        settings: TrainSettings,
        *,
        pool: Pool,
        sampler: Sampler,
        measured: Measured | None,
        as_read: tuple[Pool, Pool | None] | None = None,
        images: Shown | None = None,
        rehearsed: int = 0,
        notices: Sequence[str] = (),
        kept_classes: Sequence[str] = (),
    ) -> None:
        self.start, self.settings = loaded, settings
        self.images = (
            shown(pool.phantoms, altered=sum(pool.altered))
            if images is None
            else images
        )
        self.rehearsed = rehearsed
        self.pool, self.sampler, self.measured = pool, sampler, measured
        self.as_read = as_read or (pool, measured.pool if measured else None)
        """What is trained on and measured, as it was labelled."""
        self.notices, self.kept_classes = list(notices), tuple(kept_classes)
        self.has_moe = loaded.config.n_routers > 0
        self.network = copy.deepcopy(loaded.module).to(settings.device)
        for module in self.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
        select(self.network, settings.train)
        self.fixed = FixedRouters(
            self.network, settings.train, _known(pool.category).unique().tolist()
        )
        self.notices += routers_left(
            loaded.card, self._per_router(len(pool) - rehearsed), self._new_per_router
        )
        self.team = team_now()
        self.forward = self.team.wrapped(self.network)
        self.optimiser = optimiser_of(self.network, settings)
        self.generator = torch.Generator().manual_seed(self.team.seed(settings.seed))
        self.per_step = settings.batch * settings.accumulate
        self.steps = settings.epochs * math.ceil(sampler.n / self.per_step)
        self.step = self.epoch = self.position = 0
        self.order: Tensor | None = None
        self.losses: list[float] = []
        self.load: list[Tensor] = []
        self.seconds = 0.0
        self.history: list[Epoch] = []
        self.best: Weights | None = None
        self.best_epoch: int | None = None
        self.waited = 0
        self.is_stopped = False
        self.good: Weights | None = None
        self.told: set[str] = set()

    @property
    def was_trained(self) -> bool:
        """Whether the start was trained before, as far as anybody says."""
        return was_trained(self.start)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.is_stopped or self.epoch >= self.settings.epochs

    def close_epoch(self, epoch: Epoch, weights: Weights) -> None:
        """Note an epoch that went well, and get ready for the next."""
        self.history.append(epoch)
        self.epoch, self.position, self.order = self.epoch + 1, 0, None
        self.losses, self.load, self.seconds, self.good = [], [], 0.0, weights

    def weights(self) -> Weights:
        """Return a copy of the network's state, on the CPU."""
        state = self.network.state_dict()
        return {name: t.detach().cpu().clone() for name, t in state.items()}

    def facts(self) -> dict[str, Any]:
        """Return all that stands beside the tensors of a saved state, for JSON."""
        stated = {name: getattr(self, name) for name in _STATE}
        return stated | {"history": self.history_facts()}

    def history_facts(self, *, with_times: bool = True) -> list[dict[str, Any]]:
        """Return the history, ready for JSON."""
        rows = [epoch.facts() for epoch in self.history]
        for row in rows:
            if not with_times:
                del row["seconds"]
        return rows

    def tensors(self) -> Weights:
        """Return every tensor that a later run needs to go on as this one would."""
        named = {f"network.{name}": t for name, t in self.weights().items()}
        for place, slots in self.optimiser.state_dict()["state"].items():
            for slot, value in slots.items():
                if isinstance(value, Tensor):
                    named[f"optimiser.{place}.{slot}"] = value.detach().cpu()
        named["random.draws"] = self.generator.get_state()
        named["random.torch"] = torch.get_rng_state()
        if self.settings.device.startswith("cuda"):
            named["random.cuda"] = torch.cuda.get_rng_state(self.settings.device)
        named["sampler.shares"] = self.sampler.shares
        if self.order is not None:
            named["order"] = self.order
        for block, load in enumerate(self.load):
            named[f"load.{block}"] = load.cpu()
        return named

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on from where another run was saved.

        Raises
        ------
        TrainingError
            For a state that this run could not have saved; nothing is changed then.
        """
        check_state(self, tensors, facts)
        self.network.load_state_dict(_below(tensors, "network."))
        state = self.optimiser.state_dict()
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, "optimiser.").items():
            place, slot = name.split(".", 1)
            slots.setdefault(int(place), {})[slot] = tensor
        self.optimiser.load_state_dict({**state, "state": slots})
        self.generator.set_state(tensors["random.draws"])
        torch.set_rng_state(tensors["random.torch"])
        if "random.cuda" in tensors and self.settings.device.startswith("cuda"):
            torch.cuda.set_rng_state(tensors["random.cuda"], self.settings.device)
        self.sampler.shares = tensors["sampler.shares"]
        self.order = tensors.get("order")
        loads = _below(tensors, "load.")
        self.load = [loads[str(i)].to(self.settings.device) for i in range(len(loads))]
        told = self.notices
        for name in _STATE:
            setattr(self, name, facts[name])
        self.notices += [notice for notice in told if notice not in self.notices]
        self.history = [Epoch.from_facts(epoch) for epoch in facts["history"]]
        self.good = self.weights() if self.history else None
        if not self.team.is_first:  # the first alone saved where its draws stood
            own = self.team.seed(self.settings.seed) + self.step
            self.generator.manual_seed(own)
            torch.manual_seed(own)

    def model(self, weights: Weights | None = None, *, of: int = -1) -> LoadedModel:
        """Return the model as it is, or with the weights of an earlier epoch.

        Its card states facts of the training, what its images looked like but for the
        loads of the experts, and the Dice of epoch `of`.
        """
        module = copy.deepcopy(self.network).cpu()
        if weights is not None:
            module.load_state_dict(weights)
        module.requires_grad_(True).eval()
        measured = self.history[of] if self.history and self.n_held_out else None
        card = with_facts(
            self.start.card,
            cases_per_router=self._new_per_router,
            images=self.images,
            unknown=n_unknown(
                self.pool.patients[: len(self.pool) - self.rehearsed], self.start.card
            ),
            dice=measured.dice if measured else {},
            n_held_out=measured.n if measured else 0,
            held_out=self.measured.held_out if self.measured else "cases",
            settings=self.settings,
            spans=self._spans,
            is_fine_tuned=bool(self.start.sha256),
        )
        made = LoadedModel(cast("Network", module), card, self.start.architecture)
        return self._with_images(made, has_loads=False)

    def _with_images(
        self, loaded: LoadedModel, *, has_loads: bool = True
    ) -> LoadedModel:
        return with_images(
            loaded,
            self.pool,
            before=self.start.card.training_images,
            seen=self._seen,
            has_loads=has_loads,
        )

    @cached_property
    def _seen(self) -> dict[int, Appearance]:
        """What the training images look like; the same in every epoch."""
        return appearances(self.pool)

    @cached_property
    def _spans(self) -> ClassSpans:
        n_new = len(self.pool) - self.rehearsed
        return spans_of(self.pool, self.start.card.classes, n=n_new)

    @property
    def cases_per_router(self) -> tuple[int, ...]:
        """How many training cases choose each router."""
        return self._per_router(len(self.pool))

    def _per_router(self, n: int) -> tuple[int, ...]:
        """Return the same for the first `n` of them."""
        n_routers = max(1, self.start.config.n_routers)
        counts = _known(self.pool.category[:n]).bincount(minlength=n_routers)
        return tuple(counts.tolist())

    @cached_property
    def counted_card(self) -> ModelCard:
        """The card of the start with the counts and shares of this training's cases."""
        is_fine_tuned = bool(self.start.sha256)
        first = self._new_per_router
        return with_counts(self.start.card, first, is_fine_tuned=is_fine_tuned)

    @property
    def _new_per_router(self) -> tuple[int, ...]:
        """How many cases that the model had not seen count for each router."""
        return learnt_from(
            self.start.card,
            self._per_router(len(self.pool) - self.rehearsed),
            self.fixed.learning,
            is_fine_tuned=bool(self.start.sha256),
        )

    @property
    def n_held_out(self) -> int:
        """How many cases are held out, or have slices that are."""
        return self.measured.n_held_out if self.measured else 0

    def fitted(self, *, keep: str | None = None) -> Fitted:
        """Return what came of it: the best model or the last, as is asked for."""
        is_best = (keep or self.settings.keep) == "best" and self.best is not None
        epoch = self.best_epoch if is_best else None
        model = self.model(self.best, of=epoch or 0) if is_best else self.model()
        return Fitted(
            self._with_images(model),
            tuple(self.history),
            cases_per_router=self.cases_per_router,
            n_cases=len(self.pool),
            held_out=self.measured.kind if self.measured else "none",
            best_epoch=epoch,
            notices=tuple(self.notices),
            n_held_out=self.n_held_out,
            kept_classes=self.kept_classes,
        )


def _known(category: Tensor) -> Tensor:
    return category[category != LEFT_OUT]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> Weights:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
