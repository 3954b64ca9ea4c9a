"""What the words of the dock mean: a link, and the page of the docs that it opens.

The page comes with the package, so that it can be read without a connection.
"""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QDialog, QTextBrowser, QWidget

import napari_dmoe
from napari_dmoe.viewer.ui.lines import LinkButton
from napari_dmoe.viewer.ui.parts import column

_PAGE = "glossary.md"
_SIZE = QSize(460, 560)


def words_page() -> str:
    """Return the page as Markdown.

    Raises
    ------
    FileNotFoundError
        When the installation does not hold it.
    """
    package = Path(napari_dmoe.__file__).parent
    for home in (package, package.parents[1] / "docs"):  # of a wheel, and of a tree
        page = home / _PAGE
        if page.is_file():
            return page.read_text(encoding="utf-8")
    raise FileNotFoundError(f"this installation of napari-dmoe has no {_PAGE}")


class WordsDialog(QDialog):
    """Shows the page beside the window, which can be used meanwhile."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("dMoE: words")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.page = QTextBrowser()
        self.page.setAccessibleName("Words")
        self.page.setOpenExternalLinks(True)
        # Definitions as the docs write them are a paragraph of their own here.
        self.page.setMarkdown(words_page().replace("\n: ", "\n\n"))
        column(self, self.page).setContentsMargins(6, 6, 6, 6)
        self.resize(_SIZE)


class WordsLink(LinkButton):
    """Opens the page at a click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Words", parent)
        self.setToolTip("What the words of this dock mean.")
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        WordsDialog(self.window()).show()
