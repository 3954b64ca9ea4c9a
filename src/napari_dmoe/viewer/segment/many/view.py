"""Many images at once: what to segment, and a table of what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.rows import Line
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.parts import Fold, StartButton, allow, button, column, row
from napari_dmoe.viewer.ui.tables import Table

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

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_starts()
        self.table = Table(
            "What was done",
            "Double-click a line, or press Enter: its image is shown.",
            last=("headline", "outcome", "labels"),
        )
        self.table.line_activated.connect(self._on_activated)
        self.found = FindingView(
            "series", "the table", self.table, text=self.table.text
        )
        self.rows: list[Mapping[str, str]] = []
        """What was done, by column."""
        self._open: list[Callable[[], None] | None] = []
        content, starts = QWidget(), (self.folder_button, self.table_button)
        column(content, row(self.layers_button, *starts), self.found)
        self.fold = Fold("Many images", _HELP, content)
        column(self, self.fold)
        self.offer(0, why_not="")
        self.clear()

    def _make_starts(self) -> None:
        """Make what begins."""
        self.layers_button = button(
            "Selected layers", "", self.layers_requested, StartButton
        )
        self.folder_button = button(
            "Folder…",
            "Segment every image of a folder into another folder. Nothing is known of "
            "the patients; a table can say it.",
            self.folder_requested,
            StartButton,
        )
        self.table_button = button(
            "Table…",
            "Segment the images that a CSV table names, each for its own patient: "
            "columns image, sex, race, age, severity. Labels are not needed.",
            self.table_requested,
            StartButton,
        )

    def offer(self, n_layers: int, *, why_not: str) -> None:
        """Say how many layers are selected, or why nothing can be segmented."""
        is_several = n_layers > 1
        self.layers_button.setText(f"{n_layers} layers" if is_several else "Layers")
        too_few = "Select two or more image layers in napari's list first."
        allow(self.layers_button, why_not or ("" if is_several else too_few), _LAYERS)
        for start in (self.folder_button, self.table_button):
            start.setEnabled(not why_not)

    def say(self, text: str) -> None:
        """Say how far the series is, or how it ended."""
        self.found.say("", text)

    def clear(self) -> None:
        """Show no line, before another series begins."""
        self.rows, self._open = [], []
        self._fill()

    def add_row(
        self, row: Mapping[str, str], when_opened: Callable[[], None] | None = None
    ) -> None:
        """Add a line, and what shows its image when it is double-clicked."""
        self.rows.append(row)
        self._open.append(when_opened)
        self._fill()

    def counts(self) -> str:
        """Say how many images were segmented, and how many failed."""
        n_done = sum("labels" in line for line in self.rows)
        n_failed = len(self.rows) - n_done
        return f"{n_done} segmented" + (f", {n_failed} failed" if n_failed else "")

    def _fill(self) -> None:
        self.table.show_lines([Line(line, help=line) for line in self.rows])
        self.table.scrollToBottom()

    def _on_activated(self, place: int) -> None:
        show = self._open[place]
        if show is not None:
            show()
