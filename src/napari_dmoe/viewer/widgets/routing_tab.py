"""The tab that shows the routing: which map, of which block, and what its colours mean.

It knows neither the viewer nor the results; it ends in one signal.
"""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QFrame,
    QGridLayout,
    QLabel,
    QRadioButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledSlider

from napari_dmoe.inference.overlays import OVERLAYS
from napari_dmoe.viewer.output_layers import Overlay
from napari_dmoe.viewer.routing_state import RoutingState
from napari_dmoe.viewer.widgets._parts import (
    column,
    heading,
    narrow_combo,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.widgets.table import Table, coloured

NOTHING = "No routing yet: segment an image with a model that has experts."
_HOVER = "Point at the image: the status bar names the experts of the token and their "
_HOVER += "gates."
_BAR_HEIGHT = 14
_MARGIN = 4
_BETWEEN = 10


class RoutingTab(QScrollArea):
    """Lets a person choose a map of the routing."""

    overlay_wanted = Signal(object, bool)
    """An :class:`Overlay`, and whether it is to be seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = paragraph(NOTHING, name="routing-title")
        self.shown_box = QCheckBox("Show on the image")
        self.shown_box.setToolTip(
            "Shows the map below the mask, which becomes an outline meanwhile."
        )
        self.shown_box.clicked.connect(self._tell)
        self.block_label = QLabel()
        self.block_slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.block_slider.setAccessibleName("Block")
        self.block_slider.setToolTip("Block or stage of the network, counted from 0.")
        self.block_slider.valueChanged.connect(self._tell)
        self.expert_combo = narrow_combo("Expert", "Expert whose gate is shown.")
        self.expert_combo.activated.connect(self._on_expert)
        self._is_expert_chosen, self._busiest = False, 0
        self.kinds = QButtonGroup(self)
        self._names = list(OVERLAYS)
        self.bar = ColourBar()
        self.legend = Table("Share of this block's gates that the expert has.")
        self.note = paragraph(name="routing-note")
        self._body = QWidget()
        column(
            self._body,
            self.shown_box,
            row(self.block_label, self.block_slider, stretch=1),
            self._kind_buttons(),
            heading("LEGEND"),
            self.bar,
            self.legend,
            self.note,
            paragraph(_HOVER),
            spacing=_BETWEEN,
        )
        self._lay_out()
        self.show_state(RoutingState())

    def _kind_buttons(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        for place, kind in enumerate(OVERLAYS.values()):
            button = QRadioButton(kind.title)
            button.setToolTip(kind.help)
            self.kinds.addButton(button, place)
            grid.addWidget(button, place, 0)
            if kind.is_of_one_expert:
                grid.addWidget(self.expert_combo, place, 1)
        grid.setColumnStretch(1, 1)
        self.kinds.idClicked.connect(self._on_kind)
        return box

    def _lay_out(self) -> None:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(_BETWEEN)
        layout.addWidget(heading("ROUTING"))
        layout.addWidget(self.title)
        layout.addWidget(self._body)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def overlay(self) -> Overlay:
        """Return the map that is chosen."""
        name = self._names[max(self.kinds.checkedId(), 0)]
        expert = max(self.expert_combo.currentIndex(), 0)
        return Overlay(name, self.block_slider.value(), expert)

    def show_state(self, state: RoutingState) -> None:
        """Show another result's routing, or another map of it; nothing is told."""
        has_routing = state.n_blocks > 0
        say(self.title, state.title or NOTHING)
        self._body.setVisible(has_routing)
        if not has_routing:
            return
        self.shown_box.setChecked(state.is_shown)
        self.block_label.setText(state.unit.capitalize())
        self.block_slider.blockSignals(True)
        self.block_slider.setRange(0, state.n_blocks - 1)
        self.block_slider.setValue(state.overlay.block)
        self.block_slider.setEnabled(state.n_blocks > 1)
        self.block_slider.blockSignals(False)
        button = self.kinds.button(self._names.index(state.overlay.name))
        button.setChecked(True)
        self._busiest = state.busiest
        self.expert_combo.clear()
        for expert, line in enumerate(state.legend):
            icon = QIcon(coloured(line.colour or (0, 0, 0)))
            self.expert_combo.addItem(icon, str(expert))
        self.expert_combo.setCurrentIndex(state.overlay.expert)
        self.bar.show_ramp(state.ramp, state.limits)
        self.legend.show_rows(state.legend)
        say(self.note, state.note)

    def _on_kind(self, place: int) -> None:
        kind = OVERLAYS[self._names[place]]
        if kind.is_of_one_expert and not self._is_expert_chosen:
            self.expert_combo.setCurrentIndex(self._busiest)  # others may be empty
        self._tell()

    def _on_expert(self) -> None:
        self._is_expert_chosen = True
        place = next(
            i for i, kind in enumerate(OVERLAYS.values()) if kind.is_of_one_expert
        )
        self.kinds.button(place).setChecked(True)
        self._tell()

    def _tell(self, *_: object) -> None:
        # Choosing a map or a block is the wish to see it; the tick alone can hide it.
        is_wanted = self.shown_box.isChecked() or self.sender() is not self.shown_box
        self.overlay_wanted.emit(self.overlay(), is_wanted)


class ColourBar(QWidget):
    """A bar of colours with the values at its ends; hidden where there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ramp: Sequence[tuple[int, int, int]] = ()
        self._ends = QLabel(), QLabel()
        strip = _Strip(self)
        strip.setFixedHeight(_BAR_HEIGHT)
        self._strip = strip
        column(self, row(self._ends[0], strip, self._ends[1], stretch=1))
        self.setAccessibleName("Colours of the map")

    def show_ramp(
        self, ramp: Sequence[tuple[int, int, int]], limits: tuple[str, str] | None
    ) -> None:
        """Show colours from the least to the largest value; nothing without limits."""
        self.setVisible(limits is not None)
        for label, text in zip(self._ends, limits or ("", ""), strict=True):
            label.setText(text)
        self._strip.ramp = tuple(ramp)
        self._strip.update()


class _Strip(QWidget):
    """Paints a gradient."""

    ramp: tuple[tuple[int, int, int], ...] = ()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the colours from left to right."""
        if not self.ramp:
            return
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for place, colour in enumerate(self.ramp):
            gradient.setColorAt(place / max(len(self.ramp) - 1, 1), QColor(*colour))
        painter = QPainter(self)
        painter.fillRect(self.rect(), gradient)
        painter.end()
