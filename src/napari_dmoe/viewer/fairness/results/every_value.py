"""What asking every value of every case found, as the dock shows it. Knows no Qt.

What reads and draws it imports torch and matplotlib: it is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dmoe.progress import ProgressHook

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_dmoe.evaluation.reporting.figures import Look
    from napari_dmoe.viewer.fairness.shelf import Audit

DEPENDENCE, HELP = "dependence", "help"
"""What is drawn: how often the value matters, and whom the right one helps."""

_ROW, _FRAME = 24, 130
"""Pixels of a group, and of what stands around all of them."""
_BLACK = "#000000"
_SMALL = 8
"""Points of the letters, as of the other plots."""


@dataclass(frozen=True)
class Told:
    """One attribute and one class of one model's audit."""

    title: str
    """The model."""
    attribute: str
    label: str
    region: str
    sentences: tuple[str, ...]
    summary: Mapping[str, Any]
    """All of ``audit.json``."""
    folder: Path

    @property
    def key(self) -> tuple[str, str, str]:
        """By what it is found again when others are looked at."""
        return self.title, self.attribute, self.region

    def rows(self, what: str, by: str) -> list[Mapping[str, Any]]:
        """Return the groups that are drawn: all cases, the driver's own, and `by`."""
        wanted = ("", self.attribute, by)
        return [
            row
            for row in self.summary.get(what, ())
            if (row["attribute"], row["region"]) == (self.attribute, self.region)
            and row["grouping"] in wanted
        ]

    def height(self, what: str, by: str) -> int:
        """Return how many pixels high its drawing should be; 0 for nothing to draw."""
        n = len(self.rows(what, by))
        return _FRAME + _ROW * n if n else 0

    def paint(self, figure: Figure, what: str, by: str, look: Look) -> None:
        """Draw it in the colours of the dock."""
        from napari_dmoe.evaluation.counterfactual import pictures

        draw = pictures.draw_help if what == HELP else pictures.draw_dependence
        figure.set_layout_engine("constrained")
        figure.set_facecolor("none")
        draw(figure, {what: self.rows(what, by)}, self.attribute, self.region)
        (axes,) = figure.axes
        _dress(axes, look)
        handles, names = axes.get_legend_handles_labels()
        figure.legend(
            handles,
            names,
            loc="outside upper left",  # beside the axes it would not fit
            ncols=1 + (figure.get_size_inches()[0] > 4.5),
            fontsize=_SMALL,
            frameon=False,
            labelcolor=look.ink,
        )


@dataclass(frozen=True)
class EveryValue:
    """What was found of all that is looked at."""

    told: tuple[Told, ...] = ()
    problem: str = ""
    """Why an audit that is there cannot be shown."""

    def names(self) -> list[str]:
        """Return how each is called where one is to be chosen."""
        models = {each.folder: each.title for each in self.told}
        if len(models) < 2:
            return [f"{t.label}, {t.region}" for t in self.told]
        # Two files of one model are called alike: their folders are not.
        if len(set(models.values())) < len(models):
            models = {f: f"{title} ({f.parent.name})" for f, title in models.items()}
        return [f"{t.label}, {t.region} – {models[t.folder]}" for t in self.told]


def find(audits: Sequence[Audit], hook: ProgressHook) -> EveryValue:
    """Read what lies in the folders of audits; called in a job's thread."""
    from napari_dmoe.evaluation.counterfactual import pictures  # noqa: F401, it is slow
    from napari_dmoe.evaluation.counterfactual.audit_files import (
        audit_summary,
        folder_of_audit,
    )
    from napari_dmoe.evaluation.counterfactual.audited import AuditError

    told: list[Told] = []
    problem = ""
    for audit in audits:
        try:
            folder = None if audit.folder is None else folder_of_audit(audit.folder)
            summary = None if folder is None else audit_summary(folder)
            if folder is not None and summary is not None:
                told += _told(audit.title, summary, folder)
        except (AuditError, OSError, KeyError, TypeError) as error:
            problem = f"What every value of {audit.title} gave cannot be read: {error}"
    return EveryValue(tuple(told), problem)


def _told(title: str, summary: Mapping[str, Any], folder: Path) -> list[Told]:
    """Return each attribute and class; of an older audit, its sentences for all."""
    facts = summary["facts"]
    whole = [
        {
            "attribute": driver["name"],
            "label": driver["label"],
            "region": region,
            "sentences": summary["sentences"],
        }
        for driver in facts["drivers"]
        for region in facts["regions"]
    ]
    return [
        Told(
            title,
            each["attribute"],
            each["label"],
            each["region"],
            tuple(dict.fromkeys([*each["sentences"], *summary["sentences"][-2:]])),
            summary,
            folder,
        )
        for each in summary.get("told", whole)
    ]


def _dress(axes: Axes, look: Look) -> None:
    """Give a drawing that was made for paper the colours of the dock."""
    axes.set_facecolor("none")
    axes.tick_params(colors=look.ink, labelsize=_SMALL)
    axes.xaxis.label.set(color=look.ink, fontsize=_SMALL)
    for spine in axes.spines.values():
        spine.set_color(look.faint)
    legend = axes.get_legend()
    if legend is not None:
        legend.remove()
    for drawn in axes.get_lines():
        if drawn.get_markerfacecolor() == _BLACK:
            drawn.set_markerfacecolor(look.ink)
        elif drawn.get_markerfacecolor() == "white":
            drawn.set_markerfacecolor(look.ground)
        if drawn.get_color() == _BLACK:
            drawn.set_color(look.ink)
