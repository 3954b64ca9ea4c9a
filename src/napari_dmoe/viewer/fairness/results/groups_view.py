"""Groups as dots or violins, and as a table; a click on one lists its cases."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.evaluation.reporting.figures import Look
from napari_dmoe.viewer.fairness.results.drawing import GroupPlot
from napari_dmoe.viewer.fairness.results.picture import GroupPicture
from napari_dmoe.viewer.fairness.results.rows import GROUP_COLUMNS
from napari_dmoe.viewer.rows import Line
from napari_dmoe.viewer.ui.parts import column, paragraph, say
from napari_dmoe.viewer.ui.tables import Table

Key = tuple[int, str]
"""Which model, and which of its groups; the group "" is all cases."""

_PLOT_TIP = (
    "Each group's mean with its 95 % interval, before its cases. Hollow: fewer than 10 "
    "cases. Dashed: the mean over all. Click a group to list its cases."
)


class PlotView(QWidget):
    """Draws the groups."""

    group_chosen = Signal(object)
    """A :data:`Key`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = GroupPicture("Scores by group", _PLOT_TIP)
        self.plot.clicked.connect(self._on_clicked)
        column(self, self.plot).addStretch(1)
        self._look = Look("#000000", "#777777", "#dddddd", "#ffffff")
        self._shown: GroupPlot | None = None

    def show_theme(self, look: Look) -> None:
        """Draw in other colours of text and background."""
        self._look = look
        self._draw()

    def show_groups(self, shown: GroupPlot | None) -> None:
        """Draw other groups."""
        self._shown = shown
        self._draw()

    def _draw(self) -> None:
        shown, look = self._shown, self._look
        self.plot.setVisible(shown is not None)
        if shown is not None:
            self.plot.show_figure(
                lambda figure: shown.paint(figure, look),
                height=shown.height,
                key=(shown, look),
            )

    def _is_seen(self, shown: GroupPlot) -> bool:
        """Say whether the picture has these rows: the next one may not be drawn yet."""
        seen = self.plot.drawn_key
        return isinstance(seen, tuple) and seen[0].rows == shown.rows

    def _on_clicked(self, x: object, y: object) -> None:
        shown = self._shown
        if shown is None or not isinstance(y, int | float) or not self._is_seen(shown):
            return
        found = shown.at(float(y))
        if found is not None:
            self.group_chosen.emit(found)


class GroupsTable(QWidget):
    """Shows the figures of the groups."""

    group_chosen = Signal(object)
    """A :data:`Key`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = Table(
            "Figures by group",
            "In brackets: fewer than 10 cases. Bold: the worst group. Click a group "
            "to list its cases.",
            most_lines=40,
        )
        self.table.line_chosen.connect(self._on_line)
        self.sentence = paragraph(name="comparison")
        self.notes = paragraph(name="group-notes")
        column(self, self.table, self.sentence, self.notes).addStretch(1)
        self._keys: Sequence[Key | None] = ()

    def show_groups(
        self,
        lines: Sequence[Line],
        keys: Sequence[Key | None],
        sentences: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Show other figures; each line's key says of which group it tells."""
        self._keys = keys
        self.table.show_lines(lines, GROUP_COLUMNS)
        say(self.sentence, "\n".join(sentences))
        say(self.notes, "\n".join(f"{n[:1].upper()}{n[1:]}" for n in notes))

    def _on_line(self, place: int) -> None:
        key = self._keys[place] if 0 <= place < len(self._keys) else None
        if key is not None:
            self.group_chosen.emit(key)
