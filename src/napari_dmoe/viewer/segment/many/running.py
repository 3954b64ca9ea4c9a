"""A series of files that goes on: what its thread does, and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.engines import Engines, with_priors
from napari_dmoe.viewer.segment.many.plan import How, Plan
from napari_dmoe.viewer.segment.many.replaced import Answer, InTheWay, look_into
from napari_dmoe.viewer.session.pictures import Picture
from napari_dmoe.viewer.session.series import Series

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.listing import Entry
    from napari_dmoe.cohorts.series.segmenting import Done


class Running:
    """A series that goes on."""

    def __init__(self, series: Series, plan: Plan, drivers: Sequence[str]) -> None:
        self.series, self.plan, self.drivers = series, plan, drivers


def picture_of(entry: Entry, done: Done, drivers: Sequence[str]) -> Picture:
    """Return what became of an image, to be looked at."""
    row = {name: in_dock(cell) for name, cell in done.row().items()}
    heard = entry.of_model(drivers)  # no form could correct what it does not show
    return Picture(
        entry.name,
        path=entry.path,
        patient=heard.patient,
        mask=done.labels,
        truth=entry.labels,
        row=row,
    )


class Teller(QObject):
    """Hands over to the GUI thread what the work's thread tells.

    It belongs to the work, not to the dock: the dock may be destroyed meanwhile, and
    emitting a signal of a destroyed object would end the program.
    """

    told = Signal(object)


def look(folder: Path, entries: Sequence[Entry], hook: ProgressHook) -> InTheWay:
    """Look which files are there already; called in the work's thread."""
    hook(Progress(0, 1, f"looking into {folder.name}"))
    return look_into(folder, entries)


def segment_files(
    engines: Engines,
    teller: Teller,
    how: How,
    entries: Sequence[Entry],
    folder: Path,
    answer: Answer | None,
    hook: ProgressHook,
) -> Sequence[Done]:
    """Segment files; called in the work's thread."""
    return with_priors(engines.series, how.shares)(
        how.loaded,
        entries,
        folder,
        settings=how.settings,
        overwrite=answer is Answer.REPLACE,
        resume=answer is Answer.KEEP,
        progress=hook,
        tell=teller.told.emit,
    )
