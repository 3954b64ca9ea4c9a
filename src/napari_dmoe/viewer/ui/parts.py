"""Small parts that the sections share, so that they look alike.

Texts and inputs first, then what lays them out, then widgets that hold others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QEvent, QPoint, QSize, Qt
from qtpy.QtGui import QColor, QKeyEvent, QPaintEvent, QPixmap
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel
from superqt.utils import QFlowLayout

LARGEST_INTEGER = 2**31 - 1  # what a Qt spin box can hold
_SWATCH = 12
_MARGIN = 4
_BESIDE = 8  # what napari keeps free beside the text of an opened list
_AROUND_TEXT = 3  # and what Qt does in the box, beside napari's padding
_BETWEEN, _BETWEEN_SECTIONS = 4, 12


class StartButton(QPushButton):
    """Begins something that takes its turn with the dock's other work.

    While it is held it is disabled and says why, whatever its section asks of it
    meanwhile; that is taken up afterwards.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._why_held, self._is_allowed, self._tooltip = "", True, ""

    def setEnabled(self, is_enabled: bool) -> None:
        """Enable it, now or when it is no longer held."""
        self._is_allowed = is_enabled
        super().setEnabled(is_enabled and not self._why_held)

    def setToolTip(self, text: str | None) -> None:
        """Set what is said while it is not held."""
        self._tooltip = text or ""
        super().setToolTip(self._why_held or self._tooltip)

    def hold(self, why: str) -> None:
        """Let nobody press it for a reason; without one, let them again."""
        self._why_held = why
        self.setEnabled(self._is_allowed)
        self.setToolTip(self._tooltip)


def button(
    text: str,
    tooltip: str = "",
    clicked: Any = None,
    kind: type[QPushButton] = QPushButton,
) -> QPushButton:
    """Return a button whose clicks are passed on to a signal or callable.

    Its kind is :class:`StartButton` for one that takes its turn.
    """
    made = kind(text)
    made.setToolTip(tooltip)
    if clicked is not None:
        made.clicked.connect(clicked)
    return made


def heading(text: str) -> QLabel:
    """Return a section's heading."""
    label = QLabel(text)
    emphasise(label)
    return label


def emphasise(label: QLabel) -> None:
    """Set a label in bold type."""
    font = label.font()
    font.setBold(True)
    label.setFont(font)


def paragraph(text: str = "", *, name: str = "") -> QLabel:
    """Return a label that wraps its text and lets it be selected with the mouse."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)  # else it would be as high as in a narrow column
    label.setSizePolicy(policy)
    label.setObjectName(name)
    if not text:  # shown without a parent it would be a window
        label.hide()
    return label


def line(*, name: str = "") -> QElidingLabel:
    """Return a label of one line, whatever it says: the rest is seen by pointing at it.

    Its room is kept while it says nothing, so that nothing below it moves.
    """
    label = QElidingLabel()
    label.setObjectName(name)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def tell(label: QElidingLabel, text: str, more: str = "") -> None:
    """Set a line's text; pointing at it shows it whole, and what there is to add."""
    label.setText(text)
    label.setToolTip("\n".join(filter(None, (text, more))))


def say(label: QLabel, text: str) -> None:
    """Set a paragraph's text; an empty one takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def allow(start: QPushButton, why_not: str, tooltip: str) -> None:
    """Let a button be pressed, which says what it does; or let it say why not."""
    start.setEnabled(not why_not)
    start.setToolTip(why_not or tooltip)


SHORT = int(Qt.ItemDataRole.UserRole) + 1
"""Role of an item's shorter text."""


class NarrowCombo(QComboBox):
    """Ends what it has no room for in dots; the list that it opens has room for all.

    An item may have a shorter text at :data:`SHORT`, which is shown before any dots.
    """

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the box, and of its text what there is room for."""
        if self.isEditable():
            super().paintEvent(event)
            return
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        edge = QStyle.SubControl.SC_ComboBoxEditField
        box = QStyle.ComplexControl.CC_ComboBox
        inner = self.style().subControlRect(box, option, edge, self)
        option.currentText = self.shown_text(inner.width() - _AROUND_TEXT)
        painter.drawComplexControl(box, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def shown_text(self, room: int) -> str:
        """Return what is shown of the chosen item in so many pixels."""
        metrics = self.fontMetrics()
        shown = self.currentText() or self.placeholderText()
        if metrics.horizontalAdvance(shown) > room:
            shown = self.currentData(SHORT) or shown
        return metrics.elidedText(shown, Qt.TextElideMode.ElideRight, room)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Leave keys with Ctrl to the window: they are no letters to search for."""
        control = Qt.KeyboardModifier.ControlModifier
        if event is not None and event.modifiers() & control:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def showPopup(self) -> None:
        """Open the list, as wide as its longest line."""
        view = self.view()
        if view is not None:
            view.setMinimumWidth(view.sizeHintForColumn(0) + 2 * _BESIDE)
        super().showPopup()


def narrow_combo(name: str, tooltip: str, *, characters: int = 4) -> QComboBox:
    """Return a combo box that may show as few characters; the dock can be narrow."""
    combo = NarrowCombo()
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(characters)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    combo.setAccessibleName(name)
    combo.setToolTip(tooltip)
    return combo


def offer(
    combo: QComboBox, texts: Sequence[str], keys: Sequence[object] | None = None
) -> None:
    """Offer other items, where they are others; each has its text or a key as data."""
    if [combo.itemText(place) for place in range(combo.count())] == list(texts):
        return
    combo.clear()
    for text, key in zip(texts, keys or texts, strict=True):
        combo.addItem(text, key)


