"""What a model's card and file say, folded away until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_dmoe.viewer.widgets._parts import column, paragraph
from napari_dmoe.viewer.widgets.fold import Fold

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel

_SHORT_HASH = 12
_NOT_STATED = "not stated"


class CardDetails(QWidget):
    """Shows a model card; unfolds at a click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, QLabel] = {}
        content = QWidget()
        self._form = QFormLayout(content)
        self._form.setContentsMargins(4, 4, 0, 4)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.fold = Fold("About this model", "What the model's card and file state.")
        self.fold.setContent(content)
        self.fold.collapse(animate=False)
        column(self, self.fold)

    def show_model(self, loaded: LoadedModel) -> None:
        """Show another model's card."""
        for name, text in _rows(loaded).items():
            if name not in self.rows:
                self.rows[name] = paragraph(" ")
                self._form.addRow(name, self.rows[name])
            self.rows[name].setText(text)
        self.rows["SHA-256"].setToolTip(loaded.sha256)


def _rows(loaded: LoadedModel) -> dict[str, str]:
    card = loaded.card
    facts = card.training
    return {
        "Card": card.name,
        "File": loaded.source or _NOT_STATED,
        "SHA-256": f"{loaded.sha256[:_SHORT_HASH]}…" if loaded.sha256 else _NOT_STATED,
        "Size": f"{loaded.n_parameters / 1e6:.2f} M parameters",
        "Input": " × ".join(map(str, reversed(loaded.input_size))) + " px",
        "Images": card.modality or _NOT_STATED,
        "Trained on": facts.data or _NOT_STATED,
        "Notice": card.notice or "none",
        "Use": card.intended_use or _NOT_STATED,
        "Licence": card.weights_licence or _NOT_STATED,
        "Data": card.data_licence or _NOT_STATED,
        "Cite": card.citation or _NOT_STATED,
    }
