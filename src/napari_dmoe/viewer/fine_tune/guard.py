"""Offers what can guard the groups, and knows which guard is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fine_tune.choices_view import TuneSection
from napari_dmoe.viewer.ui.connections import Connections

if TYPE_CHECKING:
    from napari_dmoe.training.tuning.guard import Guard

NONE = "none: not checked"
FOLDER = "cohort folder…"
TABLE = "cohort table…"
_TABLES = "Cohort tables (*.csv)"
_NOTES = {
    "none": "Nothing will be said of how other patients fare.",
    "phantoms": "Made-up cases of the model's own kind, which it has never seen.",
    "cohort": "Its cases are read, and never trained on.",
}


class GuardControl(Control):
    """Connects the choice of a guard with the session's model."""

    changed = Signal()

    def __init__(self, bench: Bench, section: TuneSection) -> None:
        super().__init__(bench, section)
        self._section, self._place = section, 0
        self._offered: list[Guard] = []
        self._cohorts: list[Guard] = []
        Connections(self).add(bench.session.model_changed, self.offer)
        section.guard_chosen.connect(self._on_chosen)
        section.n_changed.connect(self._on_n)

    @property
    def guard(self) -> Guard | None:
        """The guard that is chosen; None before there is a model."""
        return self._offered[self._place] if self._offered else None

    def offer(self) -> None:
        """Offer the guards that there are for the model; phantoms first, if any."""
        if self._session.model is None:
            self._offered = []
            self._section.offer_guards((NONE,), 0)
            self._section.show_guard(_NOTES["none"], None)
            return
        from napari_dmoe.training.tuning.guard import Guard, phantom_guard

        before, phantoms = self.guard, phantom_guard(self._session.model.card)
        drawn = [] if phantoms is None else [phantoms]
        self._offered = [*drawn, Guard(), *self._cohorts]
        self._place = 0
        if before is not None and before.kind == "cohort":
            self._place = self._offered.index(before)
        self._show()

    def choose_cohort(self, path: str) -> None:
        """Let a cohort be the guard."""
        from napari_dmoe.training.tuning.guard import Guard

        guard = Guard(kind="cohort", name=path)
        if guard not in self._offered:
            self._cohorts.append(guard)
            self._offered.append(guard)
        self._place = self._offered.index(guard)
        self._show()

    def _on_chosen(self, place: int) -> None:
        beyond = place - len(self._offered)
        path = self._ask(is_folder=beyond == 0) if beyond >= 0 else ""
        if path:
            self.choose_cohort(path)
            return
        if beyond < 0:
            self._place = place
        self._show()

    def _ask(self, is_folder: bool) -> str:
        if is_folder:
            title = "A cohort: a folder with cohort.csv"
            return str(QFileDialog.getExistingDirectory(self._section, title))
        title = "A cohort: a table of images and labels"
        return str(QFileDialog.getOpenFileName(self._section, title, "", _TABLES)[0])

    def _on_n(self) -> None:
        guard = self.guard
        if guard is not None and guard.kind == "phantoms":
            n = self._section.n_spin.value()
            self._offered[self._place] = guard.model_copy(update={"n": n})
            self._show()

    def _show(self) -> None:
        guard = self.guard
        if guard is None:
            return
        titles = [_title(each) for each in self._offered]
        self._section.offer_guards([*titles, FOLDER, TABLE], self._place)
        is_drawn = guard.kind == "phantoms"
        self._section.show_guard(_NOTES[guard.kind], guard.n if is_drawn else None)
        self.changed.emit()


def _title(guard: Guard) -> str:
    name = Path(guard.name).name
    return {"none": NONE, "phantoms": f"{name} phantoms"}.get(guard.kind, name)
