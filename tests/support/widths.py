"""What does not fit: texts that are cut, widgets outside their parents, loose room.

It looks at what is laid out, and at nothing that a person could not see.
"""

from __future__ import annotations

from collections.abc import Iterator

from napari.qt import get_stylesheet
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QCheckBox,
    QLabel,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QScrollBar,
    QStyle,
    QTabBar,
    QWidget,
)
from superqt import QElidingLabel

from napari_dmoe.viewer.dock import DMoEDock

NORMAL, LARGE = 9, 14
"""Sizes of napari's letters, in points: as they come, and half as large again."""
_SLACK = 1
_SHORTEST = 12  # characters; a longer word without a space may be broken by no label


def dress(widget: QWidget, theme: str = "dark", points: int = NORMAL) -> None:
    """Let a widget, whose own style stays, look as it does in napari."""
    variables = {"font_size": f"{points}pt"}
    napari = get_stylesheet(theme, extra_variables=variables)
    widget.setStyleSheet(f"{napari}\n{widget.styleSheet()}")
    widget.ensurePolished()


def lay_out(dock: DMoEDock, width: int, height: int) -> None:
    """Give the dock a size, and let everything in it find its place."""
    dock.resize(width, height)
    for _ in range(3):  # what wraps is as high as its width asks for
        QApplication.sendPostedEvents()
        QApplication.processEvents()


def misfits(dock: DMoEDock) -> list[str]:
    """Return what does not fit in what is seen of a dock."""
    found = [
        f"{_name(each)}: {what}"
        for each in _seen(dock)
        for what in (*_cut(each), *_outside(each), *_loose(each), *_scrolled(each))
    ]
    if dock.width() < dock.minimumSizeHint().width():
        needed = dock.minimumSizeHint().width()
        found.append(f"the dock needs {needed} pixels: {_widest(dock)}")
    return found


def places(dock: DMoEDock, *widgets: QWidget) -> list[tuple[int, int, int]]:
    """Return at which height widgets stand in the dock, how high, and how wide."""
    return [
        (each.mapTo(dock, QPoint(0, 0)).y(), each.height(), each.width())
        for each in widgets
    ]


def _seen(dock: DMoEDock) -> Iterator[QWidget]:
    return (each for each in dock.findChildren(QWidget) if each.isVisibleTo(dock))


def _cut(widget: QWidget) -> Iterator[str]:
    """Say which text is not seen whole."""
    if isinstance(widget, QElidingLabel):
        return  # pointing at it shows the rest
    if isinstance(widget, QLabel) and widget.text() and widget.pixmap().isNull():
        yield from _cut_label(widget)
    if isinstance(widget, QPushButton | QCheckBox | QRadioButton) and widget.text():
        needed = _needed(widget)
        if needed > widget.width() + _SLACK:
            yield f"needs {needed} pixels, and has {widget.width()}"
    if isinstance(widget, QTabBar) and widget.count():
        needed = sum(widget.tabRect(n).width() for n in range(widget.count()))
        if needed > widget.width() + _SLACK:
            yield f"its tabs need {needed} pixels, and have {widget.width()}"


def _cut_label(label: QLabel) -> Iterator[str]:
    room = label.contentsRect()
    if not label.wordWrap():
        needed = label.sizeHint().width()
        if needed > label.width() + _SLACK:
            yield f"needs {needed} pixels, and has {label.width()}"
        return
    needed = label.heightForWidth(label.width())
    if needed > label.height() + _SLACK:
        yield f"needs a height of {needed}, and has {label.height()}"
    if label.textFormat() != Qt.TextFormat.RichText and "<" not in label.text():
        metrics = label.fontMetrics()
        widest = max(map(metrics.horizontalAdvance, label.text().split()), default=0)
        if widest > room.width() + _SLACK:
            yield f"a word needs {widest} pixels, and has {room.width()}"


def _needed(button: QAbstractButton) -> int:
    """Return the least width of a button that shows its text."""
    text = button.text().replace("&&", "&")
    width = button.fontMetrics().horizontalAdvance(text)
    if not button.icon().isNull():
        width += button.iconSize().width() + 4
    style, metric = button.style(), QStyle.PixelMetric
    if isinstance(button, QCheckBox | QRadioButton):
        width += style.pixelMetric(metric.PM_IndicatorWidth)
        width += style.pixelMetric(metric.PM_CheckBoxLabelSpacing)
    return int(width)


def _outside(widget: QWidget) -> Iterator[str]:
    """Say whether a widget reaches over the edge of the one that it is in."""
    parent = widget.parentWidget()
    if parent is None or isinstance(widget, QScrollBar):
        return
    if isinstance(parent, QAbstractScrollArea):
        return
    if parent.objectName() == "qt_scrollarea_viewport":
        if widget.width() > parent.width() + _SLACK:
            yield f"is {widget.width()} pixels wide, and {parent.width()} are seen"
        return
    if isinstance(widget.parentWidget(), QTabBar):
        return
    place = widget.geometry()
    room = QRect(0, 0, parent.width(), parent.height())
    if not room.adjusted(-1, -1, 1, 1).contains(place) and not place.isEmpty():
        yield f"{_box(place)} is outside {_name(parent)} of {_box(room)}"


def _loose(widget: QWidget) -> Iterator[str]:
    """Say whether a text has more room than it needs, so that a gap is seen."""
    if not isinstance(widget, QLabel) or isinstance(widget, QElidingLabel):
        return
    if widget.wordWrap() and widget.text():
        needed = max(widget.heightForWidth(widget.width()), widget.minimumHeight())
        beside = widget.parentWidget().layout()
        is_alone = beside is not None and beside.metaObject().className() in (
            "QVBoxLayout",
        )
        if is_alone and widget.height() > needed + widget.fontMetrics().height():
            yield f"needs a height of {needed}, and has {widget.height()}"


def _scrolled(widget: QWidget) -> Iterator[str]:
    """Say whether there is a bar to scroll sideways, or one for nothing."""
    if isinstance(widget, QScrollArea) and widget.widget() is not None:
        over = widget.widget().minimumSizeHint().width() - widget.viewport().width()
        if over > 0:
            yield f"its content is {over} pixels too wide: {_widest(widget.widget())}"
    if isinstance(widget, QScrollBar) and widget.isVisible() and not widget.maximum():
        yield "a bar that scrolls nothing"


def _widest(widget: QWidget) -> str:
    """Name the part of a widget that makes it as wide as it has to be."""
    parts = widget.findChildren(
        QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly
    )
    parts = [each for each in parts if not each.isHidden() or each.layout() is None]
    most = max(parts, key=_least, default=None)
    if most is None or _least(most) <= 0:
        return f"{_name(widget)} {_least(widget)}"
    if sum(map(_least, parts)) <= _least(widget):  # they stand beside each other
        return ", ".join(f"{_name(each)} {_least(each)}" for each in parts)
    return _widest(most)


def _least(widget: QWidget) -> int:
    return max(widget.minimumSizeHint().width(), widget.minimumWidth())


def _name(widget: QWidget) -> str:
    names = [type(widget).__name__, widget.objectName() or widget.accessibleName()]
    text = widget.text() if hasattr(widget, "text") else ""
    return " ".join(filter(None, (*names, repr(str(text)[:40]) if text else "")))


def _box(box: QRect) -> str:
    return f"{box.x()},{box.y()} {box.width()}×{box.height()}"
