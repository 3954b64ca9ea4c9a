"""Fit a network to cases or a cohort: one readable loop, the same for every model.

The cases are prepared once and kept in memory. The network that is passed in does not
change; the fitted copy is returned with the history of its training.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import Cohort, patients_of
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Cancelled, Progress, ProgressHook, silent
from napari_dmoe.training.cases.annotation import TrainingError, refuse_unknown_values
from napari_dmoe.training.cases.held_out import hold_out_cases, notices_of_split
from napari_dmoe.training.cases.known_drivers import refuse_unknown_attributes
from napari_dmoe.training.facts.card_facts import is_new
from napari_dmoe.training.learning.losses import loss_named
from napari_dmoe.training.learning.optimisers import rate_at
from napari_dmoe.training.learning.selection import training_mode
from napari_dmoe.training.loop.evaluation import Evaluation, evaluate
from napari_dmoe.training.loop.folder import RunFolder
from napari_dmoe.training.loop.history import Diverged, Epoch, Fitted
from napari_dmoe.training.loop.measuring import Measured
from napari_dmoe.training.loop.preparing import prepare_run
from napari_dmoe.training.loop.run import Run, Weights
from napari_dmoe.training.loop.saving import Saver
from napari_dmoe.training.loop.step import diverged, take_step
from napari_dmoe.training.loop.teams import team_now
from napari_dmoe.training.pacing import READING, STEPS, Pacing
from napari_dmoe.training.settings import TrainSettings

_logger = logging.getLogger(__name__)

COLLAPSED = 0.95
"""Share of a block's gates from which one expert is said to have taken over."""

EpochHook = Callable[[Epoch], None]


class FitOptions(TypedDict, total=False):
    """Where a training is saved and who is told of it; see :func:`fit`."""

    folder: RunFolder | None
    resume: bool
    progress: ProgressHook
    on_epoch: EpochHook | None
    data: str | None


def fit(
    loaded: LoadedModel,
    cases: Sequence[Case],
    *,
    settings: TrainSettings,
    held_out: Sequence[Case] = (),
    watch: Sequence[CardAttribute] | None = None,
    are_classes: bool = False,
    notices: Sequence[str] = (),
    data: str | None = None,
    rehearsed: int = 0,
    folder: RunFolder | None = None,
    resume: bool = False,
    progress: ProgressHook = silent,
    on_epoch: EpochHook | None = None,
) -> Fitted:
    """Train a copy of a model on labelled cases.

    Parameters
    ----------
    loaded : LoadedModel
        Where to start from, with its card. It is not changed.
    cases : sequence of Case
        What to train on; each needs labels. Cases of which nothing is known that drives
        the model are told; the settings say whether they are left out.
    settings : TrainSettings
        How to train. The seed decides every draw, dropout and gating noise included.
    held_out : sequence of Case
        Cases to measure after each epoch, not to train on; unknown drivers are mixed,
        as :func:`segment` mixes them. One whose picture or subject is trained on is not
        measured, which is said; where that is so of all, they are measured, but nothing
        counts as held out. Without any, slices of volumes may be held out, as the
        settings say.
    watch : sequence of CardAttribute, optional
        Attributes whose groups are measured and may be balanced, whether or not they
        drive the model; the card's by default.
    are_classes : bool
        Whether the labels were read as the card's classes already, so that `unlabelled`
        is no number of their file.
    notices : sequence of str
        What is known already that a person should be told.
    data : str, optional
        What the images are, as whoever trains states it for the card: ``"ISIC 2017,
        CC0"``. Without it the card says that it is not stated.
    rehearsed : int
        How many of the cases, the last ones, this model was trained on before. They
        are trained on like the others, and count no second time in the card.
    folder : RunFolder, optional
        Where to save the last and the best model, the state to resume, and the
        history; nothing is written without one.
    resume : bool
        Go on from what `folder` holds, as if there had been no break.
    progress : callable
        Told after every case read, and after every step. It may raise ``Cancelled``:
        then the state is saved first.
    on_epoch : callable, optional
        Told of every epoch once it is over.

    Returns
    -------
    Fitted
        The trained copy and its history.

    Raises
    ------
    TrainingError
        For no cases, a case without labels, none with a known driver, labels that the
        card has no class for, a folder that cannot be written, has no room or is
        written into by another run, and a state that does not belong to this model,
        cohort and settings. Its kind NotSaved where the end could not be saved.
    Diverged
        For a loss that is no finite number; it holds the last good model.

    Examples
    --------
    >>> from napari_dmoe.training.settings import preset
    >>> preset("published", batch=24).learning_rate
    0.01
    """
    saver, team = Saver(folder, settings), team_now()
    pacing = Pacing.of(loaded.card, settings, n_trained=len(cases))
    phases = pacing.training_phases(progress)
    with saver.prepared(loaded, resume=resume), torch.random.fork_rng():
        torch.manual_seed(team.seed(settings.seed))  # dropout takes no generator
        run = prepare_run(
            loaded,
            cases,
            settings,
            held_out=held_out,
            watch=watch,
            are_classes=are_classes,
            notices=notices,
            data=data,
            rehearsed=rehearsed,
            progress=phases.of(READING),
        )
        saver.begin(run, resume=resume)
        try:
            for epoch in _epochs(run, saver, phases.of(STEPS)):
                if on_epoch is not None:
                    on_epoch(epoch)
        except Cancelled:
            saver.save_stopped(run)
            raise
        except Diverged as error:
            if error.last_good is not None:
                saver.save_last(run)
            raise
        return saver.finish(run)


