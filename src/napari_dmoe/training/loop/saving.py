"""When a training is saved, and what happens when that fails.

A save that fails costs no earlier file and does not stop the training; the next one is
tried as usual, and only the end has to succeed. Where it does not, :class:`NotSaved`
says what there is.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import napari_dmoe
from napari_dmoe.foreign import printable
from napari_dmoe.models.checkpoint import CheckpointError, LoadedModel
from napari_dmoe.purpose import reason
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.cases.pool import pool_sha256
from napari_dmoe.training.learning.optimisers import n_slots
from napari_dmoe.training.loop.folder import BEST, LAST, RunFolder
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.loop.measuring import list_of_held_out
from napari_dmoe.training.loop.resuming import RESUME, check_weights
from napari_dmoe.training.loop.run import Run, Weights
from napari_dmoe.training.loop.teams import team_now
from napari_dmoe.training.settings import CHANGEABLE, TrainSettings

_logger = logging.getLogger(__name__)


class NotSaved(TrainingError):
    """A training that is over, or was stopped, and could not be saved."""


class Saver:
    """Saves a run to its folder; does nothing where there is none.

    In a team every member reads from it, and the first alone writes.
    """

    def __init__(self, folder: RunFolder | None, settings: TrainSettings) -> None:
        self._folder = folder
        self._seconds = 60 * settings.save_minutes
        self._saved_at = time.monotonic()
        self._cohort = self._measured = ""
        self._failures: dict[str, Exception] = {}
        """Why the last save of a file failed, by its name."""

    @contextmanager
    def prepared(self, loaded: LoadedModel, *, resume: bool) -> Iterator[None]:
        """Claim and check the folder, before any work is done; give it back then."""
        if self._folder is None and resume:
            raise TrainingError("to resume a training, name the folder it was saved in")
        if self._folder is None or not team_now().is_first:
            yield
            return
        with self._folder.claimed():
            self._folder.prepare(resume=resume)
            self._folder.refuse_without_room(_n_bytes(loaded.module.state_dict()))
            yield

    def begin(self, run: Run, *, resume: bool) -> None:
        """Take over the state that the folder holds, where it is to be resumed."""
        if self._folder is None:
            return
        pool, watched = run.as_read
        self._cohort = pool_sha256(pool)
        self._measured = "" if watched is None else pool_sha256(watched)
        if resume:
            tensors, facts = self._folder.read_state()
            _check_same(facts["belongs_to"], self._belongs_to(run))
            run.restore(tensors, facts)
            _tell_of_earlier_choice(run)
            if run.best_epoch is not None:
                run.best = self._folder.read_best()
                if run.best is None:
                    raise TrainingError(
                        f"the training cannot be resumed: {BEST}, the best model so "
                        f"far, is gone. Start anew from {LAST}"
                    )
                check_weights(run, run.best, BEST)
            self._saved_at = time.monotonic()
        if not run.team.is_first:
            self._folder = None
            return
        learning = {n: p for n, p in run.network.named_parameters() if p.requires_grad}
        self._folder.refuse_without_room(
            _n_bytes(run.network.state_dict()),
            _n_bytes(learning) * n_slots(run.settings),
        )
        held_out, columns = list_of_held_out(run.measured)
        self._folder.begin(resume=resume, held_out=held_out, columns=columns)

    def save_in_time(self, run: Run) -> None:
        """Save if the last time is too long ago."""
        if time.monotonic() - self._saved_at > self._seconds:
            self.save(run)

    def save(self, run: Run) -> None:
        """Save the state to go on from, the model as it is, and the history."""
        folder = self._folder
        if folder is None:
            return
        self._saved_at = time.monotonic()
        self._save_best_again(run)
        record = self._record(run)
        facts = {"belongs_to": self._belongs_to(run), **run.facts()}

        def write() -> None:
            if BEST in self._failures:  # the state would name a best one that is not
                raise self._failures[BEST]
            folder.save_state(run.tensors(), facts)
            folder.save_model(LAST, run.model(), record)
            folder.write_history(run.history, record, run.history_facts())

        self._attempt(RESUME, write, run)

    def save_stopped(self, run: Run) -> None:
        """Save a training that was told to stop.

        Raises
        ------
        NotSaved
            When it cannot be.
        """
        self.save(run)
        if RESUME in self._failures:
            raise self._not_saved("the training was stopped")

    def save_last(self, run: Run) -> None:
        """Save the model as it is, but not the state, which led to a breakdown."""
        self._save_model(LAST, run)

    def save_best(self, run: Run) -> None:
        """Save the model as the best one.

        It is written before the state that calls it the best: were the order reversed,
        a kill between the two would leave an older model under that name.
        """
        self._save_model(BEST, run)

    def finish(self, run: Run) -> Fitted:
        """Return what came of the run, once it is safe.

        Raises
        ------
        NotSaved
            When it could not be saved in the end either.
        """
        if RESUME in self._failures or LAST in self._failures:
            self.save(run)
        self._save_best_again(run)
        if self._failures:
            raise self._not_saved("the training is over")
        return replace(run.fitted(), record=self._record(run))

    def _save_best_again(self, run: Run) -> None:
        if BEST in self._failures and run.best is not None:
            self._save_model(BEST, run, run.best, of=run.best_epoch or 0)

    def _not_saved(self, what: str) -> NotSaved:
        """Say that, why, and what there is."""
        folder, cause = self._folder, next(iter(self._failures.values()))
        there = [] if folder is None else folder.models()
        if folder is not None and folder.can_be_resumed:
            left = "Earlier files are whole: make room, and resume it"
        elif there:
            left = f"Only {' and '.join(there)} could be, and there is nothing to "
            left += "resume: make room, and train again"
        else:
            left = "Nothing was saved: make room, and train again"
        error = NotSaved(f"{what}, but could not be saved: {cause}. {left}")
        error.__cause__ = cause
        return error

    def _save_model(
        self, name: str, run: Run, weights: Weights | None = None, *, of: int = -1
    ) -> None:
        folder, record = self._folder, self._record(run)
        if folder is not None:
            model = run.model(weights, of=of)
            self._attempt(name, lambda: folder.save_model(name, model, record), run)

    def _attempt(self, name: str, write: Callable[[], None], run: Run) -> None:
        try:
            write()
            self._failures.pop(name, None)
        except (CheckpointError, OSError) as error:
            self._failures[name] = error
            notice = f"epoch {run.epoch}: not saved: {reason(error)}"
            if notice not in run.notices:
                run.notices.append(notice)
                _logger.warning(notice)

    def _belongs_to(self, run: Run) -> dict[str, Any]:
        """Return what must not change between a save and going on."""
        card = run.start.card
        return {
            "architecture": run.start.architecture,
            "network": run.start.config.model_dump(mode="json"),
            "classes": list(card.classes),
            "attributes": {a.name: list(a.values) for a in card.attributes},
            "cohort": self._cohort,
            "measured": self._measured,
            "settings": run.settings.model_dump(mode="json"),
        }

    def _record(self, run: Run) -> str:
        """Return how the run came about so far, as JSON; empty without a folder.

        Times are left out, so that the same training gives the same file.
        """
        if self._folder is None:
            return ""
        return json.dumps(
            {
                **self._belongs_to(run),
                "started_from": run.start.sha256 or None,
                "held_out": run.measured.kind if run.measured else "none",
                "n_held_out": run.n_held_out,
                "best_epoch": run.best_epoch,
                "history": run.history_facts(with_times=False),
                "notices": run.notices,
                "processes": run.team.size,
                "versions": {
                    "napari-dmoe": napari_dmoe.__version__,
                    "torch": torch.__version__,
                },
            },
            indent=1,
        )


def _n_bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors.values())


_WORDS = {
    "architecture": "another kind of network",
    "network": "a network of another shape",
    "classes": "other classes",
    "attributes": "other attributes",
    "cohort": "other cases or labels",
    "measured": "other cases to measure",
}

_NEWER = frozenset({"measured"})
"""What states of earlier versions do not tell."""

_SPLIT = (
    " (or it was begun by an earlier version, which parted cases of one subject or "
    "picture)"
)


def _check_same(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with a model, cohort or settings that are not the saved ones."""
    is_earlier = not _NEWER & set(saved)
    for name, words in _WORDS.items():
        if name in _NEWER and is_earlier:
            continue
        if saved.get(name) != now[name]:
            why = _SPLIT if name == "cohort" and is_earlier else ""
            raise TrainingError(
                f"the saved training cannot be resumed with {words}: it had "
                f"{_difference(saved.get(name), now[name])}{why}. Train anew in "
                f"another folder, or fine-tune its {LAST}"
            )
    before, after = saved["settings"], now["settings"]
    for name, value in after.items():
        # A setting that is newer than the saved state had its default then.
        noted = before.get(name, TrainSettings.model_fields[name].default)
        if name not in CHANGEABLE and noted != value:
            raise TrainingError(
                f"the saved training cannot be resumed with another {name}: it had "
                f"{_cut(before.get(name))}, now {value}. Leave the setting out to "
                "keep it"
            )


def _tell_of_earlier_choice(run: Run) -> None:
    """Say where the best epoch so far was chosen as earlier versions did."""
    best = None if run.best_epoch is None else run.history[run.best_epoch]
    if best is not None and not best.worst_group:
        notice = (
            f"epoch {best.number + 1}, the best so far, was chosen by groups of any "
            "size, as earlier versions did; from here on small groups do not choose"
        )
        run.notices += [notice] if notice not in run.notices else []


def _difference(saved: object, now: object) -> str:
    if isinstance(saved, dict) and isinstance(now, dict):
        for name in [*saved, *now]:
            if saved.get(name) != now.get(name):
                return (
                    f"{_cut(name)} {_cut(saved.get(name))}, now {_cut(now.get(name))}"
                )
    if isinstance(saved, str):
        return f"{saved[:12]}, now {str(now)[:12]}"
    return f"{_cut(saved)}, now {_cut(now)}"


def _cut(value: object) -> str:
    """Show a value of a saved file, which may be of any length."""
    return printable(str(value))
