"""A part of a form that is folded away until it is asked for.

superqt's QCollapsible fixes its content's height when it is unfolded, and cuts off what
is shown in it later; a widget that is shown or hidden takes the room that it needs.
"""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QWidget

from napari_dmoe.viewer.ui.parts import column, row


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
