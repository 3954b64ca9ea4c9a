"""What the Fine-tune tab says: of pairs, of the work to come, of what it changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dmoe.evaluation.groups import EVERYBODY, SMALL_GROUP, values_in
from napari_dmoe.viewer.fine_tune.clock import in_words
from napari_dmoe.viewer.rows import Column, Line

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
    """One line of the list of pairs, and what is said when it is pointed at."""

    text: str
    help: str
    is_usable: bool
    """Whether it may be ticked."""


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
    """Say how much is trained in all, and how long that will take where it is known."""
    known = "; how long is known once it runs"
    if seconds is not None:
        known = f", {in_words(seconds)}"
    return f"{steps} steps in {settings.epochs} rounds{known}"


def at_work(progress: Progress, seconds_left: float | None) -> str:
    """Say what is done now, and how long everything will take where it is known."""
    said = progress.message.replace("epoch", "round")
    said = said[:1].upper() + said[1:]
    known = "time left not yet known"
    if seconds_left is not None:
        known = f"{in_words(seconds_left)} left"
    return f"{said} · {known}"


REPORT_COLUMNS = (
    Column("group", "group"),
    Column("class", "class"),
    Column("change", "before→after", "Mean Dice before and after tuning."),
    Column("n", "n", "Cases. *: few, so it says little."),
)


def report_lines(report: TuningReport) -> list[Line]:
    """Return the lines of the table: the guard first, which nothing was trained on."""
    lines: list[Line] = []
    if report.guard:
        lines.append(_heading(f"Guard: {report.guard_title}"))
        lines += [_line(change, report) for change in report.guard]
    n = report.n_cases
    lines.append(_heading(f"Trained on: {n} corrected {'case' if n == 1 else 'cases'}"))
    has_groups = len({change.group for change in report.cases}) > 2
    shown = [c for c in report.cases if c.group == EVERYBODY or has_groups]
    return lines + [_line(change, report) for change in shown]


def _heading(text: str) -> Line:
    return Line({"group": text}, bold=("group",), is_heading=True)


def _line(change: Change, report: TuningReport) -> Line:
    is_worse, is_small = change in report.worse, change.n < SMALL_GROUP
    left_out = f"; {change.n_nan} without a score" if change.n_nan else ""
    few = f"; fewer than {SMALL_GROUP}: says little" if is_small else ""
    cells = {
        "group": values_in(change.group),
        "class": change.region,
        "change": f"{_dice(change.before)}→{_dice(change.after)}",
        "n": f"{change.n}{'*' if is_small else ''}",
    }
    if is_worse:
        cells["change"] += " worse"
    help_ = f"Mean Dice of {change.n} cases{left_out}{few}."
    bold = ("group",) if is_worse else ()
    return Line(cells, help=dict.fromkeys(cells, help_), bold=bold)


def _dice(value: float) -> str:
    # Without the 0 before the point: docks are narrow.
    return "–" if math.isnan(value) else f"{value:.3f}".removeprefix("0")


def verdict(report: TuningReport) -> str:
    """Say what may be said of the groups, and no more."""
    if report.verdict == "not checked":
        return NOT_CHECKED
    by = f"by more than {report.tolerance:g} Dice."
    said = f"No group of the guard got worse {by}"
    if report.verdict == "worse":
        said = f"Worse: {_listed(worse_groups(report))}, {by}"
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
