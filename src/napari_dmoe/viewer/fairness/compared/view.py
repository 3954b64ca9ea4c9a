"""The list of what is compared, and what can be added to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QSizePolicy, QVBoxLayout, QWidget

from napari_dmoe.viewer.checkpoints import CHECKPOINT_SUFFIXES
from napari_dmoe.viewer.fairness.cohort.view import LEAST_COMBO, dropped_path
from napari_dmoe.viewer.ui.parts import (
    button,
    column,
    heading,
    line,
    narrow_combo,
    offer,
    paragraph,
    row,
    tell,
)

FILE, FOLDER = "\0file", "\0folder"
"""Keys of a checkpoint and of masks that are chosen in a dialog."""

NOTHING = "Add a model, or a folder of masks that any model or reader made."


class ComparedSection(QWidget):
    """Shows what is compared; each can be removed, and others added."""

    add_requested = Signal(str)
    """A model's name or path, or what its key says."""
    masks_requested = Signal()
    dropped = Signal(str)
    removed = Signal(int)
    """Which one of the list."""
    output_requested = Signal()
    """Another place for the files is wished for."""
    every_value_toggled = Signal(bool)
    """Whether every value is asked of each model, too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hint = paragraph(NOTHING, name="compared-hint")
        self.lines: list[QWidget] = []
        """What is compared, a line each."""
        self._list = QWidget()
        self._lines = column(self._list, spacing=2)
        self.add_combo = narrow_combo(
            "Add a model", "Another model that the cohort is segmented with."
        )
        self.add_combo.setPlaceholderText("Add a model…")
        self.add_combo.setMinimumWidth(LEAST_COMBO)
        self.add_combo.activated.connect(self._on_add)
        self.masks_button = button(
            "Masks…",
            "Add a folder of masks, one a case: nnU-Net's, a rival's, a reader's.",
            self.masks_requested,
        )
        self.every_value_box = QCheckBox("Ask every value, too")
        self.every_value_box.setToolTip(
            "Counterfactual audit: each case is segmented for every value of the "
            "attributes that drive the model, to see how much its mask depends on them."
        )
        self.every_value_box.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed
        )
        self.every_value_box.toggled.connect(self.every_value_toggled)
        self.output_line = line(name="output")
        self.output_button = button(
            "Change…",
            "Choose another folder for what is written.",
            self.output_requested,
        )
        adds = row(self.add_combo, self.masks_button)
        self._output = row(self.output_line, self.output_button)
        shown = self.hint, self._list, adds, self.every_value_box, self._output
        column(self, heading("WHAT IS COMPARED"), *shown)
        self.setAcceptDrops(True)
        self.show_output(None)

    def show_subjects(self, titles: Sequence[str]) -> None:
        """Show what is compared."""
        _clear(self._lines)
        self.lines = [self._line(place, title) for place, title in enumerate(titles)]
        for each in self.lines:
            self._lines.addWidget(each)
            each.show()  # Qt would do so later, and the list is as high only then
        self._list.setVisible(bool(titles))
        self.hint.setVisible(not titles)

    def _line(self, place: int, title: str) -> QWidget:
        name = line(name=f"compared-{place}")
        tell(name, title)
        remove = button("×", f"Compare “{title}” no longer.")
        remove.setAccessibleName(f"Remove {title}")
        remove.setFixedWidth(remove.sizeHint().height())
        remove.clicked.connect(lambda: self.removed.emit(place))
        made = row(name, remove)
        made.setObjectName(title)
        return made

    def remove_button(self, place: int) -> QWidget:
        """Return what removes one of the list."""
        layout = self.lines[place].layout()
        item = None if layout is None else layout.itemAt(1)
        found = None if item is None else item.widget()
        assert found is not None
        return found

    def offer_models(self, titles: Sequence[str], keys: Sequence[str]) -> None:
        """Offer models to be added."""
        offer(self.add_combo, titles, keys)
        self.add_combo.setCurrentIndex(-1)

    def allow_every_value(self, why_not: str) -> None:
        """Let every value be asked, or say why not."""
        self.every_value_box.setEnabled(not why_not)

    def show_output(self, folder: Path | None, more: str = "") -> None:
        """Say where the files are written."""
        self._output.setVisible(folder is not None)
        if folder is not None:
            tell(self.output_line, f"Writes into {folder.name}", f"{folder}\n{more}")

    def _on_add(self, place: int) -> None:
        key = str(self.add_combo.itemData(place))
        self.add_combo.setCurrentIndex(-1)
        self.add_requested.emit(key)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a checkpoint or a folder of masks."""
        compared_path(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell what was dropped."""
        path = compared_path(event)
        if path:
            self.dropped.emit(path)


def compared_path(event: QDropEvent) -> str:
    """Accept a checkpoint or a folder that is dragged, and return its path."""
    path = dropped_path(event)
    if path and (path.lower().endswith(CHECKPOINT_SUFFIXES) or Path(path).is_dir()):
        return path
    event.ignore()
    return ""


def _clear(layout: QVBoxLayout) -> None:
    """Take all widgets out of a layout."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
