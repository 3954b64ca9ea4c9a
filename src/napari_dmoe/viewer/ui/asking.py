"""Which file to open, and where to save: asked in the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_dmoe.faults import told
from napari_dmoe.imaging.ome_zarr.library import is_zarr
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.viewer.checkpoints import CHECKPOINT_SUFFIXES

if TYPE_CHECKING:
    from napari_dmoe.viewer.ui.work import Work

TABLE_FILES = "CSV (*.csv)"


def ask_where(
    parent: QWidget, title: str, proposed: str, kinds: str
) -> tuple[Path | None, str]:
    """Let a person choose a file, None where they choose none, and one of its kinds."""
    path, kind = QFileDialog.getSaveFileName(parent, title, proposed, kinds)
    return Path(path) if path else None, str(kind)


def may_write(parent: QWidget, chosen: Path, target: Path) -> bool:
    """Ask before a file is replaced that the dialog did not know of.

    A folder is not asked about, unless it is a zarr: it is never replaced, and the
    error says so.
    """
    if not is_zarr(target) and (
        target == chosen or not target.exists() or target.is_dir()
    ):
        return True
    answer = QMessageBox.question(
        parent,
        "The file is there already",
        f"{target.name} exists in {target.parent.name}. Replace it?",
    )
    return bool(answer == QMessageBox.StandardButton.Yes)


def ask_for_file(
    parent: QWidget,
    title: str,
    proposed: str,
    kinds: str,
    named: Callable[[Path], Path],
) -> Path | None:
    """Let a person choose a file, and ask again where its name becomes another's.

    Parameters
    ----------
    parent : QWidget
        The dialog's owner.
    title, proposed, kinds : str
        What the dialog says and offers.
    named : callable
        What the file is called that is written, such as with an ending.

    Returns
    -------
    Path or None
        That file; None where none was chosen, or it is there and is to stay.
    """
    path, _ = ask_where(parent, title, proposed, kinds)
    if path is None:
        return None
    target = named(path)
    return target if may_write(parent, path, target) else None


def table_path(path: Path) -> Path:
    """Return where a table is written: a name without an ending gets one."""
    return path if path.suffix else path.with_suffix(".csv")


def not_saved(path: Path, error: OSError) -> OSError:
    """Return an error that says what could not be saved, and what to do."""
    why = error.strerror or told(error)
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


def save_table(
    work: Work, parent: QWidget, what: str, rows: Sequence[Mapping[str, str]]
) -> None:
    """Let a person choose a CSV file, and write a table such as ``"the effects"``."""
    target = ask_for_file(parent, f"Save {what}", "", TABLE_FILES, table_path)
    if target is not None:
        work.save(target, partial(write_table, rows=list(rows)))
