"""What a person does in the Routing tab, and runs for its maps that end at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from desk import Desk
from napari.layers import Vectors
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox
from viewer_fakes import N_BLOCKS, N_EXPERTS, make_segmentation

from napari_dmoe.inference.maps.overlays import OVERLAYS
from napari_dmoe.progress import Progress


@dataclass
class FakeRuns:
    """What maps of noise need, made at once."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def uncertainty(self, loaded: Any, image: Any, patient: Any, **options: Any) -> Any:
        self.calls.append(("uncertainty", options))
        options["progress"](Progress(0, 1, "sample 1"))
        shape = (*make_segmentation(image).routing.gates[0].shape[1:-1],)
        votes = np.zeros((N_EXPERTS, *shape), np.uint8)
        votes[:2] = options["samples"] // 2
        return SimpleNamespace(expert_votes=(votes,) * N_BLOCKS)

    def read_routing(
        self, loaded: Any, image: Any, patient: Any, **options: Any
    ) -> Any:
        self.calls.append((options["reading"], options))
        return make_segmentation(image).routing


def pick(desk: Desk, combo: QComboBox, text: str) -> None:
    """Choose in a combo box with the keyboard."""
    steps = combo.findText(text) - combo.currentIndex()
    key = Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up
    for _ in range(abs(steps)):
        desk.qtbot.keyClick(combo, key)
    desk.settle()
    assert combo.currentText() == text


def choose(desk: Desk, name: str) -> None:
    pick(desk, desk.routing.tab.maps.map_combo, OVERLAYS[name].title)


def compute(desk: Desk) -> None:
    desk.click(desk.routing.tab.maps.compute_button)
    desk.wait_until_idle()


def shown(desk: Desk) -> Any:
    """Return the one map that is seen."""
    layers = [
        layer
        for layer in desk.viewer.layers
        if layer.visible
        and layer.name not in ("retina", "retina / mask")
        and not isinstance(layer, Vectors)
    ]
    assert len(layers) <= 1
    return layers[0] if layers else None


def box(layer: Any) -> np.ndarray:
    """Return two opposite corners of a layer's outer edge in the world."""
    corners = (np.full(layer.ndim, -0.5), np.array(layer.data.shape) - 0.5)
    return np.array([layer.data_to_world(corner) for corner in corners])


def words(label: Any) -> str:
    return "" if label.isHidden() else label.text()
