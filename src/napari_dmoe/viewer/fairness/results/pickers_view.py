"""What is shown of evaluated cohorts: metric, class, attributes, and how."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_dmoe.evaluation.scoring.metrics import METRICS
from napari_dmoe.viewer.fairness.results.figures import Asked, Choices
from napari_dmoe.viewer.ui.parts import (
    StartButton,
    button,
    column,
    flow,
    narrow_combo,
    offer,
    row,
)

_ALL = "nothing: all cases"
_NOT_CROSSED = "–"
_KINDS = {"dots": "Dots", "violins": "Violins"}
_MAPS = (
    "Shows where the chosen class is missed, and found beyond itself, as mean maps of "
    "each group. All masks are read for it, which takes a while; Stop ends it."
)


class PickersView(QWidget):
    """Boxes to choose from, in as many rows as there is room for."""

    changed = Signal()
    """Something else is to be shown."""
    kind_changed = Signal()
    """The same is to be drawn otherwise."""
    maps_requested = Signal()
    """Mean error maps by group are to be shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.metric_combo = narrow_combo("Metric", "What is measured.", characters=8)
        self.region_combo = narrow_combo(
            "Class", "Which class, or classes together, is measured.", characters=8
        )
        self.by_combo = narrow_combo(
            "Groups by",
            "The attribute, or column of the cohort's table, that parts the cases.",
            characters=9,
        )
        self.crossed_combo = narrow_combo(
            "Crossed with",
            "A second attribute: groups are then those of both together.",
            characters=9,
        )
        self.kind_combo = narrow_combo(
            "Plot", "Cases one by one, or how they are spread.", characters=6
        )
        offer(self.kind_combo, list(_KINDS.values()), list(_KINDS))
        self.maps_button = button("Error maps", _MAPS, self.maps_requested, StartButton)
        labelled = (
            _labelled("Metric", self.metric_combo),
            _labelled("Class", self.region_combo),
            _labelled("Groups by", self.by_combo),
            _labelled("and", self.crossed_combo),
            _labelled("Plot", self.kind_combo),
        )
        column(self, flow(*labelled, self.maps_button))
        for combo in (self.metric_combo, self.region_combo, self.by_combo):
            combo.activated.connect(self._on_chosen)
        self.crossed_combo.activated.connect(self._on_chosen)
        self.kind_combo.activated.connect(lambda _: self.kind_changed.emit())

    @property
    def asked(self) -> Asked:
        """What is chosen."""
        return Asked(
            *(
                combo.currentData() or ""
                for combo in (
                    self.metric_combo,
                    self.region_combo,
                    self.by_combo,
                    self.crossed_combo,
                )
            )
        )

    @property
    def kind(self) -> str:
        """How it is drawn: ``"dots"`` or ``"violins"``."""
        return str(self.kind_combo.currentData())

    def show_choices(self, choices: Choices, asked: Asked) -> None:
        """Offer what can be asked, and show what is."""
        titles = [METRICS[name].title for name in choices.metrics]
        others = [name for name in choices.attributes if name != asked.by]
        _show(self.metric_combo, titles, choices.metrics, asked.metric)
        _show(self.region_combo, choices.regions, choices.regions, asked.region)
        by = choices.attributes or ("",)
        _show(self.by_combo, choices.attributes or (_ALL,), by, asked.by)
        crossed = ["", *others]
        _show(self.crossed_combo, [_NOT_CROSSED, *others], crossed, asked.crossed)
        self.crossed_combo.setEnabled(bool(others))

    def _on_chosen(self, _: int) -> None:
        self.changed.emit()


def _show(
    combo: QComboBox, texts: Sequence[str], keys: Sequence[str], chosen: str
) -> None:
    with signals_blocked(combo):
        offer(combo, texts, keys)
        combo.setCurrentIndex(combo.findData(chosen))


def _labelled(text: str, combo: QComboBox) -> QWidget:
    label = QLabel(text)
    label.setBuddy(combo)
    return row(label, combo, stretch=1)
