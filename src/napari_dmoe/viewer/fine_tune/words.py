"""What the Fine-tune tab says: of pairs, of the work to come, of what it changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.estimate import in_words
from napari_dmoe.evaluation.groups.membership import EVERYBODY, SMALL_GROUP, values_in
from napari_dmoe.models.titles import subject_of
from napari_dmoe.training.tuning.few_cases import what_so_many_can_do
from napari_dmoe.viewer.checkpoints import GENERIC_CARD, TUNED
from napari_dmoe.viewer.rows import Column, Line

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.training.guarding.guard import Guard
    from napari_dmoe.training.guarding.report import Change, TuningReport
    from napari_dmoe.training.loop.history import Epoch
    from napari_dmoe.training.settings import TrainSettings
    from napari_dmoe.viewer.fine_tune.pairs import Pair

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


def before_start(work: str, n_cases: int, unknown: str, held: str = "") -> str:
    """Say how much is trained, what is held out, and what so many cases can do.

    What is not known of them comes last.
    """
    can_do = what_so_many_can_do(n_cases)
    lines = work, *(f"{sentence(s)}." if s else "" for s in (held, can_do)), unknown
    return "\n".join(filter(None, lines))


def at_work(message: str) -> str:
    """Say what is done now as the tab calls it."""
    said = message.replace("epoch", "round")
    return said[:1].upper() + said[1:]


LESS = "Fewer rounds or guard cases: faster."
"""What would shorten a tuning."""


LOSS = "▼"
"""What stands beside a score that fell."""

_FEW_MARK = "*"
FEW = f"{_FEW_MARK} fewer than {SMALL_GROUP} cases: says little"
"""What the mark beside a number of cases means."""

REPORT_COLUMNS = (
    Column("group", "group"),
    Column("class", "class"),
    Column("change", "before\n→after", "Mean Dice of the same cases before and after."),
    Column("n", "n", f"Cases with a score before and after. {FEW}."),
    Column(
        "interval",
        "95 % of\nchange",
        "Where the mean change of such patients lies, at 95 %: of the same cases, "
        "paired before and after. Not told of what was trained on.",
    ),
)


def report_lines(report: TuningReport) -> list[Line]:
    """Return the lines of the table: the guard first, which nothing was trained on."""
    lines: list[Line] = []
    if report.guard:
        lines.append(_heading(f"Guard: {report.guard_title}"))
        lines += [_guard_line(change, report.tolerance) for change in report.guard]
    n = report.n_cases
    lines.append(_heading(f"Trained on: {n} corrected {'case' if n == 1 else 'cases'}"))
    has_groups = len({change.group for change in report.cases}) > 2
    shown = [c for c in report.cases if c.group == EVERYBODY or has_groups]
    for change in shown:
        line = _line(change)
        if change.is_worse(report.tolerance):
            line = _as_worse(line)
        lines.append(line)
    return lines


def _heading(text: str) -> Line:
    return Line({"group": text}, bold=("group",), is_heading=True)


def _guard_line(change: Change, tolerance: float) -> Line:
    """Return what the guard shows, marked where it fell; its interval, too."""
    line = _line(change)
    cells = {**line.cells, "interval": _interval(change)}
    if not change.is_worse(tolerance):
        return replace(line, cells=cells)
    return _as_worse(replace(line, cells=cells))


def _as_worse(line: Line) -> Line:
    """Mark a loss by a sign, a word and a colour."""
    cells = dict(line.cells)
    cells["change"] += f" {LOSS} worse"
    bold, worse = ("group", "change"), ("change",)
    return replace(line, cells=cells, bold=bold, worse=worse)


def _line(change: Change) -> Line:
    n, is_small = change.n_compared, not change.is_enough
    left_out = f"; {change.n_nan} without a score" if change.n_nan else ""
    absent = f"; {change.n_absent} have none" if change.n_absent else ""
    few = f"; fewer than {SMALL_GROUP}: says little" if is_small else ""
    cells = {
        "group": values_in(change.group),
        "class": change.region,
        "change": f"{_dice(change.before)}→{_dice(change.after)}",
        "n": f"{n}{_FEW_MARK if is_small else ''}",
        "interval": "",
    }
    help_ = f"Mean Dice of {n} cases{left_out}{absent}{few}. {change.said}."
    return Line(cells, help=dict.fromkeys(cells, help_))


def _interval(change: Change) -> str:
    if math.isnan(change.low):
        return "–"
    return f"{_rise(change.low)}…{_rise(change.high)}"


def _rise(value: float) -> str:
    # Without the 0 before the point: docks are narrow.
    return f"{value:+.2f}".replace("0.", ".", 1)


def _dice(value: float) -> str:
    # Without the 0 before the point: docks are narrow.
    return "–" if math.isnan(value) else f"{value:.3f}".removeprefix("0")


def fallen_groups(report: TuningReport) -> tuple[str, ...]:
    """Name the groups that fell by more than may be; all together where none did.

    Those of few cases are among them: that they are few keeps nobody from harm.
    """
    fell = [c for c in report.guard if c.is_worse(report.tolerance)]
    names = tuple(dict.fromkeys(values_in(change.group) for change in fell))
    groups = tuple(name for name in names if name != EVERYBODY)
    return groups or tuple("all together" for _ in names)


def own_cases(report: TuningReport) -> str:
    """Say what got worse on what was trained on itself; nothing where nothing did."""
    said = report.said_of_cases
    return f"{LOSS} {sentence(said)}" if said else ""


def sentence(text: str) -> str:
    """Return a text that begins as a sentence does."""
    return text[:1].upper() + text[1:]


def legend(report: TuningReport) -> str:
    """Say what the marks in the table mean; nothing where there is none."""
    shown = (*report.guard, *(c for c in report.cases if c.group == EVERYBODY))
    return "" if all(change.is_enough for change in shown) else FEW


def tuned_title(parent: LoadedModel, n: int) -> str:
    """Return what a kept model is called that is in no file yet.

    It was tuned on `n` images.
    """
    card, is_again = parent.card, parent.card.name.endswith(TUNED)
    subject = subject_of(card.title)
    if card.name == GENERIC_CARD and parent.source:
        subject = Path(parent.source).stem
    images = f"{n} image{'s' * (n != 1)}"
    return f"{subject}, tuned {'again ' * is_again}on your {images} (not saved)"


def acceptance(report: TuningReport) -> str:
    """Return what has to be accepted before Keep; nothing where no group fell."""
    names = fallen_groups(report)
    return f"{_listed(names)} got worse" if names else ""


def measured_on(
    guard: Guard | None, epochs: Sequence[Epoch], *, has_held: bool = False
) -> str:
    """Say what the curves are measured on, and whether that was trained on."""
    n = epochs[-1].n if epochs else 0
    counted = f" (n {n})" if n else ""
    if has_held:
        return f"Dice on the cases held out{counted}, at the network's resolution."
    if guard is None or guard.kind == "none":
        return (
            f"Dice on the cases trained on{counted}, at the network's resolution: "
            "it tells how well they are learnt, and nothing of others."
        )
    return f"Dice on cases of the guard{counted}, at the network's resolution."


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
