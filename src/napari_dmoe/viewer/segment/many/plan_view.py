"""What a table or a folder was understood as, before anything is segmented."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QSizePolicy, QWidget
from superqt import QElidingLabel

from napari_dmoe.viewer.segment.many.plan import Meaning, Plan, PlanColumn
from napari_dmoe.viewer.ui.parts import (
    Fold,
    StartButton,
    button,
    column,
    emphasise,
    lay_out,
    narrow_combo,
    offer,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.theme import set_tone

_NAME_SHARE = 2
_MEANING_SHARE = 3


class PlanView(QWidget):
    """Shows what is to be segmented, what each column means and what is missing."""

    stated = Signal(str, str)
    """A column, and what a person says that it means."""
    more_toggled = Signal(bool)
    """Whether images without a row are segmented, too."""
    start_requested = Signal()
    close_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = paragraph(name="plan-title")
        emphasise(self.title)
        self.found = paragraph(name="plan-found")
        self.problems = paragraph(name="plan-problems")
        set_tone(self.problems, "caution")
        self.notices = paragraph(name="plan-notices")
        self._labels: dict[str, QElidingLabel] = {}
        self.combos: dict[str, QComboBox] = {}
        """What each column means, by its name."""
        self._used, self._unused = QWidget(), QWidget()
        for each in (self._used, self._unused):
            grid = QGridLayout(each)
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setColumnStretch(0, _NAME_SHARE)
            grid.setColumnStretch(1, _MEANING_SHARE)
        self.unused_fold = Fold("", "Columns that say nothing here.", self._unused)
        self.more_box = QCheckBox()
        self.more_box.setToolTip(
            "Images of the folder that no row tells of: their patients are unknown."
        )
        # Else a long number would make the whole tab wider than the dock.
        self.more_box.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed
        )
        self.more_box.toggled.connect(self.more_toggled)
        self._make_buttons()
        buttons = row(self.start_button, self.close_button)
        columns = self._used, self.unused_fold
        said = self.found, self.problems
        column(self, self.title, *said, *columns, self.more_box, self.notices, buttons)
        self.show_nothing()

    def _make_buttons(self) -> None:
        self.start_button = button("", "", self.start_requested, StartButton)
        self.close_button = button(
            "Close", "Segment nothing of this.", self.close_requested
        )

    def show_nothing(self) -> None:
        """Show no plan."""
        self.setVisible(False)

    def show_reading(self, name: str) -> None:
        """Say that a table or a folder is looked at."""
        self.setVisible(True)
        say(self.title, f"Reading {name} …")
        self.start_button.setEnabled(False)

    def show_plan(self, plan: Plan) -> None:
        """Show what was understood."""
        self.setVisible(True)
        say(self.title, plan.title)
        say(self.found, "\n".join(plan.found))
        say(self.problems, "\n".join(plan.problems))
        say(self.notices, "\n".join(plan.notices))
        self._show_columns(plan.columns, plan.meanings, plan.n_images > 0)
        self.more_box.setText(plan.more)
        self.more_box.setVisible(bool(plan.more))
        self.more_box.blockSignals(True)
        self.more_box.setChecked(plan.has_more)
        self.more_box.blockSignals(False)
        self.start_button.setText(plan.start)
        self.start_button.setEnabled(plan.n_images > 0)
        self.start_button.setToolTip(
            "Choose a folder for the masks, their records and the table segment.csv."
            if plan.n_images
            else "There is no image to segment."
        )
        lay_out(self._used, self)

    def _show_columns(
        self,
        columns: Sequence[PlanColumn],
        meanings: Sequence[Meaning],
        is_readable: bool,
    ) -> None:
        """Show a line for each column; those that are not used are folded away."""
        names = [each.name for each in columns]
        if list(self.combos) != names:
            self._make_lines(names)
            self.unused_fold.unfold(False)
        titles, keys = [each.title for each in meanings], [e.key for e in meanings]
        for place, each in enumerate(columns):
            label, combo = self._labels[each.name], self.combos[each.name]
            offer(combo, titles, keys)
            combo.setCurrentIndex(keys.index(each.meaning))
            layout = (self._used if each.meaning else self._unused).layout()
            for side, part in enumerate((label, combo)):
                part.setToolTip(each.help)
                layout.addWidget(part, place, side)
                part.show()  # Qt would do so later, and the line is as high only then
        n_unused = sum(not each.meaning for each in columns)
        self._used.setVisible(n_unused < len(columns))
        self.unused_fold.rename(f"{n_unused} column{'s' * (n_unused != 1)} not used")
        self.unused_fold.setVisible(n_unused > 0)
        if not is_readable:  # the column that is asked for may be one of them
            self.unused_fold.unfold()

    def _make_lines(self, names: Sequence[str]) -> None:
        for part in (*self._labels.values(), *self.combos.values()):
            part.hide()
            part.deleteLater()
        self._labels = {name: _label(name) for name in names}
        self.combos = {name: self._combo(name) for name in names}

    def _combo(self, name: str) -> QComboBox:
        combo = narrow_combo(
            f"Meaning of {name}",
            "What this column means; choose to correct it.",
        )
        combo.activated.connect(
            lambda place: self.stated.emit(name, combo.itemData(place))
        )
        return combo


def _label(name: str) -> QElidingLabel:
    label = QElidingLabel(name)
    label.setToolTip(name)
    return label
