"""One field of a card as a widget, with what is wrong with it below."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QTextEdit,
    QWidget,
)

from napari_dmoe.viewer.segment.card.fields import Field
from napari_dmoe.viewer.ui import parts

_LINES, _MOST_LINES = 3, 8
_AROUND = 12


class CardInput(QWidget):
    """A field: its label, what is written, and what is wrong with it."""

    changed = Signal()

    def __init__(self, field: Field, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self.fault = parts.paragraph(name="card-fault")
        make = _MAKERS.get(field.kind, _line)
        self.input = make(field, self.changed.emit)
        self.input.setAccessibleName(field.label)
        self.input.setToolTip(field.help)
        own: tuple[QWidget, ...] = (self.input,)
        if field.kind != "tick":  # a tick box has its label behind it
            label = QLabel(field.label)
            label.setToolTip(field.help)
            label.setBuddy(self.input)
            own = (label, self.input)
        parts.column(self, *own, self.fault, spacing=1)

    def text(self) -> str:
        """Return what is written; "yes" of a box that is ticked."""
        own = self.input
        if isinstance(own, QCheckBox):
            return "yes" if own.isChecked() else ""
        if isinstance(own, QComboBox):
            return str(own.currentText())
        return str(own.toPlainText() if isinstance(own, QTextEdit) else own.text())

    def set_text(self, text: str) -> None:
        """Write something."""
        own = self.input
        if isinstance(own, QCheckBox):
            own.setChecked(bool(text))
        elif isinstance(own, QComboBox):
            place = own.findText(text)
            if place < 0 and own.isEditable():
                own.setEditText(text)
            else:
                own.setCurrentIndex(place)
        elif isinstance(own, QTextEdit):
            own.setPlainText(text)
        else:
            own.setText(text)

    def show_fault(self, sentence: str) -> None:
        """Say what is wrong; nothing where nothing is."""
        said = sentence[:1].upper() + sentence[1:].rstrip(".")
        parts.say(self.fault, f"⚠ {said}." if said else "")
        self.input.setAccessibleDescription(said)


class _Lines(QTextEdit):
    """As high as its lines; Tab goes on to the next field."""

    def __init__(self) -> None:
        super().__init__()
        self.setTabChangesFocus(True)
        self.setAcceptRichText(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.textChanged.connect(self._fit)
        self._fit()

    def _fit(self) -> None:
        n = min(max(self.document().blockCount() + 1, _LINES), _MOST_LINES)
        self.setFixedHeight(n * self.fontMetrics().lineSpacing() + _AROUND)


class _Combo(parts.NarrowCombo):
    """Keeps Return to itself: the dialog would take it for Save."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take a key, and let no other widget have it if it is Return."""
        super().keyPressEvent(event)
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


def _line(field: Field, changed: Callable[[], None]) -> QWidget:
    edit = QLineEdit()
    edit.setPlaceholderText(field.if_blank)
    edit.textChanged.connect(changed)
    return edit


def _lines(field: Field, changed: Callable[[], None]) -> QWidget:
    edit = _Lines()
    edit.textChanged.connect(changed)
    return edit


def _choice(field: Field, changed: Callable[[], None]) -> QWidget:
    combo = _Combo()
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(4)
    combo.setEditable(field.is_free)
    combo.addItems(list(field.choices))
    if field.is_free:
        combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    combo.currentTextChanged.connect(changed)
    return combo


def _tick(field: Field, changed: Callable[[], None]) -> QWidget:
    box = QCheckBox(field.label)
    box.toggled.connect(changed)
    return box


_MAKERS: dict[str, Callable[[Field, Callable[[], None]], QWidget]] = {
    "lines": _lines,
    "choice": _choice,
    "tick": _tick,
}