def spin_box(
    name: str, tooltip: str, least: int, most: int = LARGEST_INTEGER
) -> QSpinBox:
    """Return a box for an integer."""
    spin = QSpinBox()
    spin.setRange(least, most)
    spin.setAccessibleName(name)
    spin.setToolTip(tooltip)
    return spin


def swatch(colour: tuple[int, int, int]) -> QPixmap:
    """Return a small square of a colour."""
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor(*colour))
    return pixmap


def copy_text(text: str) -> None:
    """Put a text into the clipboard."""
    clipboard = QApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)


def in_rows(buttons: Sequence[QPushButton], n: int) -> QWidget:
    """Put buttons into rows of `n`, all of one width."""
    widget = QWidget()
    grid = QGridLayout(widget)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setSpacing(4)
    for place, each in enumerate(buttons):
        grid.addWidget(each, *divmod(place, n))
    return widget


def flow(*parts: QWidget) -> QWidget:
    """Put parts side by side, in as many rows as a narrow dock needs."""
    widget = QWidget()
    layout = QFlowLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(_BETWEEN)
    layout.setVerticalSpacing(_BETWEEN)
    for part in parts:
        layout.addWidget(part)
    return widget


def row(*parts: QWidget, stretch: int = 0) -> QWidget:
    """Put parts side by side, without margins; the one at `stretch` grows."""
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for place, part in enumerate(parts):
        layout.addWidget(part, stretch=int(place == stretch))
    return widget


def column(widget: QWidget, *parts: QWidget, spacing: int = 4) -> QVBoxLayout:
    """Stack parts in a widget, without margins."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for part in parts:
        layout.addWidget(part)
    return layout


def lay_out(*widgets: QWidget) -> None:
    """Lay widgets out now, the inner ones first, and then all that is around them.

    Qt lays out what is around in a turn of its own each, and on a busy machine what has
    grown is seen squeezed into its old place until then.
    """
    around = [*widgets]
    while (parent := around[-1].parentWidget()) is not None:
        around.append(parent)
        if isinstance(parent, QScrollArea):
            break
    for widget in around:
        layout = widget.layout()
        if layout is not None:
            layout.activate()
        if isinstance(widget, QScrollArea):
            QApplication.sendEvent(widget, QEvent(QEvent.Type.LayoutRequest))


class ScrollColumn(QScrollArea):
    """Sections below each other; they scroll where there is no room for all."""

    def stack(self, *sections: QWidget, spacing: int = _BETWEEN_SECTIONS) -> None:
        """Put the sections in, once."""
        content = _Content()
        layout = column(content, *sections, spacing=spacing)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._held: QWidget | None = None
        self._offset = 0

    def hold(self, section: QWidget) -> None:
        """Let a section that is at the top stay there, whatever comes and goes above.

        Also one that is to be there, and is not before there is more below it.
        """
        self._held = section
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._on_scrolled)
        bar.rangeChanged.connect(self._on_grown)

    def show_from(self, section: QWidget) -> None:
        """Scroll so that a section is at the top, where the first one stands."""
        self.verticalScrollBar().setValue(self._top(section) - _MARGIN)
        if section is self._held:
            self._offset = _MARGIN

    def _top(self, section: QWidget) -> int:
        return section.mapTo(self.widget(), QPoint(0, 0)).y()

    def _on_scrolled(self, value: int) -> None:
        if self._held is not None:
            self._offset = self._top(self._held) - value

    def _on_grown(self) -> None:
        """Scroll as far as the held section moved; nothing above it was seen."""
        held, offset = self._held, self._offset
        if held is None or offset > _MARGIN or not held.isVisible():
            return
        self.verticalScrollBar().setValue(self._top(held) - offset)
        self._offset = offset  # which was wished for, though there may be no room yet


class _Content(QWidget):
    """As high as its text is at its width: Qt would leave room for narrower lines."""

    def minimumSizeHint(self) -> QSize:
        """Return the least width; the height follows from the width."""
        return QSize(super().minimumSizeHint().width(), 0)


class TextForm(QWidget):
    """Names with texts beside them, which wrap and can be selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.texts: dict[str, QLabel] = {}
        """The labels of the texts, by name."""
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)

    def show_texts(self, texts: Mapping[str, str]) -> None:
        """Show other texts."""
        while self._form.rowCount():
            self._form.removeRow(0)
        self.texts = {name: paragraph(text) for name, text in texts.items()}
        for name, label in self.texts.items():
            self._form.addRow(name, label)


class Fold(QWidget):
    """Unfolds its content at a click on its title."""

    def __init__(self, title: str, tooltip: str, content: QWidget) -> None:
        super().__init__()
        self._title, self._content = title, content
        self.button = button("", tooltip, self._on_clicked)
        column(self, row(self.button, QWidget(), stretch=1), content)
        self.unfold(False)

    def unfold(self, is_open: bool = True) -> None:
        """Show the content, or fold it away again."""
        self._is_open = is_open
        # The arrow stands in the text, in the colour of whatever theme there is.
        self.button.setText(f"{'▾' if is_open else '▸'} {self._title}")
        self._content.setVisible(is_open)

    def rename(self, title: str) -> None:
        """Give it another title; it stays as it is."""
        self._title = title
        self.unfold(self._is_open)

    def _on_clicked(self) -> None:
        self.unfold(not self._is_open)
