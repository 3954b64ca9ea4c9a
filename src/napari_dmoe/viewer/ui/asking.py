"""Where to save something: asked in the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton, QWidget

from napari_dmoe.imaging.tables import write_table
from napari_dmoe.viewer.checkpoints import CHECKPOINT_SUFFIXES
from napari_dmoe.viewer.ui.jobs import notify_error
from napari_dmoe.viewer.ui.parts import (
    column,
    row,
)


def ask_where(
    parent: QWidget, title: str, proposed: str, kinds: str
) -> tuple[Path | None, str]:
    """Let a person choose a file.

    Parameters
    ----------
    parent : QWidget
        What asks.
    title : str
        Title of the dialog.
    proposed : str
        Name that it begins with.
    kinds : str
        Kinds of files, as Qt takes them.

    Returns
    -------
    Path or None
        The file; None where none was chosen.
    str
        The kind that was chosen.
    """
    path, kind = QFileDialog.getSaveFileName(parent, title, proposed, kinds)
    return Path(path) if path else None, str(kind)


def may_write(parent: QWidget, chosen: Path, target: Path) -> bool:
    """Ask before a file is replaced that the dialog did not know of."""
    if target == chosen or not target.exists():
        return True
    answer = QMessageBox.question(
        parent,
        "The file is there already",
        f"{target.name} exists in {target.parent.name}. Replace it?",
    )
    return bool(answer == QMessageBox.StandardButton.Yes)


def not_saved(path: Path, error: OSError) -> OSError:
    """Return an error that says what could not be saved, and what to do."""
    why = error.strerror or str(error)
    return OSError(
        f"{path.name} cannot be saved in {path.parent}: {why}. Choose another place."
    )


def ask_for_checkpoint(parent: QWidget) -> str:
    """Let a person choose a checkpoint; an empty path where none was chosen."""
    patterns = " ".join(f"*{suffix}" for suffix in CHECKPOINT_SUFFIXES)
    path, _ = QFileDialog.getOpenFileName(
        parent, "Open a dMoE checkpoint", "", f"Checkpoints ({patterns})"
    )
    return str(path)


def is_path(name: str) -> bool:
    """Say whether a model is named by its file, and not as a bundled one."""
    return Path(name).suffix in CHECKPOINT_SUFFIXES


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
