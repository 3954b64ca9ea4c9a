"""How a layer came about: its record in words, for the layer that is selected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.records import record_rows
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.uncaught import tell_ours_in_words

if TYPE_CHECKING:
    import napari

NOTHING = "Select a mask or another layer that dMoE made: its record is shown here."


class LayerRecord(QWidget):
    """Shows the record of the selected layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or a plugin's proxy of it.
    """

    def __init__(
        self, napari_viewer: napari.Viewer, parent: QWidget | None = None
    ) -> None:
        tell_ours_in_words()
        super().__init__(parent)
        self.record: Mapping[str, Any] = {}
        self.title = parts.heading("")
        self.title.setWordWrap(True)
        self.hint = parts.paragraph(NOTHING)
        self.copy_button = parts.button(
            "Copy as JSON", "Copy the whole record.", self._on_copy
        )
        self._form = parts.TextForm()
        area = parts.ScrollColumn()
        area.stack(self._form)
        shown = self.title, self.hint, area, self.copy_button
        layout = parts.column(self, *shown, spacing=6)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setStretch(2, 1)
        self._viewer = plain(napari_viewer)
        active = self._viewer.layers.selection.events.active
        Connections(self).add(active, self._on_active)
        self._on_active()

    def show_layer(self, layer: Any) -> None:
        """Show the record of a layer; a hint where it has none."""
        stated = None if layer is None else layer.metadata.get(METADATA_KEY)
        rows = record_rows(stated)
        self.record = dict(stated or {}) if rows else {}
        self.title.setText(layer.name if rows else "About this dMoE layer")
        self.hint.setVisible(not rows)
        self.copy_button.setEnabled(bool(rows))
        self._form.show_texts(dict(rows))

    def text(self) -> str:
        """Return the record as JSON."""
        return json.dumps(dict(self.record), indent=2, ensure_ascii=False)

    def _on_active(self, event: Any = None) -> None:
        self.show_layer(plain(self._viewer.layers.selection.active))

    def _on_copy(self) -> None:
        parts.copy_text(self.text())
