"""Shows what asking every value found, of all that is looked at."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fairness.results.every_value import EveryValue, Told, find
from napari_dmoe.viewer.fairness.results.every_value_view import (
    NOBODY_ASKED,
    EveryValueView,
)
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.jobs import Job, JobRunner

if TYPE_CHECKING:
    from napari_dmoe.evaluation.reporting.figures import Look
    from napari_dmoe.viewer.fairness.shelf import Audit, Audits

PICTURE = "atlas.png"
"""Name of the routing atlas in an audit's folder."""


class EveryValueControl(Control):
    """Connects the view with the audits that are looked at."""

    def __init__(
        self, bench: Bench, view: EveryValueView, audits: Audits, look: Look
    ) -> None:
        super().__init__(bench, view)
        self._view, self._audits, self._look = view, audits, look
        self._of: tuple[Audit, ...] = ()
        self._found = EveryValue()
        self._told: Told | None = None
        self._by = ""
        self._is_outdated = False
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_found)
        self._runner.failed.connect(self._on_failed)
        self._runner.finished.connect(self._find)
        Connections(self).add(audits.changed, self._on_audits)
        view.chosen.connect(self._on_chosen)
        view.atlas_requested.connect(self.open_atlas)
        self._on_audits()

    @property
    def is_busy(self) -> bool:
        """Whether it reads."""
        return self._runner.is_busy

    @property
    def told(self) -> Told | None:
        """What is shown."""
        return self._told

    def show_theme(self, look: Look) -> None:
        """Draw in other colours."""
        self._look = look
        self._show_one()

    def show_groups(self, by: str) -> None:
        """Draw by the attribute that parts the cases above."""
        if by != self._by:
            self._by = by
            self._show_one()

    def _on_audits(self) -> None:
        if self._audits.shown == self._of:
            return
        self._of, self._is_outdated = self._audits.shown, True
        self._show(EveryValue())
        self._find()

    def _find(self) -> None:
        if not self._is_outdated or self._runner.is_busy:
            return
        self._is_outdated = False
        self._runner.start(Job("dMoE: reading every value", partial(_found, self._of)))

    def _on_found(self, outcome: tuple[tuple[Audit, ...], EveryValue]) -> None:
        of, found = outcome
        if of == self._of:
            self._show(found)

    def _on_failed(self, error: Exception) -> None:
        self._show(EveryValue(problem=f"What every value gave cannot be read: {error}"))

    def _show(self, found: EveryValue) -> None:
        self._found = found
        key = None if self._told is None else self._told.key
        keys = [each.key for each in found.told]
        place = keys.index(key) if key in keys else 0 if keys else None
        note = found.problem or ("" if keys else NOBODY_ASKED)
        self._view.show_told(found.names(), place, note)
        if place is not None:
            self._on_chosen(place)

    def _on_chosen(self, place: int) -> None:
        self._told = self._found.told[place]
        self._show_one()

    def _show_one(self) -> None:
        if self._told is not None and self._told in self._found.told:
            self._view.show_one(self._told, self._by, self._look)

    def open_atlas(self) -> None:
        """Show the routing atlas where this computer shows pictures."""
        if self._told is None:
            return
        path = self._told.folder / PICTURE
        if not path.is_file():
            self._work.say(f"{path.parent.name} holds no {PICTURE} any more.")
        elif open_picture(str(path)):
            self._work.say(f"Opened {path.parent.name}/{PICTURE}.")
        else:
            self._work.say(f"Nothing here shows pictures: see {path}.")


def open_picture(path: str) -> bool:
    """Show a picture where this computer shows pictures; say whether anything does."""
    return bool(QDesktopServices.openUrl(QUrl.fromLocalFile(path)))


def _found(
    audits: tuple[Audit, ...], hook: object
) -> tuple[tuple[Audit, ...], EveryValue]:
    """Read; called in the job's thread."""
    return audits, find(audits, hook)  # type: ignore[arg-type]
