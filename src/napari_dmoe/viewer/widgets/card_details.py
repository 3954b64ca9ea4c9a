"""What a model's card and file say, folded away until it is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFormLayout, QLabel, QPushButton, QWidget

from napari_dmoe.viewer.ui.parts import column, paragraph
from napari_dmoe.viewer.widgets.fold import Fold

if TYPE_CHECKING:
    from napari_dmoe.models.card import CardAttribute
    from napari_dmoe.models.checkpoint import LoadedModel

_SHORT_HASH = 12
_NOT_STATED = "not stated"


class CardDetails(QWidget):
    """Shows a model card; unfolds at a click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, QLabel] = {}
        self._loaded: LoadedModel | None = None
        self._content = QWidget()
        self._form = QFormLayout(self._content)
        self._form.setContentsMargins(4, 4, 0, 4)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.copy_button = QPushButton("Copy all")
        self.copy_button.setToolTip("Copy the card, shapes and full hash as JSON.")
        self.copy_button.clicked.connect(self._on_copy)
        self.fold = Fold(
            "About this model", "What the model's card and file state.", self._content
        )
        column(self, self.fold)

    def show_model(self, loaded: LoadedModel) -> None:
        """Show another model's card."""
        self._loaded = loaded
        self.copy_button.setParent(None)
        while self._form.rowCount():
            self._form.removeRow(0)
        self.rows = {}
        for name, text in _rows(loaded).items():
            self.rows[name] = paragraph(text)
            self._form.addRow(name, self.rows[name])
        self.rows["SHA-256"].setToolTip(loaded.sha256)
        self._form.addRow("", self.copy_button)

    def forget(self) -> None:
        """Let go of the model, so that its memory can be given back."""
        self._loaded = None

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None and self._loaded is not None:
            text = json.dumps(self._loaded.facts(), indent=2, ensure_ascii=False)
            clipboard.setText(text)


def _rows(loaded: LoadedModel) -> dict[str, str]:
    card = loaded.card
    facts = card.training
    counts = facts.n_per_value or {}
    drivers = {
        each.label: _values(each, counts.get(each.name)) for each in card.attributes
    }
    dice = ", ".join(
        f"{name} {value:.3f}" for name, value in (facts.dice or {}).items()
    )
    return {
        "Card": card.name,
        "File": loaded.source or _NOT_STATED,
        "SHA-256": f"{loaded.sha256[:_SHORT_HASH]}…" if loaded.sha256 else _NOT_STATED,
        "Size": f"{loaded.n_parameters / 1e6:.2f} M parameters",
        "Input": " × ".join(map(str, reversed(loaded.input_size))) + " px",
        "Images": card.modality or _NOT_STATED,
        **(drivers or {"Drivers": "none: one mask for everybody"}),
        "Trained on": _trained_on(loaded),
        "Dice": dice or _NOT_STATED,
        "Notice": card.notice or "none",
        "Use": card.intended_use or _NOT_STATED,
        "Licence": card.weights_licence or _NOT_STATED,
        "Data": card.data_licence or _NOT_STATED,
        "Cite": card.citation or _NOT_STATED,
    }


def _values(attribute: CardAttribute, counts: dict[str, int] | None) -> str:
    """Say for each value, one a line, how much of the training data had it."""
    shares = attribute.frequencies
    lines = []
    for place, value in enumerate(attribute.values):
        text = value
        if counts is not None and value in counts:
            text += f": {counts[value]:,} cases"
        elif shares is not None:
            text += f": {attribute.prior[place]:.0%} of cases"
        lines.append(text)
    if counts is None and shares is None:
        lines.append("(training numbers not stated)")
    spare = attribute.routers - len(attribute.values)
    if spare:
        lines.append(f"(and {spare} routers without a value)")
    return "\n".join(lines)


def _trained_on(loaded: LoadedModel) -> str:
    facts = loaded.card.training
    n_cases = f"{facts.n_cases:,} cases" if facts.n_cases is not None else ""
    parts = [part for part in (facts.data, n_cases, facts.note) if part]
    return " · ".join(parts) or _NOT_STATED
