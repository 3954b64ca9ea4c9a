"""How the experts share the work: by block, by class of the mask, and by value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.parts import (
    Fold,
    button,
    column,
    heading,
    narrow_combo,
    offer,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.plot import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Paint = Callable[[Figure], None]

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
        column(
            self,
            heading("LOAD"),
            row(self.where, self.region_button),
            self.load_plot,
            self.warning,
            self.class_title,
            self.class_plot,
            self.fold,
            row(self.save_button, QWidget(), stretch=1),
            spacing=6,
        )

    def _make_similarity(self) -> None:
        """Make what compares the routers of an attribute's values."""
        self.attribute_combo = narrow_combo(
            "Attribute of the routers", "Attribute whose routers are compared."
        )
        self.attribute_combo.activated.connect(self._on_attribute)
        self.alike_text = paragraph(name="alike-text")
        self.alike_plot = Plot("Similarity of the routers", _ALIKE_HELP)
        self.apart_text = paragraph(name="apart-text")
        self.apart_plot = Plot(
            "Divergence of the values", "Mean divergence on this image, in bits."
        )
        content = QWidget()
        column(
            content,
            self.attribute_combo,
            self.alike_text,
            self.alike_plot,
            self.apart_text,
            self.apart_plot,
        )
        self.fold = Fold("Similarity of values", _ALIKE_HELP, content)

    def show_loads(
        self,
        words: str,
        paint: Paint,
        height: int,
        *,
        unit: str,
        is_region: bool = False,
        warning: str,
    ) -> None:
        """Show the heat map of the loads, and of what part it is."""
        say(self.where, f"Of {words}. {_IN_A_REGION if is_region else ''}".rstrip())
        self.load_plot.explain(_LOAD_HELP.format(unit=unit))
        self.load_plot.show_figure(paint, height=height)
        say(self.warning, f"⚠ {warning}" if warning else "")

    def show_classes(self, title: str, paint: Paint, height: int) -> None:
        """Show the loads in each class."""
        say(self.class_title, title)
        self.class_plot.show_figure(paint, height=height)

    def offer(self, names: Sequence[str], labels: Sequence[str]) -> None:
        """Offer attributes whose routers can be compared."""
        offer(self.attribute_combo, labels, names)
        self.attribute_combo.setVisible(len(names) > 1)
        self.fold.setVisible(bool(names))

    def attribute(self) -> str:
        """Return the attribute whose routers are compared."""
        return self.attribute_combo.currentData() or ""

    def show_alike(self, text: str, paint: Paint | None, height: int) -> None:
        """Show how alike the routers are."""
        _show(self.alike_text, self.alike_plot, text, paint, height)

    def show_apart(self, text: str, paint: Paint | None, height: int) -> None:
        """Show how differently the values route this image."""
        _show(self.apart_text, self.apart_plot, text, paint, height)

    def seen(self) -> tuple[str, ...]:
        """Return the keys of the plots that are shown: the fold may be closed."""
        plots = {
            "load": self.load_plot,
            "class": self.class_plot,
            "alike": self.alike_plot,
            "apart": self.apart_plot,
        }
        return tuple(key for key, plot in plots.items() if plot.isVisible())

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that the plots can be seen."""
        super().showEvent(event)
        self.appeared.emit()

    def _on_attribute(self) -> None:
        self.attribute_chosen.emit()


def _show(
    label: QWidget, plot: Plot, text: str, paint: Paint | None, height: int
) -> None:
    say(label, text)
    if paint is None:
        plot.setVisible(False)
    else:
        plot.show_figure(paint, height=height)