def fit_cohort(
    loaded: LoadedModel,
    cases: Sequence[Case],
    *,
    settings: TrainSettings,
    watch: Sequence[CardAttribute] | None = None,
    **options: Unpack[FitOptions],
) -> Fitted:
    """Train a copy of a model on a cohort, of which the settings hold some cases out.

    Which they are, `hold_out` says; cases of one subject, and pictures that are there
    twice, are never parted. What is noticed of a table is among the notices. All else
    is as for :func:`fit`.

    Raises
    ------
    TrainingError
        When there are no cases; when one of the card's attributes is not known in any
        that is trained on, of a new model or where such cases are to be left out; and
        as :func:`fit` does.
    """
    if not len(cases):
        raise TrainingError("there are no cases to train on")
    by = loaded.card.attributes if watch is None else watch
    looked_at = {each.name: each for each in (*by, *loaded.card.attributes)}
    refuse_unknown_values(cases, [*looked_at.values()])
    patients = patients_of(cases)
    training, held_out = hold_out_cases(cases, patients, by, settings)
    is_first = is_new(loaded.card, is_fine_tuned=bool(loaded.sha256))
    if is_first or settings.unknown_drivers == "leave-out":
        refuse_unknown_attributes(training, loaded.card)
    of_table = cases.notices if isinstance(cases, Cohort) else ()
    return fit(
        loaded,
        training,
        settings=settings,
        held_out=held_out,
        watch=watch,
        notices=(*of_table, *notices_of_split(patients, by, settings, held_out)),
        **options,
    )


def _epochs(run: Run, saver: Saver, progress: ProgressHook) -> Iterator[Epoch]:
    """Train, one pass over the cases after the other, from where the run stands."""
    settings, first = run.settings, run.step
    loss_of = loss_named(settings.loss, foreground=settings.foreground)
    while not run.is_over:
        began = time.perf_counter() - run.seconds
        training_mode(run.network)
        if run.order is None:
            run.order = run.team.agreed(run.sampler.order(run.generator))
        while run.position < len(run.order):
            chosen = run.order[run.position : run.position + run.per_step]
            loss = take_step(run, chosen, loss_of)
            run.position += len(chosen)
            run.losses.append(loss)
            run.seconds = time.perf_counter() - began
            message = f"epoch {run.epoch + 1} of {run.settings.epochs}, loss {loss:.3f}"
            step = Progress(run.step - first, run.steps - first, message)
            run.team.tell(progress, step)
            saver.save_in_time(run)
        epoch = _end_epoch(run, saver)
        for notice in set(epoch.notices) - run.told:
            _logger.warning("epoch %d: %s", epoch.number + 1, notice)
        run.told.update(epoch.notices)
        yield epoch


def _end_epoch(run: Run, saver: Saver) -> Epoch:
    """Measure, remember the best, decide whether to go on, and save."""
    weights = run.weights()
    if not all(t.isfinite().all() for t in weights.values()):
        diverged(run, math.nan, rate_at(run.step - 1, run.steps, run.settings))
    settings, number, found = run.settings, run.epoch, None
    is_last = number + 1 == settings.epochs
    load = [run.team.total(block) for block in run.load]
    measured, group, worst = run.measured if run.team.is_first else None, "", math.nan
    if measured and (is_last or (number + 1) % settings.evaluate_every == 0):
        found = _measure(run, measured)
        group, worst = found.worst_of(measured.deciding)
    epoch = Epoch(
        number,
        float(np.mean(run.losses)),
        found.dice if found else {},
        groups=found.groups if found else {},
        worst=None if math.isnan(worst) else worst,
        learning_rate=rate_at(run.step - 1, run.steps, settings),
        expert_load=tuple(tuple((block / block.sum()).tolist()) for block in load),
        notices=_collapsed(load),
        seconds=run.seconds,
        n=found.n if found else 0,
        n_groups=found.n_groups if found else {},
        worst_group="" if math.isnan(worst) else group,
    )
    run.close_epoch(epoch, weights)
    if epoch.worst is not None and _judge(run, epoch.worst, weights):
        saver.save_best(run)
    run.is_stopped = bool(run.team.agreed(torch.tensor(run.is_stopped)))
    if run.is_over or run.epoch % settings.save_every == 0:
        saver.save(run)
    return epoch


def _measure(run: Run, measured: Measured) -> Evaluation:
    """Measure what is held out, and let sampling know."""
    found = evaluate(
        run.network,
        measured.pool,
        classes=run.start.card.classes,
        groups=measured.groups,
        has_moe=run.has_moe,
        batch=run.settings.batch,
        device=run.settings.device,
        card=run.counted_card,
        unmeasured=measured.unmeasured,
    )
    run.sampler.learn(found.by_group(measured.group, len(run.sampler.sizes)))
    return found


def _judge(run: Run, worst: float, weights: Weights) -> bool:
    """Say whether the worst group is better off than ever; else wait for it no more."""
    best = None if run.best_epoch is None else run.history[run.best_epoch].worst
    if best is None or worst > best:
        run.best, run.best_epoch, run.waited = weights, run.history[-1].number, 0
        return True
    run.waited += 1
    patience = run.settings.patience
    run.is_stopped = patience is not None and run.waited >= patience
    return False


def _collapsed(load: Sequence[Tensor]) -> tuple[str, ...]:
    """Say in which blocks one expert has taken over."""
    found = [
        f"{block} (expert {int(gates.argmax())})"
        for block, gates in enumerate(load)
        if len(gates) > 1 and (gates / gates.sum()).max() > COLLAPSED
    ]
    if not found:
        return ()
    return (
        f"one expert takes more than {COLLAPSED:.0%} of the gates of block "
        f"{', '.join(found)}: the others hardly learn there. A lower learning rate may "
        "help",
    )
