"""Shows a finished series again: from the table in the folder of its masks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.segment.many.replaced import is_of_series
from napari_dmoe.viewer.segment.many.results import SeriesResults
from napari_dmoe.viewer.segment.many.view import SeriesSection
from napari_dmoe.viewer.segment.many.words import n_images, with_notices
from napari_dmoe.viewer.session.pictures import Picture
from napari_dmoe.viewer.session.series import Series
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.finished import FinishedRow

SUMMARY = "segment.csv"
FINISHED_FILES = f"Finished series ({SUMMARY} *.csv)"


class Reopening(Control):
    """Reads the table of a finished series, and shows it."""

    shown = Signal()
    """A finished series is shown."""

    def __init__(
        self, bench: Bench, section: SeriesSection, results: SeriesResults
    ) -> None:
        super().__init__(bench, section)
        self._section, self._results = section, results
        section.reopen_requested.connect(self._on_requested)

    def _on_requested(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self._section, f"Open {SUMMARY} of a finished series", "", FINISHED_FILES
        )
        if path:
            self.open(Path(path))

    def is_series(self, path: Path) -> bool:
        """Say whether a path is the table of a finished series, or its folder alone."""
        if path.name == SUMMARY:
            return is_of_series(path)
        return path.is_dir() and _is_finished_folder(path)

    def open(self, path: Path) -> None:
        """Show a finished series: by its table, or by the folder that it is in."""
        table = path / SUMMARY if path.is_dir() else path
        order = Order(
            title=f"dMoE: reopening {table.parent.name}",
            status=f"Reopening {table.parent.name} …",
            work=partial(read_series, table),
            then=self._on_read,
            if_stopped=lambda: "Stopped. Nothing was opened.",
        )
        self._work.start_beside(order)

    def _on_read(self, series: Series) -> str:
        self._results.show_finished(series)
        self.shown.emit()
        return f"Reopened {n_images(len(series.pictures))} of {series.title}."


def _is_finished_folder(folder: Path) -> bool:
    """Say whether a folder holds a finished series, and no image to segment."""
    from napari_dmoe.cohorts.tables.beside import RESULT_NAME
    from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_stem, image_suffix

    if not is_of_series(folder / SUMMARY):
        return False
    pictures = (p for p in folder.iterdir() if image_suffix(p) in IMAGE_SUFFIXES)
    return all(RESULT_NAME.fullmatch(image_stem(each)) for each in pictures)


def read_series(table: Path, hook: ProgressHook) -> Series:
    """Read the table of a finished series; called in the work's thread.

    Raises
    ------
    ValueError
        When it is no such table, or has no rows.
    """
    from napari_dmoe.cohorts.series.finished import read_finished

    hook(Progress(0, 1, f"reading {table.name}"))
    found = read_finished(table)
    if not found.rows:
        raise ValueError(f"{table.name} has no rows: nothing was segmented there")
    for row in found.rows:
        hash(row.image)  # kept: for thousands it takes too long in the GUI's thread
    folder = found.folder
    return Series(
        folder.name,
        folder,
        list(map(_picture, found.rows)),
        said=with_notices(
            f"Reopened from {folder.name}.", [f"{each}." for each in found.notices]
        ),
    )


def _picture(row: FinishedRow) -> Picture:
    """Return an image of a finished series, to be looked at."""
    from napari_dmoe.patient import Patient, PatientError

    try:
        patient = row.patient
    except PatientError:  # somebody wrote into the table: nothing is made up
        patient = Patient()
    return Picture(
        row.id,
        path=row.image,
        patient=patient,
        mask=row.mask,
        truth=row.truth,
        row={name: in_dock(cell) for name, cell in row.cells.items()},
    )
