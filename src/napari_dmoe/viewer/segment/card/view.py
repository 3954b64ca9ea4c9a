"""The dialog in which a person describes a checkpoint of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QDialog, QLabel, QSizePolicy, QWidget

from napari_dmoe.viewer.segment.card.drivers_view import DriversView
from napari_dmoe.viewer.segment.card.fields import (
    CLASSES,
    WHAT_IT_IS,
    of_preprocessing,
)
from napari_dmoe.viewer.segment.card.inputs_view import CardInput
from napari_dmoe.viewer.ui import parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIZE, _NARROWEST = QSize(420, 720), 300
_PICTURE = 224
_MARGIN = 6
_LOOKING = "Looking at the image …"


class CardDialog(QDialog):
    """Lays out what a card states; says what is written, and what is wished for."""

    changed = Signal()
    """Something else is written now."""
    save_requested = Signal()

    def __init__(self, dims: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("dMoE: describe this model")
        self.found = parts.paragraph(name="card-found")
        self.drivers = DriversView()
        self.drivers.changed.connect(self.changed)
        own = (*WHAT_IT_IS, CLASSES, *of_preprocessing(dims))
        self.inputs = {field.key: CardInput(field) for field in own}
        """The inputs by the keys of their fields, but for those of drivers."""
        for each in self.inputs.values():
            each.changed.connect(self.changed)
        self.preview = Preview()
        self.fault = parts.paragraph(name="card-fault-of-all")
        self.save_button = parts.button(
            "Save and use",
            "Write the card beside the checkpoint, and load the model with it.",
            self.save_requested,
        )
        self.close_button = parts.button("Cancel", "Change nothing.", self.reject)
        self.save_button.setAutoDefault(False)
        self.close_button.setAutoDefault(False)
        self._lay_out()
        self.setMinimumWidth(_NARROWEST)
        self.resize(_SIZE)

    def _lay_out(self) -> None:
        is_of_input = [key.startswith("preprocessing.") for key in self.inputs]
        pairs = list(zip(self.inputs.values(), is_of_input, strict=True))
        of_input = [each for each, is_it in pairs if is_it]
        facts = [self.inputs[field.key] for field in WHAT_IT_IS]
        body = parts.ScrollColumn()
        body.stack(
            *(parts.heading("WHAT IT IS"), self.found, *facts),
            *(parts.heading("WHAT DRIVES IT"), self.drivers),
            *(parts.heading("WHAT IT DRAWS"), self.inputs[CLASSES.key]),
            *(parts.heading("WHAT IT SEES"), self.preview, *of_input),
            spacing=6,
        )
        foot = parts.row(self.save_button, self.close_button)
        layout = parts.column(self, body, self.fault, foot)
        layout.setStretch(0, 1)
        layout.setContentsMargins(*(_MARGIN,) * 4)
        self.body = body

    def show_card(self, texts: Mapping[str, str], found: str) -> None:
        """Show what a card states, and what was found in the weights."""
        parts.say(self.found, found)
        self.drivers.show_drivers(texts)
        for key, each in self.inputs.items():
            each.set_text(texts.get(key, ""))

    def texts(self) -> dict[str, str]:
        """Return what stands in the fields, by their keys."""
        own = {key: each.text() for key, each in self.inputs.items()}
        return self.drivers.texts() | own

    def show_faults(self, faults: Mapping[str, str]) -> None:
        """Say what is wrong beside each field; under no key what is wrong in all."""
        for key, each in self.inputs.items():
            each.show_fault(faults.get(key, ""))
        self.drivers.show_faults(faults)
        parts.say(self.fault, faults.get("", ""))
        first = next(iter(faults.values()), "")
        help_ = "Write the card beside the checkpoint, and load the model with it."
        parts.allow(self.save_button, first and f"Not yet: {first}.", help_)


class Preview(QWidget):
    """Shows a plane as the network sees it, or why there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setAccessibleName("What the network sees")
        self.picture.setToolTip("The current image as the network sees it.")
        self.picture.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.words = parts.paragraph(name="card-preview")
        parts.column(self, self.picture, self.words)

    def show_plane(
        self, picture: NDArray[np.uint8], words: str, notices: Sequence[str]
    ) -> None:
        """Show a picture (H, W, 3), enlarged in whole steps or made smaller."""
        height, width = picture.shape[:2]
        rgb = QImage.Format.Format_RGB888
        image = QImage(picture.tobytes(), width, height, 3 * width, rgb)
        scaled = QPixmap.fromImage(image).scaled(
            _PICTURE,
            _PICTURE,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.FastTransformation,
        )
        self.picture.setPixmap(scaled)
        self.picture.show()
        said = "".join(f"\n⚠ {notice}." for notice in notices)
        parts.say(self.words, f"What the network sees: {words}.{said}")

    def show_words(self, words: str) -> None:
        """Say why there is no picture."""
        self.picture.clear()
        self.picture.hide()
        parts.say(self.words, words)

    def show_looking(self) -> None:
        """Say that a picture is being made; the one before stays meanwhile."""
        if not self.picture.isVisibleTo(self):
            parts.say(self.words, _LOOKING)
