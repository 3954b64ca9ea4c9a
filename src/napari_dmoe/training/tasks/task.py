"""A training from paths and settings alone, for commands and other processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from napari_dmoe.foreign import JSONError, read_json
from napari_dmoe.models.saving import TRAINING_KEY, save_checkpoint
from napari_dmoe.models.weights import CheckpointError
from napari_dmoe.progress import Cancelled, ProgressHook, silent
from napari_dmoe.purpose import reason
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.guarding.report import TuningReport
from napari_dmoe.training.loop.fit import EpochHook, FitOptions
from napari_dmoe.training.loop.folder import FILES, TASK, RunFolder
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.loop.saving import NotSaved
from napari_dmoe.training.loop.teams import team_now
from napari_dmoe.training.starting.modes import Mode
from napari_dmoe.training.starting.new_model import train_new
from napari_dmoe.training.starting.recipe_files import read_recipe
from napari_dmoe.training.starting.recipes import Recipe
from napari_dmoe.training.tasks.chosen import (
    NoticeHook,
    Notices,
    cohort_of,
    settings_of,
)
from napari_dmoe.training.tasks.fine_tuning import fine_tuned
from napari_dmoe.training.tasks.guarded import GUARD_FILES, GuardedFolder
from napari_dmoe.training.tasks.widening import check_widening
from napari_dmoe.validation import Stated, said

MODEL = "model.safetensors"
DEFAULT_RECIPE = "fundus-phantom"


class TrainingTask(Stated):
    """What to train, on what, how, and where to.

    Parameters
    ----------
    kind : {"train", "fine-tune"}
        A new model, or one that exists.
    cohort : Path
        Folder with ``cohort.csv``, or such a table.
    output : Path
        A folder; or the model's own file, ending in ``.safetensors``, beside which
        a folder ending in ``.training`` holds the rest.
    recipe : str, optional
        New models: name of a recipe, or path of one as JSON.
    card : str, optional
        New models: name or path of a card instead of a recipe, for the published
        network with its attributes and classes.
    start : str, optional
        Fine-tuning: the checkpoint. New models: an ImageNet ``.npz`` file.
    mode : {"dmoe", "single-router", "no-moe"}
        The network, or a baseline of it.
    new_value : str, optional
        Fine-tuning: ``ATTRIBUTE=VALUE`` that the model is to know from now on.
    like : str, optional
        The value whose router the new one begins as; ``"nearest"`` for the one that
        segments its cases best; the mean of all by default.
    new_attribute : str, optional
        Fine-tuning: ``ATTRIBUTE=VALUE,VALUE,...`` that is to drive the model too.
    guard : str, optional
        Fine-tuning: labelled cases that nothing is trained on, measured before and
        after: folder or table of a cohort; or ``"phantoms"``, also ``"phantoms:60"``,
        for so many that are drawn, where the model's own images were.
    subject : str, optional
        The column of both tables that says whom or what an image is of, so that no
        split parts them; by default one that is called so is found.
    columns : mapping of str to str
        What columns of both tables mean, by their names, where that is not what their
        names say, as in :func:`napari_dmoe.cohorts.datasets.read_cohort`. Of the
        guard's table those count that it has.
    guard_columns : mapping of str to str
        The same of the guard's table alone, which goes before.
    data : str, optional
        What the images are, in words, for the model's card.
    preset : str, optional
        Name of settings; the recipe's own, or those for fine-tuning, by default.
    settings : mapping
        Fields of :class:`TrainSettings` that differ from it.
    resume : bool
        Go on with what `output` holds.
    overwrite : bool
        Replace what `output` holds, once every case was read. The model's own file is
        replaced when the new model is whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    kind: Literal["train", "fine-tune"]
    cohort: Path
    output: Path
    recipe: str | None = None
    card: str | None = None
    start: str | None = None
    mode: Mode = "dmoe"
    new_value: str | None = None
    like: str | None = None
    new_attribute: str | None = None
    guard: str | None = None
    subject: str | None = None
    columns: Mapping[str, str] = Field(default_factory=dict)
    guard_columns: Mapping[str, str] = Field(default_factory=dict)
    data: str | None = None
    preset: str | None = None
    settings: Mapping[str, Any] = Field(default_factory=dict)
    resume: bool = False
    overwrite: bool = False

    @property
    def model_path(self) -> Path:
        """Where the model is saved in the end."""
        return self.output if self._is_file else self.output / MODEL

    @property
    def folder(self) -> Path:
        """Where everything else is saved."""
        return self.output.with_suffix(".training") if self._is_file else self.output

    @property
    def _is_file(self) -> bool:
        return self.output.suffix == ".safetensors"


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Parameters
    ----------
    fitted : Fitted
        The model and its history.
    path : Path
        Where the model is.
    sha256 : str
        Its file's hash; empty in all members of a team but the first, which saved it.
    report : TuningReport, optional
        Of a fine-tuning: what its guard measured, and what may be said of the groups;
        None for new models, and in those members.
    """

    fitted: Fitted
    path: Path
    sha256: str
    report: TuningReport | None = None


class Stopped(Cancelled):
    """A training that was told to stop.

    `can_be_resumed` says whether it has saved a state to go on from.
    """

    def __init__(self, *, can_be_resumed: bool) -> None:
        super().__init__()
        self.can_be_resumed = can_be_resumed


def run_task(
    task: TrainingTask,
    *,
    progress: ProgressHook = silent,
    on_epoch: EpochHook | None = None,
    on_notice: NoticeHook | None = None,
) -> Outcome:
    """Do a training, and save the model.

    Parameters
    ----------
    task : TrainingTask
        What to do.
    progress, on_epoch
        See :func:`napari_dmoe.training.loop.fit.fit`.
    on_notice : callable, optional
        Told, before anything is trained, what a person should know of the cohort and
        of the guard. It is among the notices of what came of it, too.

    Raises
    ------
    ValueError
        For anything in the task, the cohort, the guard or the files that cannot be
        used: before anything is removed or replaced.
    NotSaved
        When the end could not be saved.
    Stopped
        When `progress` has said so.

    Examples
    --------
    >>> task = TrainingTask(
    ...     kind="fine-tune",
    ...     start="skin-phantom",
    ...     cohort="photographs",
    ...     guard="others",
    ...     output="tuned",
    ... )
    >>> outcome = run_task(task)  # doctest: +SKIP
    >>> outcome.report.said  # doctest: +SKIP
    'not checked: fewer than 10 cases of sex=male (n 4).'
    """
    if task.output.suffix not in ("", ".safetensors"):
        raise TrainingError(
            f"{task.output.name}: give a folder, or a name that ends in .safetensors"
        )
    is_first = team_now().is_first
    with ExitStack() as stack:
        if is_first:
            _refuse_foreign(task)
            stack.enter_context(RunFolder(task.folder).claimed())
        if task.resume:
            task = _resumed(task)
        check_widening(task)
        stated = task.model_dump_json(indent=1, exclude={"resume", "overwrite"})
        notices = Notices(on_notice if is_first else None)
        folder = GuardedFolder(
            task.folder, overwrite=task.overwrite, task=stated + "\n", notices=notices
        )
        options: FitOptions = {"progress": progress, "on_epoch": on_epoch}
        options |= {"folder": folder, "resume": task.resume, "data": task.data}
        try:
            fitted, report = _done(task, folder, options)
        except Cancelled as error:
            can_be_resumed = folder.can_be_resumed or task.resume
            raise Stopped(can_be_resumed=can_be_resumed) from error
        sha256 = _save(task, fitted) if is_first else ""
    return Outcome(fitted, task.model_path, sha256, report)


def _done(
    task: TrainingTask, folder: GuardedFolder, options: FitOptions
) -> tuple[Fitted, TuningReport | None]:
    """Read what the task names, and train."""
    if task.kind == "fine-tune":
        return fine_tuned(task, folder, options)
    start = Path(task.start) if task.start else None
    recipe = _recipe(task, start)
    recipe = replace(recipe, settings=settings_of(task, recipe.settings))
    drivers = [attribute.name for attribute in recipe.card.attributes]
    cases = cohort_of(task, drivers, recipe.settings, notices=folder.notices)
    return train_new(recipe, cases, mode=task.mode, start=start, **options), None


def _refuse_foreign(task: TrainingTask) -> None:
    """Refuse to take the place of a file, unless that was asked for.

    Raises
    ------
    TrainingError
        When the output is there already; when resuming, if it is of no training.
    """
    model = task.model_path
    if model.is_dir():
        raise TrainingError(f"{model} is a folder: choose another name")
    if task.folder != task.output and task.folder.is_symlink() and not task.resume:
        raise TrainingError(f"{task.folder} is a link: choose another output")
    if task.overwrite and not task.resume:
        return
    if task.resume:
        if os.path.lexists(model) and not _is_of_a_training(model):
            raise TrainingError(
                f"{model} is there, and not of this training: move it, or choose "
                "another output"
            )
        return
    RunFolder(task.folder).refuse_another()
    wanted = (model, *(task.folder / name for name in (*FILES, *GUARD_FILES)))
    there = [path for path in wanted if os.path.lexists(path)]
    # One that was killed before it saved anything leaves what it was asked for.
    if there and not (there == [task.folder / TASK] and _is_task(there[0])):
        raise TrainingError(
            f"{there[0]} is there already: choose another output, or replace it with "
            "--overwrite"
        )


def _is_task(path: Path) -> bool:
    """Say whether a file is what a training was asked for."""
    try:
        TrainingTask.model_validate(read_json(path))
    except (OSError, JSONError, ValidationError):
        return False
    return not path.is_symlink()


def _is_of_a_training(path: Path) -> bool:
    """Say whether a file says in its header how it was trained."""
    try:
        with safe_open(path, framework="pt") as file:
            return TRAINING_KEY in (file.metadata() or {})
    except (OSError, SafetensorError, ValueError):
        return False


def _save(task: TrainingTask, fitted: Fitted) -> str:
    """Save the model, and return its file's hash.

    Raises
    ------
    NotSaved
        When it cannot be: the training itself is saved.
    """
    path = task.model_path
    try:
        return save_checkpoint(path, fitted.loaded, training=fitted.record)
    except CheckpointError as error:
        raise NotSaved(
            f"the training is over and saved in {task.folder}, but {error}. Make room, "
            "and resume it"
        ) from error


def _recipe(task: TrainingTask, start: Path | None) -> Recipe:
    if task.recipe is not None and task.card is not None:
        raise TrainingError("name a recipe or a card to train by, not both")
    if task.card is None:
        return read_recipe(task.recipe or DEFAULT_RECIPE)
    return read_recipe(None, card=task.card, start=start)


def _resumed(task: TrainingTask) -> TrainingTask:
    """Fill in from the folder what is not stated again."""
    folder = RunFolder(task.folder)
    if team_now().is_first:
        folder.prepare(resume=True)
    _, facts = folder.read_state()
    try:
        noted = TrainingTask.model_validate(read_json(folder.path / TASK))
    except OSError as error:
        why = f"cannot be resumed: {TASK} is missing or damaged"
        raise TrainingError(f"the training in {folder.path} {why}") from error
    except (JSONError, ValidationError) as error:
        what = said(error) if isinstance(error, ValidationError) else str(error)
        why = f"cannot be resumed: {TASK} is missing or damaged: {what}"
        raise TrainingError(f"the training in {folder.path} {why}") from error
    saved = dict(facts["belongs_to"]["settings"])
    fresh = task.model_dump(exclude_defaults=True, exclude={"settings", "resume"})
    settings = {"preset": None, "settings": {**saved, **task.settings}}
    return noted.model_copy(update={**fresh, **settings, "resume": True})


def read_settings(path: Path) -> dict[str, Any]:
    """Read fields of :class:`TrainSettings`, and perhaps ``preset``, from JSON.

    Raises
    ------
    TrainingError
        When it is no JSON object.
    """
    try:
        stated = read_json(path)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path.name} cannot be read as JSON: {reason(error)}"
        ) from error
    if not isinstance(stated, dict):
        raise TrainingError(f"{path.name} holds no settings: expected a JSON object")
    return stated
