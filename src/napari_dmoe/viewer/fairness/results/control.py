"""Shows what evaluated cohorts tell: figures are found in a job, cases are opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QTimer

from napari_dmoe.evaluation.reporting.figures import DARK, LIGHT, Look
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fairness.opening.control import CaseOpening, Wished
from napari_dmoe.viewer.fairness.results.drawing import GroupPlot
from napari_dmoe.viewer.fairness.results.every_value_control import EveryValueControl
from napari_dmoe.viewer.fairness.results.figures import (
    Asked,
    Figures,
    Listed,
    choices_of,
    find,
    worst_first,
)
from napari_dmoe.viewer.fairness.results.maps import ErrorMapsControl
from napari_dmoe.viewer.fairness.results.rows import (
    case_columns,
    case_line,
    group_keys,
    group_lines,
)
from napari_dmoe.viewer.fairness.results.view import ResultsSection
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.jobs import Job, JobRunner

if TYPE_CHECKING:
    from napari_dmoe.viewer.fairness.results.groups_view import Key
    from napari_dmoe.viewer.fairness.shelf import Audit, Audits

_AT_ONCE = 200
"""Cases that are listed in one turn of the event loop: no click waits for more."""

_MEASURING = "Measuring the groups …"


class ResultsControl(Control):
    """Connects the section with the audits that are looked at."""

    def __init__(self, bench: Bench, section: ResultsSection, audits: Audits) -> None:
        super().__init__(bench, section)
        self._section, self._audits = section, audits
        self.opening = CaseOpening(bench, section)
        self.maps = ErrorMapsControl(bench, section)
        self.every_value = EveryValueControl(bench, section.every_value, audits, DARK)
        self._figures: Figures | None = None
        self._known: dict[tuple[tuple[int, ...], Asked], Figures] = {}
        self._asked = Asked()
        self._wanted: Asked | None = None
        self._of: tuple[Audit, ...] = ()
        self._chosen: Key | None = None
        self._listed: Sequence[Listed] = ()
        self._n_lines = 0
        self._place: int | None = None
        self._more = QTimer(self)
        self._more.setSingleShot(True)
        self._more.timeout.connect(self._list_more)
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_found)
        self._runner.failed.connect(self._on_failed)
        self._runner.finished.connect(self._on_finished)
        self._connect(section)
        self._show_theme()
        self._on_audits()

    def _connect(self, section: ResultsSection) -> None:
        connections, viewer = Connections(self), self._session.viewer
        connections.add(self._audits.changed, self._on_audits)
        if viewer is not None:
            connections.add(viewer.events.theme, self._show_theme)
        section.pickers.changed.connect(self._on_asked)
        section.pickers.kind_changed.connect(self._draw)
        section.pickers.maps_requested.connect(self._on_maps)
        section.plot.group_chosen.connect(self.choose)
        section.groups.group_chosen.connect(self.choose)
        section.cases.case_requested.connect(self.open_listed)
        section.cases.step_requested.connect(self._on_step)
        self.opening.shown.connect(self._on_shown)
        self.opening.said.connect(section.cases.say)

    @property
    def is_busy(self) -> bool:
        """Whether figures are found or drawn, or a case is opened."""
        is_drawing = self._section.plot.plot.is_drawing
        reads = self._runner.is_busy or self.every_value.is_busy
        return reads or is_drawing or self.opening.is_opening

    @property
    def figures(self) -> Figures | None:
        """What is shown."""
        return self._figures

    @property
    def listed(self) -> Sequence[Listed]:
        """The cases that are listed, the worst first."""
        return self._listed

    def _on_audits(self) -> None:
        """Show what is looked at now; what was asked before is asked again."""
        shown = self._audits.shown
        if shown == self._of:
            return
        self._of, self._figures = shown, None
        self._known = {}
        self._list(None)
        self._section.show_whether(bool(shown))
        self._section.plot.show_groups(None)
        self._section.groups.show_groups((), ())
        if not shown:
            return
        choices = choices_of([each.evaluated for each in shown])
        if not (choices.metrics and choices.regions):
            self._section.say("These cohorts have no class and metric in common.")
            return
        self._ask(self._asked)

    def _on_asked(self) -> None:
        self._asked = self._section.pickers.asked
        self._ask(self._asked)

    def _ask(self, asked: Asked) -> None:
        """Show figures that are known; else find them, the last ones asked for."""
        known = self._known.get((self._key, asked))
        if known is not None:
            self._show(known)
            return
        self._wanted = asked
        self._section.say(_MEASURING)
        if not self._runner.is_busy:
            self._find()

    @property
    def _key(self) -> tuple[int, ...]:
        return tuple(map(id, self._of))

    def _find(self) -> None:
        asked, self._wanted = self._wanted, None
        if asked is None or not self._of:
            return
        evaluated = [each.evaluated for each in self._of]
        self._runner.start(
            Job("dMoE: measuring groups", partial(_found, self._key, evaluated, asked))
        )

    def _on_found(self, outcome: tuple[tuple[int, ...], Asked, Figures]) -> None:
        key, asked, figures = outcome
        if key != self._key:
            return  # others are looked at by now
        self._known[key, asked] = self._known[key, figures.asked] = figures
        if self._wanted is None:
            self._show(figures)

    def _on_failed(self, error: Exception) -> None:
        if self._wanted is None:
            self._section.say(f"The groups cannot be shown: {error}")

    def _on_finished(self) -> None:
        self._find()

    def _show(self, figures: Figures) -> None:
        self._figures, self._wanted = figures, None
        self._section.say("")
        self._asked = figures.asked
        self._section.pickers.show_choices(figures.choices, figures.asked)
        self.every_value.show_groups(figures.asked.by)
        chosen = self._chosen
        is_there = chosen is not None and chosen[1] in ("", *figures.groups)
        self._section.groups.show_groups(
            group_lines(figures), group_keys(figures), figures.sentences, figures.notes
        )
        self._list(chosen if is_there else None)

    def _draw(self) -> None:
        figures = self._figures
        if figures is None or not figures.models:
            self._section.plot.show_groups(None)
            return
        kind: Any = self._section.pickers.kind
        shown = GroupPlot.of(figures, kind=kind, unit=self._unit, marked=self._chosen)
        self._section.plot.show_groups(shown)

    @property
    def _unit(self) -> str:
        """The unit of lengths, where all cases have the same."""
        units = {case.unit for each in self._of for case in each.evaluated}
        return next(iter(units)) if len(units) == 1 else "px or mm"

    def choose(self, key: Key) -> None:
        """List the cases of a group, the worst first."""
        if self._figures is not None:
            self._list(key)

    def _list(self, key: Key | None) -> None:
        self._more.stop()
        figures, self._chosen = self._figures, key
        cases = self._section.cases
        self._draw()
        if figures is None or key is None or key[0] >= len(figures.models):
            self._chosen, self._listed = None, ()
            cases.show_cases("", (), ())
            return
        model, group = figures.models[key[0]], key[1]
        of = self._of[key[0]].evaluated
        self._listed = worst_first(of, model, group or None)
        lines = self._lines(0, _AT_ONCE)
        self._n_lines = len(lines)
        title = self._title(model.title, group)
        cases.show_cases(title, lines, case_columns([of[0], *self._cases(lines)]))
        cases.show_position(None, len(self._listed))
        if self._n_lines < len(self._listed):
            self._more.start(0)

    def _cases(self, lines: Sequence[Any]) -> list[Any]:
        chosen = self._chosen
        if chosen is None:
            return []
        of = self._of[chosen[0]].evaluated
        return [of[each.place] for each in self._listed[: len(lines)]]

    def _title(self, model: str, group: str) -> str:
        n = len(self._listed)
        of_model = f" ({model})" if len(self._of) > 1 else ""
        of_group = f" of {group}" if group else ""
        cases = "case" if n == 1 else "cases"
        return f"{n:,} {cases}{of_group}, worst first{of_model}"

    def _lines(self, start: int, n: int) -> list[Any]:
        chosen = self._chosen
        if chosen is None:
            return []
        of = self._of[chosen[0]].evaluated
        return [
            case_line(of[each.place], each) for each in self._listed[start : start + n]
        ]

    def _list_more(self) -> None:
        """List the next cases, so many that nobody waits."""
        lines = self._lines(self._n_lines, _AT_ONCE)
        self._n_lines += len(lines)
        self._section.cases.add_cases(lines)
        if lines and self._n_lines < len(self._listed):
            self._more.start(0)

    def open_listed(self, place: int) -> None:
        """Open a case of the list, by its place in it."""
        chosen = self._chosen
        if chosen is None or not 0 <= place < len(self._listed):
            return
        self._section.cases.show_position(place, len(self._listed))
        self.opening.open(self._of[chosen[0]], self._listed[place].place)
        self._place = place

    def _on_step(self, step: int) -> None:
        now = self._standing
        self.open_listed(0 if now is None else now + step)

    @property
    def _standing(self) -> int | None:
        """Where the case that was opened last stands in the list; None elsewhere."""
        place, chosen = self._place, self._chosen
        is_there = place is not None and place < len(self._listed)
        return place if is_there and chosen is not None else None

    def _on_shown(self, wished: Wished) -> None:
        places = [each.place for each in self._listed]
        chosen = self._chosen
        is_here = chosen is not None and self._of[chosen[0]] is wished.audit
        found = wished.place in places and is_here
        self._place = places.index(wished.place) if found else None
        self._section.cases.show_position(self._place, len(places))
        self._section.cases.say("")

    def _on_maps(self) -> None:
        figures, chosen = self._figures, self._chosen
        if figures is None or not figures.models:
            return
        number = 0 if chosen is None else chosen[0]
        self.maps.begin(self._of[number], figures, number)

    def _show_theme(self, event: object = None) -> None:
        viewer = self._session.viewer
        if viewer is None:
            return
        theme = get_theme(viewer.theme)
        base = DARK if theme.type == "dark" else LIGHT
        ink, ground = (c.as_hex("long") for c in (theme.text, theme.background))
        look = Look(ink, base.faint, base.grid, ground)
        self._section.plot.show_theme(look)
        self.every_value.show_theme(look)


def _found(
    key: tuple[int, ...], evaluated: Sequence[Any], asked: Asked, hook: Any
) -> tuple[tuple[int, ...], Asked, Figures]:
    """Find figures; called in the job's thread."""
    return key, asked, find(evaluated, asked, hook)
