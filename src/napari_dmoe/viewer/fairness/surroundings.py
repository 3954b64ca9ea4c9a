"""Finds out what models and devices there are, where the other dock has not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from qtpy.QtCore import QObject

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines, Surroundings
from napari_dmoe.viewer.ui.jobs import Job, JobRunner, notify_error


class LookingAround(Control):
    """Looks around once, in a thread of its own: torch takes seconds to import."""

    def __init__(self, bench: Bench, owner: QObject) -> None:
        super().__init__(bench, owner)
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_found)
        self._runner.failed.connect(notify_error)

    @property
    def is_busy(self) -> bool:
        """Whether it looks around."""
        return self._runner.is_busy

    def begin(self) -> None:
        """Look around, unless somebody has."""
        if not self._session.surroundings.models:
            look = partial(_look_around, self._engines)
            self._runner.start(Job("dMoE: starting", look))

    def _on_found(self, found: Surroundings) -> None:
        if not self._session.surroundings.models:  # nobody did meanwhile
            self._session.set_surroundings(found)


def _look_around(engines: Engines, hook: ProgressHook) -> Surroundings:
    found = engines.look_around()
    return replace(found, models=(*found.models, *engines.recent_models()))
