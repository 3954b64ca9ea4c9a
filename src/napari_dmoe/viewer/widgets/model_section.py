"""The choice of a model, and what its card says of it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QWidget

from napari_dmoe.viewer.widgets._parts import (
    column,
    heading,
    narrow_combo,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.widgets.card_details import CardDetails

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel

SUFFIXES = (".safetensors", ".pth", ".pt")
"""Endings of the files that are taken for checkpoints."""

GENERIC = "generic (values 0, 1, …)"
"""The choice that stands for the file's own card or, without one, a generic card."""


class ModelSection(QWidget):
    """Shows a model and tells which one, and which card, a person wants."""

    model_requested = Signal(str)
    """Name of a bundled model, or path of a checkpoint."""
    card_requested = Signal(str)
    """Name of a published card for the model that is shown; empty for the generic."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = narrow_combo(
            "Model", "Bundled models, and checkpoints that were opened here."
        )
        self.combo.setPlaceholderText("no model")
        self.combo.activated.connect(self._on_activated)
        self.browse_button = QPushButton("Open…")
        self.browse_button.setToolTip(
            "Open a dMoE checkpoint (.safetensors, .pth, .pt). "
            "A file can also be dropped on this dock."
        )
        self.browse_button.clicked.connect(self._on_browse)
        self.card_combo = narrow_combo(
            "Card",
            "This file does not say what its routers stand for. Choose the published "
            "card that it belongs to.",
        )
        self.card_combo.activated.connect(self._on_card)
        self.facts = paragraph(name="model-facts")
        self.error = paragraph(name="model-error")
        self.details = CardDetails()
        self.details.setVisible(False)
        self._names: list[str] = []
        self._card_row = row(QLabel("Card"), self.card_combo, stretch=1)
        self._card_row.setVisible(False)
        column(
            self,
            row(heading("MODEL"), self.combo, self.browse_button, stretch=1),
            self.error,
            self._card_row,
            self.facts,
            self.details,
        )

    def add_choice(self, name: str) -> None:
        """Offer a bundled model by name, or a file by its path."""
        if name not in self._names:
            self._names.append(name)
            self.combo.addItem(Path(name).name if _is_path(name) else name)
            self.combo.setItemData(len(self._names) - 1, name, _TOOLTIP)

    def show_choice(self, name: str) -> None:
        """Show which model is loaded; none for an empty name."""
        index = self._names.index(name) if name in self._names else -1
        self.combo.setCurrentIndex(index)

    def show_loading(self, name: str) -> None:
        """Say that a model is being loaded."""
        say(self.error, "")
        label = Path(name).name if _is_path(name) else name
        say(self.facts, f"Loading {escape(label)} …")

    def show_model(self, loaded: LoadedModel, cards: Sequence[str]) -> None:
        """Show a model.

        Parameters
        ----------
        loaded : LoadedModel
            The model.
        cards : sequence of str
            Published cards to choose from; empty where the file brought its own.
        """
        say(self.error, "")
        say(self.facts, _facts(loaded))
        self.details.setVisible(True)
        self.details.show_model(loaded)
        self.card_combo.clear()
        self.card_combo.addItems([GENERIC, *cards])
        self.card_combo.setCurrentText(
            loaded.card.name if loaded.card.name in cards else GENERIC
        )
        self._card_row.setVisible(bool(cards))

    def show_error(self, message: str, loaded: LoadedModel | None) -> None:
        """Say why a checkpoint could not be loaded, and which model is kept."""
        kept = "" if loaded is None else f" {loaded.card.title} is kept."
        say(self.error, f"<b>Not loaded.</b> {escape(message)}.{escape(kept)}")
        say(self.facts, "" if loaded is None else _facts(loaded))

    def _on_activated(self, index: int) -> None:
        self.model_requested.emit(self._names[index])

    def _on_browse(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a dMoE checkpoint", "", f"Checkpoints ({patterns})"
        )
        if path:
            self.model_requested.emit(path)

    def _on_card(self, index: int) -> None:
        self.card_requested.emit("" if index == 0 else self.card_combo.itemText(index))


_TOOLTIP = 3  # Qt.ItemDataRole.ToolTipRole


def _is_path(name: str) -> bool:
    return Path(name).suffix in SUFFIXES


def _facts(loaded: LoadedModel) -> str:
    """Say in two lines what the model is and what drives it."""
    card = loaded.card
    drivers = [
        f"<b>{escape(driver.label.lower())}</b> ({escape(', '.join(driver.values))})"
        for driver in card.attributes
    ]
    drives = f"driven by {' and '.join(drivers) or 'nothing: one mask for everybody'}"
    kind = str(loaded.facts()["architecture_title"])
    classes = escape(", ".join(card.classes[1:]))
    size = f" · {loaded.n_bytes / 1e6:.1f} MB" if loaded.n_bytes else ""
    return f"{escape(kind)}, {drives}<br>classes {classes}{size}"
