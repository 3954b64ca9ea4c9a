"""Fit a model to a cohort, of which a part is held out as the settings say."""

from __future__ import annotations

from collections.abc import Sequence

from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, silent
from napari_dmoe.training.cases.held_out import hold_out_cases
from napari_dmoe.training.labelled import TrainingError
from napari_dmoe.training.loop.fit import EpochHook, fit
from napari_dmoe.training.loop.folder import RunFolder
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.settings import TrainSettings


def fit_cohort(
    loaded: LoadedModel,
    cases: Sequence[Case],
    *,
    settings: TrainSettings,
    watch: Sequence[CardAttribute] | None = None,
    folder: RunFolder | None = None,
    resume: bool = False,
    progress: ProgressHook = silent,
    on_epoch: EpochHook | None = None,
) -> Fitted:
    """Train a copy of a model on a cohort.

    Parameters
    ----------
    loaded : LoadedModel
        Where to start from.
    cases : sequence of Case
        The cohort. What is held out of it, the settings say (`hold_out`).
    settings, watch, folder, resume, progress, on_epoch
        See :func:`napari_dmoe.training.loop.fit.fit`.

    Returns
    -------
    Fitted
        The trained copy and its history.

    Raises
    ------
    TrainingError
        See :func:`napari_dmoe.training.loop.fit.fit`.
    """
    if not len(cases):
        raise TrainingError("there are no cases to train on")
    training, held_out = hold_out_cases(
        cases,
        patients_of(cases),
        attributes=loaded.card.attributes if watch is None else watch,
        settings=settings,
    )
    return fit(
        loaded,
        training,
        settings=settings,
        held_out=held_out,
        watch=watch,
        folder=folder,
        resume=resume,
        progress=progress,
        on_epoch=on_epoch,
    )


def patients_of(cases: Sequence[Case]) -> tuple[Patient, ...]:
    """Return whom cases show, without reading images where a table tells it."""
    if isinstance(cases, Cohort):
        return tuple(row.patient for row in cases.rows)
    if isinstance(cases, Selection):
        everyone = patients_of(cases.cases)
        return tuple(everyone[place] for place in cases.places)
    return tuple(case.patient for case in cases)
