"""Texts whose room stays as it is: what has none is cut, and seen by pointing at it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget
from superqt import QElidingLabel

_LEAST_LINK, _AROUND = 40, 8
_SLACK = 4  # letters may need a little more than they say


class FixedLines(QElidingLabel):
    """A text that wraps, as high as some lines whatever it says.

    Nothing below it moves. What has no room ends in dots, and is seen by pointing at
    it: see :func:`napari_dmoe.viewer.ui.parts.tell`.
    """

    def __init__(self, n: int, *, name: str = "") -> None:
        super().__init__()
        self._n = n
        self.setObjectName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def setText(self, txt: str | None) -> None:
        """Set the text, of which the lines are shown that there is room for."""
        self._text = txt or ""
        self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the lines anew."""
        self._cut()

    def sizeHint(self) -> QSize:
        """Return the height of its lines; it asks for no width."""
        metrics = self.fontMetrics()
        between = (self._n - 1) * metrics.lineSpacing()
        return QSize(1, between + metrics.height() + _AROUND)

    def minimumSizeHint(self) -> QSize:
        """Return the same."""
        return self.sizeHint()

    def heightForWidth(self, width: int) -> int:
        """Return the same at every width."""
        return self.sizeHint().height()

    def _cut(self) -> None:
        """Break the text here: a label would break it elsewhere, and lose its end."""
        width = max(self.contentsRect().width() - _SLACK, 1)
        lines = self.wrapText(self._text, width, self.font())
        last = self._n - 1
        shown = filter(None, (*lines[:last], "".join(lines[last:])))
        right, elided = Qt.TextElideMode.ElideRight, self.fontMetrics().elidedText
        # The blank at which a line is broken may lie beyond the width.
        cut = (elided(each.rstrip(), right, width) for each in shown)
        QLabel.setText(self, "\n".join(cut))


class LinkButton(QToolButton):
    """A link: as wide as its text, where there is room, and else cut.

    Pointing at it should show the text whole: its tooltip is set by its owner.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = text
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        font = self.font()
        font.setUnderline(True)
        self.setFont(font)
        self.setText(text)

    def text(self) -> str:
        """Return the whole text."""
        return self._text

    def setText(self, text: str | None) -> None:
        """Set the text."""
        self._text = text or ""
        self._cut()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Return the size for the whole text."""
        hint, metrics = super().sizeHint(), self.fontMetrics()
        now, whole = map(metrics.horizontalAdvance, (super().text(), self._text))
        return QSize(hint.width() - now + whole + _SLACK, hint.height())

    def minimumSizeHint(self) -> QSize:
        """Return a size of a few letters."""
        whole = self.sizeHint()
        return QSize(min(_LEAST_LINK, whole.width()), whole.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut the text where there is no room for all of it."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        metrics, text = self.fontMetrics(), self._text
        around = self.sizeHint().width() - metrics.horizontalAdvance(text)
        room = max(self.width() - around + _SLACK, 0)
        super().setText(metrics.elidedText(text, Qt.TextElideMode.ElideRight, room))


class LineWithLink(QWidget):
    """A line, and behind it a link that comes and goes; always as high as that."""

    def __init__(self, text: QWidget, link: LinkButton) -> None:
        super().__init__()
        self._link = link
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(text, stretch=1)
        layout.addWidget(link)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the size for both, with the height of the link if it is hidden."""
        hint = super().sizeHint()
        return QSize(hint.width(), max(hint.height(), self._link.sizeHint().height()))

    def minimumSizeHint(self) -> QSize:
        """Return the same height."""
        return QSize(super().minimumSizeHint().width(), self.sizeHint().height())
