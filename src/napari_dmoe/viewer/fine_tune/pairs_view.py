"""The list of images with labels, each with a tick."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidgetItem, QWidget
from superqt.utils import signals_blocked

from napari_dmoe.viewer.fine_tune.words import PRIVATE, PRIVATE_HELP, PairRow
from napari_dmoe.viewer.ui.lists import WrappingList
from napari_dmoe.viewer.ui.parts import column, heading, paragraph, say

NOTHING = (
    "None yet. Segment an image and correct its mask with napari's brush, or open an "
    "image with its labels."
)


class PairsSection(QWidget):
    """Shows the pairs and tells which are ticked."""

    ticked = Signal(int, bool)
    """Place of a pair, and whether it is ticked now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = WrappingList(
            "Images with labels",
            "What is trained on. Labels must lie on the image's own pixels. Tick with "
            "a click or with the space bar.",
        )
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.itemChanged.connect(self._on_item)
        self.note = paragraph(NOTHING, name="pairs-note")
        self.privacy = paragraph(PRIVATE, name="pairs-privacy")
        self.changes = paragraph(name="pairs-changes")
        title = heading("TRAINING IMAGES")
        self.privacy.setToolTip(PRIVATE_HELP)
        column(self, title, self.list, self.note, self.changes, self.privacy)
        self.show_pairs((), ())

    def show_pairs(self, rows: Sequence[PairRow], are_ticked: Sequence[bool]) -> None:
        """Show other pairs."""
        with signals_blocked(self.list):
            self.list.show_items(list(map(_item, rows, are_ticked)))
        say(self.note, "" if rows else NOTHING)
        self.privacy.setVisible(bool(rows))

    def show_changes(self, painted: Sequence[str], gone: Sequence[str]) -> None:
        """Say which layers changed or were removed since Start."""
        said = []
        if painted:
            said.append(
                f"Painted since Start: {_quoted(painted)}. What was there at Start is "
                "what counts."
            )
        if gone:
            said.append(f"Removed since Start: {_quoted(gone)}. A copy is trained on.")
        say(self.changes, " ".join(said))

    def _on_item(self, item: QListWidgetItem) -> None:
        is_ticked = item.checkState() == Qt.CheckState.Checked
        self.ticked.emit(self.list.row(item), is_ticked)


def _item(row: PairRow, is_ticked: bool) -> QListWidgetItem:
    item = QListWidgetItem(row.text)
    item.setToolTip(row.help)
    flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable
    if row.is_usable:
        flags |= Qt.ItemFlag.ItemIsEnabled
    item.setFlags(flags)
    on, off = Qt.CheckState.Checked, Qt.CheckState.Unchecked
    item.setCheckState(on if is_ticked else off)
    return item


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)
