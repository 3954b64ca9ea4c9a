"""Segments files: a folder or a table is read and shown, then worked through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.inference.running.waiting import Timed, timed
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.segment.many.plan import How, Plan, Wish, make_plan, restated
from napari_dmoe.viewer.segment.many.reopen import Reopening
from napari_dmoe.viewer.segment.many.replaced import Answer, InTheWay, ask
from napari_dmoe.viewer.segment.many.results import SeriesResults
from napari_dmoe.viewer.segment.many.running import (
    Running,
    Teller,
    look,
    picture_of,
    segment_files,
)
from napari_dmoe.viewer.segment.many.view import SeriesSection
from napari_dmoe.viewer.segment.many.words import n_images, with_notices
from napari_dmoe.viewer.session.models import bundled_origin
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import BUSY, Order

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.segmenting import Done

TABLE_FILES = "Tables (*.csv)"


class FileSeries(Control):
    """Reads what is to be segmented, shows it, and works through it when told to."""

    shown = Signal()
    """What was read is shown, or a series has begun."""
    suited_found = Signal(str)
    """Images were read that the bundled model of this name is for."""

    def __init__(
        self,
        bench: Bench,
        section: SeriesSection,
        results: SeriesResults,
        reopening: Reopening,
    ) -> None:
        super().__init__(bench, section)
        self._section, self._results = section, results
        self._reopening = reopening
        self._plan: Plan | None = None
        self._wish: Wish | None = None
        self._running: Running | None = None
        section.folder_requested.connect(self._on_folder)
        section.table_requested.connect(self._on_table)
        section.dropped.connect(self._on_dropped)
        plan = section.plan
        plan.stated.connect(self._on_stated)
        plan.more_toggled.connect(self._on_more)
        plan.start_requested.connect(self._on_start)
        plan.close_requested.connect(self.close_plan)
        Connections(self).add(bench.session.model_changed, self._on_model)

    def _on_folder(self) -> None:
        source = QFileDialog.getExistingDirectory(
            self._section, "Folder of images to segment"
        )
        if source:
            self.read(Path(source))

    def _on_table(self) -> None:
        source, _ = QFileDialog.getOpenFileName(
            self._section, "Table of images and patients", "", TABLE_FILES
        )
        if source:
            self.read(Path(source))

    def _on_dropped(self, path: str) -> None:
        self.read(Path(path))

    def read(self, source: Path) -> None:
        """Read a folder or a table, and show what is in it; nothing is written.

        The table of a finished series is shown as it is.
        """
        if self._reopening.is_series(source):
            self._reopening.open(source)
        elif self._session.model is not None:
            self._look(Wish(source, {}))

    def _look(self, wish: Wish) -> None:
        """Read what a person wants to be segmented, beside whatever else goes on."""
        loaded = self._session.model
        if loaded is None:
            return
        session = self._session
        is_free = not session.models_chosen.stays
        bundled = bundled_origin(session) if is_free else ""
        how = How(loaded, session.settings, session.shares.by_driver, bundled)
        self._wish = wish
        self._section.plan.show_reading(wish.source.name)
        order = Order(
            title=f"dMoE: reading {wish.source.name}",
            status=f"Reading {wish.source.name} …",
            work=partial(make_plan, self._engines, how, wish),
            then=self._on_plan,
            if_failed=self._on_unread,
            if_stopped=self._on_stopped_reading,
        )
        self._work.start_beside(order)

    def _on_plan(self, plan: Plan) -> str:
        if plan.wish is not self._wish:  # another one was asked for meanwhile
            return ""
        self._plan = plan
        source = plan.wish.source
        table = source if plan.overview is None else plan.overview.table
        self._session.series.state_columns(plan.wish.stated, source, table)
        self._section.plan.show_plan(plan)
        self.shown.emit()
        if plan.suited:
            self.suited_found.emit(plan.suited)
        return f"Read {plan.wish.source.name}: nothing is written yet."

    def _on_unread(self, error: Exception) -> str:
        self.close_plan()
        return f"Failed: {error}"

    def _on_stopped_reading(self) -> str:
        self.close_plan()
        return "Stopped. Nothing was read."

    def close_plan(self) -> None:
        """Segment nothing of what was read."""
        self._plan = self._wish = None
        self._section.plan.show_nothing()

    def _on_model(self) -> None:
        """Look again: another model knows other values."""
        if self._wish is not None and self._session.model is not None:
            self._look(replace(self._wish))
        else:
            self.close_plan()

    def _on_stated(self, column: str, meaning: str) -> None:
        if self._plan is not None:
            self._look(restated(self._plan, column, meaning))

    def _on_more(self, has_more: bool) -> None:
        if self._plan is not None:
            earlier = self._plan.overview
            self._look(replace(self._plan.wish, has_more=has_more, earlier=earlier))

    def _on_start(self) -> None:
        """Ask where to, and look there before anything is written."""
        plan, loaded = self._plan, self._session.model
        if plan is None or loaded is None or not plan.n_images:
            return
        if self._work.is_busy:
            self._work.say(BUSY)
            return
        target = QFileDialog.getExistingDirectory(
            self._section,
            "Folder for the masks and their table",
            str(plan.wish.source.parent),
        )
        if not target:
            return
        folder = Path(target)
        order = Order(
            title=f"dMoE: looking into {folder.name}",
            status=f"Looking into {folder.name} …",
            work=partial(look, folder, plan.entries),
            then=partial(self._on_looked, plan, folder),
        )
        self._work.start_beside(order)

    def _on_looked(self, plan: Plan, folder: Path, there: InTheWay) -> str:
        answer = ask(self._section, there) if there else Answer.REPLACE
        if answer is Answer.STOP or plan is not self._plan:
            return "Nothing was segmented."
        self._begin(plan, folder, answer if there else None)
        return ""

    def _begin(self, plan: Plan, folder: Path, answer: Answer | None) -> None:
        loaded = self._session.model
        if loaded is None or self._work.is_busy:
            self._work.say(BUSY)
            return
        teller = Teller()
        teller.told.connect(self._on_told)
        how = How(loaded, self._session.settings, self._session.shares.by_driver)
        engines = self._engines
        order = Order(
            title=f"dMoE: segmenting {plan.wish.source.name}",
            status=f"Segmenting {n_images(len(plan.entries))} …",
            work=partial(
                timed, segment_files, engines, teller, how, plan.entries, folder, answer
            ),
            then=self._on_done,
            puts_layers=False,
            if_failed=lambda error: self._say(f"Failed: {error}"),
            if_stopped=self._on_stopped,
        )
        title = f"{plan.wish.source.name} → {folder.name}"
        series = self._results.begin(title, folder)
        drivers = [attribute.name for attribute in loaded.card.attributes]
        self._running = Running(series, plan, drivers)
        self.close_plan()
        self._say(f"Segmenting into {folder.name} …")
        self._work.start(order)
        self.shown.emit()

    def _on_told(self, done: Done) -> None:
        running = self._running
        if running is None:
            return
        number = len(running.series.pictures)
        entry = running.plan.entries[number]
        self._results.add(running.series, picture_of(entry, done, running.drivers))
        self._say(f"{number + 1:,} of {n_images(len(running.plan.entries))} …")

    def _on_done(self, made: Timed) -> str:
        running, done = self._running, made.found
        folder = None if running is None else running.series.folder
        name = "" if folder is None else f" into {folder.name}"
        said = (*getattr(done, "notices", ()), made.why_slow)
        notices = [_whole(each) for each in filter(None, said)]
        return self._end(f"{n_images(len(done))}{name}.", notices)

    def _on_stopped(self) -> str:
        running = self._running
        if running is None:
            return ""
        n, total = len(running.series.pictures), len(running.plan.entries)
        return self._end(
            f"Stopped after {n:,} of {n_images(total)}; segment.csv lists them. To go "
            "on, segment into the same folder and keep what is done."
        )

    def _end(self, text: str, notices: Sequence[str] = ()) -> str:
        running = self._running
        if running is not None:
            notices = (*running.plan.notices, *notices)
        said = self._say(with_notices(text, list(dict.fromkeys(notices))))
        self._results.flush()
        self._running = None
        return said

    def _say(self, text: str) -> str:
        if self._running is not None:
            self._results.say(self._running.series, text)
        return text


def _whole(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
