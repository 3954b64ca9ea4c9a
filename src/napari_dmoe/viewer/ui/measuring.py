"""Measures of layers, in a job of their own where the layers are large."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from functools import partial
from typing import TypeVar

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.layers.measuring import AT_ONCE, Edits, Measures, edits_of
from napari_dmoe.viewer.ui.jobs import Job, JobRunner, notify_error

T = TypeVar("T")

MEASURING = "Measuring …"

_Asked = tuple["weakref.ref[Layer]", Hashable, Edits]


class Measuring(QObject):
    """Measures layers, each once until it is changed.

    A small layer is measured where that is asked for. A large one is measured in a
    job, and asked for again when that is done; one job at a time.
    """

    arrived = Signal()
    """Something was measured: ask again."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._measures = Measures()
        self._asked: _Asked | None = None
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_returned)
        self._runner.failed.connect(self._on_failed)
        self._runner.finished.connect(self._on_finished)

    @property
    def is_busy(self) -> bool:
        """Whether something is measured."""
        return self._runner.is_busy

    def of(
        self, layer: Layer, key: Hashable, n_samples: int, measure: Callable[[], T]
    ) -> T | None:
        """Return a measure of a layer as it is now; None while it is measured.

        The key says what is measured, and with which choices; it takes `n_samples`.
        `measure` is called in another thread, so it must hold no layer. It may read the
        layer's own array: to copy a large one here would take longer than a person may
        wait, and what is found is forgotten where somebody painted meanwhile.
        """
        known: T | None = self._measures.of(layer, key)
        if known is not None:
            return known
        if n_samples <= AT_ONCE:
            found = measure()
            self._measures.remember(layer, key, found, edits_of(layer))
            return found
        if not self._runner.is_busy:
            self._asked = (weakref.ref(layer), key, edits_of(layer))
            self._runner.start(Job("dMoE: measuring", partial(_measure, measure)))
        return None

    def _on_returned(self, found: object) -> None:
        if self._asked is not None:
            reference, key, edits = self._asked
            layer = reference()
            if layer is not None:
                self._measures.remember(layer, key, found, edits)

    def _on_failed(self, error: Exception) -> None:
        self._asked = None  # asked for again it would fail again, without end
        notify_error(error)

    def _on_finished(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self.arrived.emit()


def _measure(measure: Callable[[], object], hook: ProgressHook) -> object:
    return measure()
