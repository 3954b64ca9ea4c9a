"""The settings of a task: its own choices upon a preset or a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dmoe.foreign import printable
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.settings import TrainSettings, preset
from napari_dmoe.validation import SettingsError

if TYPE_CHECKING:
    from napari_dmoe.training.tasks.task import TrainingTask


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
