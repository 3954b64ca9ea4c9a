"""Tables to the clipboard and to files, alike in every section."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton, QWidget

from napari_dmoe.cohorts.tables import write_table
from napari_dmoe.viewer.ui.jobs import notify_error
from napari_dmoe.viewer.ui.parts import column, row

TABLE_FILES = "CSV (*.csv)"


class Exports(QWidget):
    """Two buttons: one copies a table as text, one saves it as a CSV file.

    Parameters
    ----------
    what : str
        What the table holds, as in ``"the effects"``.
    text : callable
        Returns the table as text.
    rows : callable
        Returns the table's rows for a file.
    """

    def __init__(
        self,
        what: str,
        text: Callable[[], str],
        rows: Callable[[], Sequence[Mapping[str, str]]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._what, self._text, self._rows = what, text, rows
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip(f"Copy {what} as text, with tabs.")
        self.copy_button.clicked.connect(self._on_copy)
        self.save_button = QPushButton("Table…")
        self.save_button.setToolTip(f"Save {what} as a CSV file.")
        self.save_button.clicked.connect(self._on_save)
        column(self, row(self.copy_button, self.save_button, QWidget(), stretch=2))

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._text())

    def _on_save(self) -> None:
        title = f"Save {self._what}"
        path, _ = QFileDialog.getSaveFileName(self, title, "", TABLE_FILES)
        if not path:
            return
        target = Path(path) if Path(path).suffix else Path(path).with_suffix(".csv")
        try:
            write_table(target, self._rows())
        except OSError as error:
            notify_error(error)
        else:
            show_info(f"Saved {target.name}")
