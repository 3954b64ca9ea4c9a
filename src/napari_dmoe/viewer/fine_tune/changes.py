"""Which labels of a tuning are others than at its Start: painted, and not undone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_dmoe.viewer.ui.measuring import Measuring


class ChangesSinceStart(QObject):
    """Compares labels with what they were; large ones in a job of their own.

    One that is not compared yet counts as changed.
    """

    told = Signal()
    """More is known."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._at_start: WeakKeyDictionary[Layer, bytes] = WeakKeyDictionary()
        self._painted: WeakSet[Layer] = WeakSet()
        self._awaited: WeakSet[Layer] = WeakSet()
        self._measuring = Measuring(self)
        self._measuring.arrived.connect(self._on_arrived)

    def begin(self, labels: Iterable[Layer]) -> None:
        """Take note of what labels are now; what was known of others is forgotten."""
        self._painted.clear()
        self._at_start.clear()
        self._awaited = WeakSet(labels)
        self._on_arrived()

    def note(self, layer: Layer) -> None:
        """Take note that labels were painted, or that this was undone."""
        self._awaited.discard(layer)  # too late to know what they were
        self._painted.add(layer)

    def of(self) -> list[Layer]:
        """Return the labels that are others than they were."""
        return [layer for layer in self._painted if self._is_another(layer)]

    def _is_another(self, layer: Layer) -> bool:
        before = self._at_start.get(layer)
        return before is None or before != self._digest(layer)

    def _digest(self, layer: Layer) -> bytes | None:
        data = np.asarray(layer.data)
        return self._measuring.of(layer, "digest", data.size, partial(_digest, data))

    def _on_arrived(self) -> None:
        for layer in list(self._awaited):
            found = self._digest(layer)
            if found is not None:
                self._at_start[layer] = found
                self._awaited.discard(layer)
        self.told.emit()


def _digest(data: NDArray[Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(data).data, digest_size=16).digest()
