"""What the Fine-tune tab says: of pairs, of the work to come, of what it changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dmoe.evaluation.groups import EVERYBODY, SMALL_GROUP, values_in
from napari_dmoe.viewer.fine_tune.clock import in_words

if TYPE_CHECKING:
    from napari_dmoe.progress import Progress
    from napari_dmoe.training.settings import TrainSettings
    from napari_dmoe.training.tuning.report import Change, TuningReport
    from napari_dmoe.viewer.fine_tune.pairs import Pair

NOT_CHECKED = (
    "Groups: not checked. There was no guard, so nothing can be said of how patients "
    "of other groups fare."
)
PRIVATE = "Copies go to a private folder, deleted at Discard or with the dock."
PRIVATE_HELP = (
    "Copies of the ticked images and labels go to a temporary folder that only you can "
    "open, with the attributes that drive the model and nothing else of the patient. "
    "They are deleted at Discard; after Keep, when the dock is closed. Nothing else is "
    "written unless you save."
)


@dataclass(frozen=True)
class PairRow:
    """One line of the list of pairs.

    Parameters
    ----------
    text : str
        What is seen.
    help : str
        What is seen when it is pointed at.
    is_usable : bool
        Whether it may be ticked.
    """

    text: str
    help: str
    is_usable: bool


def pair_row(pair: Pair) -> PairRow:
    """Say which layers a pair is made of, whose they are and what is annotated."""
    image, labels = pair.names
    short = labels.removeprefix(image).lstrip(" /_-.:") or labels
    facts = pair.problem or f"{pair.patient} · {pair.annotated}"
    return PairRow(
        text=f"{image} + {short}\n{facts}",
        help=f"Image “{image}”, labels “{labels}”: {pair.said}.",
        is_usable=not pair.problem,
    )


def work_to_come(settings: TrainSettings, steps: int, seconds: float | None) -> str:
    """Say how much is trained, and how long that will take where it is known.

    Parameters
    ----------
    settings : TrainSettings
        How it is trained.
    steps : int
        Steps in all.
    seconds : float or None
        How long it is expected to take.
    """
    said = f"{steps} steps in {settings.epochs} rounds"
    if seconds is None:
        return f"{said}; how long is known once it runs"
    return f"{said}, {in_words(seconds)}"


def at_work(progress: Progress, seconds_left: float | None) -> str:
    """Say what is done now, and how long everything will take where it is known."""
    said = progress.message.replace("epoch", "round")
    said = said[:1].upper() + said[1:]
    known = "time left not yet known"
    if seconds_left is not None:
        known = f"{in_words(seconds_left)} left"
    return f"{said} · {known}"


@dataclass(frozen=True)
class ReportRow:
    """One line of the table of what changed.

    Parameters
    ----------
    group, region, change, n : str
        The cells; a heading has the first alone.
    is_heading, is_worse : bool
        Whether it names what follows; whether it got worse.
    help : str
        What is seen when it is pointed at.
    """

    group: str
    region: str = ""
    change: str = ""
    n: str = ""
    is_heading: bool = False
    is_worse: bool = False
    help: str = ""


def report_rows(report: TuningReport) -> list[ReportRow]:
    """Return the lines of the table: the guard first, which nothing was trained on."""
    rows: list[ReportRow] = []
    if report.guard:
        rows.append(ReportRow(f"Guard: {report.guard_title}", is_heading=True))
        rows += _rows(report.guard, report)
    n = report.n_cases
    title = f"Trained on: {n} corrected {'case' if n == 1 else 'cases'}"
    rows.append(ReportRow(title, is_heading=True))
    groups = {change.group for change in report.cases}
    shown = [c for c in report.cases if c.group == EVERYBODY or len(groups) > 2]
    return [*rows, *_rows(shown, report)]


def _rows(changes: Sequence[Change], report: TuningReport) -> Iterator[ReportRow]:
    for change in changes:
        is_worse = change in report.worse
        note = " worse" if is_worse else ""
        left_out = f"; {change.n_nan} without a score" if change.n_nan else ""
        is_small = change.n < SMALL_GROUP
        few = f"; fewer than {SMALL_GROUP}: says little" if is_small else ""
        yield ReportRow(
            group=values_in(change.group),
            region=change.region,
            change=f"{_dice(change.before)}→{_dice(change.after)}{note}",
            n=f"{change.n}{'*' if is_small else ''}",
            is_worse=is_worse,
            help=f"Mean Dice of {change.n} cases{left_out}{few}.",
        )


def _dice(value: float) -> str:
    # Without the 0 before the point: docks are narrow.
    return "–" if math.isnan(value) else f"{value:.3f}".removeprefix("0")


def verdict(report: TuningReport) -> str:
    """Say what may be said of the groups, and no more."""
    if report.verdict == "not checked":
        return NOT_CHECKED
    if report.verdict == "worse":
        said = f"Worse: {_listed(worse_groups(report))}, by more than "
        said += f"{report.tolerance:g} Dice."
    else:
        said = (
            f"No group of the guard got worse by more than {report.tolerance:g} Dice."
        )
    worst = report.worst_group
    if worst is not None:
        (old, before), (new, after) = worst
        said += (
            f" Worst group: {values_in(old)} {before:.3f} before, {values_in(new)} "
            f"{after:.3f} after."
        )
    if report.missing:
        names = ", ".join(map(values_in, report.missing))
        said += f" Not checked, because the guard has no case of them: {names}."
    return said


def worse_groups(report: TuningReport) -> tuple[str, ...]:
    """Name the groups that got worse; all together where none of them did."""
    names = tuple(dict.fromkeys(values_in(change.group) for change in report.worse))
    groups = tuple(name for name in names if name != EVERYBODY)
    return groups or tuple("all together" for _ in names)


def acceptance(report: TuningReport) -> str:
    """Return what has to be accepted before Keep; nothing if all is well."""
    names = worse_groups(report)
    return f"{_listed(names)} got worse" if names else ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
