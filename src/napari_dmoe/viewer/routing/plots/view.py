"""How the experts share the work: by block, by class of the mask, and by value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.measuring import MEASURING
from napari_dmoe.viewer.ui.parts import button, column, paragraph, say
from napari_dmoe.viewer.ui.plot import Plot

if TYPE_CHECKING:
    from napari_dmoe.viewer.routing.plots.figures import Ink
    from napari_dmoe.viewer.routing.plots.files import ShownPlot

_LOAD_HELP = (
    "Share of the gates that each expert has in each {unit}. Click a cell to show the "
    "gate of that expert in that {unit}; from the keyboard, use the slider and the "
    "legend."
)
_CLASS_HELP = "What share of the gates the experts have in the pixels of each class."
_ALIKE_HELP = (
    "How alike the routers of an attribute's values are, whatever the image: 1 for the "
    "same direction of their weights."
)
_SAVE_HELP = (
    "Save the plots that are shown as PNG, SVG or PDF, or their numbers as CSV, by the "
    "ending of the name."
)
_REGION_HELP = (
    "Adds a Shapes layer with the tool for rectangles; ellipses and polygons do too. "
    "The plots are of what is drawn in the Shapes layer that is selected, or else in "
    "the one called “region”."
)
_IN_A_REGION = "The shares on the buttons above are of the whole image."


class PlotsSection(QWidget):
    """Shows the plots."""

    cell_clicked = Signal(object, object)
    """Where on the heat map a person clicked: expert, block."""
    attribute_chosen = Signal()
    """The routers of another attribute are to be compared."""
    save_requested = Signal()
    region_wanted = Signal()
    """A person wants to draw what the plots are of."""
    appeared = Signal()
    """The plots can be seen now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.where = paragraph(name="plots-where")
        self.region_button = button("Draw a region", _REGION_HELP, self.region_wanted)
        self.load_plot = Plot("Load of the experts")
        self.load_plot.clicked.connect(self.cell_clicked)
        self.warning = paragraph(name="collapse-warning")
        self.class_title = paragraph(name="class-title")
        self.class_plot = Plot("Load of the experts in each class", _CLASS_HELP)
        self._make_similarity()
        self.save_button = button("Save…", _SAVE_HELP, self.save_requested)
        self._plots = {
            "load": (None, self.load_plot),
            "class": (self.class_title, self.class_plot),
            "alike": (self.alike_text, self.alike_plot),
            "apart": (self.apart_text, self.apart_plot),
        }
        """The plots by their keys, with the paragraphs of their titles."""
        column(
            self,
            parts.heading("SHARES OF THE WORK"),
            self.where,
            self.load_plot,
            self.warning,
            self.class_title,
            self.class_plot,
            self.fold,
            parts.flow(self.region_button, self.save_button),
            spacing=6,
        )

    def _make_similarity(self) -> None:
        """Make what compares the routers of an attribute's values."""
        self.attribute_combo = parts.narrow_combo(
            "Attribute of the routers", "Attribute whose routers are compared."
        )
        self.attribute_combo.activated.connect(self.attribute_chosen)
        self.alike_text = paragraph(name="alike-text")
        self.alike_plot = Plot("Similarity of the routers", _ALIKE_HELP)
        self.apart_text = paragraph(name="apart-text")
        apart_help = "Mean divergence on this image, in bits."
        self.apart_plot = Plot("Divergence of the values", apart_help)
        content = QWidget()
        column(
            content,
            self.attribute_combo,
            *(self.alike_text, self.alike_plot),
            *(self.apart_text, self.apart_plot),
        )
        self.fold = parts.Fold("Similarity of values", _ALIKE_HELP, content)

    def show_plot(
        self, key: str, plot: ShownPlot | None, ink: Ink, *, instead: str
    ) -> None:
        """Show a plot below its title, or what is said instead of it."""
        title, shown = self._plots[key]
        if title is not None:
            say(title, instead if plot is None else plot.title)
        if plot is None:
            shown.setVisible(False)
        else:
            paint = partial(plot.paint, ink=ink)
            shown.show_figure(paint, height=plot.height, key=(plot, ink))

    def say_loads(self, words: str, unit: str, is_region: bool, warning: str) -> None:
        """Say of what part the loads are, and what to heed."""
        say(self.where, f"Of {words}. {_IN_A_REGION if is_region else ''}".rstrip())
        self.load_plot.setToolTip(_LOAD_HELP.format(unit=unit))
        say(self.warning, f"⚠ {warning}" if warning else "")

    def say_measuring(self) -> None:
        """Say that what is drawn is of before, until a large part was measured."""
        say(self.where, MEASURING)

    def offer(self, names: Sequence[str], labels: Sequence[str]) -> None:
        """Offer attributes whose routers can be compared."""
        parts.offer(self.attribute_combo, labels, names)
        self.attribute_combo.setVisible(len(names) > 1)
        self.fold.setVisible(bool(names))

    def attribute(self) -> str:
        """Return the attribute whose routers are compared."""
        return self.attribute_combo.currentData() or ""

    def seen(self) -> tuple[str, ...]:
        """Return the keys of the plots that are shown: the fold may be closed."""
        return tuple(key for key, (_, plot) in self._plots.items() if plot.isVisible())

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that the plots can be seen."""
        super().showEvent(event)
        self.appeared.emit()
