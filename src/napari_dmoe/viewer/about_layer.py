"""How the selected layer came about, what the loaded model is, and what this plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_dmoe import __version__
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.records import record_rows
from napari_dmoe.viewer.segment.model.view import CardDetails
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.foot import RESEARCH_ONLY
from napari_dmoe.viewer.uncaught import tell_ours_in_words

if TYPE_CHECKING:
    import napari

NOTHING = "Select a mask or another layer that dMoE made: its record is shown here."
_PLUGIN = "About dMoE"
_LICENCE = "BSD-3-Clause"


class LayerRecord(QWidget):
    """Shows the record of the selected layer; below it the model's card, the plugin.

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
        self.model = CardDetails()
        self.plugin = parts.TextForm()
        self.plugin.show_texts(_plugin_rows())
        told = "The version of this plugin, its licence, what it is for."
        area = parts.ScrollColumn()
        area.stack(self._form, self.model, parts.Fold(_PLUGIN, told, self.plugin))
        shown = self.title, self.hint, area, self.copy_button
        layout = parts.column(self, *shown, spacing=6)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setStretch(2, 1)
        self._viewer = plain(napari_viewer)
        active = self._viewer.layers.selection.events.active
        self._session = session_of(self._viewer)
        connections = Connections(self)
        connections.add(active, self._on_active)
        connections.add(self._session.model_changed, self._on_model)
        self._on_model()
        self._on_active()

    def show_layer(self, layer: Any) -> None:
        """Show the record of a layer; a hint where it has none."""
        stated = None if layer is None else layer.metadata.get(METADATA_KEY)
        rows = record_rows(stated)
        self.record = dict(stated or {}) if rows else {}
        self.title.setText(layer.name if rows else "No layer of dMoE is selected")
        self.hint.setVisible(not rows)
        self.copy_button.setEnabled(bool(rows))
        self._form.show_texts(dict(rows))

    def text(self) -> str:
        """Return the record as JSON."""
        return json.dumps(dict(self.record), indent=2, ensure_ascii=False)

    def _on_active(self, event: Any = None) -> None:
        self.show_layer(plain(self._viewer.layers.selection.active))

    def _on_model(self) -> None:
        loaded = self._session.model
        self.model.setVisible(loaded is not None)
        if loaded is None:
            self.model.forget()
        else:
            self.model.show_model(loaded)

    def _on_copy(self) -> None:
        parts.copy_text(self.text())


def _plugin_rows() -> dict[str, str]:
    return {
        "Plugin": f"napari-dmoe {__version__}",
        "Licence": _LICENCE,
        "Use": RESEARCH_ONLY,
    }
