"""What was found: a table with what must be said of it, copied and saved whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.asking import save_table
from napari_dmoe.viewer.ui.parts import (
    button,
    column,
    copy_text,
    emphasise,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.tables import Table


class FindingView(QWidget):
    """What was found: what it is, in a sentence, in a table; copied and saved whole.

    Parameters
    ----------
    name : str
        Begins the names of its texts.
    what : str
        What is copied and saved, as in ``"the effects"``.
    table : Table, optional
        Where it is shown by numbers.
    between : sequence of QWidget
        What stands between the texts and the table.
    text : callable, optional
        Returns what is copied; the texts and the table by default.
    rows : callable, optional
        Returns what is saved; without it, nothing can be.
    """

    def __init__(
        self,
        name: str,
        what: str,
        table: Table | None = None,
        *,
        between: Sequence[QWidget] = (),
        text: Callable[[], str] | None = None,
        rows: Callable[[], Sequence[Mapping[str, str]]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._what, self._table, self._rows = what, table, rows
        self._text = text or self.text
        self.badge = paragraph(name=f"{name}-badge")
        emphasise(self.badge)
        self.summary = paragraph(name=f"{name}-summary")
        tabs = "" if table is None else ", with tabs"
        self.copy_button = button("Copy", f"Copy {what} as text{tabs}.", self._on_copy)
        self.save_button = button(
            "Table…", f"Save {what} as a CSV file.", self._on_save
        )
        self.exports = row(self.copy_button, self.save_button, QWidget(), stretch=2)
        self.save_button.setVisible(rows is not None)
        shown = () if table is None else (table,)
        column(self, self.badge, self.summary, *between, *shown, self.exports)
        if table is not None:
            table.model().modelReset.connect(self._offer)
        self._offer()

    def say(self, badge: str, summary: str) -> None:
        """Say what it is, and in a sentence what was found."""
        say(self.badge, badge)
        say(self.summary, summary)
        self._offer()

    def show_nothing(self) -> None:
        """Show no finding."""
        self.say("", "")
        if self._table is not None:
            self._table.show_nothing()

    def text(self) -> str:
        """Return what is shown as text, with tabs between the columns."""
        numbers = "" if self._table is None else self._table.text()
        parts = (self.badge.text(), self.summary.text(), numbers)
        return "\n".join(filter(None, parts))

    def _offer(self) -> None:
        """Offer to copy and save where there is something."""
        table = self._table
        has_lines = table is not None and table.model().rowCount() > 0
        is_said = table is None and bool(self.badge.text())
        self.exports.setVisible(has_lines or is_said)

    def _on_copy(self) -> None:
        copy_text(self._text())

    def _on_save(self) -> None:
        if self._rows is not None:
            save_table(self, self._what, self._rows())
