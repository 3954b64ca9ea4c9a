"""What an empty dock offers: the samples that bring their model and their patient."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QSizePolicy, QToolButton, QWidget

from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.theme import as_card

_THUMBNAILS = resources.files("napari_dmoe.viewer.segment") / "thumbnails"
_PICTURE = QSize(64, 48)


@dataclass(frozen=True)
class SampleChoice:
    """A sample to choose."""

    key: str
    """Its key in the manifest."""
    model: str
    """The bundled model that it is for."""
    picture: str
    """Name of the small picture of it."""
    text: str
    help: str


class SampleSection(QWidget):
    """Shows the samples as buttons with a small picture, one below the other."""

    sample_requested = Signal(str)
    """Key of a sample in the manifest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QToolButton] = {}
        self._column = parts.column(
            self, parts.heading("TRY A SAMPLE"), parts.paragraph(_SAID)
        )

    def offer(self, choices: tuple[SampleChoice, ...]) -> None:
        """Offer the samples, once."""
        for choice in choices:
            made = QToolButton()
            made.setText(choice.text)
            made.setToolTip(choice.help)
            made.setAccessibleName(
                f"Open the sample: {choice.text}".replace("\n", ", ")
            )
            made.setIcon(QIcon(_picture(choice.picture)))
            made.setIconSize(_PICTURE)
            made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            policy = QSizePolicy.Policy
            made.setSizePolicy(policy.Expanding, policy.Fixed)
            made.setObjectName(choice.key)
            made.setMinimumWidth(1)  # the narrowest dock shows its tooltip
            as_card(made)
            made.clicked.connect(self._on_clicked)
            self.buttons[choice.key] = made
            self._column.addWidget(made)

    def _on_clicked(self) -> None:
        self.sample_requested.emit(self.sender().objectName())


_SAID = "Made-up, with model and patient:"


def _picture(name: str) -> QPixmap:
    pixmap = QPixmap()
    pixmap.loadFromData((_THUMBNAILS / f"{name}.png").read_bytes())
    return pixmap
