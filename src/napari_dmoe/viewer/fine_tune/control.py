"""Puts the parts of the Fine-tune tab together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QTimer

from napari_dmoe.training.tuning.few_cases import held_in_words, what_is_held_out
from napari_dmoe.training.tuning.presets import tuning_settings
from napari_dmoe.viewer.bench import Bench, TabControl
from napari_dmoe.viewer.fine_tune.changes import ChangesSinceStart
from napari_dmoe.viewer.fine_tune.closing import AT_WORK, UNDECIDED, ClosingQuestion
from napari_dmoe.viewer.fine_tune.guard import GuardControl
from napari_dmoe.viewer.fine_tune.looking import LookingControl
from napari_dmoe.viewer.fine_tune.pairs_control import PairsControl
from napari_dmoe.viewer.fine_tune.report import OutcomeControl
from napari_dmoe.viewer.fine_tune.run import TuneControl
from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.fine_tune.tab import FineTuneTab
from napari_dmoe.viewer.fine_tune.words import before_start, measured_on
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.jobs import notify_error
from napari_dmoe.viewer.ui.work import BUSY

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_dmoe.training.settings import TrainSettings

_LAYOUT_MS = 50  # until then Qt has laid out the table
_BY_CASES = (
    *("epochs", "steps_per_epoch", "learning_rate"),
    *("hold_out", "keep", "patience"),
)
"""Settings that follow from how many cases are ticked."""


class FineTuneControl(TabControl):
    """Connects the Fine-tune tab with the session."""

    title = "Fine-tune"
    tool_tip = "Correct masks, tune the model, and see for whom."
    make = FineTuneTab
    has_own_foot = True

    def __init__(self, bench: Bench, tab: FineTuneTab) -> None:
        super().__init__(bench, tab)
        self.tab, self.tuning = tab, Tuning()
        self.pairs = PairsControl(bench, tab.pairs, tab.reading)
        self.guard = GuardControl(bench, tab.tune, self.pairs)
        self.tune = TuneControl(
            bench, self.tuning, tab, pairs=self.pairs, guard=self.guard
        )
        self.outcome = OutcomeControl(bench, self.tuning, tab.outcome)
        self.looking = LookingControl(bench, self.tuning, tab.outcome)
        self.closing = ClosingQuestion(
            bench.session,
            self.tuning,
            finish=self._finish,
            save=self._save_kept,
            owner=tab,
        )
        self._changes = ChangesSinceStart(self)
        self._proposed: TrainSettings | None = None
        self._connect()
        self._on_model()

    def _connect(self) -> None:
        tab, connections = self.tab, Connections(self)
        connections.add(self._session.model_changed, self._on_model)
        connections.add(self._session.surroundings_changed, self._on_surroundings)
        connections.add(self._session.images_changed, self._on_layers)
        connections.add(self.tuning.changed, self._show)
        connections.add(self.tuning.epoch_ended, self._show_curves)
        viewer = self._session.viewer
        if viewer is not None:
            connections.add(viewer.events.theme, self._show_theme)
        tab.tune.preset_chosen.connect(self._on_preset)
        tab.tune.reading_changed.connect(self.pairs.refresh.soon)
        tab.advanced.changed.connect(self._on_advanced)
        tab.foot.discard_requested.connect(self.tune.discard)
        tab.outcome.discard_requested.connect(self.tune.discard)
        self.guard.changed.connect(self._on_guard)
        self._work.begun.connect(self._show_ready)
        self._work.ended.connect(self._show_ready)
        self.pairs.shown.connect(self._on_pairs)
        self.pairs.painted.connect(self._on_painted)
        self._changes.told.connect(self._show_changed)
        self._show_theme()

    def see(self, is_seen: bool) -> None:
        """Keep up to date while somebody looks."""
        self.pairs.see(is_seen)
        if is_seen:
            self.closing.watch()

    def abandon(self) -> None:
        """End everything: the dock is taken out of its window."""
        self.tune.abandon()

    def _on_surroundings(self) -> None:
        self.tab.advanced.offer_devices(self._session.surroundings.devices)

    def _on_model(self) -> None:
        model = self._session.model
        self.guard.offer()
        if model is not None:
            self.tab.tune.propose_background(len(model.card.classes))
            self._on_preset()
        self._show()

    def _on_preset(self) -> None:
        settings = self._usual()
        if settings is not None:
            self.tab.advanced.show_settings(settings)
            self._proposed = self.tab.advanced.value()
        self._show_facts()
        self._show_ready()

    def _usual(self) -> TrainSettings | None:
        """Return the settings of the chosen preset for the ticked cases."""
        model, n_cases = self._session.model, max(1, self.pairs.n_cases)
        if model is None:
            return None
        return tuning_settings(self.tab.tune.preset, model.card, n_cases)

    def _follow_cases(self) -> None:
        """Propose other steps for other cases, unless somebody set something."""
        usual, now = self._usual(), self.tab.advanced.value()
        if usual is None or now is None or now != self._proposed:
            return
        if any(getattr(usual, name) != getattr(now, name) for name in _BY_CASES):
            self._on_preset()

    def _on_advanced(self) -> None:
        self._show_facts()
        self.pairs.refresh.soon()

    def _on_guard(self) -> None:
        self._show_facts()
        self._show_ready()

    def _on_pairs(self) -> None:
        numbers = self.tune.numbers(self.pairs.chosen)
        self.tab.tune.offer_rehearsal(len(self.tuning.folder.rehearsed(numbers)))
        self._follow_cases()
        self._show_facts()
        self._show_ready()

    def _on_layers(self) -> None:
        self._show_changed()
        self.looking.offer()

    def _on_painted(self, layer: Layer) -> None:
        used = [pair.labels() for pair in self.tuning.pairs]
        if layer in used:
            self._changes.note(layer)
            self._show_changed()

    def _show(self) -> None:
        state, foot = self.tuning.state, self.tab.foot
        foot.show_state(state, has_model=self.tuning.has_model)
        self.tab.show_at_work(state.is_at_work or state in (State.STOPPED, State.DONE))
        if state in (State.READY, State.PREPARING):
            labels = (pair.labels() for pair in self.tuning.pairs)
            self._changes.begin(each for each in labels if each is not None)
        if state.is_at_work:
            self.closing.watch()
        self._show_changed()
        self._show_facts()
        self.outcome.show()
        self.looking.offer()
        self._show_ready()
        if state is State.DONE:
            QTimer.singleShot(_LAYOUT_MS, self.tab.scroll_to_outcome)

    def _show_ready(self) -> None:
        why_not = self._why_not()
        self.tab.foot.show_ready(why_not)
        is_open = self.tuning.state is State.READY and bool(why_not)
        self.tab.foot.show_status(why_not if is_open else self.tuning.said or "Ready.")

    def _why_not(self) -> str:
        if self._session.model is None:
            return "Open a model in the Segment tab first."
        if self._work.is_busy:
            return BUSY
        settings = self.tab.advanced.value()
        if settings is None:
            return "A setting under Advanced cannot be used."
        is_routers = settings.train == "routers"
        why_not = self.pairs.why_not() or (is_routers and self.pairs.why_no_routers())
        return why_not or self.guard.why_not()

    def _show_facts(self) -> None:
        n_cases, unknown = self.pairs.n_cases, self.pairs.unknown()
        self.tab.tune.show_facts(
            before_start(self.tune.work_to_come(), n_cases, unknown, self._held())
        )

    def _held(self) -> str:
        """Say what of the ticked cases is held out; nothing where none is."""
        settings = self.tab.advanced.value()
        if settings is None or self._session.model is None:
            return ""
        known = settings, self.pairs.n_cases, self._session.dims
        return held_in_words(*known) if what_is_held_out(*known) else ""

    def _show_curves(self) -> None:
        tuning = self.tuning
        note = measured_on(tuning.guard, tuning.epochs, has_held=tuning.has_held)
        self.tab.curves.show_epochs(tuning.epochs, note)
        self.looking.offer()

    def _show_changed(self) -> None:
        viewer = self._session.viewer
        there = [] if viewer is None else list(viewer.layers)
        gone = [
            pair.names[1]
            for pair in self.tuning.pairs
            if pair.labels() not in there or pair.image() not in there
        ]
        changed = sorted(layer.name for layer in self._changes.of())
        self.tab.pairs.show_changes(changed, gone)

    def _show_theme(self, event: Any = None) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            theme = get_theme(viewer.theme)
            ink, paper = (c.as_hex("long") for c in (theme.text, theme.background))
            self.tab.curves.show_theme(ink, paper)

    def save_loaded(self) -> None:
        """Ask where to save the tuned model that is loaded, and do that."""
        self.outcome.save_loaded()

    def _save_kept(self, path: Path) -> bool:
        kept = self.tuning.folder.kept_model()
        return self.outcome.save_before_closing(path, kept)

    def _finish(self, path: Path) -> bool:
        """Save the result at a path: now, or when the process has it."""
        tuning = self.tuning
        if tuning.state not in AT_WORK:
            is_open = tuning.state in UNDECIDED
            source = tuning.model_file if is_open else tuning.folder.kept_model()
            return self.outcome.save_before_closing(path, source)
        try:
            self.tune.runner.save_alone(path)
        except OSError as error:
            notify_error(error)
            return False
        self.tuning.forget(f"It goes on alone, and will save {path.name}.")
        return True
