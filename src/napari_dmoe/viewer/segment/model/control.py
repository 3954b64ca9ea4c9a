"""Loads models in a thread, keeps the old one where that fails, and takes drops.

A sample brings the model that it is for. It takes the place of a bundled one, and of
none; never of a person's own model, nor where a person chose for this very image. What
photographs bring is found out in :mod:`napari_dmoe.viewer.segment.model.suited`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.checkpoints import GENERIC_CARD, is_path
from napari_dmoe.viewer.engines import Engines, FittingCard, Surroundings
from napari_dmoe.viewer.layers.samples import model_for
from napari_dmoe.viewer.segment.model.view import ModelSection
from napari_dmoe.viewer.session.models import (
    bundled_origin,
    is_unsaved,
    model_title,
    offer_model,
    title_of,
    titles_of,
)
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.jobs import Job, JobRunner, notify_error

_QUIET_MS = 4000  # as long as a person needs to find Segment


class ModelLoader(Control):
    """Brings the models that are asked for in the model section into the session."""

    changed = Signal()
    """Loading began or ended."""

    def __init__(self, bench: Bench, section: ModelSection, owner: QObject) -> None:
        super().__init__(bench, owner)
        session = bench.session
        self._section = section
        self._looking, self._loading = JobRunner(self), JobRunner(self)
        self._warming, self._quiet = JobRunner(self, has_bar=False), QTimer(self)
        self._quiet.setInterval(_QUIET_MS)
        self._quiet.timeout.connect(self._warm_up)
        self._current = ""
        self._next: tuple[str, str | None, str] | None = None
        connections = Connections(self)
        connections.add(session.model_changed, self._show)
        connections.add(session.image_changed, self._on_image)
        connections.add(session.surroundings_changed, self._show_models)
        section.model_requested.connect(self.choose)
        section.card_requested.connect(self._on_card)
        section.unload_requested.connect(self.unload)
        self._looking.returned.connect(self._on_surroundings)
        self._looking.failed.connect(self._on_nothing_found)
        self._looking.finished.connect(self.changed)
        self._loading.returned.connect(self._on_loaded)
        self._loading.failed.connect(self._on_failed)
        self._loading.finished.connect(self._on_finished)
        self._looking.finished.connect(self._quiet.start)
        self._show()

    @property
    def is_busy(self) -> bool:
        """Whether a model is being loaded, or looked for."""
        return self._looking.is_busy or self._loading.is_busy

    def begin(self) -> None:
        """Look for devices and bundled models, and load the one that fits best."""
        look = partial(_look_around, self._engines)
        self._looking.start(Job("dMoE: starting", look))
        self._section.show_starting()
        self.changed.emit()

    def _warm_up(self) -> None:
        """Import what comes after the first mask, once nobody waits for anything."""
        if not (self.is_busy or self._work.is_busy):
            self._quiet.stop()
            warm_up = self._engines.warm_up
            self._warming.start(Job("dMoE: starting", lambda hook: warm_up()))

    def choose(self, name: str) -> None:
        """Load what a person chose; it stays while this image is worked on."""
        if self._may_leave():
            self.load(name)

    def load(self, name: str, card: str | None = None, *, why: str = "") -> None:
        """Load a bundled model by name or a checkpoint by path; the last asked wins."""
        if self._loading.is_busy:
            self._next = (name, card, why)
            return
        self._current = name
        self._section.show_loading(title_of(name, self._session.surroundings))
        work = partial(_load, self._engines, name, card, why)
        self._loading.start(Job("dMoE: loading a model", work))
        self.changed.emit()

    def bring(self, name: str, why: str = "") -> None:
        """Load a bundled model for an image, or to begin with: nobody chose it.

        Its results record why, where it is told.
        """
        self._session.models_chosen.stays = False
        self.load(name, why=why)

    def unload(self) -> None:
        """Forget the model, and give its memory back."""
        if self._may_leave():
            self._session.set_model(None)
            self._engines.release_memory()

    def _may_leave(self) -> bool:
        """Ask whether the model may go; remember that a person decided about it."""
        if not self._session.leaving.may_go():
            self._show_choice()
            return False
        self._session.models_chosen.note(self._session.image)
        return True

    def _on_image(self) -> None:
        """Load the model that a sample is for, unless a person's own is there."""
        session = self._session
        image, origin = session.image, session.model_origin
        wanted, there = model_for(image), session.surroundings.models
        is_free = session.model is None or bool(bundled_origin(session))
        is_other = wanted not in ("", self._wanted or origin)
        is_decided = image is None or session.models_chosen.of(image)
        if is_other and is_free and wanted in there and not is_decided:
            self.bring(wanted)

    @property
    def _wanted(self) -> str:
        """What is being loaded, or will be next; nothing while nothing is."""
        if self._next is not None:
            return self._next[0]
        return self._current if self._loading.is_busy else ""

    def _on_card(self, card: str) -> None:
        if self._may_leave():
            self.load(self._session.model_origin, card or None)

    def _on_surroundings(self, found: tuple[Surroundings, tuple[str, ...]]) -> None:
        surroundings, recent = found
        models = (*surroundings.models, *recent)
        self._session.set_surroundings(replace(surroundings, models=models))
        is_wanted = self._session.model is None and not self._loading.is_busy
        if is_wanted and surroundings.models:
            of_sample = model_for(self._session.image)
            is_there = of_sample in surroundings.models
            self.bring(of_sample if is_there else surroundings.models[0])
        else:
            self._on_image()
        self._show()

    def _show_models(self) -> None:
        there = self._session.surroundings
        titles = titles_of(there.models, there)
        self._section.offer(dict(zip(there.models, titles, strict=True)))

    def _on_nothing_found(self, error: Exception) -> None:
        notify_error(error)
        self._show_error(error)
        self._session.set_surroundings(Surroundings("not known", ("auto", "cpu"), ()))

    def _on_loaded(self, outcome: tuple[Any, tuple[FittingCard, ...]]) -> None:
        loaded, cards = outcome
        self._session.set_model(loaded, self._current, fitting_cards=cards)

    def _on_failed(self, error: Exception) -> None:
        notify_error(error)
        self._show_error(error)
        self._show_choice()

    def _show_error(self, error: Exception) -> None:
        loaded, kept = self._session.model, model_title(self._session)
        self._section.show_error(str(error), loaded, kept)

    def _on_finished(self) -> None:
        wanted, self._next = self._next, None
        if wanted is not None:
            name, card, why = wanted
            self.load(name, card, why=why)
        else:
            self.changed.emit()

    def _show_choice(self) -> None:
        is_saved = not is_unsaved(self._session)
        self._section.show_choice(self._session.model_origin, is_saved=is_saved)

    def _show(self) -> None:
        session, section = self._session, self._section
        loaded, origin = session.model, session.model_origin
        if loaded is None:
            if not self.is_busy:
                section.show_nothing()
            return
        if is_path(origin):
            offer_model(session, origin)
        self._show_choice()
        fitting = session.fitting_cards
        cards = {card.name: f"{card.drives} ({card.title})" for card in fitting}
        section.show_model(loaded, cards)


def _look_around(engines: Engines, hook: ProgressHook) -> tuple[Any, tuple[str, ...]]:
    return engines.look_around(), engines.recent_models()


def _load(
    engines: Engines, name: str, card: str | None, why: str, hook: ProgressHook
) -> tuple[Any, tuple[FittingCard, ...]]:
    """Load a model; where its file has no card, find those that would fit, too."""
    loaded = engines.load_checkpoint(name, card)
    if why:
        loaded = replace(loaded, notices=(*loaded.notices, why))
    if is_path(name):
        engines.remember_model(name)
    is_bare = card is not None or loaded.card.name == GENERIC_CARD
    return loaded, engines.fitting_cards(loaded) if is_bare else ()
