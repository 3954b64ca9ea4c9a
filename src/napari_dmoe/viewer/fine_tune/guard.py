"""Offers what can guard the groups, looks at what is chosen, and knows what it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fine_tune import guard_words as words
from napari_dmoe.viewer.fine_tune.annotations import Snapshot
from napari_dmoe.viewer.fine_tune.choices_view import TuneSection
from napari_dmoe.viewer.fine_tune.pairs_control import PairsControl
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.jobs import Job, JobRunner

if TYPE_CHECKING:
    from napari_dmoe.estimate import SoFar
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.progress import ProgressHook
    from napari_dmoe.training.cases.annotation import Annotation
    from napari_dmoe.training.guarding.at_work import Guarding
    from napari_dmoe.training.guarding.guard import Guard
    from napari_dmoe.viewer.engines import Engines

NONE = "none: not checked"
FOLDER = "cohort folder…"
TABLE = "cohort table…"
_TABLES = "Cohort tables (*.csv)"


class GuardControl(Control):
    """Connects the choice of a guard with the session's model and the ticked pairs.

    A cohort is looked at in a job as soon as it is chosen: what cannot guard is said
    before anything is trained, not after. Made-up cases are offered for made-up pairs
    alone: they say nothing of how real images fare.
    """

    changed = Signal()

    def __init__(self, bench: Bench, section: TuneSection, pairs: PairsControl) -> None:
        super().__init__(bench, section)
        self._section, self._pairs, self._place = section, pairs, 0
        self._offered: list[Guard] = []
        self._cohorts: list[Guard] = []
        self._drawn: Guard | None = None
        self._n_full = 0
        self._wish: Guard | None = None
        self._seen: Guarding | None = None
        self._problem, self._is_stale = "", False
        self._ticked: frozenset[int] = frozenset()
        self._looking = JobRunner(self, has_bar=False)
        self._looking.progressed.connect(self._on_progress)
        self._looking.returned.connect(self._on_seen)
        self._looking.failed.connect(self._on_failed)
        self._looking.finished.connect(self._on_finished)
        Connections(self).add(bench.session.model_changed, self.offer)
        pairs.shown.connect(self._on_pairs)
        section.guard_chosen.connect(self._on_chosen)
        section.n_changed.connect(self._on_n)
        section.full_requested.connect(self._on_full)

    @property
    def guard(self) -> Guard | None:
        """The guard that is chosen; None before there is a model."""
        return self._offered[self._place] if self._offered else None

    @property
    def n_cases(self) -> int | None:
        """How many cases judge; None before they were looked at."""
        return None if self._seen is None else len(self._seen.cases)

    @property
    def is_looking(self) -> bool:
        """Whether the guard's cases are still looked at."""
        return self._looking.is_busy

    def why_not(self) -> str:
        """Say why nothing can be tuned with the guard; nothing where it can be."""
        guard = self.guard
        if guard is None or guard.kind != "cohort":
            return ""
        return self._problem or ("" if self._seen is not None else words.LOOKING)

    def offer(self) -> None:
        """Offer the guards that there are for another model; phantoms first, if any."""
        model = self._session.model
        if model is None:
            self._offered, self._drawn = [], None
            self._look()
            return
        from napari_dmoe.training.guarding.guard import QUICK, phantom_guard

        full = phantom_guard(model.card)
        self._n_full = 0 if full is None else full.n
        self._drawn = full and full.model_copy(update={"n": QUICK})
        if self._wish is not None and self._wish.kind != "cohort":
            self._wish = None
        self._offer()
        self._look()

    def choose_cohort(self, path: str) -> None:
        """Let a cohort be the guard, read as its columns were said to be meant."""
        from napari_dmoe.training.guarding.guard import Guard

        columns = self._session.series.columns_of(path)
        guard = Guard(kind="cohort", name=path, columns=columns)
        if guard not in self._cohorts:
            others = [each for each in self._cohorts if each.name != path]
            self._cohorts = [*others, guard]
        self._choose(guard)

    def _choose(self, guard: Guard) -> None:
        self._wish = guard
        self._offer()
        self._look()

    def _offer(self) -> None:
        """Offer what can guard the ticked pairs; choose what was wished for, if any."""
        if self._session.model is None:
            return
        from napari_dmoe.training.guarding.guard import Guard

        may_be_drawn = self._drawn is not None and not self._why_not_drawn()
        drawn = [self._drawn] if self._drawn is not None and may_be_drawn else []
        self._offered = [*drawn, Guard(), *self._cohorts]
        wished = (i for i, each in enumerate(self._offered) if each == self._wish)
        self._place = next(wished, 0)
        self._show()

    def _on_pairs(self) -> None:
        """Look again where other images are ticked: one of them may be the guard's."""
        self._offer()
        if self._images() != self._ticked:
            self._look()

    def _images(self) -> frozenset[int]:
        return frozenset(id(pair.image()) for pair in self._pairs.chosen)

    def _why_not_drawn(self) -> str:
        drawn = self._drawn
        return "" if drawn is None else words.not_drawn(drawn.name, self._pairs.chosen)

    def _on_chosen(self, place: int) -> None:
        beyond = place - len(self._offered)
        path = self._ask(is_folder=beyond == 0) if beyond >= 0 else ""
        if path:
            self.choose_cohort(path)
        elif beyond < 0:
            self._choose(self._offered[place])
        else:
            self._show()

    def _ask(self, is_folder: bool) -> str:
        if is_folder:
            title = "A cohort: a folder with a table of images"
            return str(QFileDialog.getExistingDirectory(self._section, title))
        title = "A cohort: a table of images and labels"
        return str(QFileDialog.getOpenFileName(self._section, title, "", _TABLES)[0])

    def _on_n(self) -> None:
        guard = self.guard
        if guard is not None and guard.kind == "phantoms":
            n = self._section.n_spin.value()
            self._drawn = self._wish = guard.model_copy(update={"n": n})
            self._offer()

    def _on_full(self) -> None:
        """Draw as many as a verdict needs, or the few again."""
        from napari_dmoe.training.guarding.guard import QUICK

        spin = self._section.n_spin
        spin.setValue(QUICK if spin.value() >= self._n_full else self._n_full)

    def _look(self) -> None:
        """Look at the cases of the cohort that is chosen, anew each time."""
        self._seen, self._problem, self._ticked = None, "", self._images()
        model, guard = self._session.model, self.guard
        if self._looking.is_busy:
            self._is_stale = True
            self._looking.stop()
        elif model is not None and guard is not None and guard.kind == "cohort":
            what, reading = (guard, model.card), self._pairs.reading()
            work = partial(_look, self._engines, what, self._pairs.snapshots(), reading)
            self._looking.start(Job("dMoE: looking at the guard", work))
        self._show()

    def _on_progress(self, so_far: SoFar) -> None:
        if not self._is_stale:
            self._section.show_guard(words.looking(so_far), None)

    def _on_seen(self, seen: Guarding) -> None:
        if not self._is_stale:
            self._seen, self._problem = seen, words.why_nobody(seen)

    def _on_failed(self, error: Exception) -> None:
        if not self._is_stale:
            self._problem = words.unusable(error)

    def _on_finished(self) -> None:
        was_stale, self._is_stale = self._is_stale, False
        if was_stale:
            self._look()
        else:
            self._show()

    def _show(self) -> None:
        from napari_dmoe.training.guarding.guard import QUICK

        guard = self.guard
        if guard is None:
            self._section.offer_guards((NONE,), 0)
            self._section.show_guard(words.NO_GUARD, None)
            return
        titles = [_title(each, self._offered) for each in self._offered]
        self._section.offer_guards([*titles, FOLDER, TABLE], self._place)
        is_drawn = guard.kind == "phantoms"
        self._section.show_guard(self._note(guard), guard.n if is_drawn else None)
        self._section.offer_full(self._n_full if is_drawn else 0, QUICK)
        self.changed.emit()

    def _note(self, guard: Guard) -> str:
        model = self._session.model
        if guard.kind == "phantoms" and model is not None:
            return words.drawn_note(guard, model.card)
        if guard.kind == "none":
            return " ".join(filter(None, (self._why_not_drawn(), words.NO_GUARD)))
        why_not = self.why_not()
        if why_not or self._seen is None:
            return why_not
        return words.cohort_note(self._seen, self._pairs.patients)


def _title(guard: Guard, offered: Sequence[Guard]) -> str:
    """Name a guard, and its folders as far as another would be called the same."""
    if guard.kind != "cohort":
        return NONE if guard.kind == "none" else f"{guard.name} phantoms"
    others = [Path(g.name).parts for g in offered if g.kind == "cohort" and g != guard]
    end = parts = Path(guard.name).parts
    for n in range(len(parts), 0, -1):
        if all(other[-n:] != parts[-n:] for other in others):
            end = parts[-n:]
    return str(Path(*end))


def _look(
    engines: Engines,
    what: tuple[Guard, ModelCard],
    ticked: Sequence[Snapshot],
    reading: Annotation,
    hook: ProgressHook,
) -> Guarding:
    """Look at a guard beside what would be trained on; called in the job's thread."""
    guard, card = what
    trained = [case for each in ticked for case in each.cases(card.dims, reading)]
    return engines.look_at_guard(guard, card, trained, progress=hook)
