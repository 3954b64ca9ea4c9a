"""What was found: a table with what must be said of it, copied and saved whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.tables import Table


class FindingView(QWidget):
    """What was found: what it is, in a sentence, in a table; copied and saved whole.

    The names of its texts begin with `name`; `what` is copied and saved, as in ``"the
    effects"``, and `between` stands between the texts and the table. `text` returns
    what is copied, the texts and the table by default; `rows` returns what is saved:
    without it, nothing can be.
    """

    save_requested = Signal(str, object)
    """What is to be saved, and its rows."""

    def __init__(
        self,
        name: str,
        what: str,
        table: Table | None = None,
        *,
        between: Sequence[QWidget] = (),
        text: Callable[[], str] | None = None,
        rows: Callable[[], Sequence[Mapping[str, str]]] | None = None,
    ) -> None:
        super().__init__()
        self._what, self._table, self._rows = what, table, rows
        self._text = text or self.text
        self.badge = parts.paragraph(name=f"{name}-badge")
        parts.emphasise(self.badge)
        self.summary = parts.paragraph(name=f"{name}-summary")
        copies = f"Copy {what} as text{'' if table is None else ', with tabs'}."
        self.copy_button = parts.button("Copy", copies, self._on_copy)
        saves = f"Save {what} as a CSV file."
        self.save_button = parts.button("Table…", saves, self._on_save)
        self.exports = parts.row(
            self.copy_button, self.save_button, QWidget(), stretch=2
        )
        self.save_button.setVisible(rows is not None)
        shown = () if table is None else (table,)
        parts.column(self, self.badge, self.summary, *between, *shown, self.exports)
        if table is not None:
            table.model().modelReset.connect(self._offer)
            table.model().rowsInserted.connect(self._offer)
        self._offer()

    def say(self, badge: str, summary: str) -> None:
        """Say what it is, and in a sentence what was found."""
        parts.say(self.badge, badge)
        parts.say(self.summary, summary)
        self._offer()

    def show_nothing(self) -> None:
        """Show no finding."""
        self.say("", "")
        if self._table is not None:
            self._table.show_nothing()

    def text(self) -> str:
        """Return what is shown as text, with tabs between the columns."""
        numbers = "" if self._table is None else self._table.text()
        texts = (self.badge.text(), self.summary.text(), numbers)
        return "\n".join(filter(None, texts))

    def _offer(self) -> None:
        """Offer to copy and save where there is something."""
        table = self._table
        has_lines = table is not None and table.model().rowCount() > 0
        is_said = table is None and bool(self.badge.text())
        self.exports.setVisible(has_lines or is_said)

    def _on_copy(self) -> None:
        parts.copy_text(self._text())

    def _on_save(self) -> None:
        if self._rows is not None:
            self.save_requested.emit(self._what, self._rows())
