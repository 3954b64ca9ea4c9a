"""Many images at once: what to segment, and the table of what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.segment.many.plan_view import PlanView
from napari_dmoe.viewer.segment.many.table import ResultTable
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.parts import (
    Fold,
    StartButton,
    allow,
    button,
    column,
    flow,
    narrow_combo,
    offer,
)

_HELP = (
    "Segments several images one after another: the image layers that are selected, "
    "or the files of a folder or a table. One that fails does not stop the others."
)
_LAYERS = "Segment every image layer that is selected, each for its own patient."


class SeriesSection(QWidget):
    """Tells what is to be segmented, and shows what was done."""

    layers_requested = Signal()
    folder_requested = Signal()
    table_requested = Signal()
    reopen_requested = Signal()
    series_chosen = Signal(int)
    """Another series of this session is to be looked at."""
    dropped = Signal(str)
    """A folder or a table was dropped here."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_starts()
        self.plan = PlanView()
        self.series_combo = narrow_combo(
            "Series", "What was segmented or reopened before. Nothing of it is lost."
        )
        self.series_combo.activated.connect(self.series_chosen)
        self.results = ResultTable()
        self.table = self.results.table
        self.found = FindingView(
            "series",
            "the table",
            self.table,
            between=(self.results,),
            text=self.table.text,
            rows=self.table.file_rows,
        )
        starts = self.layers_button, self.folder_button, self.table_button
        buttons = flow(*starts, self.reopen_button)
        column(content := QWidget(), buttons, self.plan, self.series_combo, self.found)
        self.fold = Fold("Many images", _HELP, content)
        column(self, self.fold)
        self.setAcceptDrops(True)
        self.offer(0, why_not="")
        self.show_series((), 0)

    def _make_starts(self) -> None:
        """Make what begins."""
        self.layers_button = button(
            "Selected layers", "", self.layers_requested, StartButton
        )
        self.folder_button = button(
            "Folder…",
            "Segment every image of a folder. A table in it tells of the patients.",
            self.folder_requested,
            StartButton,
        )
        self.table_button = button(
            "Table…",
            "Segment the images that a CSV table names, each for its own patient. It "
            "is read and shown first; nothing is written before you say where to.",
            self.table_requested,
            StartButton,
        )
        self.reopen_button = button(
            "Reopen…",
            "Look at what was segmented earlier: choose the table segment.csv in the "
            "folder of its masks, or drop that here.",
            self.reopen_requested,
        )

    def offer(self, n_layers: int, *, why_not: str) -> None:
        """Say how many layers are selected, or why nothing can be segmented."""
        is_several = n_layers > 1
        self.layers_button.setText(f"{n_layers} layers" if is_several else "Layers")
        too_few = "Select two or more image layers in napari's list first."
        allow(self.layers_button, why_not or ("" if is_several else too_few), _LAYERS)
        for start in (self.folder_button, self.table_button):
            start.setEnabled(not why_not)

    def show_series(self, titles: Sequence[str], place: int) -> None:
        """Offer the series of this session, of which one is shown."""
        offer(self.series_combo, titles, [str(i) for i in range(len(titles))])
        self.series_combo.setCurrentIndex(place)
        self.series_combo.setVisible(len(titles) > 1)

    def say(self, text: str) -> None:
        """Say how far the series is, or how it ended, below how well it went."""
        self.found.say(self.results.summary, text)

    @property
    def rows(self) -> Sequence[Mapping[str, str]]:
        """What was done, by column."""
        return self.results.rows

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a folder or a table; everything else is for others."""
        _dropped(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell that a folder or a table was dropped."""
        path = _dropped(event)
        if path:
            self.dropped.emit(path)


def _dropped(event: QDropEvent) -> str:
    """Accept the one table that is dragged, and return its path."""
    mime = event.mimeData()
    paths = [url.toLocalFile() for url in (mime.urls() if mime is not None else [])]
    if len(paths) == 1 and paths[0].lower().endswith(".csv"):
        event.acceptProposedAction()
        return str(paths[0])
    event.ignore()
    return ""
