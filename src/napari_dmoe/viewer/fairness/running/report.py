"""Writes the report of what is looked at, and opens it in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fairness.foot_view import AuditFoot
from napari_dmoe.viewer.fairness.shelf import Audits
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import BUSY, Order

if TYPE_CHECKING:
    from napari_dmoe.evaluation.evaluating.scored import Evaluated

FOLDER = "report"
"""Name of the report's folder, beside those of the audits."""

NOTHING = "Run or reopen an audit first: the report is of what is shown."


class ReportControl(Control):
    """Makes the foot's other button write a report."""

    def __init__(self, bench: Bench, foot: AuditFoot, audits: Audits) -> None:
        super().__init__(bench, foot)
        self._foot, self._audits = foot, audits
        foot.report_requested.connect(self.write)
        Connections(self).add(audits.changed, self._show)
        self._show()

    def _show(self) -> None:
        self._foot.show_report("" if self._audits.shown else NOTHING)

    def write(self) -> None:
        """Write the report of what is looked at beside it."""
        shown = self._audits.shown
        if not shown or self._work.is_busy:
            self._work.say(BUSY if shown else NOTHING)
            return
        folder = self._folder()
        if folder is None:
            return
        evaluated = [audit.evaluated for audit in shown]
        order = Order(
            title="dMoE: writing the report",
            status=f"Writing {folder.parent.name}/{folder.name} …",
            work=partial(write, self._engines, evaluated, folder),
            then=self._on_written,
            if_stopped=lambda: "Stopped. No report was written.",
            puts_layers=False,
        )
        self._work.start(order)

    def _folder(self) -> Path | None:
        """Return where to; a person says it where the audit has no folder."""
        own = next((a.folder for a in self._audits.shown if a.folder is not None), None)
        if own is not None:
            return own.parent / FOLDER
        chosen = QFileDialog.getExistingDirectory(self._foot, "Folder for the report")
        return Path(chosen) if chosen else None

    def _on_written(self, files: Any) -> str:
        page = Path(files.html)
        open_in_browser(page)
        return f"Wrote {page.parent.name}/{page.name}, and opened it in the browser."


def write(
    engines: Engines, evaluated: Sequence[Evaluated], folder: Path, hook: ProgressHook
) -> Any:
    """Write a report; called in the work's thread."""
    return engines.write_report(evaluated, folder, progress=hook)


def open_in_browser(page: Path) -> None:
    """Show a page where this computer shows pages."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))
