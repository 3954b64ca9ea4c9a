"""The choice of the image that is worked on, and of what its axes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_dmoe.viewer.layers.axes import AXIS_TITLES
from napari_dmoe.viewer.ui import parts

_AS_IT_IS = "not named"


@dataclass(frozen=True)
class ImageChoice:
    """An image to choose, by its layer's name."""

    name: str
    problem: str = ""
    """Why the model cannot use it; empty where it can."""


class ImageSection(QWidget):
    """Shows the images of the viewer and tells which one is chosen."""

    image_chosen = Signal(int)
    """Place in the list that was shown."""
    model_wanted = Signal(str)
    """The bundled model that the image was made for is to be loaded."""
    layout_chosen = Signal(object)
    """Names of the image's axes, in order."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = parts.narrow_combo(
            "Image",
            "Image to segment. Selecting a layer chooses it, too. Images that the "
            "model cannot use are greyed; point at one to see why.",
        )
        self.combo.activated.connect(self.image_chosen)
        self.axes_combo = parts.narrow_combo(
            "Axes",
            "What the image's axes are: its layer does not name them. The choice is "
            "written into the layer's axis labels.",
        )
        self.axes_combo.activated.connect(self._on_axes)
        self.facts = parts.paragraph(name="image-facts")
        self.expects = parts.paragraph(name="image-expects")
        self.made_for = parts.paragraph(name="image-made-for")
        self.load_button = parts.button("", clicked=self._on_load)
        self._model = ""
        self.problem = parts.paragraph(name="image-problem")
        self._layouts: list[tuple[str, ...]] = []
        self._axes_row = parts.row(QLabel("Axes"), self.axes_combo, stretch=1)
        self._axes_row.setVisible(False)
        head = parts.row(parts.heading("IMAGE"), self.combo, stretch=1)
        said = self.facts, self.expects, self.made_for
        parts.column(self, head, self._axes_row, *said, self.load_button, self.problem)
        self.show_model("", "")

    def show_images(self, images: Sequence[ImageChoice], current: int) -> None:
        """Show the images, and which one is worked on (-1 for none)."""
        self.combo.clear()
        for place, image in enumerate(images):
            text = f"{image.name} (does not fit)" if image.problem else image.name
            self.combo.addItem(text)
            tooltip = image.problem or image.name
            self.combo.setItemData(place, tooltip, Qt.ItemDataRole.ToolTipRole)
            self.combo.model().item(place).setEnabled(not image.problem)
        self.combo.setCurrentIndex(current)
        self.combo.setEnabled(bool(images))
        if not images:
            self.combo.setPlaceholderText("no image")

    def show_axes(
        self, layouts: Sequence[tuple[str, ...]], chosen: tuple[str, ...] | None
    ) -> None:
        """Let the axes be named; nothing where there is one way only."""
        self._layouts = list(layouts)
        self.axes_combo.clear()
        self.axes_combo.addItem(_AS_IT_IS)
        self.axes_combo.model().item(0).setEnabled(chosen is None)
        for names in layouts:
            self.axes_combo.addItem(", ".join(AXIS_TITLES[name] for name in names))
        place = self._layouts.index(chosen) + 1 if chosen in self._layouts else 0
        self.axes_combo.setCurrentIndex(place)
        self._axes_row.setVisible(bool(layouts))

    def show_facts(self, text: str, problem: str = "") -> None:
        """Say what the image is, and why it cannot be used; or what to do without."""
        parts.say(self.facts, text)
        parts.say(self.problem, problem)

    def show_model(self, expects: str, other: str, title: str = "") -> None:
        """Say what the model expects, and which other one the sample is for.

        That is bundled; its name is empty where there is none or it is loaded. A person
        reads its title.
        """
        self._model = other
        parts.say(self.expects, expects)
        parts.say(self.made_for, f"This sample is for {title}." if other else "")
        self.load_button.setText(f"Use {title}")
        self.load_button.setToolTip(f"Work with {title} instead ({other}).")
        self.load_button.setVisible(bool(other))

    def _on_load(self) -> None:
        self.model_wanted.emit(self._model)

    def _on_axes(self, index: int) -> None:
        if index > 0:
            self.layout_chosen.emit(self._layouts[index - 1])
