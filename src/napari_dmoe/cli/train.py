"""``napari-dmoe train``: a new model from a cohort; and what every training does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dmoe.cli import options
from napari_dmoe.cli.outcome import NOT_SAVED, clear_errors, progress_bar
from napari_dmoe.cli.printing import say, say_above_bar
from napari_dmoe.cli.signals import exit_code_of
from napari_dmoe.cli.verdict import say_as_json, say_verdict
from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.models.titles import bundled_titles
from napari_dmoe.training.settings import TrainSettings

if TYPE_CHECKING:
    from napari_dmoe.training.loop.history import Epoch, Fitted
    from napari_dmoe.training.tasks.task import Stopped, TrainingTask

_GRACE = 1.0
"""Seconds in which torchrun has passed an interrupt on to everybody."""

_FURTHER_RECIPES = sorted(set(bundled_titles()) - {"fundus-phantom"})
"""Every bundled model has one; the recipes themselves need torch."""


@options.with_changes(TrainSettings)
@options.with_run
def train(
    cohort: options.Cohort,
    output: options.ModelOutput,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="What a bundled model was made by, or a JSON file: fundus-phantom "
            f"(the default), {', '.join(_FURTHER_RECIPES)}."
        ),
    ] = None,
    card: Annotated[
        str | None,
        typer.Option(
            help="Card, instead of a recipe, to train the published network for: a "
            "name such as fairseg-race, or a JSON file."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="ImageNet weights to start from: ViT-B_16.npz."),
    ] = None,
    *,
    run: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    """Train a new model on a cohort, from nothing or from ImageNet."""
    task: dict[str, Any] = {"cohort": cohort, "output": output}
    task |= {"recipe": recipe, "card": card}
    run_training(changes, **run, **task, kind="train", start=start)


def run_training(
    changes: dict[str, Any], *, as_json: bool = False, **stated: Any
) -> None:
    """Do a training, alone or in a team, and say what came of it.

    Parameters
    ----------
    changes : dict
        Settings that were given, which go before those of a file.
    as_json : bool
        Whether what came of it is printed as one JSON document.
    **stated
        That file, `config`; and fields of
        :class:`napari_dmoe.training.tasks.task.TrainingTask`.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.progress import silent
        from napari_dmoe.training.child.stopping import stop_on_signals
        from napari_dmoe.training.loop.saving import NotSaved
        from napari_dmoe.training.loop.teams import joined
        from napari_dmoe.training.tasks import task as tasks

        config = stated.pop("config")
        for one, many in (("column", "columns"), ("guard_column", "guard_columns")):
            option = f"--{one.replace('_', '-')}"
            stated[many] = options.columns_of(stated.pop(one, None), option)
        settings = {} if config is None else tasks.read_settings(config)
        named = settings.pop("preset", None)
        if stated["preset"] is None:
            stated["preset"] = named
        notices = _Notices()
        task = tasks.TrainingTask(settings={**settings, **changes}, **stated)
        with (
            joined() as team,
            stop_on_signals(grace=0 if team.is_alone else _GRACE) as stop,
        ):
            hook = stop.obeyed_by(progress if team.is_first else silent)
            told = _tell if team.is_first else None
            try:
                outcome = tasks.run_task(
                    task, progress=hook, on_epoch=told, on_notice=notices.tell
                )
            except tasks.Stopped as stopped:
                if team.is_first:
                    say(f"napari-dmoe: {_in_words(stopped, task)}", err=True)
                raise typer.Exit(exit_code_of(stop.signal)) from None
            except NotSaved as error:
                say(f"napari-dmoe: {' '.join(str(error).split())}", err=True)
                raise typer.Exit(NOT_SAVED) from error
    if not team.is_first:
        return
    notices.say_rest(outcome.fitted.notices)
    if as_json:
        say_as_json(outcome)
        return
    say(f"{outcome.path}: {_dice_in_words(outcome.fitted)}")
    say(f"SHA-256 {outcome.sha256}")
    if outcome.report is not None:
        say_verdict(outcome.report)


class _Notices:
    """Says each notice once, some of them before the training."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def tell(self, notice: str) -> None:
        """Say one while a progress bar may stand there."""
        self._said.add(notice)
        say_above_bar(f"notice: {notice}")

    def say_rest(self, notices: Iterable[str]) -> None:
        """Say those that were not said yet."""
        for notice in notices:
            if notice not in self._said:
                self._said.add(notice)
                say(f"notice: {notice}", err=True)


def _dice_in_words(fitted: Fitted) -> str:
    """Say the Dice, of how many cases it is, and whether they were held out."""
    kept = fitted.kept
    if kept is None or not kept.dice:
        return "held-out Dice not measured"
    dice = ", ".join(f"{k} {v:.3f}" for k, v in kept.dice.items())
    n = f" (n {kept.n})" if kept.n else ""
    if fitted.held_out == "training":
        return f"Dice on what was trained on, {dice}{n}; nothing was held out"
    what = "slices" if fitted.held_out == "slices" else "held-out"
    return f"{what} Dice {dice}{n}"


def _in_words(stopped: Stopped, task: TrainingTask) -> str:
    if not stopped.can_be_resumed:
        return "stopped before anything was trained; nothing was saved or changed"
    words = "stopped; go on with --resume"
    if task.overwrite and task.model_path.exists():
        words += f". {task.model_path.name} is still the earlier one"
    return words


def _tell(epoch: Epoch) -> None:
    line = f"epoch {epoch.number + 1}: loss {epoch.loss:.4f}"
    if epoch.worst is not None:
        line += f", worst group {epoch.worst:.3f}"
        is_everybody = epoch.worst_group == EVERYBODY
        group = "all together" if is_everybody else epoch.worst_group
        line += f" ({group}, n {epoch.n_worst})" if group else ""
    say_above_bar(line)
