"""Small parts that the sections share, so that they look alike."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)


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
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    label.setObjectName(name)
    label.setVisible(bool(text))
    return label


def say(label: QLabel, text: str) -> None:
    """Set a paragraph's text; an empty one takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def narrow_combo(name: str, tooltip: str, *, characters: int = 4) -> QComboBox:
    """Return a combo box that may show as few characters; the dock can be narrow."""
    combo = QComboBox()
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(characters)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    combo.setAccessibleName(name)
    combo.setToolTip(tooltip)
    return combo


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


class Fold(QWidget):
    """Unfolds at a click on its title.

    Parameters
    ----------
    title : str
        What is folded away.
    tooltip : str
        What it is about.
    content : QWidget
        What is shown when it is unfolded.
    """

    def __init__(
        self, title: str, tooltip: str, content: QWidget, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._title, self._content = title, content
        self.button = QPushButton()
        self.button.setToolTip(tooltip)
        self.button.clicked.connect(self._on_clicked)
        column(self, row(self.button, QWidget(), stretch=1), content)
        self.unfold(False)

    def unfold(self, is_open: bool = True) -> None:
        """Show the content, or fold it away again."""
        self._is_open = is_open
        # The arrow stands in the text, in the colour of whatever theme there is.
        self.button.setText(f"{'▾' if is_open else '▸'} {self._title}")
        self._content.setVisible(is_open)

    def _on_clicked(self) -> None:
        self.unfold(not self._is_open)
