"""Says which files a series would replace, and asks what is to become of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_dmoe.viewer.segment.many.words import n_images

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.listing import Entry

_SHOWN = 3
_OF_MASKS, _RECORD = ".labels.", ".json"


class Answer(Enum):
    """What becomes of files that are there."""

    KEEP = "Keep those that are done"
    REPLACE = "Replace"
    STOP = "Cancel"


@dataclass(frozen=True)
class InTheWay:
    """Files in a folder that a series would write."""

    folder: str
    n_images: int
    masks: tuple[str, ...] = ()
    """Masks of the same names."""
    table: str = ""
    """A table of the same name that no series wrote."""

    def __bool__(self) -> bool:
        return bool(self.masks or self.table)

    @property
    def text(self) -> str:
        """What is there, by name."""
        said = []
        if self.masks:
            n, names = len(self.masks), ", ".join(self.masks[:_SHOWN])
            more = f" and {n - _SHOWN:,} more" if n > _SHOWN else ""
            is_one = n == 1
            said.append(
                f"{self.folder} has {n:,} mask{'' if is_one else 's'} of these "
                f"{n_images(self.n_images)} already: {names}{more}."
            )
        if self.table:
            said.append(
                f"The file {self.table} there is no table of masks, and would be "
                "replaced."
            )
        said.append("Other files stay as they are.")
        return " ".join(said)


def look_into(folder: Path, entries: Sequence[Entry]) -> InTheWay:
    """Return which files a series of images would replace in a folder.

    Raises
    ------
    OSError
        When the folder cannot be looked into.
    """
    from napari_dmoe.cohorts.series.table import SUMMARY
    from napari_dmoe.imaging.disk.output_names import output_stems

    names = sorted(path.name for path in folder.iterdir())
    stems = set(output_stems([e.name for e in entries], [e.path.name for e in entries]))
    masks = [
        name
        for name in names
        if _OF_MASKS in name and _stem(name) in stems and not name.endswith(_RECORD)
    ]
    is_foreign = SUMMARY in names and not is_of_series(folder / SUMMARY)
    return InTheWay(
        folder.name, len(entries), tuple(masks), SUMMARY if is_foreign else ""
    )


def is_of_series(table: Path) -> bool:
    """Say whether a file is the table that a series wrote."""
    from napari_dmoe.imaging.tables import TableError, read_table

    try:
        header = set(next(read_table(table, "image"), ()))
    except (OSError, TableError):
        return False
    return header >= {"image", "outcome"}


def ask(parent: QWidget, there: InTheWay) -> Answer:
    """Let a person say what becomes of the files that are there."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Files are there already")
    box.setText(there.text)
    can_keep = bool(there.masks) and not there.table
    if can_keep:
        box.setInformativeText(
            "Keep the masks that were made with this model, these settings and for "
            "these patients, and segment the others? Or make all of them anew?"
        )
    role = QMessageBox.ButtonRole
    of = {box.addButton(QMessageBox.StandardButton.Cancel): Answer.STOP}
    of[box.addButton(Answer.REPLACE.value, role.DestructiveRole)] = Answer.REPLACE
    if can_keep:
        keep = box.addButton(Answer.KEEP.value, role.AcceptRole)
        of[keep] = Answer.KEEP
        box.setDefaultButton(keep)
    box.exec()
    return of.get(box.clickedButton(), Answer.STOP)


def _stem(name: str) -> str:
    return name[: name.rindex(_OF_MASKS)]
