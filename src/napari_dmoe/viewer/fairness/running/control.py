"""Runs an audit when told to, and puts what came of it on the shelf."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from weakref import ref

from napari.layers import Image

from napari_dmoe.inference.running.waiting import Timed, timed
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fairness.cohort.control import CohortControl
from napari_dmoe.viewer.fairness.cohort.reading import n_cases
from napari_dmoe.viewer.fairness.compared.control import ComparedControl
from napari_dmoe.viewer.fairness.compared.subjects import in_folders, why_not
from napari_dmoe.viewer.fairness.foot_view import AuditFoot
from napari_dmoe.viewer.fairness.running.auditing import (
    Done,
    Task,
    Teller,
    is_stopped,
    outcome,
    run_audit,
)
from napari_dmoe.viewer.fairness.shelf import Audit, Audits
from napari_dmoe.viewer.ui.work import BUSY, Order

if TYPE_CHECKING:
    from napari_dmoe.cohorts.datasets import Cohort

PROBLEMS = (
    "Some rows have problems: correct them and read the cohort again, or tick “Leave "
    "these rows out”."
)


class RunControl(Control):
    """Makes the foot's button run, stop and resume."""

    def __init__(
        self,
        bench: Bench,
        foot: AuditFoot,
        cohort: CohortControl,
        compared: ComparedControl,
        audits: Audits,
    ) -> None:
        super().__init__(bench, foot)
        self._foot, self._audits = foot, audits
        self._cohort, self._compared = cohort, compared
        self._task: Task | None = None
        self._layers: Mapping[str, ref[Image]] = {}
        self._n_done = 0
        foot.start_requested.connect(self.start)
        foot.stop_requested.connect(self._work.stop)
        cohort.changed.connect(self._on_cohort)
        compared.changed.connect(self.show)
        self._work.ended.connect(self.show)
        self.show()

    @property
    def why_not(self) -> str:
        """Why nothing can be run; nothing where it can."""
        reading = self._cohort.reading
        if reading is not None and reading.problems and not self._cohort.is_skipped:
            return PROBLEMS
        return why_not(reading, self._compared.subjects)

    def show(self) -> None:
        """Say what the button begins, or why it cannot."""
        output = self._compared.output
        stopped = output is not None and any(
            is_stopped(folder)
            for _, folder in in_folders(self._compared.subjects, output)
        )
        self._foot.show_start(self.why_not, is_resumed=stopped)

    def start(self) -> None:
        """Begin, or go on with what was stopped."""
        reading, output = self._cohort.reading, self._compared.output
        if self.why_not or reading is None or output is None or reading.cohort is None:
            self._work.say(self.why_not)
            return
        if self._work.is_busy:
            self._work.say(BUSY)
            return
        self._task = Task(
            reading.cohort,
            in_folders(self._compared.subjects, output),
            self._session.model,
            self._session.settings.device,
            self._compared.asks_every_value,
            self._cohort.is_skipped,
        )
        self._layers, self._n_done = reading.layers, 0
        teller = Teller()
        teller.told.connect(self._on_told)
        order = Order(
            title=f"dMoE: auditing {reading.wish.source.name}",
            status=f"Auditing {n_cases(reading.n)} …",
            work=partial(timed, run_audit, self._engines, teller, self._task),
            then=self._on_done,
            if_stopped=self._on_stopped,
            puts_layers=False,
        )
        self._work.start(order)

    def _on_cohort(self) -> None:
        self._compared.show_cohort(self._cohort.reading)
        self.show()

    def _on_told(self, done: Done) -> None:
        task = self._task
        if task is None:
            return
        audit = Audit(done.evaluated, task.cohort, self._layers, done.audited)
        self._audits.put(audit, beside=self._n_done > 0)
        self._n_done += 1

    def _on_done(self, made: Timed) -> str:
        output = self._task_output()
        self._task = None
        return outcome(made.found, output, made.why_slow)

    def _on_stopped(self) -> str:
        self._task = None
        return "Stopped. What is done is kept: press Resume to go on."

    def _task_output(self) -> str:
        task = self._task
        return "" if task is None else task.items[0][1].parent.name


def cohort_of(audits: Audits, ids: frozenset[str]) -> Cohort | None:
    """Return a cohort of an audit on the shelf that has certain cases."""
    for audit in audits.all:
        if audit.cohort is not None and ids <= {row.id for row in audit.cohort.rows}:
            return audit.cohort
    return None
