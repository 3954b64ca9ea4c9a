"""What a task chooses: its settings upon a preset or a recipe, and its cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.opening import usable_cohort
from napari_dmoe.foreign import printable
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.settings import TrainSettings, preset
from napari_dmoe.validation import SettingsError

if TYPE_CHECKING:
    from napari_dmoe.training.tasks.task import TrainingTask

NoticeHook = Callable[[str], None]


class Notices:
    """What a person should know before a training: each told once, and in time.

    They are held back until nothing is likely to be refused any more, so that a refusal
    stays alone.

    Parameters
    ----------
    hook : callable, optional
        Who is told.
    """

    def __init__(self, hook: NoticeHook | None = None) -> None:
        self._hook = hook
        self._noted: dict[str, bool] = {}
        """Whether each was told already."""

    def note(self, notice: str) -> None:
        """Keep one, to be told."""
        self._noted.setdefault(notice, False)

    def tell(self) -> None:
        """Tell what was not told yet."""
        for notice, is_told in self._noted.items():
            if not is_told and self._hook is not None:
                self._hook(notice)
            self._noted[notice] = True


def settings_of(task: TrainingTask, own: TrainSettings) -> TrainSettings:
    """Return a task's settings: its changes upon its preset, or upon its own.

    Raises
    ------
    TrainingError
        For a setting that does not exist or is out of bounds.
    """
    unknown = sorted(map(str, set(task.settings) - set(TrainSettings.model_fields)))
    if unknown:
        raise TrainingError(f"there is no setting {printable(unknown[0])!r}")
    try:
        if task.preset is not None:
            return preset(task.preset, **task.settings)
        return TrainSettings(**{**own.model_dump(), **task.settings})
    except SettingsError as error:
        raise TrainingError(f"the setting {error}") from error


def cohort_of(
    task: TrainingTask,
    drivers: Iterable[str],
    settings: TrainSettings,
    *,
    notices: Notices,
) -> Cohort:
    """Read the table of a task's cohort, and note what is to be said of it.

    Parameters
    ----------
    task : TrainingTask
        Names it, the column that tells subjects, and what others mean.
    drivers : iterable of str
        Attributes that drive the model, or are to.
    settings : TrainSettings
        They may make groups of further ones.
    notices : Notices
        Where that is noted.

    Raises
    ------
    CohortError
        When it cannot be read, has no such column, or no labels.
    """
    groups = (settings.group_by or "").split(",")
    used = [*drivers, *(name.strip() for name in groups if name.strip())]
    cohort = usable_cohort(
        task.cohort, subject=task.subject, drivers=used, columns=task.columns
    )
    cohort.refuse_without_labels(" to train on")
    for notice in cohort.notices:
        notices.note(notice)
    return cohort
