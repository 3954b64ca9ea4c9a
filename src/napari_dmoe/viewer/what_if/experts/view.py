"""Which experts are muted or pinned, and what the mask would be without them."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QCheckBox, QLabel, QWidget

from napari_dmoe.inference.pictures.colours import expert_colours
from napari_dmoe.viewer.rows import Column, Line, TableRow
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.lists import BoxFlow
from napari_dmoe.viewer.ui.parts import (
    Fold,
    StartButton,
    button,
    column,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.tables import Facts, Table
from napari_dmoe.viewer.what_if.experts import words
from napari_dmoe.viewer.what_if.experts.words import ExpertsState, Intervention

ABOUT = "What is each expert for? Leave one out after the other, and compare."
_CHOOSE_HELP = (
    "Mute some experts, or let one work alone. The mask comes beside the unchanged "
    "one, as an outline of other colours, and is named for what was done."
)
_RUN_HELP = "Run the model with these experts muted or pinned."
_EFFECTS_BUTTON_HELP = (
    "Mute each expert in turn, alone, and measure what changes in the mask."
)


class ExpertsSection(QWidget):
    """Tells what is to be done to the experts, and shows what came of it."""

    run_requested = Signal()
    reset_requested = Signal()
    effects_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.block_combo = parts.narrow_combo(
            "Where experts are muted or pinned",
            "In which blocks of the network experts are left out; blocks count from 0.",
        )
        self.block_combo.activated.connect(self._show_loads)
        self.mute_boxes: list[QCheckBox] = []
        self.pin_combo = parts.narrow_combo(
            "Pinned expert",
            "Pinned: this expert alone draws everything; else the best two share it.",
        )
        self.pin_combo.activated.connect(self._on_changed)
        self.run_button = button("Run", _RUN_HELP, self.run_requested, StartButton)
        self.reset_button = button(
            "Reset",
            "Mute and pin nothing, show the unchanged mask and hide the others.",
            self.reset_requested,
        )
        self.effects_button = button(
            "Leave out each",
            _EFFECTS_BUTTON_HELP,
            self.effects_requested,
            StartButton,
        )
        self._make_findings()
        self._state = ExpertsState()
        self._lay_out()
        self.show_state(self._state)
        self.show_nothing()
        self.show_effects("", ())

    def _make_findings(self) -> None:
        """Make what shows the outcome of both kinds of runs."""
        self.problem = paragraph(name="experts-problem")
        self.legend = Facts("Colours of the difference.")
        self.table = Facts(
            "How large the class is in the unchanged mask, and in this one."
        )
        self.change = FindingView(
            "experts",
            "the comparison",
            self.table,
            between=(self.legend,),
            rows=self.file_rows,
        )
        table = Table("Effect of every expert", words.EFFECTS_HELP, is_sorted=True)
        self.effects_table = table
        self.effects = FindingView(
            "effects", "the effects", table, text=table.text, rows=table.file_rows
        )

    def _lay_out(self) -> None:
        self._boxes = BoxFlow()
        chosen = QWidget()
        column(
            chosen,
            row(QLabel("mute"), self._boxes, stretch=1),
            row(QLabel("pin"), self.pin_combo, stretch=1),
            row(self.run_button, self.reset_button, stretch=0),
        )
        self.fold = Fold("Mute or pin some", _CHOOSE_HELP, chosen)
        self._inputs = QWidget()
        column(self._inputs, row(self.block_combo, self.effects_button), self.fold)
        title = parts.heading("EXPERTS"), paragraph(ABOUT)
        column(self, *title, self._inputs, self.problem, self.change, self.effects)

    def intervention(self) -> Intervention:
        """Return what is chosen."""
        ticked = (i for i, box in enumerate(self.mute_boxes) if box.isChecked())
        pin, block = self.pin_combo.currentIndex() - 1, self.block()
        return Intervention(frozenset(ticked), pin if pin >= 0 else None, block)

    def block(self) -> int | None:
        """Return the block that is chosen; None for all."""
        place = self.block_combo.currentIndex() - 1
        return place if place >= 0 else None

    def show_state(self, state: ExpertsState) -> None:
        """Offer another model's experts, or say why there are none."""
        before, self._state = self._state, state
        if state.model != before.model:
            self._offer(state)
        self._inputs.setVisible(state.n_experts > 0)
        parts.allow(self.run_button, state.why_not, _RUN_HELP)
        parts.allow(self.effects_button, state.why_not, _EFFECTS_BUTTON_HELP)
        if (state.model, state.why_not) != (before.model, before.why_not):
            self.show_problem(state.why_not)  # else why the last run failed stays
        self._show_loads()

    def _offer(self, state: ExpertsState) -> None:
        self.block_combo.clear()
        blocks = [f"{state.unit} {number}" for number in range(state.n_blocks)]
        self.block_combo.addItems([f"all {state.unit}s", *blocks])
        self.mute_boxes = []
        self.pin_combo.clear()
        self.pin_combo.addItem("none")
        for expert, colour in enumerate(expert_colours(state.n_experts)):
            icon = QIcon(parts.swatch(colour))
            box = QCheckBox()
            box.setIcon(icon)
            box.setAccessibleName(f"Mute expert {expert}")
            box.clicked.connect(self._on_changed)
            self.mute_boxes.append(box)
            self.pin_combo.addItem(icon, f"expert {expert}")
        self._boxes.show_boxes(self.mute_boxes)

    def _show_loads(self, *_: object) -> None:
        loads = (self._state.loads or {}).get(self.block(), ())
        texts = []
        for expert, box in enumerate(self.mute_boxes):
            share = f"{loads[expert]:.0%}" if expert < len(loads) else ""
            texts.append(f"{expert} · {share}" if share else str(expert))
            box.setToolTip(
                f"Mute expert {expert}: it is left out, and the next best one steps in."
                + (f" It has {share} of the gates there." if share else "")
            )
        self._boxes.show_texts(texts)

    def reset(self) -> None:
        """Leave every expert as it is."""
        for box in self.mute_boxes:
            box.setChecked(False)
        self.pin_combo.setCurrentIndex(0)
        self.block_combo.setCurrentIndex(0)
        self._show_loads()
        self.show_problem(self._state.why_not)
        self.show_nothing()

    def show_nothing(self) -> None:
        """Show no result of an intervention."""
        self.change.show_nothing()
        self.legend.show_facts(())

    def show_left(self, text: str) -> None:
        """Say which layers of earlier interventions are still there."""
        self.change.say("", text)

    def show_change(
        self,
        badge: str,
        summary: str,
        rows: Sequence[TableRow],
        legend: Sequence[TableRow] = (),
    ) -> None:
        """Show how the mask of an intervention differs from the unchanged one.

        There is a row for each class, and in the legend one for each colour.
        """
        say(self.problem, "")
        self.change.say(badge, summary)
        self.legend.show_facts(legend)
        self.table.show_facts(rows)

    def show_effects(
        self, summary: str, lines: Sequence[Line], columns: Sequence[Column] = ()
    ) -> None:
        """Show what every expert does; nothing without lines."""
        self.effects.say("", summary)
        self.effects_table.show_lines(lines, columns)

    def show_problem(self, text: str) -> None:
        """Say why nothing was run."""
        say(self.problem, text)

    def file_rows(self) -> list[dict[str, str]]:
        """Return the comparison for a file; every line carries the badge."""
        note = {"note": self.change.badge.text()}
        return [{**line, **note} for line in self.table.file_rows()]

    def _on_changed(self, *_: object) -> None:
        self.show_problem(self._state.why_not)
