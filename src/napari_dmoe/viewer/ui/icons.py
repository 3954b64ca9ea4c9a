"""Icons on buttons, in the colour of their texts: in whichever theme there is.

napari's own where it has them, the others drawn here in its manner. An icon alone is no
name: a button that shows no text keeps its accessible name and its tooltip.
"""

from __future__ import annotations

from typing import Literal

from napari.resources import get_colorized_svg, get_icon_path
from qtpy.QtCore import QByteArray, QEvent, QObject, QSize, Qt
from qtpy.QtGui import QBitmap, QIcon, QImage, QPainter, QPalette, QPixmap, QRegion
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import QAbstractButton

Name = Literal[
    "open",
    "save",
    "table",
    "copy",
    "compare",
    "reveal",
    "previous",
    "about",
    "unload",
    "back",
    "next",
]

_OF_NAPARI = {
    "copy": "copy_to_clipboard",
    "reveal": "visibility",
    "previous": "long_left_arrow",
    "about": "info",
    "back": "left_arrow",
    "next": "right_arrow",
}

_DRAWN = {
    "open": "M8 22h30l9 11h45v50H8zM16 42v33h68V42z",
    "save": "M12 12h62l14 14v62H12zM30 20v22h36V20zM26 54v26h48V54z",
    "table": "M10 14h80v72H10zM18 36v14h20V36zM46 36v14h36V36zM18 58v20h20V58z"
    "M46 58v20h36V58z",
    "compare": "M8 8h58v18h26v66H34V74H8zM17 17v48h17V26h23v-9zM43 35v48h40V35z",
    "unload": "M50 14 86 58H14zM14 68h72v14H14z",
}
"""Paths in a square of 100; what lies within another is cut out."""

_SIDE, _SEEN, _DENSITY = 16, 13, 2
"""Pixels of an icon, of what is drawn in it, and how many make one."""
_LARGE = 128
_RECOLOURED = QEvent.Type.StyleChange, QEvent.Type.PaletteChange, QEvent.Type.Polish


def give(button: QAbstractButton, name: Name, *, alone: bool = False) -> None:
    """Put an icon on a button, before its text or, `alone`, instead of it.

    The text then becomes the accessible name.
    """
    if alone:
        button.setAccessibleName(button.accessibleName() or button.text())
        button.setText("")
    button.setIconSize(QSize(_SIDE, _SIDE))
    _Painter(button, name)


class _Painter(QObject):
    """Paints the icon of a button, which owns it, anew when its colours change."""

    def __init__(self, button: QAbstractButton, name: Name) -> None:
        super().__init__(button)
        self._button, self._name, self._colour = button, name, ""
        button.installEventFilter(self)
        self._paint()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Take note of other colours."""
        if event is not None and event.type() in _RECOLOURED:
            self._paint()
        return False

    def _paint(self) -> None:
        palette = self._button.palette()
        group = QPalette.ColorGroup.Active
        colour = palette.color(group, QPalette.ColorRole.ButtonText).name()
        if colour != self._colour:  # else setting the icon would call for another
            self._colour = colour
            self._button.setIcon(_icon(self._name, colour))


def _icon(name: Name, colour: str) -> QIcon:
    """Paint an icon as large as the others, whatever room its drawing leaves around."""
    drawn = _trimmed(_svg(name, colour))
    side, most = _SIDE * _DENSITY, _SEEN * _DENSITY
    scaled = drawn.scaled(
        *(most, most, Qt.AspectRatioMode.KeepAspectRatio),
        Qt.TransformationMode.SmoothTransformation,
    )
    image = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    middle = (side - scaled.width()) // 2, (side - scaled.height()) // 2
    painter.drawImage(*middle, scaled)
    painter.end()
    image.setDevicePixelRatio(_DENSITY)
    return QIcon(QPixmap.fromImage(image))


def _trimmed(svg: str) -> QImage:
    """Draw an icon large, and cut off what is empty around it."""
    image = QImage(_LARGE, _LARGE, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(svg.encode())).render(painter)
    painter.end()
    seen = QRegion(QBitmap.fromImage(image.createAlphaMask())).boundingRect()
    return image.copy(seen)


def _svg(name: Name, colour: str) -> str:
    if name in _OF_NAPARI:
        return get_colorized_svg(get_icon_path(_OF_NAPARI[name]), colour)
    path = f'<path fill-rule="evenodd" d="{_DRAWN[name]}"/>'
    size = 'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"'
    return get_colorized_svg(f"<svg {size}>{path}</svg>", colour)
