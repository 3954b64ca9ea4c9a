"""The truth of an image: which labels it is, and whether what is missed is seen."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QWidget

from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.tables import Facts

NONE = "none"
FILE = "File…"
_HELP = (
    "Labels that say what is true of this image: the table tells Dice and IoU against "
    "them. Any Labels layer of the image's size and place, or a file."
)
_MISSED = "Show what is missed"
_MISSED_HELP = (
    "Marks on the image where the mask lacks what the truth has, has more than it, or "
    "says another class. It follows the mask while you paint."
)


class TruthView(QWidget):
    """Tells which labels are the truth, and shows what a mask lacks of them."""

    truth_chosen = Signal(int)
    """Place in the list that was offered; -1 for none."""
    file_requested = Signal()
    missed_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = parts.narrow_combo("Truth", _HELP)
        self.combo.activated.connect(self._on_activated)
        self.missed_box = QCheckBox(_MISSED)
        self.missed_box.setToolTip(_MISSED_HELP)
        self.missed_box.toggled.connect(self.missed_toggled)
        self.overall = parts.paragraph(name="truth-overall")
        self.note = parts.paragraph(name="truth-note")
        self.legend = Facts("")
        label = QLabel("Truth")
        label.setBuddy(self.combo)
        row = parts.row(label, self.combo, stretch=1)
        parts.column(
            self, row, self.overall, self.missed_box, self.legend, self.note
        ).setContentsMargins(0, 0, 0, 0)
        self._place = 0
        self.offer((), 0, is_there=False)
        self.say("")
        self.show_missed(may=False)

    def offer(self, names: Sequence[str], place: int, *, is_there: bool) -> None:
        """Offer layers, and show which is the truth: its place from 1, 0 for none.

        Nothing can be chosen where no image `is_there`.
        """
        parts.offer(self.combo, [NONE, *names, FILE])
        self._place = place
        self.combo.setCurrentIndex(place)
        self.combo.setEnabled(is_there)

    def say(self, note: str, overall: str = "") -> None:
        """Say what is to be known of the truth, and the Dice over all planes."""
        parts.say(self.note, note)
        parts.say(self.overall, overall)

    def show_missed(
        self, *, may: bool, is_on: bool = False, legend: Sequence[TableRow] = ()
    ) -> None:
        """Show whether what is missed is marked, and what the colours mean."""
        blocked = self.missed_box.blockSignals(True)
        self.missed_box.setChecked(is_on)
        self.missed_box.blockSignals(blocked)
        self.missed_box.setVisible(may)
        self.legend.show_facts(legend)

    def _on_activated(self, place: int) -> None:
        if place == self.combo.count() - 1:
            self.combo.setCurrentIndex(self._place)  # until a file was chosen
            self.file_requested.emit()
        elif place != self._place:
            self.truth_chosen.emit(place - 1)
