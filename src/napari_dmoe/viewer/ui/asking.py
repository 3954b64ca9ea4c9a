"""Where to save something: asked in the same way everywhere."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget


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
